//! One thread that carries requests, with all that belongs to them.

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll, thread, time::Duration};

use http::{Method, Request, Version, uri::Authority};
use hyper::{body::Incoming, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    runtime,
    sync::{mpsc, oneshot, watch},
};

use super::{
    framing::LONGEST_LINE,
    listen::Accepted,
    strict_stream::StrictStream,
    tls::{self, TlsListener},
    tunnel::Tunnels,
};
use crate::{
    auth::Sessions,
    config::{self, Config, Limits},
    proxy::{
        Proxy,
        connection_state::ConnectionState,
        delivery::Delivery,
        guard::Guard,
        load::{Activity, Load, Permit},
        placeholder::Placeholders,
        replay::Budget,
        stack::Stack,
        upstream::{Connector, Upstream},
    },
    system::{chain::causes, telemetry::Throttle},
};

/// A thread, its runtime, and a proxy for each org. A request, its client connection and its
/// connection to the org all live on one: nothing wakes another thread.
pub(super) struct Worker {
    new_connections: mpsc::UnboundedSender<NewConnection>,
    /// How many connections were cut, when it has stopped.
    stopped: oneshot::Receiver<usize>,
}

/// The state that the proxies of all threads for one org share.
pub(super) struct OrgRuntime {
    pub(super) org: Arc<config::Org>,
    pub(super) placeholders: Arc<Placeholders>,
    pub(super) guard: Arc<Guard>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) connector: Arc<Connector>,
    /// For the copies of bodies, of all orgs.
    pub(super) replay_memory: Arc<Budget>,
    /// The way to the Pub/Sub API, and where that is.
    pub(super) calls: Option<(Arc<Connector>, Authority)>,
}

/// The facts about a listener that all threads know.
pub(super) struct Listener {
    /// The orgs behind it.
    pub(super) orgs: Vec<usize>,
    /// Whether it is for the Pub/Sub API.
    pub(super) calls: bool,
    /// If clients speak TLS to it.
    pub(super) tls: Option<TlsListener>,
}

/// A new connection.
pub(super) struct NewConnection {
    pub(super) accepted: Accepted,
    /// The listener that it came in on.
    pub(super) listener: usize,
    pub(super) permit: Permit,
}

impl Worker {
    /// Starts thread `number`. `listeners` has what there is to know of each listener.
    pub(super) fn start(
        number: usize,
        config: &Config,
        orgs: &Arc<[OrgRuntime]>,
        listeners: &Arc<[Listener]>,
        tunnels: Option<&Arc<Tunnels>>,
        load: &Arc<Load>,
    ) -> io::Result<Self> {
        let (new_connections, incoming) = mpsc::unbounded_channel();
        let (report, stopped) = oneshot::channel();
        let (orgs, listeners, load) = (orgs.clone(), listeners.clone(), load.clone());
        let (limits, grace) = (config.limits.clone(), config.grace);
        let tunnels = tunnels.cloned();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name(format!("orgproxy-{number}"))
            .spawn(move || {
                let cut = runtime.block_on(async {
                    let stacks = stacks(&orgs, &listeners, &load, &limits);
                    run(incoming, &listeners, stacks, limits, tunnels, grace).await
                });
                // What is cut is gone before that is told.
                drop(runtime);
                let _ = report.send(cut);
            })?;
        Ok(Self {
            new_connections,
            stopped,
        })
    }

    /// Where to send it new connections. It stops when all of these are gone.
    pub(super) fn new_connections(&self) -> mpsc::UnboundedSender<NewConnection> {
        self.new_connections.clone()
    }

    /// Lets it finish what it has. Returns how many connections were cut.
    pub(super) async fn stop(self) -> usize {
        drop(self.new_connections);
        self.stopped.await.unwrap_or_default()
    }
}

