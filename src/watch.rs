//! What is seen of requests: each leaves one [`Record`], which feeds all that counts or shows any.

use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle, Thread},
    time::{Duration, SystemTime},
};

use http::HeaderMap;

use self::{
    access_log::AccessLog,
    batch::{Agents, Batch},
    export::Export,
    metrics::{Metrics, Tally},
};
pub(crate) use self::{
    access_log::shown::shown,
    batch::Slot,
    board::Board,
    callers::Callers,
    history::{History, LENGTH, Second},
    radar::{Danger, Finding, Radar},
    recent::Recent,
    record::{
        AnsweredBy, Client, Identity, KnownBy, Peer, Raised, Record, Replayed, Sign, Signs, Usage,
        Waits,
    },
    trace::{Lap, Trace, Wait},
};
use crate::config::Sampling;

pub(crate) mod access_log;
mod batch;
mod board;
mod callers;
#[cfg(feature = "otlp")]
pub(crate) mod export;
#[cfg(not(feature = "otlp"))]
#[path = "watch/export/absent.rs"]
pub(crate) mod export;
mod history;
pub(crate) mod metrics;
pub(crate) mod radar;
mod recent;
mod record;
mod trace;

/// All that looks at the requests of one process.
pub(crate) struct Watch {
    pub(crate) metrics: Metrics,
    /// If there is somebody to show it to.
    board: Option<Arc<Mutex<Board>>>,
    inboxes: Arc<Inboxes>,
    /// Lines of the access log, if there is one.
    lost_lines: Option<Arc<AtomicU64>>,
    /// Spans, if they are sent anywhere.
    lost_spans: Option<Arc<AtomicU64>>,
    sampling: Option<Sampling>,
    collector: Thread,
    collecting: Mutex<Option<JoinHandle<()>>>,
}

/// One thread's way to [`Watch`]: a request costs it neither a wait nor, mostly, a system call.
pub(crate) struct Recorder {
    tally: Arc<Tally>,
    inbox: Arc<Inbox>,
    agents: Mutex<Agents>,
    collector: Thread,
    /// Where spans are sent.
    sampling: Option<Sampling>,
}

/// The records that nobody has taken yet.
#[derive(Default)]
struct Inboxes {
    all: Mutex<Vec<Arc<Inbox>>>,
    stopping: AtomicBool,
}

/// Those of one thread.
#[derive(Default)]
struct Inbox {
    records: Mutex<Batch>,
    /// Records that nobody had time for.
    dropped: AtomicU64,
    /// Spans of those.
    dropped_spans: AtomicU64,
}

impl Watch {
    /// Starts a thread that takes the records and hands them on.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub(crate) fn start(
        access_log: Option<AccessLog>,
        export: Option<Export>,
        has_board: bool,
    ) -> io::Result<Self> {
        let inboxes = Arc::<Inboxes>::default();
        let board = has_board.then(Arc::default);
        let lost_lines = access_log.as_ref().map(AccessLog::dropped);
        let lost_spans = export.as_ref().map(Export::lost);
        let sampling = export.as_ref().map(Export::sampling);
        let collecting = {
            let (inboxes, board) = (inboxes.clone(), board.clone());
            let collect = move || collect(&inboxes, access_log, export, board.as_deref());
            thread::Builder::new()
                .name("orgproxy-watch".to_owned())
                .spawn(collect)?
        };
        Ok(Self {
            metrics: Metrics::new(),
            board,
            inboxes,
            lost_lines,
            lost_spans,
            sampling,
            collector: collecting.thread().clone(),
            collecting: Mutex::new(Some(collecting)),
        })
    }

    /// A recorder for one thread.
    pub(crate) fn recorder(&self) -> Recorder {
        let inbox = Arc::<Inbox>::default();
        lock(&self.inboxes.all).push(inbox.clone());
        Recorder {
            tally: self.metrics.tally(),
            inbox,
            agents: Mutex::default(),
            collector: self.collector.clone(),
            sampling: self.sampling,
        }
    }

    /// What people are shown, if there is somebody to show it to.
    pub(crate) fn board(&self) -> Option<MutexGuard<'_, Board>> {
        self.board.as_deref().map(lock)
    }

    /// The number of lines that the access log has lost, for whatever reason.
    pub(crate) fn lost_lines(&self) -> u64 {
        let lines = self.lost_lines.as_ref();
        lines.map_or(0, |lines| lines.load(Relaxed))
    }

    /// The number of spans that were not sent, for whatever reason.
    pub(crate) fn lost_spans(&self) -> u64 {
        let spans = self.lost_spans.as_ref();
        spans.map_or(0, |spans| spans.load(Relaxed))
    }

    /// Hands on what there is, and ends. To be called when no more requests come.
    pub(crate) fn stop(&self) {
        self.inboxes.stopping.store(true, Relaxed);
        self.collector.unpark();
        if let Some(collecting) = lock(&self.collecting).take() {
            // It has panicked, and said so.
            let _ = collecting.join();
        }
    }
}

