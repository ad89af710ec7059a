//! Binds, accepts, distributes connections to threads, and stops without dropping what is in flight.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::RootCertStore;
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

pub use self::{listen::Bound, tcp::Missing};
use self::{
    listen::BoundListener,
    tls::{Certificates, Tls},
    worker::{Listener, NewConnection, OrgRuntime, Worker},
};
use crate::{
    auth::{Login, LoginError, Sessions},
    config::{Config, Listen},
    local_ca::AuthorityError,
    network::{self, Dialer, OwnListeners},
    proxy::{
        guard::Guard, load::Load, placeholder::Placeholders, replay::Budget, upstream::Connector,
    },
    system::{process, telemetry::Throttle},
};

mod early;
mod farewell;
mod frames;
mod framing;
mod listen;
mod strict_stream;
mod tcp;
mod tls;
mod tunnel;
mod worker;

/// A proxy that is bound and not yet serving.
pub struct Server {
    config: Config,
    listeners: Vec<BoundListener>,
    orgs: Arc<[OrgRuntime]>,
    tls: Tls,
}

impl Server {
    /// Binds every listener of `config`, so that all addresses are known and taken before the
    /// first connection is served. Logins will run on the runtime that this is called on.
    ///
    /// # Errors
    /// If an address cannot be bound, a certificate authority is not one, or the local one cannot be
    /// created or read.
    pub async fn bind(config: Config) -> Result<Self, StartupError> {
        let (tls, roots) = tls_of(&config).await?;
        let limits = &config.limits;
        let mut listeners: Vec<BoundListener> = Vec::new();
        let mut orgs = Vec::new();
        let own = OwnListeners::default();
        let replay_memory = Budget::new(limits.replay_memory);
        for (index, org) in config.orgs.iter().enumerate() {
            let client = network::tls::client_config(roots.clone(), &org.ca)?;
            let shared = Arc::new(org.clone());
            let dialer = Arc::new(Dialer::new(
                config.proxies_to(org),
                &client,
                limits.connect,
                limits.idle_body,
                own.clone(),
            ));
            let calls = org.pubsub.as_ref().map(|pubsub| {
                let connector = Connector::for_calls(dialer.clone(), client.clone(), limits);
                (Arc::new(connector), pubsub.endpoint.clone())
            });
            let login = Login::new(shared.clone(), dialer.clone(), client.clone())?;
            orgs.push(OrgRuntime {
                org: shared,
                placeholders: Arc::new(Placeholders::new(&config.orgs, index)),
                guard: Arc::new(Guard::new(org, limits)),
                sessions: Sessions::new(login, Handle::current()),
                connector: Arc::new(Connector::new(dialer, client, org.http2, limits)),
                replay_memory: replay_memory.clone(),
                calls,
            });
            for listen in &org.listen {
                match listeners.iter_mut().find(|listener| listener.is(listen)) {
                    Some(shared) => shared.share(index, &org.guard),
                    None => listeners.push(BoundListener::bind(listen, index, &org.guard).await?),
                }
            }
            for listen in org.pubsub.iter().flat_map(|pubsub| &pubsub.listen) {
                let listener = BoundListener::bind(listen, index, &org.guard).await?;
                listeners.push(listener.for_calls());
            }
        }
        own.set(listeners.iter().flat_map(BoundListener::tcp_addresses));
        Ok(Self {
            config,
            listeners,
            orgs: orgs.into(),
            tls,
        })
    }

    /// Where it listens, for which orgs, in the order of the configuration.
    pub fn bound(&self) -> Vec<Bound> {
        self.listeners
            .iter()
            .map(|listener| listener.bound(&self.config))
            .collect()
    }

    /// What stands for the session of the org of this name with clients, after a login.
    ///
    /// # Errors
    /// Why the org cannot be logged in to.
    pub(crate) async fn placeholder(&self, org: &str) -> Result<String, Arc<LoginError>> {
        let plan = self.orgs.iter().find(|plan| plan.org.name == org);
        let plan = plan.ok_or_else(|| Arc::new(LoginError::Lost))?;
        let session = plan.sessions.current().await?;
        let id = session.identity.org_id.as_deref();
        Ok(plan.placeholders.session_id(id.unwrap_or(SOME_ORG)))
    }

