//! An open connection, as it was when it was last looked at.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Activity, Wanted};

pub(super) struct Open {
    pub(super) activity: Arc<Activity>,
    moves: u64,
    received: u64,
    awaits_body: bool,
    /// Since when it has been so.
    since: Instant,
}

impl Open {
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        Self {
            activity,
            moves: 0,
            received: 0,
            awaits_body: false,
            since: Instant::now(),
        }
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// The time for which its client has kept the proxy waiting. `None` if it does not, or is cut
    /// off already.
    pub(super) fn idle(&mut self, now: Instant) -> Option<Duration> {
        let activity = &self.activity;
        let (moves, received) = (activity.moves(), activity.all_received());
        let awaits_body = activity.awaits_body();
        let elapsed = now - self.since;
        let moved = if awaits_body && self.awaits_body {
            u128::from(received - self.received) > elapsed.as_millis() * SLOW
        } else {
            moves != self.moves
        };
        if moved || awaits_body != self.awaits_body {
            self.since = now;
            (self.moves, self.received) = (moves, received);
            self.awaits_body = awaits_body;
        }
        let is_up_to_client = !activity.is_busy() || awaits_body || activity.is_untaken();
        (is_up_to_client && !activity.is_cut()).then(|| now - self.since)
    }

    /// Returns whether its end makes room for what is wanted.
    pub(super) fn counts_for(&self, wanted: Wanted) -> bool {
        wanted != Wanted::Request || self.activity.is_busy()
    }
}

/// Bytes per millisecond. A body that comes no faster while others wait may have to go.
const SLOW: u128 = 4;
