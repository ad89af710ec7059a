//! One thread that carries requests, with all that belongs to them.

use std::{
    cell::RefCell, convert::Infallible, future::poll_fn, io, pin::pin, sync::Arc, task::Poll,
    thread, time::Duration,
};

use http::{Method, Request, Response, Version, uri::Authority};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    runtime,
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    abrupt::Abrupt,
    framing::LONGEST_LINE,
    listener::{Listener, NewConnection},
    sockets::{Accepted, Stream},
    stacks::{Replaced, Stacks},
    strict_stream::StrictStream,
    tls,
    tunnel::Tunnels,
};
use crate::{
    config::Limits,
    proxy::{
        connection_state::ConnectionState,
        load::{Activity, Load, ON_ITS_WAY},
        stack::Stack,
    },
    system::{chain::causes, telemetry::Throttle},
    watch::Recorder,
};

/// The handle to a thread that has its own Tokio runtime and a proxy for each org. A request, its
/// client connection and its connection to the org all live on one: nothing wakes another thread.
pub(super) struct Worker {
    messages: mpsc::UnboundedSender<Message>,
    /// The number of connections that were cut, when it has stopped.
    stopped: oneshot::Receiver<usize>,
}

/// A message to a worker.
pub(super) enum Message {
    /// To serve it.
    Connection(NewConnection),
    /// To show that it is alive.
    Ping(oneshot::Sender<()>),
    /// To go on with other listeners.
    Replace(Arc<[Replaced]>),
    /// To take on no more, and to finish what it has, within this time.
    Stop(Duration),
}

impl Worker {
    /// Starts thread `number`.
    pub(super) fn start(
        number: usize,
        load: &Arc<Load>,
        recorder: Option<Recorder>,
    ) -> io::Result<Self> {
        let (messages, incoming) = mpsc::unbounded_channel();
        let (report, stopped) = oneshot::channel();
        let load = load.clone();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name(format!("orgproxy-{number}"))
            .spawn(move || {
                let stacks = Stacks::new(load, recorder.map(Arc::new));
                let cut = runtime.block_on(run(incoming, stacks));
                // Connections that are cut are gone before their number is reported.
                drop(runtime);
                let _ = report.send(cut);
            })?;
        Ok(Self { messages, stopped })
    }

    /// Where to send it new connections.
    pub(super) fn messages(&self) -> mpsc::UnboundedSender<Message> {
        self.messages.clone()
    }

    /// Lets it finish what it has, for `grace` at most. Returns how many connections were cut.
    pub(super) async fn stop(self, grace: Duration) -> usize {
        // One that is gone has nothing left.
        let _ = self.messages.send(Message::Stop(grace));
        self.stopped.await.unwrap_or_default()
    }
}

/// Serves connections until it is to stop, then waits for those that are open. Returns how many are
/// left.
async fn run(mut incoming: mpsc::UnboundedReceiver<Message>, mut stacks: Stacks) -> usize {
    look_at_the_clock().await;
    // Held by each connection, so that those left can be counted.
    let open = Arc::new(());
    let mut grace = Duration::ZERO;
    while let Some(message) = incoming.recv().await {
        match message {
            Message::Connection(connection) => begin(connection, &mut stacks, &open),
            Message::Ping(answer) => {
                // Whoever asked may have given up.
                let _ = answer.send(());
            }
            Message::Replace(listeners) => stacks.replace(&listeners),
            Message::Stop(time) => {
                grace = time;
                break;
            }
        }
    }
    let ended = tokio::select! {
        ended = stacks.stop(grace) => ended,
        never = keep_answering(&mut incoming) => match never {},
    };
    if ended {
        0
    } else {
        Arc::strong_count(&open) - 1
    }
}

/// Has hyper remember the date on this thread, by a connection without requests. It panics if the
/// clock is before 1970 when it first looks; later such a clock does not lead it to look again.
async fn look_at_the_clock() {
    let nobody = TokioIo::new(tokio::io::empty());
    let nothing = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
    // It ends as soon as it begins.
    let _ = http1::Builder::new()
        .serve_connection(nobody, nothing)
        .await;
}

