//! What all threads share of one org.

use std::{sync::Arc, time::Duration};

use http::uri::Authority;
use rustls::RootCertStore;
use tokio::{runtime::Handle, task::JoinSet};

use super::{StartupError, service::InheritedSockets};
use crate::{
    auth::{Access, Login, LoginError, Sessions, Share},
    config::{self, ClientLabel, Config, Limits, Listen, PubSub},
    network::{self, Dialer, OwnListeners, Store},
    proxy::{
        Proxy,
        budget::{Budget, Replicas},
        delivery::Delivery,
        guard::Guard,
        placeholder::Placeholders,
        policy::Policies,
        replay::ReplayMemory,
        upstream::{Connections, Connector, Upstream},
        users::Users,
    },
};

/// The state that the proxies of all threads for one org share, for its APIs or for its Pub/Sub API.
pub(super) struct OrgRuntime {
    pub(super) org: Arc<config::Org>,
    pub(super) placeholders: Arc<Placeholders>,
    /// Those of the org's own user.
    pub(super) sessions: Arc<Sessions>,
    /// The users that clients act as, if not all as the org's own.
    pub(super) users: Option<Arc<Users>>,
    guard: Arc<Guard>,
    /// If there is one.
    pub(super) budget: Option<Arc<Budget>>,
    /// What counts for it together with other replicas, if there are any.
    _counting: JoinSet<()>,
    policies: Option<Arc<Policies>>,
    connector: Arc<Connector>,
    /// The host of the Pub/Sub API. None for that of the session.
    endpoint: Option<Authority>,
    limits: Limits,
    /// For the copies of bodies, of all orgs.
    replay_memory: Arc<ReplayMemory>,
}

/// Sessions that go on, and how they are had from now on.
pub(super) type Kept = Vec<(Arc<Sessions>, Access)>;

/// What all orgs have in common.
pub(super) struct Common {
    /// The authorities that they trust.
    pub(super) roots: RootCertStore,
    /// Where this process listens itself, and none of them can be.
    pub(super) own: OwnListeners,
    pub(super) replay_memory: Arc<ReplayMemory>,
    /// Where replicas share what they know, if they do.
    pub(super) store: Option<Arc<Store>>,
    /// What the service manager has bound.
    pub(super) inherited: Arc<InheritedSockets>,
    /// The orgs with the keys that they had before, which are what some placeholders follow from.
    pub(super) former: Vec<config::Org>,
}

impl OrgRuntime {
    /// The runtime of the org at `index` of `config`, in place of `before`, if there was one. Logins
    /// run on the runtime that this is called on. Sessions of `before` that it goes on with are
    /// returned with how to log in from now on.
    ///
    /// # Errors
    /// When a certificate authority of the org is not one, or its login URL has a host that cannot be
    /// connected to.
    pub(super) fn new(
        config: &Config,
        index: usize,
        common: &Common,
        before: Option<&Arc<Self>>,
    ) -> Result<(Self, Kept), StartupError> {
        let org = Arc::new(config.orgs[index].clone());
        let limits = config.limits.clone();
        let tls = network::tls::client_config(common.roots.clone(), &org.ca)?;
        let dialer = Arc::new(Dialer::new(
            config.proxies_to(&org),
            &tls,
            limits.connect,
            limits.idle_body,
            common.own.clone(),
        ));
        // Each process has a demo org of its own.
        let store = common.store.as_ref().filter(|_| org.demo.is_none());
        let share = |org: &config::Org| store.and_then(|store| Share::new(store, org));
        let own = share(&org);
        let replicas = store.zip(own.as_ref());
        let replicas = replicas.map(|(store, share)| Replicas::new(store.clone(), share.place()));
        let login = Login::new(org.clone(), dialer.clone(), tls.clone())?;
        let mut kept = Kept::new();
        let mut sessions_by = |access: Access, before: Option<&Arc<Sessions>>| match before {
            Some(sessions) if sessions.are_those_of(&access) => {
                kept.push((sessions.clone(), access));
                sessions.clone()
            }
            Some(sessions) => sessions.succeeded_by(access),
            None => Sessions::new(access, Handle::current()),
        };
        let access = Access::new(login.clone(), own);
        let sessions = sessions_by(access, before.map(|before| &before.sessions));
        let users = org.users.as_ref().map(|users| {
            Users::new(&org, users, &sessions, |name| {
                let access = Access::new(login.as_user(name), share(&org.as_user(name)));
                let before = before.and_then(|before| before.sessions_of(name));
                sessions_by(access.of_user(name.clone()), before)
            })
        });
        let placeholders = Placeholders::new(&config.orgs, &common.former, index);
        let spent = before.and_then(|before| before.budget.as_deref());
        let budget = org.budget.clone();
        let budget = budget.map(|budget| Arc::new(Budget::new(budget, spent)));
        let counting = budget.as_ref().zip(replicas);
        let counting = counting.map(|(budget, replicas)| budget.share(replicas));
        let runtime = Self {
            placeholders: Arc::new(placeholders),
            sessions,
            users: users.map(Arc::new),
            guard: Arc::new(Guard::new(&org, &limits)),
            budget,
            _counting: counting.unwrap_or_default(),
            policies: Policies::new(&org).map(Arc::new),
            connector: Arc::new(Connector::new(dialer, tls, org.http2, &limits)),
            endpoint: None,
            replay_memory: common.replay_memory.clone(),
            limits,
            org,
        };
        Ok((runtime, kept))
    }

