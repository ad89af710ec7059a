//! Binds, accepts, distributes connections to threads, and stops without dropping what is in flight.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::RootCertStore;
use tokio::{sync::mpsc, task::JoinSet};

pub(crate) use self::admin::{
    ClientStatus, LoginStatus, OrgStatus, SERVER, Status, ThreatStatus, UsageStatus,
};
use self::{
    admin::Facts,
    listen::BoundListener,
    listener::{Listener, NewConnection},
    org_runtime::OrgRuntime,
    tls::{Certificates, Tls},
    worker::{Message, Worker},
};
pub use self::{listen::Bound, tcp::Missing};
use crate::{
    auth::LoginError,
    config::{Config, Listen, Protocol, Traces},
    local_ca::AuthorityError,
    network::{self, Dialer, OwnListeners, Proxies},
    proxy::{load::Load, replay::Budget},
    system::process,
    watch::{Watch, access_log::AccessLog, export::Export},
};

mod admin;
mod early;
mod farewell;
mod frames;
mod framing;
mod listen;
mod listener;
mod org_runtime;
mod socket_file;
mod stacks;
mod strict_stream;
mod tcp;
mod tls;
mod tunnel;
mod worker;

/// A proxy that is bound and not yet serving.
pub struct Server {
    config: Config,
    listeners: Vec<BoundListener>,
    orgs: Vec<Arc<OrgRuntime>>,
    admin: Option<BoundListener>,
    tls: Tls,
    access_log: Option<AccessLog>,
    export: Option<Export>,
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
        let mut listeners: Vec<BoundListener> = Vec::new();
        let mut orgs = Vec::new();
        let own = OwnListeners::default();
        let replay_memory = Budget::new(config.limits.replay_memory);
        for index in 0..config.orgs.len() {
            let runtime = OrgRuntime::new(&config, index, &roots, &own, &replay_memory)?;
            let runtime = Arc::new(runtime);
            for listen in &runtime.org.listen {
                match listeners.iter_mut().find(|listener| listener.is(listen)) {
                    Some(shared) => shared.share(runtime.clone()),
                    None => listeners
                        .push(BoundListener::bind(listen, Protocol::Api, runtime.clone()).await?),
                }
            }
            if let Some(pubsub) = &runtime.org.pubsub {
                let calls = Arc::new(runtime.for_pubsub(pubsub));
                for listen in &pubsub.listen {
                    listeners
                        .push(BoundListener::bind(listen, Protocol::PubSub, calls.clone()).await?);
                }
            }
            orgs.push(runtime);
        }
        let admin = match &config.admin {
            Some(admin) => BoundListener::bind_admin(admin).await?,
            None => None,
        };
        let all = listeners.iter().chain(&admin);
        own.set(all.flat_map(BoundListener::tcp_addresses));
        let access_log = AccessLog::open(&config.access_log).map_err(StartupError::AccessLog)?;
        let traces = config.traces.as_ref();
        let export = traces
            .map(|traces| export(traces, &config, &roots, &own))
            .transpose()?;
        Ok(Self {
            config,
            listeners,
            orgs,
            admin,
            tls,
            access_log,
            export,
        })
    }

    /// Where it listens, for which orgs, in the order of the configuration.
    pub fn bound(&self) -> Vec<Bound> {
        self.listeners
            .iter()
            .map(|listener| listener.bound(&self.config))
            .collect()
    }

    /// Where it can be asked how it is, if it can.
    pub fn admin(&self) -> Option<Listen> {
        self.admin.as_ref().map(BoundListener::address)
    }

    /// The placeholder that clients of the org of this name get for its session, after a login.
    ///
    /// # Errors
    /// If the org cannot be logged in to.
    pub(crate) async fn placeholder(&self, org: &str) -> Result<String, Arc<LoginError>> {
        let org = self.orgs.iter().find(|known| known.org.name == org);
        let org = org.ok_or_else(|| Arc::new(LoginError::Lost))?;
        let session = org.sessions.current().await?;
        let id = session.identity.org_id.as_deref();
        Ok(org.placeholders.session_id(id.unwrap_or(SOME_ORG)))
    }

    /// Serves until `shutdown` is done, then until what is in flight is done, at most for the
    /// grace period. Returns how many connections had to be cut.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<usize, StartupError> {
        let files = process::files_left();
        let bounds = admin::Bounds::of(&self.config.limits, files);
        let reserved = self.admin.as_ref().map_or(0, |_| bounds.connections);
        let load = Arc::new(Load::new(&self.config.limits, files - reserved.min(files)));
        let listeners = self
            .listeners
            .iter()
            .map(|bound| bound.listener(&self.tls).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let tunnels = self.tls.tunnels.as_ref();
        let bound = self.bound();
        // Where nobody looks, no request pays for being seen.
        let has_board = self.admin.is_some();
        let is_seen = has_board || self.access_log.is_some() || self.export.is_some();
        let watch = is_seen.then(|| Watch::start(self.access_log, self.export, has_board));
        let watch = watch.transpose().map_err(StartupError::Thread)?;
        let watch = watch.map(Arc::new);
        let recorder = || watch.as_deref().map(Watch::recorder);
        let workers = (0..self.config.threads)
            .map(|number| Worker::start(number, &self.config, tunnels, &load, recorder()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(StartupError::Thread)?;

        let messages = || workers.iter().map(Worker::messages).collect::<Vec<_>>();
        // Aborted when it is dropped, at the very end: it says that the others are stopping.
        let mut admins = JoinSet::new();
        let facts = self.admin.zip(watch.clone()).map(|(listener, watch)| {
            let mut facts = Facts::new(load.clone(), watch, messages());
            facts.orgs = admin::orgs(&self.orgs, &bound);
            facts.certificate_ends = self.config.tls.ends();
            let facts = Arc::new(facts);
            admins.spawn(admin::serve(listener, facts.clone(), bounds));
            facts
        });
        // Each owns its sockets, and closes them when it ends.
        let mut acceptors = JoinSet::new();
        for (bound, listener) in self.listeners.into_iter().zip(listeners) {
            acceptors.spawn(distribute(bound, listener, messages(), load.clone()));
        }
        if let Some(certificates) = self.tls.certificates {
            acceptors.spawn(renew(certificates));
        }
        shutdown.await;
        if let Some(facts) = facts {
            facts.stop();
        }
        acceptors.shutdown().await;

        let open = load.connections();
        tracing::info!(connections = open, grace = ?self.config.grace, "stopping");
        let stopped = workers.into_iter().map(Worker::stop);
        let cut = futures_util::future::join_all(stopped)
            .await
            .into_iter()
            .sum();
        if let Some(watch) = watch {
            // The last records may have to wait for a slow disk or collector.
            let _ = tokio::task::spawn_blocking(move || watch.stop()).await;
        }
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "cut off what was not finished within the grace period"
            );
        }
        Ok(cut)
    }
}