/// Shows that the thread is alive while connections end.
async fn keep_answering(incoming: &mut mpsc::UnboundedReceiver<Message>) -> Infallible {
    loop {
        match incoming.recv().await {
            Some(Message::Ping(answer)) => {
                let _ = answer.send(());
            }
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Serves a new connection in a task of its own.
fn begin(connection: NewConnection, stacks: &mut Stacks, open: &Arc<()>) {
    let NewConnection {
        accepted,
        listener,
        permit,
    } = connection;
    let (stack, context) = stacks.of(&listener);
    let client = Connection {
        stack,
        surplus: permit.surplus,
        life: Life {
            is_stranger: permit.is_stranger,
            context,
            activity: permit.activity.clone(),
            held: Arc::new((permit, open.clone())),
        },
    };
    if let Err(error) = client.begin(accepted, &listener)
        && let Some(left_out) = THROTTLE.admit()
    {
        tracing::warn!(left_out, "cannot serve a connection: {error}");
    }
}

fn port_of(stream: &std::net::TcpStream) -> Option<u16> {
    stream.local_addr().ok().map(|address| address.port())
}

/// The state that all connections of a listener on one thread share.
pub(super) struct WorkerContext {
    pub(super) http: auto::Builder<TokioExecutor>,
    /// The same for users who are refused, one request at a time.
    pub(super) http_of_strangers: auto::Builder<TokioExecutor>,
    pub(super) limits: Limits,
    /// If any org has `intercept`.
    pub(super) tunnels: Option<Arc<Tunnels>>,
    /// Changes when they are to end.
    pub(super) stop: watch::Receiver<()>,
}

/// A client's connection, but for its stream.
#[derive(Clone)]
struct Connection {
    stack: Arc<Stack>,
    /// True if it is one too many, accepted to say so.
    surplus: bool,
    life: Life,
}

/// What a connection has until it ends.
#[derive(Clone)]
struct Life {
    context: Arc<WorkerContext>,
    /// True if whatever it asks is refused.
    is_stranger: bool,
    activity: Arc<Activity>,
    /// Dropped when it has ended, with all that was in it.
    #[expect(dead_code, reason = "held for its drop")]
    held: Arc<dyn Send + Sync>,
}

impl Connection {
    /// Serves what was accepted on `listener`, after a handshake if that is for TLS.
    fn begin(self, accepted: Accepted, listener: &Listener) -> io::Result<()> {
        let Accepted { stream, peer, user } = accepted;
        let state = |port| {
            let name = listener.client_name.clone();
            ConnectionState::new(listener.address.clone(), peer, port)
                .of_client(name)
                .of_user(user)
        };
        match (stream, listener.tls.clone()) {
            (Stream::Tcp(stream), None) => {
                let state = state(port_of(&stream));
                self.serve(TcpStream::from_std(stream)?, state);
            }
            (Stream::Tcp(stream), Some(tls)) => {
                let state = state(port_of(&stream)).by_tls(tls.asks());
                let stream = TcpStream::from_std(stream)?;
                tokio::spawn(async move {
                    let handshake = tls::accept(stream, &tls.acceptor);
                    if let Some(Some(stream)) = self.life.in_time(handshake).await {
                        let alpn = tls::agreed(&stream);
                        self.serve(stream, state.speaking(alpn));
                    }
                });
            }
            (Stream::Unix(stream), _) => self.serve(UnixStream::from_std(stream)?, state(None)),
        }
        Ok(())
    }

    /// Serves the connection in a task of its own.
    fn serve<S>(self, stream: S, state: ConnectionState)
    where
        S: AsyncRead + AsyncWrite + Abrupt + Unpin + Send + 'static,
    {
        match self.life.context.tunnels.clone() {
            Some(tunnels) if self.stack.intercepts() => {
                self.serve_with_tunnels(stream, state, tunnels);
            }
            _ => self.serve_requests(stream, state),
        }
    }

    fn serve_requests<S>(self, stream: S, state: ConnectionState)
    where
        S: AsyncRead + AsyncWrite + Abrupt + Unpin + Send + 'static,
    {
        let Self {
            stack,
            surplus,
            life,
        } = self;
        let state = Arc::new(state.noted_in(life.activity.clone()));
        let recorder = stack.recorder.clone();
        let stream = StrictStream::new(stream, state.clone(), &life.context.limits, recorder);
        let seat = RefCell::new(stack);
        let service = service_fn(move |request: Request<Incoming>| {
            let (stack, state) = (Stack::now(&seat), state.clone());
            let (parts, body) = request.into_parts();
            stack.answer(Box::new(parts), body, state, surplus)
        });
        let http = life.http();
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connection.into_owned();
        life.drive(connection);
    }

    /// Does what `serve_requests` does, and answers `CONNECT`.
    fn serve_with_tunnels<S>(self, stream: S, state: ConnectionState, tunnels: Arc<Tunnels>)
    where
        S: AsyncRead + AsyncWrite + Abrupt + Unpin + Send + 'static,
    {
        let life = self.life.clone();
        let state = Arc::new(state.noted_in(life.activity.clone()));
        let recorder = self.stack.recorder.clone();
        let stream = StrictStream::new(stream, state.clone(), &life.context.limits, recorder);
        let client = self;
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
                let outer = state.clone();
                let connect = client
                    .stack
                    .clone()
                    .connect(&request, state, client.surplus);
                let (answer, tunnel) = connect.await;
                if let Some((host, stack)) = tunnel {
                    let stack = Arc::new(stack);
                    let upgrade = hyper::upgrade::on(&mut request);
                    let client = Self { stack, ..client };
                    tokio::spawn(client.serve_tunnel::<S>(upgrade, outer, host, tunnels));
                }
                Ok(answer)
            }
        });
        let http = life.http();
        let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let connection = connection.into_owned();
        life.drive(connection);
    }

    /// Serves what comes through a tunnel to `host`, as that host.
    async fn serve_tunnel<S>(
        self,
        upgrade: OnUpgrade,
        outer: Arc<ConnectionState>,
        host: Authority,
        tunnels: Arc<Tunnels>,
    ) where
        S: AsyncRead + AsyncWrite + Abrupt + Unpin + Send + 'static,
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
            // Bytes that came before the tunnel was there have been read as if they were HTTP.
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
        if let Some(Some(stream)) = self.life.in_time(handshake).await {
            let state = ConnectionState::within(&outer, host);
            let state = state.speaking(tls::agreed(&stream));
            self.serve_requests(stream, state);
        }
    }
}

