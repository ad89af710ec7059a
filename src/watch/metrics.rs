//! Counts of requests, for Prometheus.

use super::Record;

pub(crate) struct Metrics;

impl Metrics {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(super) fn tally(&self) -> std::sync::Arc<Tally> {
        std::sync::Arc::new(Tally)
    }
}

/// The counts of one thread.
pub(super) struct Tally;

impl Tally {
    pub(super) fn count(&self, _record: &Record) {}
}