/// Reads files, which may be slow, while signals may come.
async fn tls_of(config: &Config) -> Result<(Tls, RootCertStore), StartupError> {
    let config = config.clone();
    let read = tokio::task::spawn_blocking(move || {
        Tls::new(&config).map(|tls| (tls, network::tls::roots()))
    });
    match tokio::time::timeout(READING_TIMEOUT, read).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(StartupError::Thread(error.into())),
        Err(_) => Err(StartupError::Slow),
    }
}

/// Begins to send spans as `traces` says. Plain HTTP goes straight to the collector: what the
/// environment names are proxies for `https://`.
fn export(
    traces: &Traces,
    config: &Config,
    roots: &RootCertStore,
    own: &OwnListeners,
) -> Result<Export, StartupError> {
    let tls = network::tls::client_config(roots.clone(), &traces.ca)?;
    let proxies = match traces.endpoint.scheme() {
        "https" => config.proxies.clone(),
        _ => Proxies::default(),
    };
    let limits = &config.limits;
    let dialer = Dialer::new(proxies, &tls, limits.connect, limits.idle_body, own.clone());
    Export::start(traces, dialer, &tls).map_err(StartupError::Thread)
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
    bound: BoundListener,
    listener: Arc<Listener>,
    workers: Vec<mpsc::UnboundedSender<Message>>,
    load: Arc<Load>,
) {
    let mut turns = workers.iter().cycle();
    loop {
        let accepted = bound.next().await;
        // So many are being refused already that this one is closed without a word.
        let Some(permit) = load.admit().await else {
            continue;
        };
        if let Some(worker) = turns.next() {
            // A worker that is gone has panicked outside any request, and said so.
            let _ = worker.send(Message::Connection(NewConnection {
                accepted,
                listener: listener.clone(),
                permit,
            }));
        }
    }
}

/// A reason that the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {0}: {1}{way_out}", way_out = way_out(.1))]
    Bind(Listen, #[source] io::Error),
    /// The same for the admin listener.
    #[error(
        "cannot listen on {0} for admin: {1}; choose another address ([admin] listen, or \
         --admin-listen)"
    )]
    BindAdmin(Listen, #[source] io::Error),
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
    /// Nowhere to write the access log.
    #[error(transparent)]
    AccessLog(io::Error),
    /// The client for logins.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Files that are not read to their end.
    #[error(
        "cannot read the certificate authorities within {} s; check the files that SSL_CERT_FILE, SSL_CERT_DIR and state_dir name",
        READING_TIMEOUT.as_secs()
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
const READING_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two looks at whether a certificate is to be renewed.
const RENEWAL_CHECK: Duration = Duration::from_secs(60 * 60);

/// What clients take for the id of the org, where a login did not report it.
const SOME_ORG: &str = "00D000000000000";
