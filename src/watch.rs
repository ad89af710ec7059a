//! What is seen of requests: each leaves one [`Record`], which feeds all that counts or shows any.

use std::{
    mem, panic,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

pub(crate) use self::record::{
    AnsweredBy, Client, Peer, Record, Replayed, Sign, Signs, Usage, Waits,
};
use self::{
    access_log::AccessLog,
    metrics::{Metrics, Tally},
};

mod access_log;
pub(crate) mod metrics;
mod record;

/// All that looks at the requests of one process.
pub(crate) struct Watch {
    pub(crate) metrics: Metrics,
    inboxes: Mutex<Vec<Arc<Inbox>>>,
    stopping: AtomicBool,
}

/// One thread's way to [`Watch`]: a request costs it neither a wait nor, mostly, a system call.
pub(crate) struct Recorder {
    tally: Arc<Tally>,
    inbox: Arc<Inbox>,
}

/// The records of one thread that nobody has taken yet.
struct Inbox {
    records: Mutex<Vec<Record>>,
    dropped: AtomicU64,
    /// Who takes them.
    collector: Thread,
}

impl Recorder {
    /// Takes the record of a request that has ended.
    pub(crate) fn record(&self, record: Record) {
        self.tally.count(&record);
        let mut records = self.inbox.lock();
        if records.len() >= MOST_WAITING {
            self.inbox.dropped.fetch_add(1, Relaxed);
            return;
        }
        records.push(record);
        let is_first = records.len() == 1;
        drop(records);
        if is_first {
            self.inbox.collector.unpark();
        }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records of one thread. At 30,000 requests a second they fill in a third of a second.
const MOST_WAITING: usize = 8192;

/// For more records to come, so that they are taken many at a time.
const PAUSE: Duration = Duration::from_millis(20);
