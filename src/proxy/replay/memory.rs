//! The memory that the copies of all bodies share.

use std::{
    cmp::Reverse,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio::time::Instant;

use super::{Stream, lock, with_overhead};
use crate::system::telemetry::Throttle;

/// Memory that is taken in steps and given back as a whole.
pub(crate) struct ReplayMemory {
    /// Bytes.
    left: AtomicUsize,
    holders: Mutex<Holders>,
}

/// The bodies whose copies take some of it, and perhaps some that are gone.
#[derive(Default)]
struct Holders {
    all: Vec<Weak<Mutex<Stream>>>,
    /// Those that were there when it was last tidied.
    live: usize,
}

impl ReplayMemory {
    /// Memory of so many bytes.
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(bytes),
            holders: Mutex::default(),
        })
    }

    /// Has others give back what they have, until there are `bytes`, for the one body that is not
    /// complete without them. First go copies that only serve to send a body once more; then bodies
    /// that are kept whole but come slowly, the slowest first: their requests are refused.
    pub(super) fn make_room(&self, bytes: usize, wanting: &Mutex<Stream>) {
        let holders = self.holders().all.clone();
        let others: Vec<_> = holders.iter().filter_map(Weak::upgrade).collect();
        let others = others.iter().filter(|one| !std::ptr::eq(&***one, wanting));
        let mut spare = Vec::new();
        let mut slow = Vec::new();
        let now = Instant::now();
        for other in others {
            let stream = lock(other);
            if stream.is_spare() {
                spare.push((stream.share.taken, other));
            } else if let Some(rate) = stream.rate(now).filter(|rate| *rate < SLOW) {
                slow.push((rate, other));
            }
        }
        spare.sort_unstable_by_key(|(held, _)| Reverse(*held));
        slow.sort_unstable_by_key(|(rate, _)| *rate);
        for (_, other) in spare {
            if self.left() >= bytes {
                return;
            }
            lock(other).forget();
        }
        let mut refused = 0;
        for (_, other) in slow {
            if self.left() >= bytes {
                break;
            }
            refused += usize::from(lock(other).give_way());
        }
        if refused > 0
            && let Some(left_out) = THROTTLE.admit()
        {
            tracing::warn!(
                left_out,
                refused,
                "copies of bodies take all of limits.replay_memory; refused the requests whose \
                 bodies come most slowly"
            );
        }
    }

    fn add(&self, stream: &Weak<Mutex<Stream>>) {
        let mut holders = self.holders();
        if holders.all.len() >= 2 * holders.live + 16 {
            holders.all.retain(|one| one.strong_count() > 0);
            holders.live = holders.all.len();
        }
        holders.all.push(stream.clone());
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> usize {
        self.left.load(Relaxed)
    }

    /// Takes `bytes`, if there are as many.
    fn take(&self, bytes: usize) -> bool {
        self.left
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes))
            .is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Relaxed);
    }
}

/// Where a copy takes memory, and the body that it does so for.
pub(super) struct Source {
    pub(super) memory: Arc<ReplayMemory>,
    pub(super) stream: Weak<Mutex<Stream>>,
}

/// The part of it that one copy has.
///
/// A small one asks for nothing: what threads share costs more than it is worth there.
pub(super) struct Share {
    /// If it may ever need more than [`FREE`].
    source: Option<Source>,
    /// Bytes from there.
    taken: usize,
    used: usize,
    /// Bytes that one copy may have at most.
    most: usize,
}

impl Share {
    /// That of a body that is never kept beyond `most` bytes.
    pub(super) fn new(most: usize, source: Option<Source>) -> Self {
        Self {
            source,
            taken: 0,
            used: 0,
            most,
        }
    }

    /// Makes sure of memory for `bytes` in all, if there is as much.
    pub(super) fn reserve(&mut self, bytes: usize) -> bool {
        bytes <= self.granted() || bytes <= self.most && self.take(bytes - self.granted())
    }

    /// Uses `bytes` more, if it may.
    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        let used = self.used.saturating_add(bytes);
        if used > self.most {
            return false;
        }
        let missing = used.saturating_sub(self.granted());
        let may = missing == 0 || self.take(missing.max(STEP)) || self.take(missing);
        if may {
            self.used = used;
        }
        may
    }

    /// Returns whether it has any that others could have.
    pub(super) fn is_taken(&self) -> bool {
        self.taken > 0
    }

    /// The memory that it needs to use `bytes` more, and how many bytes, `least` of them in all; `None`
    /// if it may not have as much.
    pub(super) fn lacks(&self, bytes: usize, least: usize) -> Option<(Arc<ReplayMemory>, usize)> {
        let needed = self.used.saturating_add(bytes);
        let source = self.source.as_ref().filter(|_| needed <= self.most)?;
        let needed = needed.max(least.min(self.most));
        Some((source.memory.clone(), needed.saturating_sub(self.granted())))
    }

    /// Returns whether there is as much left for all as one copy may have.
    pub(super) fn is_plentiful(&self) -> bool {
        let left = |source: &Source| source.memory.left().saturating_add(self.granted());
        self.source
            .as_ref()
            .is_none_or(|source| left(source) >= self.most)
    }

    /// Gives back what is not used yet.
    pub(super) fn shrink(&mut self) {
        let needed = self.used.saturating_sub(with_overhead(FREE));
        let unused = self.taken.saturating_sub(needed);
        if let Some(source) = &self.source {
            source.memory.give_back(unused);
            self.taken -= unused;
        }
    }

    /// Gives everything back, and asks for no more.
    pub(super) fn end(&mut self) {
        if let Some(source) = self.source.take() {
            source.memory.give_back(self.taken);
        }
        self.taken = 0;
        self.most = 0;
    }

    fn granted(&self) -> usize {
        with_overhead(FREE) + self.taken
    }

    fn take(&mut self, bytes: usize) -> bool {
        let Some(source) = self
            .source
            .as_ref()
            .filter(|source| source.memory.take(bytes))
        else {
            return false;
        };
        if self.taken == 0 {
            source.memory.add(&source.stream);
        }
        self.taken += bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.end();
    }
}

