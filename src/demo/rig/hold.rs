//! Responses that wait until a test lets them go.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use super::fault::concerns;

/// Holds the responses of some paths until [`Hold::release`], or until it is dropped.
#[must_use = "dropping it lets the requests go on"]
#[derive(Debug)]
pub struct Hold(Gate);

impl Hold {
    /// Lets go of everything, and holds nothing more.
    pub fn release(self) {}

    /// Number of requests that it holds now.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.open.close();
    }
}

/// The holds of an org.
#[derive(Debug, Default)]
pub(in crate::demo) struct Holds(Mutex<Vec<Gate>>);

impl Holds {
    pub(in crate::demo) fn add(&self, prefix: &str, place: Place) -> Hold {
        let gate = Gate {
            prefix: prefix.into(),
            place,
            open: Arc::new(Semaphore::new(0)),
            waiting: Arc::default(),
        };
        self.lock().push(gate.clone());
        Hold(gate)
    }

    pub(in crate::demo) fn find(&self, path: &str, wanted: impl Fn(Place) -> bool) -> Option<Gate> {
        let mut gates = self.lock();
        gates.retain(|gate| !gate.open.is_closed());
        gates
            .iter()
            .find(|gate| wanted(gate.place) && concerns(&gate.prefix, path))
            .cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Gate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place in an exchange where requests are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) enum Place {
    /// The head of the request has arrived; nothing of its body has been read.
    Request,
    /// So many bytes of the response's body have been sent.
    Body(u64),
}

#[derive(Debug, Clone)]
pub(in crate::demo) struct Gate {
    prefix: Arc<str>,
    pub(in crate::demo) place: Place,
    /// Never has permits; closing it lets the waiting ones continue.
    open: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

impl Gate {
    /// Calls `arrived` once it counts as waiting.
    pub(in crate::demo) async fn pass(&self, arrived: impl FnOnce()) {
        let _waiting = Waiting::new(&self.waiting);
        arrived();
        // The error is that it was closed, which is the signal to go on.
        let _ = self.open.acquire().await;
    }
}

/// Counts one that waits, however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
