//! The demo org: a stand-in for a Salesforce org, on localhost, in memory.
//!
//! `orgproxy demo` runs it for people to try, and each test runs its own. To a client it behaves
//! like an org: it has the token endpoint of the JWT bearer flow, sessions that expire, the core of
//! the REST and SOAP APIs over a few sample records, and the texts of an org's errors. On demand it
//! behaves like an org on a bad day: [`Fault`], [`Hold`], [`Knobs`].
//!
//! A request goes through `service`, where it is recorded, held, or made to fail, to `token`,
//! `identity`, `apex`, `soap`, `wsdl`, `report`, `rest`, `bulk`, `cometd` or `pubsub`. Below it,
//! `rig::wire` writes what HTTP libraries refuse to write.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::uri::Authority;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls_pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use url::Url;

pub use self::{
    apex::blocks,
    app::App,
    rig::{
        fault::{Canned, Fault, Faults, TOKEN, Then},
        hold::Hold,
        seen::{Counts, Seen},
    },
};
use self::{
    app::Installed,
    bulk::Bulk,
    certificate::Certificates,
    cometd::Clients,
    data::Data,
    id::{ORG_ID, USER_ID},
    pubsub::Bus,
    rest::Cursors,
    rig::{
        hold::{Holds, Place},
        long::OpenCalls,
        seen::Log,
        wire::Wire,
    },
    session::Sessions,
};
pub use crate::salesforce::Refusal;

mod answer;
mod apex;
mod app;
mod bulk;
mod certificate;
mod coding;
mod cometd;
mod data;
mod event;
mod id;
mod identity;
mod pubsub;
mod refusal;
mod report;
mod rest;
mod rig;
mod service;
mod session;
mod soap;
mod soql;
mod sosl;
mod token;
mod wsdl;

/// A running demo org. It ends when this is dropped.
pub struct Org {
    inner: Arc<Inner>,
    listening: JoinHandle<()>,
}

impl Org {
    /// Starts an org on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<Self> {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Starts an org on a free port of 127.0.0.1, whose owner has set up `app`.
    pub async fn start_with(app: App) -> io::Result<Self> {
        Self::launch((Ipv4Addr::LOCALHOST, 0).into(), Some(app), Arc::default()).await
    }

    /// Starts another instance of this org on a port of its own, where the same sessions are valid,
    /// as if the org had moved there.
    pub async fn twin(&self) -> io::Result<Self> {
        let app = App {
            client_id: self.client_id().to_owned(),
            username: self.username().to_owned(),
            certificate: self.inner.certificates.certificate_der.clone(),
        };
        let sessions = self.inner.sessions.clone();
        Self::launch((Ipv4Addr::LOCALHOST, 0).into(), Some(app), sessions).await
    }

    /// Starts an org on `addr`. Its URLs have the host `localhost`.
    pub async fn bind(addr: SocketAddr) -> io::Result<Self> {
        Self::launch(addr, None, Arc::default()).await
    }

    async fn launch(
        addr: SocketAddr,
        app: Option<App>,
        sessions: Arc<Sessions>,
    ) -> io::Result<Self> {
        let certificates = Certificates::shared()?;
        let app = app.unwrap_or_else(|| App {
            client_id: token::CLIENT_ID.to_owned(),
            username: token::USERNAME.to_owned(),
            certificate: certificates.certificate_der.clone(),
        });
        let listener = TcpListener::bind(addr).await?;
        let port = listener.local_addr()?.port();
        let inner = Arc::new(Inner {
            port,
            origin: format!("https://localhost:{port}"),
            certificates,
            log: Arc::default(),
            sessions,
            faults: Faults::default(),
            holds: Holds::default(),
            knobs: Mutex::default(),
            data: Mutex::new(Data::sample(&app.username)),
            app: app.into(),
            cursors: Cursors::default(),
            bulk: Bulk::default(),
            clients: Clients::default(),
            bus: Bus::default(),
            changed: Notify::new(),
            used_requests: AtomicUsize::new(17),
            open_calls: Arc::default(),
            disconnect: Notify::new(),
        });
        let listening = tokio::spawn(listen(listener, inner.clone()));
        Ok(Self { inner, listening })
    }

