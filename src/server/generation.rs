//! All that one reading of the configuration makes.

use std::{io, sync::Arc, time::Duration};

use rustls::RootCertStore;

use super::{
    StartupError, admin,
    listen::BoundListener,
    listener::Listener,
    org_runtime::{Common, Kept, OrgRuntime},
    service::InheritedSockets,
    sockets::Socket,
    tls::Tls,
};
use crate::{
    config::{self, Config, Protocol},
    network::{self, OwnListeners, Store},
    proxy::replay::ReplayMemory,
    watch::metrics::CertificateFacts,
};

/// A configuration and what serves it: orgs, listeners, certificates. Another takes its place when
/// the configuration is read again, and has from it whatever stays as it is.
pub(super) struct Generation {
    pub(super) config: Config,
    pub(super) orgs: Vec<Arc<OrgRuntime>>,
    pub(super) listeners: Vec<BoundListener>,
    pub(super) tls: Tls,
    pub(super) common: Common,
    /// Those that a person has to renew, if anybody can ask for them.
    pub(super) certificates: Vec<CertificateFacts>,
    /// Those of `orgs` for the Pub/Sub API.
    calls: Vec<Arc<OrgRuntime>>,
    kept: Kept,
}

impl Generation {
    /// The first one, which takes the sockets that it needs from those that are `inherited`, or are
    /// its `own` already.
    ///
    /// # Errors
    /// The first reason that it cannot be.
    pub(super) async fn first(
        config: Config,
        inherited: InheritedSockets,
        own: &[Arc<Socket>],
    ) -> Result<Self, StartupError> {
        let made = Self::new(config, Arc::new(inherited), own, None).await;
        made.map_err(|mut errors| errors.swap_remove(0))
    }

    /// The one that is to take the place of this, which stays as it is meanwhile. Its new addresses
    /// are bound.
    ///
    /// # Errors
    /// Every reason that it cannot be, at least one.
    pub(super) async fn next(&self, config: Config) -> Result<Self, Vec<StartupError>> {
        let inherited = self.common.inherited.clone();
        Self::new(config, inherited, &self.sockets(), Some(self)).await
    }

    async fn new(
        config: Config,
        inherited: Arc<InheritedSockets>,
        own: &[Arc<Socket>],
        before: Option<&Self>,
    ) -> Result<Self, Vec<StartupError>> {
        let (tls, roots) = tls_of(&config).await.map_err(|error| vec![error])?;
        let common = match before {
            None => Common {
                store: store_of(&config).map_err(|error| vec![error])?,
                inherited,
                own: OwnListeners::default(),
                replay_memory: ReplayMemory::new(config.limits.replay_memory),
                former: Vec::new(),
                roots,
            },
            Some(before) => before.common_to(&config, roots),
        };
        let certificates = match &config.admin {
            Some(_) => admin::certificates(&config).await,
            None => Vec::new(),
        };
        let mut next = Self {
            config,
            orgs: Vec::new(),
            listeners: Vec::new(),
            tls,
            common,
            certificates,
            calls: Vec::new(),
            kept: Kept::new(),
        };
        let mut errors = Vec::new();
        let mut listeners = Vec::new();
        for index in 0..next.config.orgs.len() {
            let added = next.add_org(index, before);
            let added = added.and_then(|runtime| next.plan(&runtime, before, &mut listeners));
            errors.extend(added.err());
        }
        errors.extend(next.bind(listeners, own, before).await);
        if errors.is_empty() {
            Ok(next)
        } else {
            Err(errors)
        }
    }

    fn add_org(
        &mut self,
        index: usize,
        before: Option<&Self>,
    ) -> Result<Arc<OrgRuntime>, StartupError> {
        let name = &self.config.orgs[index].name;
        let former = before.and_then(|before| before.org(name));
        let has_same_roots =
            before.is_some_and(|it| it.common.roots.roots == self.common.roots.roots);
        let runtime = match former {
            Some(former) if has_same_roots && former.is_for(&self.config, index, &self.common) => {
                former.clone()
            }
            _ => {
                let (runtime, kept) = OrgRuntime::new(&self.config, index, &self.common, former)?;
                self.kept.extend(kept);
                Arc::new(runtime)
            }
        };
        self.orgs.push(runtime.clone());
        Ok(runtime)
    }

    /// Adds the listeners of an org.
    fn plan(
        &mut self,
        runtime: &Arc<OrgRuntime>,
        before: Option<&Self>,
        listeners: &mut Vec<Listener>,
    ) -> Result<(), StartupError> {
        let limits = &self.config.limits;
        for listen in &runtime.org.listen {
            let mut known = listeners.iter_mut();
            match known.find(|known| known.listen == *listen && listen.is_fixed()) {
                Some(shared) => shared.share(runtime.clone()),
                None => listeners.push(Listener::new(
                    listen,
                    Protocol::Api,
                    runtime.clone(),
                    &self.tls,
                    limits,
                )?),
            }
        }
        if let Some(pubsub) = &runtime.org.pubsub {
            let former = before.and_then(|before| before.calls_beside(runtime));
            let calls = former.unwrap_or_else(|| Arc::new(runtime.for_pubsub(pubsub)));
            for listen in &pubsub.listen {
                let (protocol, calls) = (Protocol::PubSub, calls.clone());
                let listener = Listener::new(listen, protocol, calls, &self.tls, limits)?;
                listeners.push(listener);
            }
            self.calls.push(calls);
        }
        Ok(())
    }

