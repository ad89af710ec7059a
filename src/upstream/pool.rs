//! The idle connections of one thread to one org.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use http::uri::Authority;
use hyper::client::conn::http2;
use tokio::time::Instant;

use super::connection::Connection;
use crate::replay::Sending;

/// Connections that wait for work, the latest used on top: those below age, and are swept.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    /// For the deadlines of connections.
    tick: Duration,
}

#[derive(Default)]
struct Idle {
    #[expect(clippy::vec_box, reason = "they go in and out whole")]
    exclusive: Vec<Box<Connection>>,
    /// The one HTTP/2 connection that all requests share, and where it leads.
    shared: Option<(Authority, http2::SendRequest<Sending>)>,
}

impl Pool {
    /// An empty pool, and a task on this thread that sweeps it.
    pub(super) fn new(tick: Duration) -> Arc<Self> {
        let pool = Arc::new(Self {
            idle: Mutex::default(),
            tick,
        });
        let swept = Arc::downgrade(&pool);
        tokio::spawn(async move {
            let mut clocks = Clocks::now();
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                let Some(pool) = swept.upgrade() else { return };
                pool.sweep(clocks.jumped());
            }
        });
        pool
    }

    /// A connection to `authority` that is open as far as can be known.
    pub(super) async fn take(&self, authority: &Authority) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.pop(authority)?;
            if connection.ready().await {
                return Some(connection);
            }
        }
    }

    fn pop(&self, authority: &Authority) -> Option<Box<Connection>> {
        let mut idle = self.lock();
        if let Some((leads_to, sender)) = &idle.shared
            && leads_to == authority
            && !sender.is_closed()
        {
            return Some(Connection::share(
                authority.clone(),
                sender.clone(),
                self.tick,
            ));
        }
        // The instance may have moved: what leads elsewhere is dropped on the way.
        loop {
            let connection = idle.exclusive.pop()?;
            if connection.leads_to(authority) {
                return Some(connection);
            }
        }
    }

    /// Takes back a connection whose answer has ended.
    pub(super) fn put(&self, connection: Box<Connection>) {
        if let Some(connection) = connection.rested() {
            self.lock().exclusive.push(connection);
        }
    }

    /// Lets others use a new connection too, if that can be shared.
    pub(super) fn offer(&self, connection: &Connection) {
        if let Some(shared) = connection.shareable() {
            self.lock().shared = Some(shared);
        }
    }

    /// Drops all idle connections: they are likely to be as dead as one that just failed.
    pub(super) fn clear(&self) {
        *self.lock() = Idle::default();
    }

    fn sweep(&self, all: bool) {
        if all {
            tracing::info!("the clock jumped, as after sleep; dropping idle connections");
            return self.clear();
        }
        self.lock()
            .exclusive
            .retain_mut(|connection| connection.outlives_sweep());
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both clocks at one moment. They part when the machine sleeps or its time is set.
struct Clocks {
    monotonic: Instant,
    wall: SystemTime,
}

impl Clocks {
    fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Whether they have parted since they were last looked at.
    fn jumped(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        let monotonic = self.monotonic - before.monotonic;
        match self.wall.duration_since(before.wall) {
            Ok(wall) => wall.abs_diff(monotonic) > JUMP,
            Err(_) => true,
        }
    }
}

const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Further apart than clocks are adjusted smoothly.
const JUMP: Duration = Duration::from_secs(5);
