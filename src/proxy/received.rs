//! The body of a request, as far as it has come.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Received {
    bytes: AtomicU64,
    ended: OnceLock<Instant>,
}

impl Received {
    /// Notes so many bytes more of it.
    pub(crate) fn add(&self, bytes: usize) {
        // All that belongs to a request is on one thread.
        let sum = self.bytes.load(Relaxed) + bytes as u64;
        self.bytes.store(sum, Relaxed);
    }

    /// The bytes that have come.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Notes that this was all, `now`.
    pub(crate) fn end(&self, now: Instant) {
        // The end that came first is the end.
        let _ = self.ended.set(now);
    }

    /// When the last byte came, if it has.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.ended.get().copied()
    }
}