fn stacks(
    orgs: &[OrgRuntime],
    listeners: &[Listener],
    load: &Arc<Load>,
    limits: &Limits,
) -> Vec<Arc<Stack>> {
    let proxies: Vec<_> = orgs
        .iter()
        .map(|org| {
            let upstream = Upstream::new(org.connector.clone(), limits);
            Arc::new(org.proxy(upstream, limits.clone()))
        })
        .collect();
    let calls: Vec<_> = orgs
        .iter()
        .map(|org| org.calls(limits).map(Arc::new))
        .collect();
    let behind = |listener: &Listener, org: &usize| match listener.calls {
        true => calls[*org].clone(),
        false => Some(proxies[*org].clone()),
    };
    let stack = |listener: &Listener| Stack {
        proxies: listener
            .orgs
            .iter()
            .filter_map(|org| behind(listener, org))
            .collect(),
        load: load.clone(),
        calls: listener.calls,
    };
    listeners.iter().map(stack).map(Arc::new).collect()
}

impl OrgRuntime {
    fn proxy(&self, upstream: Upstream, limits: Limits) -> Proxy {
        Proxy {
            org: self.org.clone(),
            placeholders: self.placeholders.clone(),
            guard: self.guard.clone(),
            delivery: Delivery {
                org: self.org.clone(),
                sessions: self.sessions.clone(),
                upstream,
                replay_bytes: limits.replay_bytes,
            },
            limits,
            replay_memory: self.replay_memory.clone(),
        }
    }

    /// The proxy for the Pub/Sub API, where a call is open for days, while the client asks for
    /// nothing new and Salesforce says every 270 s that there is nothing
    /// ([`crate::salesforce::facts::families`]).
    fn calls(&self, limits: &Limits) -> Option<Proxy> {
        let (connector, endpoint) = self.calls.clone()?;
        let theirs = Limits {
            idle_body: LONGEST_SILENCE,
            ..limits.clone()
        };
        let ours = Limits {
            idle_body: FOREVER,
            // A call that goes on for days must not keep much of what it has said.
            replay_bytes: limits.replay_bytes.min(MOST_OF_A_CALL),
            ..limits.clone()
        };
        let upstream = Upstream::to(connector, endpoint, &theirs);
        Some(self.proxy(upstream, ours))
    }
}

/// Serves connections until no more can come, then waits for those that are open, at most for
/// `grace`. Returns how many are left.
async fn run(
    mut incoming: mpsc::UnboundedReceiver<NewConnection>,
    listeners: &[Listener],
    stacks: Vec<Arc<Stack>>,
    limits: Limits,
    tunnels: Option<Arc<Tunnels>>,
    grace: Duration,
) -> usize {
    let (stopping, stop) = watch::channel(());
    let context = Arc::new(WorkerContext {
        http: http(&limits),
        limits,
        tunnels,
        stop,
    });
    // Held by each connection, so that those left can be counted.
    let open = Arc::new(());
    while let Some(NewConnection {
        accepted,
        listener,
        permit,
    }) = incoming.recv().await
    {
        let client = Connection {
            stack: stacks[listener].clone(),
            surplus: permit.surplus,
            context: context.clone(),
            activity: permit.activity.clone(),
            held: Arc::new((permit, open.clone())),
        };
        let served = match (accepted, listeners[listener].tls.clone()) {
            (Accepted::Tcp(stream), None) => {
                let state = ConnectionState::at(port_of(&stream));
                TcpStream::from_std(stream).map(|stream| client.serve(stream, state))
            }
            (Accepted::Tcp(stream), Some(tls)) => {
                let state = ConnectionState::at(port_of(&stream)).by_tls(tls.asks);
                TcpStream::from_std(stream).map(|stream| {
                    tokio::spawn(async move {
                        let handshake = tls::accept(stream, &tls.acceptor);
                        if let Some(Some(stream)) = client.in_time(handshake).await {
                            let protocol = tls::agreed(&stream);
                            client.serve(stream, state.speaking(protocol));
                        }
                    });
                })
            }
            (Accepted::Unix(stream), _) => UnixStream::from_std(stream)
                .map(|stream| client.serve(stream, ConnectionState::default())),
        };
        if let Err(error) = served
            && let Some(left_out) = THROTTLE.admit()
        {
            tracing::warn!(left_out, "cannot serve a connection: {error}");
        }
    }
    drop(context);
    stopping.send_replace(());
    match tokio::time::timeout(grace, stopping.closed()).await {
        Ok(()) => 0,
        Err(_) => Arc::strong_count(&open) - 1,
    }
}