    /// Serves until `shutdown` is done, then until what is in flight is done, at most for the
    /// grace period. Returns how many connections had to be cut.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<usize, StartupError> {
        let load = Arc::new(Load::new(&self.config.limits, process::files_left()));
        // In plain what was to be TLS would be open to everybody.
        if self.tls.listener.is_none() && self.listeners.iter().any(BoundListener::is_https) {
            return Err(StartupError::NoStateDir);
        }
        let fronts: Arc<[Listener]> = self
            .listeners
            .iter()
            .map(|listener| Listener {
                orgs: listener.orgs.clone(),
                calls: listener.calls,
                tls: self.tls.listener.clone().filter(|_| listener.is_https()),
            })
            .collect();
        let tunnels = self.tls.tunnels.as_ref();
        let workers = (0..self.config.threads)
            .map(|number| Worker::start(number, &self.config, &self.orgs, &fronts, tunnels, &load))
            .collect::<io::Result<Vec<_>>>()
            .map_err(StartupError::Thread)?;

        // Each owns its listener, which so closes with it.
        let mut acceptors = JoinSet::new();
        for (number, listener) in self.listeners.into_iter().enumerate() {
            let workers = workers.iter().map(Worker::new_connections).collect();
            acceptors.spawn(distribute(listener, number, workers, load.clone()));
        }
        if let Some(certificates) = self.tls.certificates {
            acceptors.spawn(renew(certificates));
        }
        shutdown.await;
        acceptors.shutdown().await;

        let open = load.connections();
        tracing::info!(connections = open, grace = ?self.config.grace, "stopping");
        let stopped = workers.into_iter().map(Worker::stop);
        let cut = futures_util::future::join_all(stopped)
            .await
            .into_iter()
            .sum();
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "cut off what was not finished within the grace period"
            );
        }
        Ok(cut)
    }
}

/// What is read from files, which may be slow, beside the signals that may come meanwhile.
async fn tls_of(config: &Config) -> Result<(Tls, RootCertStore), StartupError> {
    let config = config.clone();
    let read = tokio::task::spawn_blocking(move || {
        Tls::new(&config).map(|tls| (tls, network::tls::roots()))
    });
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(StartupError::Thread(error.into())),
        Err(_) => Err(StartupError::Slow),
    }
}

/// Has certificates renewed in time, forever.
async fn renew(certificates: Arc<Certificates>) {
    loop {
        // A clock that stands still while the machine sleeps does no harm at this pace.
        tokio::time::sleep(RENEWAL_CHECK).await;
        certificates.renew(SystemTime::now());
    }
}

/// Accepts on one listener, and distributes connections to the workers in turn.
async fn distribute(
    listener: BoundListener,
    number: usize,
    workers: Vec<mpsc::UnboundedSender<NewConnection>>,
    load: Arc<Load>,
) {
    let mut pause = SHORTEST_PAUSE;
    let mut turns = workers.iter().cycle();
    loop {
        let accepted = match listener.accept().await {
            Ok(accepted) => accepted,
            // Out of file descriptors, most likely: some come back as connections end.
            Err(error) => {
                if let Some(left_out) = THROTTLE.admit() {
                    tracing::warn!(?pause, left_out, "cannot accept: {error}");
                }
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
                continue;
            }
        };
        pause = SHORTEST_PAUSE;
        let Some(permit) = load.admit().await else {
            continue;
        };
        if let Some(worker) = turns.next() {
            // A worker that is gone has panicked outside any request, and said so.
            let _ = worker.send(NewConnection {
                accepted,
                listener: number,
                permit,
            });
        }
    }
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {0}: {1}{way_out}", way_out = way_out(.1))]
    Bind(Listen, #[source] io::Error),
    /// A certificate authority of `ca_file` that cannot be used.
    #[error("cannot use the certificates in ca_file: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate authority of `tls.client_ca` that cannot be used.
    #[error("cannot use the certificates in tls.client_ca: {0}")]
    ClientCa(String),
    /// Nowhere to keep the local certificate authority.
    #[error(
        "https:// listeners and intercept need a folder for the local certificate authority; set state_dir"
    )]
    NoStateDir,
    /// The local certificate authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The client for logins.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Files that are not read to their end.
    #[error(
        "cannot read the certificate authorities within {} s; check the files that SSL_CERT_FILE, SSL_CERT_DIR and state_dir name",
        PATIENCE.as_secs()
    )]
    Slow,
    /// The system refuses a thread or its event queue.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// Advice on an address that cannot be bound.
fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; stop what listens there (another orgproxy?), or choose another address (listen, or --port)"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address: correct listen",
        io::ErrorKind::PermissionDenied => {
            "; this user may not use it: choose another (listen, or --port above 1023)"
        }
        io::ErrorKind::NotFound => "; its folder does not exist: create it, or correct listen",
        _ => "",
    }
}

/// For reading certificate authorities, and for making one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at whether a certificate is to be renewed.
const RENEWAL_CHECK: Duration = Duration::from_secs(60 * 60);

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// For one that does not say who it is: what clients take for an id.
const SOME_ORG: &str = "00D000000000000";

static THROTTLE: Throttle = Throttle::new();
