//! Binds, accepts, distributes connections to threads, and stops without dropping what is in flight.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::RootCertStore;
use tokio::task::JoinSet;

use self::{
    acceptors::Acceptors,
    admin::Facts,
    generation::{Generation, READING_TIMEOUT},
    listen::BoundListener,
    reload::{NoSource, Reloads, keep_reloading},
    running::Running,
    service::InheritedSockets,
    sockets::Socket,
    watchdog::keep_reporting,
    worker::Worker,
};
pub(crate) use self::{
    admin::{
        BudgetStatus, ClientStatus, LoginStatus, OrgStatus, READY, ReloadStatus, SERVER, Status,
        ThreatStatus, UsageStatus, UsersStatus,
    },
    generation::open_store,
    reload::{Reloading, Source},
    service::Service,
};
pub use self::{listen::Bound, sockets::Missing};
use crate::{
    auth::LoginError,
    config::{Config, Listen, Traces},
    local_ca::AuthorityError,
    network::{self, Dialer, OwnListeners, Proxies},
    proxy::load::Load,
    system::{inherited::Predecessor, notify::Notifier, process},
    watch::{Watch, access_log::AccessLog, export::Export},
};

mod abrupt;
mod acceptors;
mod admin;
mod early;
mod farewell;
mod frames;
mod framing;
mod generation;
mod listen;
mod listener;
mod org_runtime;
mod reload;
mod running;
mod service;
mod socket_file;
mod sockets;
mod stacks;
mod strict_stream;
mod tls;
mod tunnel;
mod upgrade;
mod watchdog;
mod worker;

/// A proxy that is bound and not yet serving.
pub struct Server {
    generation: Generation,
    admin: Option<BoundListener>,
    access_log: Option<AccessLog>,
    export: Option<Export>,
    manager: Arc<Notifier>,
    predecessor: Option<Predecessor>,
    /// Those of its sockets that become ours, used or not.
    handed: Vec<Arc<Socket>>,
}

impl Server {
    /// Binds every listener of `config`, so that all addresses are known and taken before the
    /// first connection is served. Logins will run on the runtime that this is called on.
    ///
    /// # Errors
    /// If an address cannot be bound, a certificate authority is not one, or the local one cannot be
    /// created or read.
    pub async fn bind(config: Config) -> Result<Self, StartupError> {
        Self::bind_as(config, Service::default()).await
    }

    /// The same as a `service`, which may have sockets already.
    ///
    /// # Errors
    /// Those of [`Self::bind`].
    pub(crate) async fn bind_as(config: Config, service: Service) -> Result<Self, StartupError> {
        if SystemTime::now() < SystemTime::UNIX_EPOCH {
            return Err(StartupError::Clock);
        }
        let (inherited, handed) = InheritedSockets::new(service.inherited);
        let generation = Generation::first(config, inherited, &handed).await?;
        let Generation { config, common, .. } = &generation;
        let admin = match &config.admin {
            Some(admin) => {
                let held: Vec<_> = common.inherited.all().chain(&handed).cloned().collect();
                BoundListener::bind_admin(admin, &config.limits, &held).await?
            }
            None => None,
        };
        generation.compare_with_inherited(&sockets_of(admin.as_ref()));
        let access_log = AccessLog::open(&config.access_log).map_err(StartupError::AccessLog)?;
        let traces = config.traces.as_ref();
        let export = traces
            .map(|traces| export(traces, config, &common.roots, &common.own))
            .transpose()?;
        Ok(Self {
            generation,
            admin,
            access_log,
            export,
            manager: Arc::new(service.manager),
            predecessor: service.predecessor,
            handed,
        })
    }

    /// Where it listens, for which orgs, in the order of the configuration.
    pub fn bound(&self) -> Vec<Bound> {
        let Generation {
            config, listeners, ..
        } = &self.generation;
        listeners.iter().map(|it| it.bound(config)).collect()
    }

    /// Where it can be asked how it is, if it can.
    pub fn admin(&self) -> Option<Listen> {
        self.admin.as_ref().map(BoundListener::address)
    }

    /// The placeholder for a program that is a client of the org of this name, after a login.
    ///
    /// # Errors
    /// If the org cannot be logged in to.
    pub(crate) async fn placeholder(&self, org: &str) -> Result<String, Arc<LoginError>> {
        let mut orgs = self.generation.orgs.iter();
        let org = orgs.find(|known| known.org.name == org);
        let org = org.ok_or_else(|| Arc::new(LoginError::Lost))?;
        org.placeholder().await
    }

