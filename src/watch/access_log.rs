//! The access log: one line per request, written by a thread of its own.
//!
//! No request ever waits for it. Lines wait in memory for the thread, so many bytes of them and no
//! more; what does not fit is left out and counted, and so is what cannot be written.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use self::{batch::Batch, format::Format, sink::Sink, writer::Writer};
use super::Record;
use crate::config;

mod batch;
pub(super) mod fields;
mod file;
mod format;
#[cfg(test)]
#[path = "../../tests/fuzz/access_log.rs"]
mod fuzz;
mod journal;
mod place;
pub(super) mod shown;
mod sink;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod writer;

/// The access log. Dropped, it writes no more than what its thread has in hand.
pub(crate) struct AccessLog {
    format: Format,
    /// What the lines go to, for people.
    name: String,
    /// Bytes of lines that may wait.
    room: usize,
    waiting: Arc<Waiting>,
}

/// What has passed between requests and the thread that writes.
struct Waiting {
    lines: Mutex<Lines>,
    changed: Condvar,
    /// Lines that were lost, in all.
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct Lines {
    batch: Batch,
    /// How many did not fit behind those.
    lost: u64,
    /// True while the thread writes. It cannot say what is lost then.
    is_writing: bool,
    /// When that was last said in place of the thread.
    warned: Option<Instant>,
    is_closed: bool,
    /// Set when the thread has written the last.
    has_ended: bool,
}

impl AccessLog {
    /// Opens what the lines go to, and starts the thread that writes. `None` if the log is off.
    ///
    /// # Errors
    /// What is wrong with the place, and what to do, as [`check`]; and if no thread can be had.
    pub(crate) fn open(config: &config::AccessLog) -> io::Result<Option<Self>> {
        let Some(place) = &config.sink else {
            return Ok(None);
        };
        let sink = Sink::open(place, config)?;
        sink.map(|sink| Self::start(sink, place.to_string(), Format::of(config), MOST_WAITING))
            .transpose()
    }

    fn start(sink: Sink, name: String, format: Format, room: usize) -> io::Result<Self> {
        let waiting = Arc::new(Waiting {
            lines: Mutex::default(),
            changed: Condvar::new(),
            dropped: Arc::default(),
        });
        let theirs = waiting.clone();
        let sink_name = name.clone();
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || Writer::new(sink, sink_name, format).run(&theirs))?;
        Ok(Self {
            format,
            name,
            room,
            waiting,
        })
    }

    /// Takes a line for each of `records`, as far as there is room. Never waits for what is written.
    pub(crate) fn offer(&self, records: &[Record]) {
        let mut lines = self.waiting.lock();
        let mut lost = 0;
        for record in records {
            if lines.batch.size() < self.room {
                lines.batch.add(|out| self.format.write(record, out));
            } else {
                lost += 1;
            }
        }
        lines.lost += lost;
        let unsaid = lines.unsaid();
        drop(lines);
        self.waiting.dropped.fetch_add(lost, Relaxed);
        self.waiting.changed.notify_all();
        if let Some(left_out) = unsaid {
            let name = &self.name;
            tracing::warn!(
                left_out,
                "lines for the access log ({name}) are lost: it takes them too slowly, or not at all"
            );
        }
    }

    /// Takes note of records that are lost before they could be offered.
    pub(crate) fn miss(&self, records: u64) {
        if records > 0 {
            self.waiting.lock().lost += records;
            self.waiting.dropped.fetch_add(records, Relaxed);
            self.waiting.changed.notify_all();
        }
    }

    /// The number of lines that were lost: for want of room, or because they could not be written.
    /// It goes on counting, and is there after the end.
    pub(crate) fn dropped(&self) -> Arc<AtomicU64> {
        self.waiting.dropped.clone()
    }

    /// Writes what is left, at most for a second.
    pub(crate) fn close(self) {
        let waiting = &self.waiting;
        let mut lines = waiting.lock();
        lines.is_closed = true;
        waiting.changed.notify_all();
        let (lines, timeout) = waiting
            .changed
            .wait_timeout_while(lines, LONGEST_CLOSE, |lines| !lines.has_ended)
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let left_out = lines.batch.len();
            tracing::warn!(left_out, "stopped before the access log was written");
        }
    }
}

impl Lines {
    /// Returns how many are lost so far, if it is time to say that and the thread cannot.
    fn unsaid(&mut self) -> Option<u64> {
        let is_time = self.warned.is_none_or(|warned| warned.elapsed() > PAUSE);
        if self.lost == 0 || !self.is_writing || !is_time {
            return None;
        }
        self.warned = Some(Instant::now());
        Some(self.lost)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.waiting.lock().is_closed = true;
        self.waiting.changed.notify_all();
    }
}

impl Waiting {
    /// Puts all lines that wait into `batch`, which is empty, and waits for some if there are none,
    /// at most for `timeout`. Returns how many were lost behind them, and whether no more will come.
    fn take(&self, batch: &mut Batch, timeout: Option<Duration>) -> (u64, bool) {
        let is_idle =
            |lines: &mut Lines| lines.batch.is_empty() && lines.lost == 0 && !lines.is_closed;
        let mut lines = self.lock();
        lines.is_writing = false;
        let mut lines = match timeout {
            Some(timeout) => {
                let waited = self.changed.wait_timeout_while(lines, timeout, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(lines, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        lines.is_writing = true;
        std::mem::swap(&mut lines.batch, batch);
        (std::mem::take(&mut lines.lost), lines.is_closed)
    }

    fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries whether the access log could be written, and creates nothing.
///
/// # Errors
/// What is wrong with the place, and what to do.
pub(crate) fn check(config: &config::AccessLog) -> io::Result<()> {
    sink::check(config)
}

/// Some 50,000 lines.
const MOST_WAITING: usize = 8 * 1024 * 1024;

/// Between two warnings.
const PAUSE: Duration = Duration::from_secs(10);

const LONGEST_CLOSE: Duration = Duration::from_secs(1);
