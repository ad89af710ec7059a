//! One thread that carries requests, with all that belongs to them.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    runtime,
    sync::{mpsc, oneshot},
};

use super::{
    framing::LONGEST_LINE,
    listen::Accepted,
    wire::{Line, Wire},
};
use crate::{
    auth::Sessions,
    config::{Config, Limits},
    guard::Guard,
    proxy::Proxy,
    stack::{Load, Stack},
    upstream::{Connector, Upstream},
};

/// A thread, its runtime, and a proxy for each org. A request, its client connection and its
/// connection to the org all live on one: nothing wakes another thread.
pub(super) struct Worker {
    arrivals: mpsc::UnboundedSender<Arrival>,
    /// How many connections were cut, when it has stopped.
    stopped: oneshot::Receiver<usize>,
}

/// What the proxies of all threads for one org share.
pub(super) struct Plan {
    pub(super) guard: Arc<Guard>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) connector: Arc<Connector>,
}

/// A new connection.
pub(super) struct Arrival {
    pub(super) accepted: Accepted,
    /// Which listener it came in by.
    pub(super) front: usize,
    pub(super) place: Place,
}

/// A connection's place among those that are open.
pub(super) struct Place {
    load: Arc<Load>,
    /// There was none left. The client is told so.
    surplus: bool,
}

impl Place {
    pub(super) fn take(load: &Arc<Load>) -> Self {
        let before = load.connections.fetch_add(1, Relaxed);
        Self {
            load: load.clone(),
            surplus: before >= load.most_connections,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.connections.fetch_sub(1, Relaxed);
    }
}

impl Worker {
    /// Starts thread `number`. `fronts` tells for each listener which plans are behind it.
    pub(super) fn start(
        number: usize,
        config: &Config,
        plans: &Arc<[Plan]>,
        fronts: &Arc<[Vec<usize>]>,
        load: &Arc<Load>,
    ) -> io::Result<Self> {
        let (arrivals, incoming) = mpsc::unbounded_channel();
        let (report, stopped) = oneshot::channel();
        let (plans, fronts, load) = (plans.clone(), fronts.clone(), load.clone());
        let (limits, grace) = (config.limits.clone(), config.grace);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name(format!("orgproxy-{number}"))
            .spawn(move || {
                let cut = runtime.block_on(async {
                    let stacks = stacks(&plans, &fronts, &load, &limits);
                    run(incoming, stacks, &limits, grace).await
                });
                // What is cut is gone before that is told.
                drop(runtime);
                let _ = report.send(cut);
            })?;
        Ok(Self { arrivals, stopped })
    }

    /// Where to send it new connections. It stops when all of these are gone.
    pub(super) fn arrivals(&self) -> mpsc::UnboundedSender<Arrival> {
        self.arrivals.clone()
    }

    /// Lets it finish what it has. Returns how many connections were cut.
    pub(super) async fn stop(self) -> usize {
        drop(self.arrivals);
        self.stopped.await.unwrap_or_default()
    }
}

fn stacks(
    plans: &[Plan],
    fronts: &[Vec<usize>],
    load: &Arc<Load>,
    limits: &Limits,
) -> Vec<Arc<Stack>> {
    let proxies: Vec<Arc<Proxy>> = plans
        .iter()
        .map(|plan| {
            Arc::new(Proxy {
                guard: plan.guard.clone(),
                sessions: plan.sessions.clone(),
                upstream: Upstream::new(plan.connector.clone(), limits),
                limits: limits.clone(),
            })
        })
        .collect();
    let stack = |orgs: &Vec<usize>| Stack {
        proxies: orgs.iter().map(|org| proxies[*org].clone()).collect(),
        load: load.clone(),
    };
    fronts.iter().map(stack).map(Arc::new).collect()
}

/// Serves connections until no more can come, then waits for those that are open, at most for
/// `grace`. Returns how many are left.
async fn run(
    mut incoming: mpsc::UnboundedReceiver<Arrival>,
    stacks: Vec<Arc<Stack>>,
    limits: &Limits,
    grace: Duration,
) -> usize {
    let http = http(limits);
    let graceful = GracefulShutdown::new();
    // Held by each connection, so that those left can be counted.
    let open = Arc::new(());
    while let Some(Arrival {
        accepted,
        front,
        place,
    }) = incoming.recv().await
    {
        let stack = stacks[front].clone();
        let surplus = place.surplus;
        let held = (place, open.clone());
        let served = match accepted {
            Accepted::Tcp(stream) => TcpStream::from_std(stream)
                .map(|stream| serve(stream, stack, &http, limits, surplus, held, &graceful)),
            Accepted::Unix(stream) => UnixStream::from_std(stream)
                .map(|stream| serve(stream, stack, &http, limits, surplus, held, &graceful)),
        };
        if let Err(error) = served {
            tracing::warn!("cannot serve a connection: {error}");
        }
    }
    match tokio::time::timeout(grace, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => Arc::strong_count(&open) - 1,
    }
}

/// Serves one connection in a task of its own, which drops `held` at its end.
fn serve<S>(
    stream: S,
    stack: Arc<Stack>,
    http: &auto::Builder<TokioExecutor>,
    limits: &Limits,
    surplus: bool,
    held: impl Send + 'static,
    graceful: &GracefulShutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let line = Arc::new(Line::default());
    let wire = Wire::new(stream, line.clone(), limits);
    let service = service_fn(move |request| {
        let (stack, line) = (stack.clone(), line.clone());
        // Boxed: an idle connection would otherwise hold room for the whole future.
        Box::pin(async move { Ok::<_, Infallible>(stack.answer(request, line, surplus).await) })
    });
    let connection = http
        .serve_connection(TokioIo::new(wire), service)
        .into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a client's connection ended: {error}");
        }
        drop(held);
    });
}

fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .max_headers(limits.headers)
        // What is not looked at must not get through.
        .max_buf_size(LONGEST_LINE)
        // `Wire` bounds it, at less cost.
        .header_read_timeout(None);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_read)
        .keep_alive_timeout(limits.header_read);
    http
}

/// On one HTTP/2 connection. What browsers and servers commonly allow.
const MAX_STREAMS: u32 = 100;