    /// The login URL: `https://localhost:PORT`.
    pub fn login_url(&self) -> Url {
        // An origin with a number for a port always parses.
        #[expect(clippy::unwrap_used)]
        self.inner.origin.parse().unwrap()
    }

    /// The instance that the token endpoint returns, unless a knob sets another.
    pub fn instance_url(&self) -> String {
        self.inner.origin.clone()
    }

    /// Host and port of the Pub/Sub API.
    pub fn pubsub_endpoint(&self) -> Authority {
        // Parses like `login_url`.
        #[expect(clippy::unwrap_used)]
        format!("localhost:{}", self.inner.port).parse().unwrap()
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// The authority that signed the org's TLS certificate.
    pub fn ca_pem(&self) -> &str {
        &self.inner.certificates.ca_pem
    }

    /// The authority that signed the org's TLS certificate.
    pub fn ca_der(&self) -> CertificateDer<'static> {
        self.inner.certificates.ca_der.clone()
    }

    /// The app's consumer key.
    pub fn client_id(&self) -> &str {
        &self.inner.app.client_id
    }

    /// The user that the app may log in as.
    pub fn username(&self) -> &str {
        &self.inner.app.username
    }

    /// The app's private key, in PKCS#8.
    pub fn private_key_pem(&self) -> &str {
        &self.inner.certificates.private_key_pem
    }

    /// The certificate that belongs to the app's private key.
    pub fn certificate_pem(&self) -> &str {
        &self.inner.certificates.certificate_pem
    }

    /// Replaces the certificate of the app. Sessions stay alive.
    pub fn replace_certificate(&self, certificate: CertificateDer<'static>) {
        self.inner.app.replace_certificate(certificate);
    }

    /// The audience that it accepts in an assertion.
    pub fn audience(&self) -> String {
        self.inner.origin.clone()
    }

    /// The id of the org.
    pub fn org_id(&self) -> &str {
        ORG_ID
    }

    /// The id of the user.
    pub fn user_id(&self) -> &str {
        USER_ID
    }

    /// Ends every session.
    pub fn end_sessions(&self) {
        self.inner.sessions.end_all();
        self.inner.changed.notify_waiters();
    }

    /// Ends every session of this user.
    pub fn end_sessions_of(&self, user: &str) {
        self.inner.sessions.end_of(user);
        self.inner.changed.notify_waiters();
    }

    /// Closes every connection.
    pub fn disconnect(&self) {
        self.inner.disconnect.notify_waiters();
    }

    /// The faults to produce.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Changes how the org behaves.
    pub fn set(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.inner.lock_knobs());
    }

    /// Sets the number of requests of the day that are used.
    pub fn set_used_requests(&self, used: usize) {
        self.inner.used_requests.store(used, Ordering::Relaxed);
    }

    /// Holds requests to paths that start with `prefix`, as soon as their head has arrived and
    /// before their session is checked.
    pub fn hold(&self, prefix: &str) -> Hold {
        self.inner.holds.add(prefix, Place::Request)
    }

    /// Holds the rest of responses to paths that start with `prefix`, once `after` bytes of their
    /// body have been sent.
    pub fn hold_body(&self, prefix: &str, after: u64) -> Hold {
        self.inner.holds.add(prefix, Place::Body(after))
    }

    /// The counts of what has happened.
    pub fn counts(&self) -> Counts {
        self.inner.log.counts()
    }

    /// Token requests that got a session.
    pub fn logins(&self) -> usize {
        self.counts().logins
    }

    /// The same, as this user.
    pub fn logins_of(&self, user: &str) -> usize {
        self.inner.log.logins_of(user)
    }

    /// TLS connections accepted.
    pub fn connections(&self) -> usize {
        self.counts().connections
    }

    /// The newest requests (at most 4,096), without those to the token endpoint, in the order of
    /// their arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.inner.log.requests()
    }

    /// The newest request.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[expect(clippy::expect_used, reason = "a mistake in the test that says so")]
    pub fn last_request(&self) -> Seen {
        self.requests().pop().expect("a request")
    }

    /// Waits until there have been `count` requests, without those to the token endpoint.
    pub async fn wait_for_requests(&self, count: usize) {
        self.wait_until(|org| org.counts().requests >= count).await;
    }

    /// Waits until `condition` holds. It is checked again whenever something has happened: a
    /// connection, a request, a piece of a body, a login, a request that waits in a [`Hold`].
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        self.inner.log.wait_until(|| condition(self)).await;
    }

    /// Stops listening and closes every connection.
    pub async fn shutdown(mut self) {
        self.listening.abort();
        // The only error is that it was aborted.
        let _ = (&mut self.listening).await;
    }
}

