//! The thread that sends.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use super::{
    Record, Waiting,
    collector::{Collector, Fault},
    spans::{self, Service},
    spans_of,
};

/// Sends what waits, and accounts for what was lost.
pub(super) struct Sender {
    collector: Collector,
    service: Service,
    losses: Losses,
}

/// Spans that were lost, until the log has said so.
#[derive(Default)]
struct Losses {
    unwarned: u64,
    /// Why the last of them was lost.
    reason: String,
    warned: Option<Instant>,
}

impl Sender {
    pub(super) fn new(collector: Collector, service: Service) -> Self {
        Self {
            collector,
            service,
            losses: Losses::default(),
        }
    }

    /// Sends until no more will come and nothing is left, or nobody waits for that any more.
    pub(super) async fn run(mut self, waiting: &Waiting) {
        let mut is_last = false;
        while !is_last {
            if self.losses.are_owed() {
                // Nothing may come that would have the rest said.
                let _ = timeout(QUIET, waiting.some()).await;
            } else {
                waiting.some().await;
            }
            // More of them make a better batch.
            let _ = timeout(PAUSE, waiting.batch()).await;
            let (batch, overflow, was_last) = waiting.take();
            is_last = was_last;
            if !batch.is_empty() {
                let lost = self.deliver(&batch, waiting).await;
                waiting.put_down(lost);
            }
            self.losses
                .add(overflow, "they came faster than they could be sent");
            if waiting.lock().is_abandoned {
                return;
            }
            self.losses.warn(self.collector.name(), is_last);
        }
    }

    /// Sends a batch, again if that may help. Returns how many of its spans were lost.
    async fn deliver(&mut self, batch: &[Record], waiting: &Waiting) -> u64 {
        let body = Bytes::from(spans::encode(batch, &self.service));
        let mut pauses = PAUSES.iter();
        let fault = loop {
            let posted = timeout(LONGEST_POST, self.collector.post(body.clone()));
            let posted = tokio::select! {
                posted = posted => posted.unwrap_or_else(|_| Err(Fault::late(LONGEST_POST))),
                () = waiting.abandoned() => return 0,
            };
            let fault = match posted {
                Ok(0) => return 0,
                Ok(rejected) => {
                    // It can reject no more than there are.
                    let rejected = rejected.min(spans_of(batch));
                    self.losses.add(rejected, "the collector rejects them");
                    return rejected;
                }
                Err(fault) => fault,
            };
            match pauses.next() {
                Some(pause) if fault.may_pass && !waiting.lock().is_closed => {
                    // What comes meanwhile waits, and is counted where it does not fit.
                    let wanted = fault.pause.unwrap_or_default().min(LONGEST_PAUSE);
                    let pause = wanted.max(*pause);
                    tracing::debug!("sending spans again in {pause:?}: {}", fault.reason);
                    // At the end, once more and no more.
                    let _ = timeout(pause, waiting.closed()).await;
                }
                _ => break fault,
            }
        };
        let lost = spans_of(batch);
        self.losses.add(lost, &fault.reason);
        lost
    }
}

impl Losses {
    fn add(&mut self, spans: u64, reason: &str) {
        if spans > 0 {
            self.unwarned = self.unwarned.saturating_add(spans);
            reason.clone_into(&mut self.reason);
        }
    }

    fn are_owed(&self) -> bool {
        self.unwarned > 0
    }

    /// Says it in the log, once in a while.
    fn warn(&mut self, collector: &str, is_last: bool) {
        let is_time = self.warned.is_none_or(|warned| warned.elapsed() > QUIET);
        if self.unwarned > 0 && (is_time || is_last) {
            let (left_out, reason) = (self.unwarned, &self.reason);
            tracing::warn!(left_out, "spans for {collector} are lost: {reason}");
            self.unwarned = 0;
            self.warned = Some(Instant::now());
        }
    }
}

/// For more requests to end, so that their spans are sent together.
const PAUSE: Duration = Duration::from_secs(1);

/// One attempt, connecting included.
const LONGEST_POST: Duration = Duration::from_secs(10);

/// Before each further attempt.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Before any of them, if the collector asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Between two warnings.
const QUIET: Duration = Duration::from_secs(10);
