//! Spans of requests, sent to a collector by OTLP over HTTP.
//!
//! No request ever waits for it. A thread of its own makes spans of the records and posts them, many
//! at a time. So many records may wait for it and no more; what does not fit is left out and counted,
//! and so is what the collector does not take.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rustls::ClientConfig;
use tokio::{runtime, sync::Notify};

use self::{collector::Collector, sender::Sender, spans::Service};
use super::{Lap, Record};
use crate::{
    config::{Sampling, Traces},
    network::Dialer,
};

mod collector;
mod sender;
mod spans;
#[cfg(test)]
mod tests;

/// The way of records to a collector. Dropped, it sends no more than what its thread has in hand.
pub(crate) struct Export {
    sampling: Sampling,
    /// Bytes of records that may wait.
    room: usize,
    waiting: Arc<Waiting>,
}

/// What has passed between requests and the thread that sends.
#[derive(Default)]
struct Waiting {
    records: Mutex<Records>,
    /// For the thread.
    came: Notify,
    /// For whoever waits for its end.
    ended: Condvar,
    /// Spans that were lost, in all.
    lost: Arc<AtomicU64>,
}

#[derive(Default)]
struct Records {
    all: Vec<Record>,
    /// What they take in memory, more or less.
    bytes: usize,
    /// Spans of those that did not fit behind them.
    lost: u64,
    /// Spans of those that the thread is sending.
    in_hand: u64,
    is_closed: bool,
    /// Set when nobody waits for the end any more.
    is_abandoned: bool,
    /// Set when the thread has sent the last.
    has_ended: bool,
}

impl Export {
    /// Starts the thread that sends to the collector of `config`, on connections that `dialer` opens,
    /// with `tls` if it is to be.
    ///
    /// # Errors
    /// If the system refuses the thread or its event queue.
    pub(crate) fn start(config: &Traces, dialer: Dialer, tls: &ClientConfig) -> io::Result<Self> {
        let collector = Collector::new(config, dialer, tls);
        let collector = collector.ok_or(io::ErrorKind::InvalidInput)?;
        Self::with_room(config, collector, MOST_WAITING)
    }

    fn with_room(config: &Traces, collector: Collector, room: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let waiting = Arc::<Waiting>::default();
        let theirs = waiting.clone();
        let sender = Sender::new(collector, Service::new(config));
        thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || {
                runtime.block_on(sender.run(&theirs));
                theirs.end();
            })?;
        Ok(Self {
            sampling: config.sampling,
            room,
            waiting,
        })
    }

    pub(crate) fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Takes those of `records` that are to be sent, as far as there is room. Never waits for what is
    /// sent.
    pub(crate) fn offer(&self, records: &[Record]) {
        let mut waiting = self.waiting.lock();
        let mut lost = 0;
        for record in records {
            let trace = record.trace.as_ref().filter(|trace| trace.is_sampled);
            let Some(trace) = trace else { continue };
            if waiting.bytes < self.room {
                waiting.bytes += size(record);
                waiting.all.push(record.clone());
            } else {
                lost += trace.spans();
            }
        }
        waiting.lost += lost;
        let is_idle = waiting.all.is_empty() && lost == 0;
        drop(waiting);
        if !is_idle {
            self.waiting.lost.fetch_add(lost, Relaxed);
            self.waiting.came.notify_one();
        }
    }

    /// Takes note of spans that are lost before they could be offered.
    pub(crate) fn miss(&self, spans: u64) {
        if spans > 0 {
            self.waiting.lock().lost += spans;
            self.waiting.lost.fetch_add(spans, Relaxed);
            self.waiting.came.notify_one();
        }
    }

    /// The number of spans that were lost: for want of room, or because the collector did not take
    /// them. It goes on counting, and is there after the end.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        self.waiting.lost.clone()
    }

    /// Sends what is left, at most for [`LONGEST_CLOSE`].
    pub(crate) fn close(self) {
        let waiting = &self.waiting;
        let mut records = waiting.lock();
        records.is_closed = true;
        waiting.came.notify_one();
        let (mut records, timeout) = waiting
            .ended
            .wait_timeout_while(records, LONGEST_CLOSE, |records| !records.has_ended)
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let left_out = records.in_hand + spans_of(&records.all);
            records.is_abandoned = true;
            waiting.lost.fetch_add(left_out, Relaxed);
            waiting.came.notify_one();
            tracing::warn!(left_out, "stopped before all spans were sent");
        }
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.waiting.lock().is_closed = true;
        self.waiting.came.notify_one();
    }
}

impl Waiting {
    /// Waits until there is something to send or to say, or no more will come.
    async fn some(&self) {
        self.until(|records| !records.all.is_empty() || records.lost > 0 || records.is_closed)
            .await;
    }

    /// Waits until there is a whole batch, or no more will come.
    async fn batch(&self) {
        self.until(|records| records.all.len() >= BATCH || records.is_closed)
            .await;
    }

    /// Waits until no more will come.
    async fn closed(&self) {
        self.until(|records| records.is_closed).await;
    }

    /// Waits until nobody waits for what is left.
    async fn abandoned(&self) {
        self.until(|records| records.is_abandoned).await;
    }

    /// One waits at a time, so that no notice is lost.
    async fn until(&self, condition: impl Fn(&Records) -> bool) {
        while !condition(&self.lock()) {
            self.came.notified().await;
        }
    }

    /// Takes a batch. Returns how many spans were lost behind it, and whether it is the last.
    fn take(&self) -> (Vec<Record>, u64, bool) {
        let mut records = self.lock();
        let count = records.all.len().min(BATCH);
        let batch: Vec<_> = records.all.drain(..count).collect();
        records.in_hand = spans_of(&batch);
        let is_empty = records.all.is_empty();
        if is_empty {
            records.bytes = 0;
        } else {
            let bytes: usize = batch.iter().map(size).sum();
            records.bytes = records.bytes.saturating_sub(bytes);
        }
        let lost = std::mem::take(&mut records.lost);
        (batch, lost, is_empty && records.is_closed)
    }

    /// Notes what became of the batch in hand.
    fn put_down(&self, lost: u64) {
        let mut records = self.lock();
        records.in_hand = 0;
        if !records.is_abandoned {
            self.lost.fetch_add(lost, Relaxed);
        }
    }

    fn end(&self) {
        self.lock().has_ended = true;
        self.ended.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes in memory, more or less.
fn size(record: &Record) -> usize {
    let operation = record.operation.as_ref().map_or(0, |name| name.len());
    let laps = record.trace.as_ref().map_or(0, |trace| trace.laps.len());
    size_of::<Record>() + record.path.len() + operation + laps * size_of::<Lap>() + OTHERS
}

fn spans_of(records: &[Record]) -> u64 {
    let traces = records.iter().filter_map(|record| record.trace.as_ref());
    traces.map(|trace| trace.spans()).sum()
}

/// Bytes: some 10,000 records.
const MOST_WAITING: usize = 8 * 1024 * 1024;

/// Bytes of a record outside of it, but for its path.
const OTHERS: usize = 256;

/// Requests in one post.
const BATCH: usize = 512;

const LONGEST_CLOSE: Duration = Duration::from_secs(2);
