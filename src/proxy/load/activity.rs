//! The activity of a connection.

use std::{
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

use super::{Load, MOST_HELD};

/// The activity of a connection, as its own thread notes it and others read it.
///
/// Counters are changed by a load and a store, which cost a tenth of an atomic addition.
#[derive(Default)]
pub(crate) struct Activity {
    load: Option<Arc<Load>>,
    /// Requests that came, pieces of responses that were taken, and responses that ended.
    moves: AtomicU64,
    /// Pieces of responses, the larger ones counted several times.
    given: AtomicU64,
    /// Requests whose responses have not ended.
    busy: AtomicUsize,
    /// Those of them whose response goes on when the client takes what there is.
    offered: AtomicUsize,
    /// Bodies whose next piece is for the client to send.
    awaited: AtomicUsize,
    /// Bytes of bodies.
    received: AtomicU64,
    /// Bytes of a head that has not come to its end.
    held: AtomicUsize,
    /// Requests that wait for room.
    waiting: AtomicUsize,
    /// Bytes of their heads.
    queued: AtomicUsize,
    /// Set once no more requests are wanted.
    stopping: OnceLock<Instant>,
    cut: AtomicBool,
    task: AtomicWaker,
}

impl Activity {
    pub(super) fn of(load: Arc<Load>) -> Self {
        Self {
            load: Some(load),
            ..Self::default()
        }
    }

    /// Notes that a request has come.
    pub(crate) fn begin(&self) {
        add(&self.moves, 1);
        let busy = self.busy.load(Relaxed);
        self.busy.store(busy + 1, Relaxed);
    }

    /// Notes that a response has ended.
    pub(crate) fn end(&self) {
        add(&self.moves, 1);
        let busy = self.busy.load(Relaxed);
        self.busy.store(busy - 1, Relaxed);
    }

    /// Returns whether the response to a request has not ended.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy() > 0
    }

    /// The requests whose responses have not ended.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Relaxed)
    }

    /// Returns whether all responses that there are go on when the client takes what there is.
    pub(crate) fn is_untaken(&self) -> bool {
        let (busy, offered) = (self.busy(), self.offered.load(Relaxed));
        offered > 0 && offered + self.waiting.load(Relaxed) >= busy
    }

    /// Notes that a piece of a response, of so many bytes, was handed out.
    pub(crate) fn give(&self, bytes: usize) {
        add(&self.moves, 1);
        add(&self.given, 1 + bytes as u64 / 4096);
    }

    /// The number of pieces that were handed out.
    pub(crate) fn given(&self) -> u64 {
        self.given.load(Relaxed)
    }

    /// Notes that a response waits for the client from now on, or no longer.
    pub(crate) fn offer(&self, begins: bool) {
        count(&self.offered, begins);
    }

    /// Notes that a body waits for the client from now on, or no longer.
    pub(crate) fn await_body(&self, begins: bool) {
        count(&self.awaited, begins);
    }

    /// Notes that so many bytes of a body came.
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.received, bytes as u64);
    }

    /// A number that changes whenever something is done.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(Relaxed)
    }

    pub(super) fn all_received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(super) fn awaits_body(&self) -> bool {
        self.awaited.load(Relaxed) > 0
    }

    /// Notes that so many bytes are taken by now by a head that has not come to its end, or are kept
    /// after a long one.
    pub(crate) fn hold(&self, bytes: usize) {
        let before = self.held.swap(bytes, Relaxed);
        self.count(before, bytes);
    }

    /// Notes that a request with a head of so many bytes waits for room.
    pub(super) fn queue(&self, bytes: usize) {
        self.waiting.fetch_add(1, Relaxed);
        self.queued.fetch_add(bytes, Relaxed);
        self.count(0, bytes);
    }

    /// Notes that it no longer does.
    pub(super) fn unqueue(&self, bytes: usize) {
        self.waiting.fetch_sub(1, Relaxed);
        let before = self.queued.load(Relaxed);
        let after = before.saturating_sub(bytes);
        self.queued.store(after, Relaxed);
        self.count(before, after);
    }

    /// Notes that the connection has ended. Its requests end soon, and nobody is cut off for them.
    pub(super) fn let_go(&self) {
        self.hold(0);
        self.count(self.queued.swap(0, Relaxed), 0);
    }

    /// Counts what is held on all connections.
    fn count(&self, before: usize, bytes: usize) {
        let Some(load) = self.load.as_ref().filter(|_| before != bytes) else {
            return;
        };
        load.heads.fetch_add(bytes, Relaxed);
        let all = load.heads.fetch_sub(before, Relaxed) - before;
        if bytes > before && all > MOST_HELD {
            load.drop_heads();
        }
    }

    /// Bytes of a head that has not come to its end, and of those that wait for room.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Relaxed) + self.queued.load(Relaxed)
    }

    /// Returns whether heads take more memory than they may, so that some are on their way out.
    pub(crate) fn is_crowded(&self) -> bool {
        let load = self.load.as_ref();
        load.is_some_and(|load| load.heads.load(Relaxed) > MOST_HELD)
    }

    /// Notes that no more requests are wanted.
    pub(crate) fn stop(&self) {
        self.stopping.get_or_init(Instant::now);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get().is_some()
    }

    /// Returns whether it is so long ago that requests which come now were sent all the same.
    pub(crate) fn has_stopped(&self) -> bool {
        let since = self.stopping.get();
        since.is_some_and(|since| since.elapsed() > ON_ITS_WAY)
    }

    /// Has the connection end, to make room.
    pub(super) fn cut_off(&self) {
        self.cut.store(true, Relaxed);
        self.task.wake();
    }

    /// Returns whether it is to end.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Notes which task to wake when it is to end.
    pub(crate) fn wakes(&self, task: &Waker) {
        self.task.register(task);
    }

    /// Waits until the connection is to end.
    pub(crate) async fn cut(&self) {
        poll_fn(|cx| {
            self.wakes(cx.waker());
            if self.is_cut() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// Between a client's connection and its request, two pieces of a request's head, or a request and the
/// word that none is wanted.
pub(crate) const ON_ITS_WAY: Duration = Duration::from_secs(1);

fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed) + more, Relaxed);
}

fn count(counter: &AtomicUsize, more: bool) {
    let now = counter.load(Relaxed);
    let then = if more { now + 1 } else { now - 1 };
    counter.store(then, Relaxed);
}