fn port_of(stream: &std::net::TcpStream) -> Option<u16> {
    stream.local_addr().ok().map(|address| address.port())
}

/// The state that all connections of a thread share.
struct WorkerContext {
    http: auto::Builder<TokioExecutor>,
    limits: Limits,
    /// If any org stands in for other hosts.
    tunnels: Option<Arc<Tunnels>>,
    /// Changes when no more connections come.
    stop: watch::Receiver<()>,
}

/// A client's connection, but for its bytes.
#[derive(Clone)]
struct Connection {
    stack: Arc<Stack>,
    surplus: bool,
    context: Arc<WorkerContext>,
    activity: Arc<Activity>,
    /// Dropped when it has ended, with all that was in it.
    #[expect(dead_code, reason = "held for its drop")]
    held: Arc<dyn Send + Sync>,
}

impl Connection {
    /// Serves the connection in a task of its own.
    fn serve<S>(self, stream: S, state: ConnectionState)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self.context.tunnels.clone() {
            Some(tunnels) if self.stack.intercepts() => {
                self.serve_with_tunnels(stream, state, tunnels);
            }
            _ => self.serve_requests(stream, state),
        }
    }

    fn serve_requests<S>(self, stream: S, state: ConnectionState)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let state = Arc::new(state.noted_in(self.activity.clone()));
        let wire = StrictStream::new(stream, state.clone(), &self.context.limits);
        let (stack, surplus) = (self.stack.clone(), self.surplus);
        let service = service_fn(move |request: Request<Incoming>| {
            let (stack, state) = (stack.clone(), state.clone());
            let (parts, body) = request.into_parts();
            stack.answer(Box::new(parts), body, state, surplus)
        });
        let http = &self.context.http;
        let connection = http.serve_connection(TokioIo::new(wire), service);
        let connection = connection.into_owned();
        self.drive(connection);
    }

    /// As `serve_requests`, and answers `CONNECT`.
    fn serve_with_tunnels<S>(self, stream: S, state: ConnectionState, tunnels: Arc<Tunnels>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let state = Arc::new(state.noted_in(self.activity.clone()));
        let wire = StrictStream::new(stream, state.clone(), &self.context.limits);
        let client = self.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (client, state, tunnels) = (client.clone(), state.clone(), tunnels.clone());
            async move {
                // In HTTP/2 it is a stream that becomes a tunnel; no client needs that here.
                if request.method() != Method::CONNECT || request.version() == Version::HTTP_2 {
                    let (parts, body) = request.into_parts();
                    let answer = client
                        .stack
                        .answer(Box::new(parts), body, state, client.surplus);
                    return answer.await;
                }
                let connect = client
                    .stack
                    .clone()
                    .connect(&request, state, client.surplus);
                let (answer, tunnel) = connect.await;
                if let Some((host, stack)) = tunnel {
                    let stack = Arc::new(stack);
                    let upgrade = hyper::upgrade::on(&mut request);
                    let client = Self { stack, ..client };
                    tokio::spawn(client.serve_tunnel::<S>(upgrade, host, tunnels));
                }
                Ok(answer)
            }
        });
        let http = &self.context.http;
        let connection = http.serve_connection_with_upgrades(TokioIo::new(wire), service);
        let connection = connection.into_owned();
        self.drive(connection);
    }

    /// Drives a connection in a task of its own, to its end, which comes soon once we stop.
    fn drive<C>(self, connection: C)
    where
        C: GracefulConnection<Error = Ended> + Send + 'static,
    {
        tokio::spawn(async move {
            // All of it, until the connection has ended.
            let client = self;
            let mut stop = client.context.stop.clone();
            let mut stopping = pin!(stop.changed());
            let mut connection = pin!(connection);
            let (mut waits, mut told) = (false, false);
            let ended = poll_fn(|cx| {
                if !waits {
                    client.activity.wakes(cx.waker());
                }
                if client.activity.is_cut() {
                    return Poll::Ready(Ok(()));
                }
                // Waited for once, since it wakes this task as a whole: to wait anew with each
                // request has its price.
                if !told && (!waits || !matches!(client.context.stop.has_changed(), Ok(false))) {
                    waits = true;
                    told = stopping.as_mut().poll(cx).is_ready();
                    if told {
                        client.activity.stop();
                        connection.as_mut().graceful_shutdown();
                    }
                }
                connection.as_mut().poll(cx)
            });
            if let Err(error) = ended.await {
                tracing::debug!("a client's connection ended: {}", causes(&*error));
            }
        });
    }

    /// Serves what comes through a tunnel to `host`, as that host.
    async fn serve_tunnel<S>(self, upgrade: OnUpgrade, host: Authority, tunnels: Arc<Tunnels>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let acceptor = match tunnels.acceptor(&host.host().to_ascii_lowercase()) {
            Ok(acceptor) => acceptor,
            Err(error) => {
                if let Some(left_out) = THROTTLE.admit() {
                    tracing::error!(%host, left_out, "cannot intercept a host: {error}");
                }
                return;
            }
        };
        let handshake = async {
            let parts =
                auto::upgrade::downcast::<TokioIo<StrictStream<S>>>(upgrade.await.ok()?).ok()?;
            // What was sent before the tunnel was there has been read as if it were HTTP.
            let stream = parts.io.into_inner().into_inner();
            let Some(stream) = stream.filter(|_| parts.read_buf.is_empty()) else {
                if let Some(left_out) = THROTTLE.admit() {
                    tracing::warn!(
                        %host,
                        left_out,
                        "refused a client that did not wait for its tunnel"
                    );
                }
                return None;
            };
            match acceptor.accept(stream).await {
                Ok(stream) => Some(stream),
                Err(error) => {
                    tls::log_failure(&error);
                    None
                }
            }
        };
        if let Some(Some(stream)) = self.in_time(handshake).await {
            let protocol = tls::agreed(&stream);
            self.serve_requests(stream, ConnectionState::within(host).speaking(protocol));
        }
    }

    /// What comes before the first request: bounded as that is, and not waited for by a stop.
    async fn in_time<T>(&self, handshake: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.context.stop.clone();
        tokio::select! {
            done = tokio::time::timeout(self.context.limits.header_read, handshake) => done.ok(),
            _ = stop.changed() => None,
            () = self.activity.cut() => None,
        }
    }
}