    /// Serves until `shutdown` is done, then until what is in flight is done, at most for the
    /// grace period. Returns how many connections had to be cut.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<usize, StartupError> {
        self.serve_and_reload(shutdown, None::<Reloading<NoSource>>)
            .await
    }

    /// The same, and takes changes of the configuration meanwhile.
    ///
    /// # Errors
    /// Those of [`Self::serve`].
    pub(crate) async fn serve_and_reload<S: Source>(
        self,
        shutdown: impl Future<Output = ()>,
        mut reloading: Option<Reloading<S>>,
    ) -> Result<usize, StartupError> {
        let config = &self.generation.config;
        let files = process::files_left();
        let bounds = admin::Bounds::of(&config.limits, files);
        let reserved = self.admin.as_ref().map_or(0, |_| bounds.connections);
        let load = Arc::new(Load::new(&config.limits, files - reserved.min(files)));
        // Where nobody looks, no request pays for being seen.
        let has_board = self.admin.is_some();
        let is_seen = has_board || self.access_log.is_some() || self.export.is_some();
        let watch = is_seen.then(|| Watch::start(self.access_log, self.export, has_board));
        let watch = watch.transpose().map_err(StartupError::Thread)?;
        let watch = watch.map(Arc::new);
        let recorder = || watch.as_deref().map(Watch::recorder);
        let workers = (0..config.threads).map(|number| Worker::start(number, &load, recorder()));
        let workers = workers.collect::<io::Result<Vec<_>>>();
        let workers = workers.map_err(StartupError::Thread)?;

        let messages: Vec<_> = workers.iter().map(Worker::messages).collect();
        let (reloads, asks) = Reloads::on_demand(reloading.is_some());
        let reloads = Arc::new(reloads);
        // Aborted when it is dropped, at the very end: it says that the others are stopping.
        let mut admins = JoinSet::new();
        let own = sockets_of(self.admin.as_ref());
        let manager = self.manager;
        let mut watchdog = JoinSet::new();
        watchdog.spawn(keep_reporting(manager.clone(), messages.clone(), false));
        let store = self.generation.common.store.clone();
        let facts = self.admin.zip(watch.clone()).map(|(listener, watch)| {
            let (messages, reloads) = (messages.clone(), reloads.clone());
            let facts = Facts::new(load.clone(), watch, messages, reloads, store);
            let facts = Arc::new(facts);
            admins.spawn(admin::serve(listener, facts.clone(), bounds));
            facts
        });
        let acceptors = Acceptors::new(messages.clone(), load.clone());
        if let Some(predecessor) = self.predecessor {
            let relieved = predecessor.relieve(self.handed).await;
            relieved.map_err(StartupError::Predecessor)?;
        }
        let generation = self.generation;
        let around = (facts.clone(), own, manager.clone());
        let mut running = Running::start(generation, acceptors, messages.clone(), around);
        let is_over = tokio::select! {
            () = shutdown => true,
            // It stays until what is in flight is done: the demo orgs are in it.
            () = keep_reloading(reloading.as_mut(), &mut running, &reloads, asks) => false,
        };
        if !is_over {
            // Those who ask how it is are to reach the new process.
            admins.shutdown().await;
        }
        if let Some(facts) = facts {
            facts.stop();
        }
        let grace = running.stop().await;
        let open = load.connections();
        tracing::info!(connections = open, ?grace, "stopping");
        if is_over {
            manager.stopping(&format!("stopping, with {open} connections open"));
        }
        // Threads that end from now on are not missed. A process that has handed over is not the one
        // that is watched.
        watchdog = JoinSet::new();
        if is_over {
            watchdog.spawn(keep_reporting(manager, messages, true));
        }
        let cut = stop_all(workers, grace).await;
        if let Some(watch) = watch {
            // The last records may have to wait for a slow disk or collector.
            let _ = tokio::task::spawn_blocking(move || watch.stop()).await;
        }
        Ok(cut)
    }
}

/// Stops `workers`. Returns how many connections had to be cut.
async fn stop_all(workers: Vec<Worker>, grace: Duration) -> usize {
    let stopped = workers.into_iter().map(|worker| worker.stop(grace));
    let cut = futures_util::future::join_all(stopped).await;
    let cut = cut.into_iter().sum();
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "cut off what was not finished within the grace period"
        );
    }
    cut
}

fn sockets_of(listener: Option<&BoundListener>) -> Vec<Arc<Socket>> {
    let all = listener.into_iter().flat_map(|it| &it.sockets.all);
    all.cloned().collect()
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

/// A reason that the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// No date of HTTP is that old, and hyper panics.
    #[error("the clock of this machine shows a time before 1970; set it, then start again")]
    Clock,
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
    /// A certificate authority of `redis.ca_file` that cannot be used, and the like.
    #[error("cannot use [redis]: {0}")]
    Redis(#[source] io::Error),
    /// The client for logins.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Files that are not read to their end.
    #[error(
        "cannot read the certificate authorities within {} s; check the files that SSL_CERT_FILE, SSL_CERT_DIR and state_dir name",
        READING_TIMEOUT.as_secs()
    )]
    Slow,
    /// The process that this one was to take the place of is gone, or goes on.
    #[error("cannot take over from the process before: {0}")]
    Predecessor(#[source] io::Error),
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
