//! The memory that the copies of all bodies share.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::with_overhead;

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

/// The part of it that one copy has.
///
/// A small one asks for nothing: what threads share costs more than it is worth there.
pub(super) struct Share {
    /// If it may ever need more than [`FREE`].
    memory: Option<Arc<ReplayMemory>>,
    /// Bytes from there.
    taken: usize,
    used: usize,
    /// Bytes that one copy may have at most.
    most: usize,
}

impl Share {
    /// That of a body that is never kept beyond `most` bytes.
    pub(super) fn new(most: usize, memory: Option<&Arc<ReplayMemory>>) -> Self {
        Self {
            memory: memory.cloned(),
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

    /// Returns whether there is as much left for all as one copy may have.
    pub(super) fn is_plentiful(&self) -> bool {
        self.memory
            .as_ref()
            .is_none_or(|memory| memory.left().saturating_add(self.granted()) >= self.most)
    }

    /// Gives everything back, and asks for no more.
    pub(super) fn end(&mut self) {
        if let Some(memory) = self.memory.take() {
            memory.give_back(self.taken);
        }
        self.taken = 0;
        self.most = 0;
    }

    fn granted(&self) -> usize {
        with_overhead(FREE) + self.taken
    }

    fn take(&mut self, bytes: usize) -> bool {
        let may = self
            .memory
            .as_ref()
            .is_some_and(|memory| memory.take(bytes));
        if may {
            self.taken += bytes;
        }
        may
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
    use super::*;

    const GRATIS: usize = with_overhead(FREE);

    #[test]
    fn shares_never_have_more_than_there_is_and_give_it_all_back() {
        let memory = ReplayMemory::new(200_000);
        let mut first = Share::new(150_000, Some(&memory));
        assert!(first.spend(GRATIS));
        assert_eq!(memory.left(), 200_000);
        assert!(first.spend(1));
        assert_eq!(memory.left(), 200_000 - STEP);
        assert!(!first.spend(150_000 - GRATIS));
        assert!(first.spend(150_000 - GRATIS - 1));

        let mut second = Share::new(150_000, Some(&memory));
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
        let mut share = Share::new(1 << 20, Some(&none));
        assert!(share.spend(GRATIS) && !share.is_plentiful());
        assert!(share.spend(1) && !share.spend(1));
        drop(share);
        assert_eq!(none.left(), 1);

        let endless = ReplayMemory::new(usize::MAX);
        let mut share = Share::new(usize::MAX, Some(&endless));
        assert!(share.is_plentiful() && share.spend(1 << 40));
        drop(share);
        assert_eq!(endless.left(), usize::MAX);
    }

    #[test]
    fn a_share_without_memory_is_a_small_one() {
        let mut share = Share::new(1 << 20, None);
        assert!(share.reserve(GRATIS) && !share.reserve(GRATIS + 1));
        assert!(share.spend(GRATIS) && !share.spend(1));
    }
}