    /// The sessions of this user, if it is one besides the org's own.
    fn sessions_of(&self, user: &str) -> Option<&Arc<Sessions>> {
        let mut all = self.users.iter().flat_map(|users| users.all());
        let found = all.find(|known| *known.name == *user);
        found.map(|user| &user.sessions)
    }

    /// The placeholder for a program on this machine that calls by TCP, after a login.
    ///
    /// # Errors
    /// If the user that it acts as cannot log in.
    pub(super) async fn placeholder(&self) -> Result<String, Arc<LoginError>> {
        let by_tcp = |listen: &&Listen| listen.address().is_some();
        let listen = self.org.listen.iter().find(by_tcp);
        let name = listen.and_then(|listen| self.org.client_names.of(listen));
        let client = name.cloned().map(ClientLabel::Listener);
        let user = self.users.as_ref();
        let user = user.and_then(|users| users.of(client.as_ref()).ok());
        let sessions = user.map_or(&self.sessions, |user| &user.sessions);
        let session = sessions.current().await?;
        let id = session.identity.org_id.as_deref();
        let user = user.map(|user| &*user.name);
        Ok(self.placeholders.session_id(user, id.unwrap_or(SOME_ORG)))
    }

    /// Returns whether it is what [`Self::new`] would make, but for authorities of the system.
    pub(super) fn is_for(&self, config: &Config, index: usize, common: &Common) -> bool {
        *self.org == config.orgs[index]
            && self.limits == config.limits
            && *self.placeholders == Placeholders::new(&config.orgs, &common.former, index)
    }

    /// The same org with the same session, for the Pub/Sub API, where a call is open for days, while
    /// the client asks for nothing new and Salesforce says every 270 s that there is nothing
    /// ([`crate::salesforce::facts::families`]).
    pub(super) fn for_pubsub(&self, pubsub: &PubSub) -> Self {
        Self {
            org: self.org.clone(),
            placeholders: self.placeholders.clone(),
            sessions: self.sessions.clone(),
            users: self.users.clone(),
            guard: self.guard.clone(),
            budget: self.budget.clone(),
            _counting: JoinSet::new(),
            policies: self.policies.clone(),
            connector: Arc::new(self.connector.for_calls()),
            endpoint: Some(pubsub.endpoint.clone()),
            limits: Limits {
                idle_body: LONGEST_SILENCE,
                // A call that goes on for days must not keep much of what it has said.
                replay_bytes: self.limits.replay_bytes.min(MOST_OF_A_CALL),
                ..self.limits.clone()
            },
            replay_memory: self.replay_memory.clone(),
        }
    }

    /// The connections to the org, those of its Pub/Sub API included.
    pub(super) fn connections(&self) -> &Connections {
        self.connector.connections()
    }

    /// A proxy for the thread that this is called on.
    pub(super) fn proxy(&self) -> Proxy {
        let (connector, limits) = (self.connector.clone(), self.limits.clone());
        Proxy {
            name: self.org.name.as_str().into(),
            org: self.org.clone(),
            placeholders: self.placeholders.clone(),
            guard: self.guard.clone(),
            policies: self.policies.clone(),
            delivery: Delivery {
                org: self.org.clone(),
                sessions: self.sessions.clone(),
                users: self.users.clone(),
                upstream: Upstream::new(connector, self.endpoint.clone(), &limits),
                replay_bytes: limits.replay_bytes,
                budget: self.budget.clone(),
            },
            limits,
            replay_memory: self.replay_memory.clone(),
        }
    }
}

/// Twice as long as Salesforce is silent, and then some.
const LONGEST_SILENCE: Duration = Duration::from_secs(10 * 60);

/// Bytes that are kept of a call. It begins with what an event or a subscription has.
const MOST_OF_A_CALL: usize = 1024 * 1024;

/// What clients take for the id of the org, where a login did not report it.
const SOME_ORG: &str = "00D000000000000";
