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

use self::{
    access_log::AccessLog,
    metrics::{Metrics, Tally},
};
pub(crate) use self::{
    access_log::shown::shown,
    board::Board,
    callers::Callers,
    history::{History, LENGTH, Second},
    radar::{Danger, Finding, Radar},
    recent::Recent,
    record::{AnsweredBy, Client, Peer, Record, Replayed, Sign, Signs, Usage, Waits},
};

pub(crate) mod access_log;
mod board;
mod callers;
mod history;
pub(crate) mod metrics;
pub(crate) mod radar;
mod recent;
mod record;

/// All that looks at the requests of one process.
pub(crate) struct Watch {
    pub(crate) metrics: Metrics,
    /// If there is somebody to show it to.
    board: Option<Arc<Mutex<Board>>>,
    inboxes: Arc<Inboxes>,
    /// Lines of the access log, if there is one.
    lost_lines: Option<Arc<AtomicU64>>,
    collector: Thread,
    collecting: Mutex<Option<JoinHandle<()>>>,
}

/// One thread's way to [`Watch`]: a request costs it neither a wait nor, mostly, a system call.
pub(crate) struct Recorder {
    tally: Arc<Tally>,
    inbox: Arc<Inbox>,
    collector: Thread,
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
    records: Mutex<Vec<Record>>,
    dropped: AtomicU64,
}

impl Watch {
    /// Starts a thread that takes the records and hands them on.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub(crate) fn start(access_log: Option<AccessLog>, has_board: bool) -> io::Result<Self> {
        let inboxes = Arc::<Inboxes>::default();
        let board = has_board.then(Arc::default);
        let lost_lines = access_log.as_ref().map(AccessLog::dropped);
        let collecting = {
            let (inboxes, board) = (inboxes.clone(), board.clone());
            let collect = move || collect(&inboxes, access_log, board.as_deref());
            thread::Builder::new()
                .name("orgproxy-watch".to_owned())
                .spawn(collect)?
        };
        Ok(Self {
            metrics: Metrics::new(),
            board,
            inboxes,
            lost_lines,
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
            collector: self.collector.clone(),
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
    /// Takes the record of a request that has ended.
    pub(crate) fn record(&self, record: Record) {
        self.tally.count(&record);
        let mut records = lock(&self.inbox.records);
        if records.len() >= MOST_WAITING {
            self.inbox.dropped.fetch_add(1, Relaxed);
            return;
        }
        let is_first = records.is_empty();
        records.push(record);
        drop(records);
        if is_first {
            self.collector.unpark();
        }
    }
}

impl Inboxes {
    fn take(&self) -> Vec<Record> {
        let all = lock(&self.all);
        let mut records = all
            .iter()
            .map(|inbox| mem::take(&mut *lock(&inbox.records)));
        let first = records.next().unwrap_or_default();
        records.fold(first, |mut all, more| {
            all.extend(more);
            all
        })
    }

    /// The number of records that nobody had time for.
    fn dropped(&self) -> u64 {
        let all = lock(&self.all);
        all.iter().map(|inbox| inbox.dropped.load(Relaxed)).sum()
    }
}

/// Takes records, many at a time, until there are no more to come.
fn collect(inboxes: &Inboxes, access_log: Option<AccessLog>, board: Option<&Mutex<Board>>) {
    let mut is_last = false;
    let mut missed = 0;
    while !is_last {
        thread::park();
        is_last = inboxes.stopping.load(Relaxed);
        if !is_last {
            #[expect(clippy::disallowed_methods, reason = "no connection is on this thread")]
            thread::sleep(PAUSE);
        }
        let records = inboxes.take();
        if let Some(log) = access_log.as_ref().filter(|_| !records.is_empty()) {
            log.offer(&records);
            let dropped = inboxes.dropped();
            log.miss(dropped - missed);
            missed = dropped;
        }
        if let Some(board) = board {
            lock(board).take(records, SystemTime::now());
        }
    }
    if let Some(log) = access_log {
        log.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records of one thread. At 30,000 requests a second they fill in a quarter of a second.
const MOST_WAITING: usize = 8192;

/// For more records to come, so that they are taken many at a time.
const PAUSE: Duration = Duration::from_millis(20);