/// Bytes of each copy that count for nothing.
pub(super) const FREE: usize = 8 * 1024;

/// Bytes that are taken at once.
pub(super) const STEP: usize = 64 * 1024;

/// Bytes per second. A body that comes no faster has to go where others lack the memory.
const SLOW: u64 = 64 * 1024;

static THROTTLE: Throttle = Throttle::new();

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proxy::replay::ClientFault;

    const GRATIS: usize = with_overhead(FREE);

    fn source(memory: &Arc<ReplayMemory>) -> Source {
        Source {
            memory: memory.clone(),
            stream: Weak::new(),
        }
    }

    #[test]
    fn shares_never_have_more_than_there_is_and_give_it_all_back() {
        let memory = ReplayMemory::new(200_000);
        let mut first = Share::new(150_000, Some(source(&memory)));
        assert!(first.spend(GRATIS));
        assert_eq!(memory.left(), 200_000);
        assert!(first.spend(1));
        assert_eq!(memory.left(), 200_000 - STEP);
        assert!(!first.spend(150_000 - GRATIS));
        assert!(first.spend(150_000 - GRATIS - 1));

        let mut second = Share::new(150_000, Some(source(&memory)));
        assert!(!second.reserve(100_000));
        assert!(second.reserve(50_000));
        assert!(!second.is_plentiful());
        first.end();
        assert!(!first.spend(1));
        assert!(second.is_plentiful());
        drop((first, second));
        assert_eq!(memory.left(), 200_000);
    }

    #[test]
    fn memory_at_its_edge_neither_overflows_nor_gives_what_it_has_not() {
        let none = ReplayMemory::new(1);
        let mut share = Share::new(1 << 20, Some(source(&none)));
        assert!(share.spend(GRATIS) && !share.is_plentiful());
        assert!(share.spend(1) && !share.spend(1));
        drop(share);
        assert_eq!(none.left(), 1);

        let endless = ReplayMemory::new(usize::MAX);
        let mut share = Share::new(usize::MAX, Some(source(&endless)));
        assert!(share.is_plentiful() && share.spend(1 << 40));
        drop(share);
        assert_eq!(endless.left(), usize::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn spare_copies_go_first_and_then_bodies_that_come_slowly() {
        let memory = ReplayMemory::new(200_000);
        let holder = |bytes: usize| {
            Arc::new_cyclic(|stream| {
                let (memory, stream) = (memory.clone(), stream.clone());
                let mut share = Share::new(1 << 20, Some(Source { memory, stream }));
                assert!(share.reserve(bytes));
                Mutex::new(Stream::new(share))
            })
        };
        let [spare, slow, fast, wanting] = [60_000, 50_000, 40_000, 30_000].map(holder);
        for (stream, held) in [(&slow, 1000), (&fast, 1_000_000), (&wanting, 0)] {
            let mut stream = lock(stream);
            (stream.must_be_whole, stream.is_kept) = (true, true);
            stream.held = held;
        }
        let fault = |stream| lock(stream).fault;
        tokio::time::advance(Duration::from_millis(900)).await;
        memory.make_room(100_000, &wanting);
        assert!(memory.left() >= 60_000 && !lock(&spare).share.is_taken());
        assert_eq!((fault(&spare), fault(&slow)), (None, None));
        tokio::time::advance(Duration::from_millis(100)).await;
        memory.make_room(memory.left(), &wanting);
        assert_eq!(fault(&slow), None);
        memory.make_room(200_000, &wanting);
        assert_eq!(fault(&slow), Some(ClientFault::Crowded));
        assert_eq!((fault(&fast), fault(&wanting)), (None, None));
        drop((slow, fast, wanting));
        assert_eq!(memory.left(), 200_000);
    }

    #[test]
    fn what_is_used_is_not_given_back_before_the_end() {
        let memory = ReplayMemory::new(200_000);
        let mut share = Share::new(1 << 20, Some(source(&memory)));
        assert!(share.reserve(150_000) && share.spend(GRATIS + 1000));
        share.shrink();
        assert_eq!(memory.left(), 199_000);
        share.shrink();
        assert!(share.spend(1) && memory.left() < 199_000);
        share.end();
        assert_eq!(memory.left(), 200_000);
    }

    #[test]
    fn a_share_without_memory_is_a_small_one() {
        let mut share = Share::new(1 << 20, None);
        assert!(share.reserve(GRATIS) && !share.reserve(GRATIS + 1));
        assert!(share.spend(GRATIS) && !share.spend(1));
    }
}