    /// Binds `listeners`, as far as what they need is not among the sockets that are its `own`. Returns
    /// what went wrong.
    async fn bind(
        &mut self,
        listeners: Vec<Listener>,
        own: &[Arc<Socket>],
        before: Option<&Self>,
    ) -> Vec<StartupError> {
        let mut errors = Vec::new();
        let mut former: Vec<_> = before.iter().flat_map(|it| &it.listeners).collect();
        let mut held = own.to_vec();
        held.extend(self.common.inherited.all().cloned());
        for listener in listeners {
            let mut listen = listener.listen.clone();
            if !listen.is_fixed()
                && let Some(at) = former.iter().position(|it| it.is_place_of(&listener))
            {
                listen = former.swap_remove(at).address();
            }
            match BoundListener::bind_at(&listen, listener, &held).await {
                Ok(bound) => {
                    bound.warn_if_open(own);
                    // Another of the same address must not be bound beside it.
                    held.extend(bound.sockets.all.iter().cloned());
                    self.listeners.push(bound);
                }
                Err(error) => {
                    let error = self.explain_inherited(error);
                    errors.push(match before {
                        Some(before) => before.explain(error),
                        None => error,
                    });
                }
            }
        }
        errors
    }

    /// Says in what its sockets differ from what the service manager has bound.
    pub(super) fn compare_with_inherited(&self, admin: &[Arc<Socket>]) {
        let inherited = &self.common.inherited;
        inherited.compare_with(&self.sockets(), admin);
    }

    /// Names the listener of this process that is in the way.
    fn explain(&self, error: StartupError) -> StartupError {
        let StartupError::Bind(listen, cause) = &error else {
            return error;
        };
        let mut own = self.listeners.iter().map(BoundListener::address);
        match own.find(|own| own.collides(listen)) {
            Some(own) if cause.kind() == io::ErrorKind::AddrInUse => {
                let cause = format!("this process has {own}, which is part of it; restart it");
                StartupError::Bind(listen.clone(), io::Error::other(cause))
            }
            _ => error,
        }
    }

    /// Names the socket of the service manager that is in the way.
    fn explain_inherited(&self, error: StartupError) -> StartupError {
        match &error {
            StartupError::Bind(listen, cause) if cause.kind() == io::ErrorKind::AddrInUse => {
                match self.common.inherited.in_the_way_of(listen) {
                    Some((name, place)) => {
                        let cause = format!(
                            "the inherited socket {name} is at {place}; make listen and the \
                             ListenStream= of the socket's unit name the same address"
                        );
                        StartupError::Bind(listen.clone(), io::Error::other(cause))
                    }
                    None => error,
                }
            }
            _ => error,
        }
    }

    /// What the orgs of `config` have in common, if it comes after this.
    fn common_to(&self, config: &Config, roots: RootCertStore) -> Common {
        let is_same = |old: &config::Org, new: &config::Org| {
            old.name == new.name
                && old.credential.client_id() == new.credential.client_id()
                && old.username == new.username
                && old.login_url == new.login_url
        };
        let mut former: Vec<config::Org> = Vec::new();
        for old in self.config.orgs.iter().chain(&self.common.former) {
            let mut new = config.orgs.iter().filter(|new| is_same(old, new));
            let is_alike = |one: &config::Org, other: &config::Org| {
                one.credential.secret() == other.credential.secret() && one.users == other.users
            };
            let is_known = |former: &config::Org| former.name == old.name && is_alike(former, old);
            let count = former.iter().filter(|it| it.name == old.name).count();
            if new.any(|new| !is_alike(new, old))
                && !former.iter().any(is_known)
                && count < MOST_FORMER_KEYS
            {
                let mut old = old.clone();
                old.credential = old.credential.without_key();
                former.push(old);
            }
        }
        Common {
            roots,
            own: self.common.own.clone(),
            replay_memory: self.common.replay_memory.clone(),
            store: self.common.store.clone(),
            inherited: self.common.inherited.clone(),
            former,
        }
    }

    /// Has what goes on be as this configuration has it. Until then nothing has changed.
    pub(super) fn take_effect(&mut self) {
        for (sessions, access) in self.kept.drain(..) {
            sessions.go_on_by(access);
        }
    }

    fn org(&self, name: &str) -> Option<&Arc<OrgRuntime>> {
        self.orgs.iter().find(|known| known.org.name == name)
    }

    /// That for the Pub/Sub API of the very same org.
    fn calls_beside(&self, runtime: &Arc<OrgRuntime>) -> Option<Arc<OrgRuntime>> {
        let is_here = self.orgs.iter().any(|known| Arc::ptr_eq(known, runtime));
        let mut calls = self.calls.iter().filter(|_| is_here);
        calls
            .find(|calls| calls.org.name == runtime.org.name)
            .cloned()
    }

    pub(super) fn sockets(&self) -> Vec<Arc<Socket>> {
        let all = self.listeners.iter().flat_map(|it| &it.sockets.all);
        all.cloned().collect()
    }
}

/// The way to Redis, if any org shares by it.
fn store_of(config: &Config) -> Result<Option<Arc<Store>>, StartupError> {
    let Some(redis) = config.shared_redis() else {
        if let (Some(_), Some(org)) = (&config.redis, config.orgs.first()) {
            tracing::info!(
                "Redis is not used: org {} is a demo org, which each process has for itself",
                org.name
            );
        }
        return Ok(None);
    };
    open_store(redis).map(Some).map_err(StartupError::Redis)
}

/// The way to this server.
///
/// # Errors
/// If its certificate authorities cannot be used.
pub(crate) fn open_store(redis: &config::Redis) -> io::Result<Arc<Store>> {
    let (url, prefix) = (redis.url.clone(), redis.prefix.clone());
    Store::new(url, &redis.ca, redis.name(), prefix)
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

/// For reading certificate authorities, and for making one.
pub(super) const READING_TIMEOUT: Duration = Duration::from_secs(20);

/// Keys of one org, before the one in use, whose placeholders are still known.
const MOST_FORMER_KEYS: usize = 8;