static THROTTLE: Throttle = Throttle::new();

/// Why a connection ended before its time.
type Ended = Box<dyn std::error::Error + Send + Sync>;

fn http(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .max_headers(limits.headers)
        // What is not looked at must not get through.
        .max_buf_size(LONGEST_LINE)
        // `Stack` tells the time, at less cost, but for what hyper refuses itself.
        .auto_date_header(false)
        // `StrictStream` bounds it, and sees whether clients are still there, at less cost.
        .header_read_timeout(None)
        .half_close(true);
    http.http2()
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        // As much as of HTTP/1.1, so that the guard can refuse it, and say why.
        .max_header_list_size(u32::try_from(LONGEST_LINE).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_read)
        .keep_alive_timeout(limits.header_read);
    http
}

/// On one HTTP/2 connection. What browsers and servers commonly allow.
const MAX_STREAMS: u32 = 100;

/// Twice as long as Salesforce is silent, and then some.
const LONGEST_SILENCE: Duration = Duration::from_secs(10 * 60);

/// Bytes that are kept of a call. It begins with what an event or a subscription has.
const MOST_OF_A_CALL: usize = 1024 * 1024;

/// Effectively never: dead peers are found by keep-alive.
const FOREVER: Duration = Duration::from_secs(366 * 24 * 60 * 60);