impl Life {
    /// Drives a connection in a task of its own, to its end, which comes soon once we stop.
    fn drive<C>(self, connection: C)
    where
        C: GracefulConnection<Error = ConnectionError> + Send + 'static,
    {
        tokio::spawn(async move {
            // All of it, until the connection has ended.
            let life = self;
            let mut stop = life.context.stop.clone();
            let mut stopping = pin!(stop.changed());
            let mut connection = pin!(connection);
            let (mut is_registered, mut is_stopping) = (false, false);
            let (began, mut last_look) = (Instant::now(), None);
            let ended = poll_fn(|cx| {
                if !is_registered {
                    life.activity.wakes(cx.waker());
                }
                if life.activity.is_cut() {
                    return Poll::Ready(Ok(()));
                }
                // To register for the stop with each request has its price, and once is enough,
                // since it wakes this task. Whether that was why it woke costs little to ask.
                let may_stop =
                    !is_registered || !matches!(life.context.stop.has_changed(), Ok(false));
                if !is_stopping && may_stop {
                    is_registered = true;
                    is_stopping = stopping.as_mut().poll(cx).is_ready();
                    if is_stopping {
                        last_look = Some(Box::pin(life.last_look(began)));
                    }
                }
                if let Some(look) = &mut last_look {
                    if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                        return Poll::Ready(ended);
                    }
                    if look.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    last_look = None;
                    life.activity.stop();
                    connection.as_mut().graceful_shutdown();
                }
                connection.as_mut().poll(cx)
            });
            if let Err(error) = ended.await {
                tracing::debug!("a client's connection ended: {}", causes(&*error));
            }
        });
    }

    /// Waits for what has come from the client, or is on its way: to close a connection on that would
    /// reset it. One that has been idle is not waited for.
    async fn last_look(&self, began: Instant) {
        // It comes back after a look at all sockets.
        tokio::task::yield_now().await;
        let is_awaited = || match self.activity.moves() {
            0 => began.elapsed() < ON_ITS_WAY,
            _ => self.activity.held() > 0,
        };
        let until = Instant::now() + ON_ITS_WAY;
        while is_awaited() && Instant::now() < until {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    fn http(&self) -> &auto::Builder<TokioExecutor> {
        if self.is_stranger {
            &self.context.http_of_strangers
        } else {
            &self.context.http
        }
    }

    /// Waits for what comes before the first request: bounded as that is, and cut short by a stop.
    async fn in_time<T>(&self, handshake: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.context.stop.clone();
        tokio::select! {
            done = tokio::time::timeout(self.context.limits.header_read, handshake) => done.ok(),
            () = async {
                let _ = stop.changed().await;
                tokio::time::sleep(ON_ITS_WAY).await;
            } => None,
            () = self.activity.cut() => None,
        }
    }
}

static THROTTLE: Throttle = Throttle::new();

/// When a stop waits for those.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The reason that a connection ended before its time.
type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// How connections speak HTTP within `limits`, and with so many requests at a time in HTTP/2.
pub(super) fn http(limits: &Limits, streams: u32) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .max_headers(limits.headers)
        // Bytes that framing does not look at must not get through.
        .max_buf_size(LONGEST_LINE)
        // `Stack` writes `Date`, at less cost, but for what hyper refuses itself.
        .auto_date_header(false)
        // `StrictStream` bounds that time, and sees whether clients are still there, at less cost.
        .header_read_timeout(None)
        .half_close(true);
    http.http2()
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        // Room for as much as of HTTP/1.1, so that the guard can refuse it, and say why.
        .max_header_list_size(u32::try_from(LONGEST_LINE).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_read)
        .keep_alive_timeout(limits.header_read);
    http
}