impl Recorder {
    /// The place in a trace of a request with `headers`, where spans are sent.
    pub(crate) fn trace(&self, headers: &HeaderMap) -> Option<Box<Trace>> {
        Trace::begin(headers, self.sampling?).map(Box::new)
    }

    /// Takes the record that `make` makes of a request that has ended.
    pub(crate) fn record(&self, make: impl FnOnce(Slot<'_>) -> Record) {
        let (mut records, mut agents) = (lock(&self.inbox.records), lock(&self.agents));
        let is_first = records.is_empty();
        if records.len() >= MOST_WAITING {
            self.inbox.dropped.fetch_add(1, Relaxed);
            drop(records);
            let mut own = Batch::default();
            let record = own.add(&mut agents, make);
            let spans = record.trace.as_deref().map_or(0, Trace::spans);
            self.inbox.dropped_spans.fetch_add(spans, Relaxed);
            self.tally.count(record);
            return;
        }
        self.tally.count(records.add(&mut agents, make));
        drop(records);
        if is_first {
            self.collector.unpark();
        }
    }
}

impl Inboxes {
    /// Takes what is in each, in exchange for an empty one of `batches`.
    fn take(&self, batches: &mut Vec<Batch>) {
        let all = lock(&self.all);
        batches.resize_with(all.len(), Batch::default);
        for (inbox, batch) in all.iter().zip(batches) {
            batch.clear();
            mem::swap(&mut *lock(&inbox.records), batch);
        }
    }

    /// The number of records that nobody had time for, and that of their spans.
    fn dropped(&self) -> (u64, u64) {
        let all = lock(&self.all);
        let of =
            |count: fn(&Inbox) -> &AtomicU64| all.iter().map(|it| count(it).load(Relaxed)).sum();
        (of(|inbox| &inbox.dropped), of(|inbox| &inbox.dropped_spans))
    }
}

/// Takes records, many at a time, until there are no more to come.
fn collect(
    inboxes: &Inboxes,
    access_log: Option<AccessLog>,
    export: Option<Export>,
    board: Option<&Mutex<Board>>,
) {
    let mut is_last = false;
    let mut missed = (0, 0);
    let mut batches = Vec::new();
    while !is_last {
        thread::park();
        is_last = inboxes.stopping.load(Relaxed);
        if !is_last {
            #[expect(clippy::disallowed_methods, reason = "no connection is on this thread")]
            thread::sleep(PAUSE);
        }
        inboxes.take(&mut batches);
        for batch in batches.iter_mut().filter(|batch| !batch.is_empty()) {
            if let Some(log) = &access_log {
                log.offer(batch);
            }
            if let Some(export) = &export {
                export.offer(batch);
            }
            if let Some(board) = board {
                lock(board).take(batch, SystemTime::now());
            }
        }
        let dropped = inboxes.dropped();
        if let Some(log) = &access_log {
            log.miss(dropped.0 - missed.0);
        }
        if let Some(export) = &export {
            export.miss(dropped.1 - missed.1);
        }
        missed = dropped;
    }
    if let Some(log) = access_log {
        log.close();
    }
    if let Some(export) = export {
        export.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records of one thread. At 30,000 requests a second they fill in a quarter of a second.
const MOST_WAITING: usize = 8192;

/// For more records to come, so that they are taken many at a time.
const PAUSE: Duration = Duration::from_millis(20);