impl Drop for Org {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// The behaviour of an org.
#[derive(Debug, Clone)]
pub struct Knobs {
    /// Time that a session lives unused.
    pub session_timeout: Duration,
    /// If true, a login gets the live session if there is one, as in a real org; otherwise each
    /// gets a new one.
    pub reuse_session: bool,
    /// The lifetime that the token endpoint reports. A real org reports none.
    pub expires_in: Option<u64>,
    /// The refusal that every login gets, if any.
    pub refusal: Option<&'static Refusal>,
    /// If true, access tokens are JWTs.
    pub jwt_tokens: bool,
    /// The instance that the token endpoint returns, if not the org itself.
    pub instance_url: Option<String>,
    /// Records in one response to a query.
    pub batch_size: usize,
    /// If true, a page without a session leads to the login by a script instead of a redirect.
    pub scripted_login: bool,
    /// The number of long calls that it allows at the same time, and how long these are, if it counts
    /// them.
    pub long_calls: Option<(usize, Duration)>,
    /// Time that the Streaming API keeps a connect waiting for events.
    pub long_poll: Duration,
    /// The oldest version of the APIs that is not retired.
    pub oldest_version: usize,
    /// Users that the app may log in as besides its own.
    pub users: Vec<String>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(2 * 60 * 60),
            reuse_session: true,
            expires_in: None,
            refusal: None,
            jwt_tokens: false,
            instance_url: None,
            batch_size: 2000,
            scripted_login: false,
            long_calls: None,
            long_poll: Duration::from_secs(110),
            oldest_version: rest::OLDEST,
            users: Vec::new(),
        }
    }
}

struct Inner {
    port: u16,
    /// `https://localhost:PORT`
    origin: String,
    certificates: Arc<Certificates>,
    app: Installed,
    log: Arc<Log>,
    sessions: Arc<Sessions>,
    faults: Faults,
    holds: Holds,
    knobs: Mutex<Knobs>,
    data: Mutex<Data>,
    cursors: Cursors,
    bulk: Bulk,
    clients: Clients,
    bus: Bus,
    /// Wakes those who wait for a finished request or the end of sessions.
    changed: Notify,
    /// Requests used of the day's allocation.
    used_requests: AtomicUsize,
    open_calls: Arc<OpenCalls>,
    disconnect: Notify,
}

impl Inner {
    fn knobs(&self) -> Knobs {
        self.lock_knobs().clone()
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request to the API, and returns the number so far.
    fn use_request(&self) -> usize {
        self.used_requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn lock_knobs(&self) -> MutexGuard<'_, Knobs> {
        self.knobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts until it is aborted, which also ends its connections.
async fn listen(listener: TcpListener, org: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, org.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, org: Arc<Inner>) {
    // Without it, responses are only slower.
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(org.certificates.tls.clone());
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "no TLS"),
    };
    let open = Open::new(&org.log);
    let (wire, control) = Wire::new(stream);

    let server = auto::Builder::new(TokioExecutor::new());
    let service =
        service_fn(|request| service::serve(org.clone(), open.number, control.clone(), request));
    tokio::select! {
        ended = server.serve_connection(TokioIo::new(wire), service) => {
            if let Err(error) = ended {
                tracing::debug!(error, "connection broke");
            }
        }
        () = org.disconnect.notified() => {}
    }
}

/// Counts a connection for as long as it is open.
struct Open<'a> {
    log: &'a Log,
    number: usize,
}

impl<'a> Open<'a> {
    fn new(log: &'a Log) -> Self {
        let mut number = 0;
        log.count(|counts| {
            counts.connections += 1;
            counts.open += 1;
            number = counts.connections;
        });
        Self { log, number }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.log.count(|counts| counts.open -= 1);
    }
}

/// A pause after an error, which is usually a lack of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);
