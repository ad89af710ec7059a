//! The connections of one thread to one org: those that are idle, and those that are being opened.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::uri::Authority;
use tokio::{sync::oneshot, time::timeout};

use super::{
    connect::Connector,
    connection::{Connection, MOST_STREAMS, Shared},
};
use crate::{network::ConnectError, system::clocks::Clocks};

/// Connections that wait for work, the latest used on top: those below age, and are swept. And work
/// that waits for connections.
pub(super) struct Pool {
    connector: Arc<Connector>,
    state: Mutex<State>,
    /// The tick of the deadlines of connections.
    tick: Duration,
}

#[derive(Default)]
struct State {
    #[expect(clippy::vec_box, reason = "they go in and out whole")]
    exclusive: Vec<Box<Connection>>,
    /// Those of HTTP/2, which requests share.
    shared: Vec<Shared>,
    /// The requests that wait, in the order in which they came.
    waiters: BTreeMap<u64, Waiter>,
    /// The number of them that there have been.
    numbered: u64,
    /// The hosts to which connections are being opened.
    opening: Vec<Authority>,
    /// Whether the next connection is one that requests share, most likely.
    will_share: bool,
}

/// A request that waits for whichever comes first: a connection that is given back, or one that is
/// opened.
struct Waiter {
    authority: Authority,
    outcome: oneshot::Sender<Result<Box<Connection>, ConnectError>>,
}

