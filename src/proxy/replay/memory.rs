//! The memory that the copies of all bodies share.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::with_overhead;
use crate::proxy::load::Activity;

/// Memory that is taken in steps and given back as a whole.
pub(crate) struct ReplayMemory {
    /// Bytes.
    left: AtomicUsize,
}

impl ReplayMemory {
    /// Memory of so many bytes.
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(bytes),
        })
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

/// Where a copy takes memory, and the connection that it does so for.
pub(super) struct Source {
    pub(super) memory: Arc<ReplayMemory>,
    pub(super) activity: Arc<Activity>,
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

    /// Returns whether it may use `bytes` more as soon as there is as much, and has clients that keep
    /// theirs waiting give some back.
    pub(super) fn waits_for(&self, bytes: usize) -> bool {
        let Some(source) = &self.source else {
            return false;
        };
        let may = self.used.saturating_add(bytes) <= self.most;
        if may {
            source.activity.needs_memory(bytes.max(STEP));
        }
        may
    }

    /// Returns whether there is as much left for all as one copy may have.
    pub(super) fn is_plentiful(&self) -> bool {
        let left = |source: &Source| source.memory.left().saturating_add(self.granted());
        self.source
            .as_ref()
            .is_none_or(|source| left(source) >= self.most)
    }

    /// Gives everything back, and asks for no more.
    pub(super) fn end(&mut self) {
        if let Some(source) = self.source.take() {
            source.memory.give_back(self.taken);
            source.activity.let_go(self.taken);
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
        source.activity.keep(bytes);
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
const STEP: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{config::Limits, proxy::load::Load};

    const GRATIS: usize = with_overhead(FREE);

    fn source(memory: &Arc<ReplayMemory>) -> Source {
        Source {
            memory: memory.clone(),
            activity: Arc::default(),
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
    async fn a_client_that_keeps_its_copy_waiting_gives_it_back_to_one_that_needs_it() {
        let load = Arc::new(Load::new(&Limits::default(), 1000));
        let memory = ReplayMemory::new(100_000);
        let mut permits = Vec::new();
        for _ in 0..2 {
            permits.push(load.admit().await.unwrap());
        }
        let [slow, fast] = [&permits[0], &permits[1]].map(|permit| permit.activity.clone());
        let share = |activity: &Arc<Activity>| {
            let (memory, activity) = (memory.clone(), activity.clone());
            Share::new(80_000, Some(Source { memory, activity }))
        };
        let (mut kept, mut needed) = (share(&slow), share(&fast));
        slow.begin();
        slow.await_body(true);
        assert!(kept.reserve(80_000) && !needed.reserve(80_000));
        assert!(!needed.waits_for(80_001));
        // It is slow only once it has been looked at twice.
        for _ in 0..2 {
            assert!(!slow.is_cut() && needed.waits_for(70_000));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(slow.is_cut() && !fast.is_cut());
        drop(kept);
        assert!(needed.reserve(80_000));
    }

    #[test]
    fn a_share_without_memory_is_a_small_one() {
        let mut share = Share::new(1 << 20, None);
        assert!(share.reserve(GRATIS) && !share.reserve(GRATIS + 1));
        assert!(share.spend(GRATIS) && !share.spend(1));
    }
}
