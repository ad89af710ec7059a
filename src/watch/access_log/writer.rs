//! The thread that writes.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant, SystemTime},
};

use super::{PAUSE, Waiting, batch::Batch, format::Format, sink::Sink};

/// Writes what waits, and accounts for what was lost.
pub(super) struct Writer {
    sink: Sink,
    /// The sink, for people.
    name: String,
    format: Format,
    losses: Losses,
}

/// Lines that were lost, until that has been said.
#[derive(Default)]
struct Losses {
    /// Not yet said in the access log.
    unsaid: u64,
    /// Not yet said in the log.
    unwarned: u64,
    /// Why the last of them was lost.
    reason: String,
    warned: Option<Instant>,
}

impl Writer {
    pub(super) fn new(sink: Sink, name: String, format: Format) -> Self {
        Self {
            sink,
            name,
            format,
            losses: Losses::default(),
        }
    }

    /// Writes until the log is closed and nothing is left.
    pub(super) fn run(mut self, waiting: &Waiting) {
        let mut batch = Batch::default();
        loop {
            let timeout = self.losses.are_owed().then_some(RETRY);
            let (overflow, is_last) = waiting.take(&mut batch, timeout);
            // What was lost before comes first, then the lines, then what was lost behind them.
            self.say_losses();
            let failed = self.write(&batch);
            waiting.dropped.fetch_add(failed, Relaxed);
            if overflow > 0 {
                self.losses
                    .add(overflow, "they came faster than they could be written");
                self.say_losses();
            }
            self.losses.warn(&self.name, is_last);
            batch.clear();
            if is_last {
                break;
            }
        }
        waiting.end();
    }

    /// Returns how many could not be written.
    fn write(&mut self, batch: &Batch) -> u64 {
        if batch.is_empty() {
            return 0;
        }
        let (written, outcome) = self.sink.write(batch);
        let lost = (batch.len() - written) as u64;
        if let Err(error) = outcome {
            self.losses.add(lost, &error.to_string());
        }
        lost
    }

    /// Has a line of the access log say how many are missing there.
    fn say_losses(&mut self) {
        if self.losses.unsaid == 0 {
            return;
        }
        let mut notice = Batch::default();
        notice.add(|out| {
            let losses = &self.losses;
            self.format
                .write_loss(losses.unsaid, &losses.reason, SystemTime::now(), out);
        });
        match self.sink.write(&notice) {
            (_, Ok(())) => self.losses.unsaid = 0,
            (_, Err(error)) => self.losses.reason = error.to_string(),
        }
    }
}

impl Losses {
    fn add(&mut self, lines: u64, reason: &str) {
        self.unsaid += lines;
        self.unwarned += lines;
        reason.clone_into(&mut self.reason);
    }

    fn are_owed(&self) -> bool {
        self.unsaid > 0 || self.unwarned > 0
    }

    /// Says it in the log, once in a while.
    fn warn(&mut self, sink: &str, is_last: bool) {
        let is_time = self.warned.is_none_or(|warned| warned.elapsed() > PAUSE);
        if self.unwarned > 0 && (is_time || is_last) {
            let (left_out, reason) = (self.unwarned, &self.reason);
            tracing::warn!(
                left_out,
                "lines for the access log ({sink}) are lost: {reason}"
            );
            self.unwarned = 0;
            self.warned = Some(Instant::now());
        }
    }
}

/// Until the next attempt to say what was lost, if nothing else is to be written.
const RETRY: Duration = Duration::from_secs(1);