impl Pool {
    /// An empty pool, and a task on this thread that sweeps it.
    pub(super) fn new(connector: Arc<Connector>, tick: Duration) -> Arc<Self> {
        let pool = Arc::new(Self {
            state: Mutex::new(State {
                will_share: connector.offers_http2(),
                ..State::default()
            }),
            connector,
            tick,
        });
        pool.connector.connections().include(&pool);
        let swept = Arc::downgrade(&pool);
        tokio::spawn(async move {
            let mut clocks = Clocks::now();
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                let Some(pool) = swept.upgrade() else { return };
                let before = std::mem::replace(&mut clocks, Clocks::now());
                pool.sweep(clocks.have_parted_since(before));
            }
        });
        pool
    }

    /// A connection to `authority` that is open as far as can be known.
    pub(super) async fn get(
        self: &Arc<Self>,
        authority: &Authority,
    ) -> Result<Box<Connection>, ConnectError> {
        loop {
            if let Some(connection) = self.take(authority).await {
                return Ok(connection);
            }
            // Boxed, since it is large and rare: every request would carry its room along.
            let mut connection = Box::pin(self.wait(authority)).await?;
            if !connection.is_reused() || connection.ready().await {
                return Ok(connection);
            }
        }
    }

    async fn take(&self, authority: &Authority) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.pop(authority)?;
            if connection.ready().await {
                return Some(connection);
            }
        }
    }

    fn pop(&self, authority: &Authority) -> Option<Box<Connection>> {
        let mut state = self.lock();
        if let Some(shared) = state.with_room(authority) {
            return Some(shared.share(self.tick));
        }
        // The instance may have moved: what leads elsewhere is dropped on the way.
        loop {
            let connection = state.exclusive.pop()?;
            if connection.leads_to(authority) {
                return Some(connection);
            }
        }
    }

    async fn wait(
        self: &Arc<Self>,
        authority: &Authority,
    ) -> Result<Box<Connection>, ConnectError> {
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut state = self.lock();
            state.numbered += 1;
            let number = state.numbered;
            let waiter = Waiter {
                authority: authority.clone(),
                outcome: sender,
            };
            state.waiters.insert(number, waiter);
            number
        };
        let mut waiting = Waiting {
            pool: self.clone(),
            number,
            outcome: receiver,
        };
        self.open();
        let limit = self.connector.longest();
        match timeout(limit, &mut waiting.outcome).await {
            Ok(Ok(outcome)) => outcome,
            // Others were before it, or a connection that was to be opened next is not there yet.
            Ok(Err(_)) | Err(_) => match self.lock().living(authority) {
                Some(shared) => Ok(shared.share(self.tick)),
                None => Err(ConnectError::late(authority, "waiting to connect", limit)),
            },
        }
    }

    /// Opens a connection for each who waits and has none under way, but few at a time.
    ///
    /// Each in a task of its own: it is of use to the next one if nobody waits for it any more. So
    /// requests that are given up at once do not cost a connection each.
    fn open(self: &Arc<Self>) {
        let mut state = self.lock();
        while let Some(authority) = state.wanted() {
            state.opening.push(authority.clone());
            let opening = Opening {
                pool: self.clone(),
                authority,
            };
            tokio::spawn(async move {
                let (pool, authority) = (opening.pool.clone(), opening.authority.clone());
                let opened = pool.connector.connect(&authority).await;
                drop(opening);
                pool.settle(&authority, opened);
                pool.open();
            });
        }
    }

    /// Gives an opened connection, or the error, to the request that waits for it; keeps a
    /// connection that none waits for.
    fn settle(&self, authority: &Authority, opened: Result<Box<Connection>, ConnectError>) {
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                let mut state = self.lock();
                // Each who waits is to hear of it soon, and not one after the other.
                state.will_share = false;
                // Better too many requests on one connection than none.
                while state.waits(authority)
                    && let Some(shared) = state.living(authority)
                {
                    let share = shared.share(self.tick);
                    state.offer(share);
                }
                if let Some(waiter) = state.first(authority) {
                    // If it has just gone, the next one finds out by itself.
                    let _ = waiter.outcome.send(Err(error));
                }
                return;
            }
        };
        let mut state = self.lock();
        let shared = connection.shared();
        state.will_share = shared.is_some();
        let Some(shared) = shared else {
            if let Some(unwanted) = state.offer(connection) {
                state.exclusive.extend(unwanted.rested());
            }
            return;
        };
        // Those that came before it may have room for all who wait.
        state.share_out(authority, self.tick);
        if state.with_room(authority).is_none() {
            state.shared.push(shared);
            state.offer(connection);
            state.share_out(authority, self.tick);
        }
    }

    /// Takes back a connection whose response has ended.
    pub(super) fn put(&self, connection: Box<Connection>) {
        let Some(connection) = connection.rested() else {
            return;
        };
        let mut state = self.lock();
        if let Some(unwanted) = state.offer(connection) {
            state.exclusive.push(unwanted);
        }
    }

    /// Drops all idle connections: they are likely to be as dead as one that just failed.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        state.exclusive.clear();
        state.shared.clear();
    }

    /// The number of connections that wait for work.
    pub(super) fn idle(&self) -> usize {
        self.lock().exclusive.len()
    }

    fn sweep(&self, all: bool) {
        if all {
            tracing::info!("the clock jumped, as after sleep; dropping idle connections");
            return self.clear();
        }
        let mut state = self.lock();
        state
            .exclusive
            .retain_mut(|connection| connection.outlives_sweep());
        state.shared.retain_mut(Shared::outlives_sweep);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One of the connections to `authority` that requests share, if one has room. What has ended or leads
    /// elsewhere is dropped on the way.
    fn with_room(&mut self, authority: &Authority) -> Option<&mut Shared> {
        self.shared
            .retain(|shared| shared.authority() == authority && !shared.is_closed());
        self.shared.iter_mut().find(|shared| shared.has_room())
    }

    /// One of the connections to `authority` that requests share, with room or without.
    fn living(&mut self, authority: &Authority) -> Option<&mut Shared> {
        let mut shared = self.shared.iter_mut();
        shared.find(|shared| shared.authority() == authority && !shared.is_closed())
    }

    /// Gives shares in connections to `authority` to those who wait for one.
    fn share_out(&mut self, authority: &Authority, tick: Duration) {
        while self.waits(authority)
            && let Some(shared) = self.with_room(authority)
        {
            let share = shared.share(tick);
            self.offer(share);
        }
    }

    fn waits(&self, authority: &Authority) -> bool {
        let mut waiters = self.waiters.values();
        waiters.any(|waiter| waiter.authority == *authority)
    }

    /// The host to open the next connection to, if that is for one who waits and has none under
    /// way.
    fn wanted(&self) -> Option<Authority> {
        if self.opening.len() >= MOST_OPENING {
            return None;
        }
        let mut last = None;
        let wanted = self.waiters.values().map(|waiter| &waiter.authority);
        // Nearly always there is but one.
        let mut wanted = wanted.filter(|authority| last.replace(*authority) != Some(*authority));
        let each = if self.will_share { MOST_STREAMS } else { 1 };
        let lacks = |authority: &&Authority| {
            let opening = self.opening.iter().filter(|other| other == authority);
            let waiting = self.waiters.values();
            let waiting = waiting.filter(|waiter| waiter.authority == **authority);
            opening.count() * each < waiting.count()
        };
        wanted.find(lacks).cloned()
    }

    /// Gives `connection` to who has waited longest for it. Returns it if nobody wants it.
    fn offer(&mut self, mut connection: Box<Connection>) -> Option<Box<Connection>> {
        while let Some(waiter) = self.first(connection.authority()) {
            match waiter.outcome.send(Ok(connection)) {
                Err(Ok(returned)) => connection = returned,
                Ok(()) | Err(Err(_)) => return None,
            }
        }
        Some(connection)
    }

    /// Takes out who has waited longest for a connection to `authority`.
    fn first(&mut self, authority: &Authority) -> Option<Waiter> {
        let mut waiters = self.waiters.iter();
        let (number, _) = waiters.find(|(_, waiter)| waiter.authority == *authority)?;
        let number = *number;
        self.waiters.remove(&number)
    }
}

/// A request's place among those that wait, and the connection that it is given.
struct Waiting {
    pool: Arc<Pool>,
    number: u64,
    outcome: oneshot::Receiver<Result<Box<Connection>, ConnectError>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.pool.lock().waiters.remove(&self.number);
        // Given, and not taken any more.
        if let Ok(Ok(connection)) = self.outcome.try_recv() {
            self.pool.put(connection);
        }
    }
}

/// A connection that is being opened.
struct Opening {
    pool: Arc<Pool>,
    authority: Authority,
}

impl Drop for Opening {
    fn drop(&mut self) {
        let opening = &mut self.pool.lock().opening;
        if let Some(index) = opening.iter().position(|other| *other == self.authority) {
            opening.swap_remove(index);
        }
    }
}

const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// At a time, on one thread: more than an org lets a user's long requests run at once, and few
/// enough to make no flood.
const MOST_OPENING: usize = 64;
