//! The pace at which a client sends a body.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::ClientFault;
use crate::{config::Limits, proxy::load::Activity, system::deadline::Deadline};

/// Counts how long a client was waited for, and what came of it.
///
/// A client may pause while it computes, and a slow link is no fault of its. But whoever sends a
/// byte now and then would hold its place forever.
pub(super) struct Pace {
    activity: Arc<Activity>,
    /// The longest pause.
    idle: Duration,
    deadline: Deadline,
    /// Bytes per second.
    least: u64,
    /// Time for which nothing is asked of it.
    grace: Duration,
    waited: Duration,
    received: u64,
    waits: bool,
}

impl Pace {
    pub(super) fn new(activity: Arc<Activity>, limits: &Limits) -> Self {
        Self {
            activity,
            idle: limits.idle_body,
            deadline: Deadline::new(limits.idle_body),
            least: limits.body_rate as u64,
            grace: limits.idle_body.saturating_mul(PAUSES),
            waited: Duration::ZERO,
            received: 0,
            waits: false,
        }
    }

    /// The next piece is for the client to send. Ready once it has paused for too long.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<ClientFault> {
        if !self.waits {
            self.waits = true;
            self.activity.await_body(true);
        }
        let idle = self.idle;
        self.deadline.poll(cx).map(|()| ClientFault::Stalled(idle))
    }

    /// A piece came, of so many bytes.
    ///
    /// # Errors
    /// If that was too slow.
    pub(super) fn came(&mut self, bytes: usize, now: Instant) -> Result<(), ClientFault> {
        self.end();
        let waited = self.deadline.waited(now);
        self.deadline.set(self.idle);
        if self.is_slow(bytes, waited) {
            return Err(ClientFault::Slow(self.least));
        }
        Ok(())
    }

    fn is_slow(&mut self, bytes: usize, waited: Duration) -> bool {
        self.activity.received(bytes);
        self.received += bytes as u64;
        self.waited = self.waited.saturating_add(waited);
        let due = self.waited.saturating_sub(self.grace).as_secs_f64() * self.least as f64;
        due > self.received as f64
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.activity.await_body(false);
        }
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.end();
    }
}

/// The number of pauses of the longest kind that a client may make before anything is asked of it.
const PAUSES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_pause_and_be_slow_but_not_drip_for_ever() {
        let limits = Limits::default();
        let fails = |bytes, pause: u64| {
            let mut pace = Pace::new(Arc::default(), &limits);
            (0..100_000 / pause).any(|_| pace.is_slow(bytes, Duration::from_secs(pause)))
        };
        // A slow link; a client that computes for two minutes before each page of records.
        assert!(!fails(100, 1));
        assert!(!fails(4096, 119));
        assert!(fails(1, 1));
        assert!(fails(1, 119));
    }
}
