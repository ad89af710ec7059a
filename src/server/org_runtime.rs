//! What all threads share of one org.

use std::{sync::Arc, time::Duration};

use http::uri::Authority;
use rustls::RootCertStore;
use tokio::runtime::Handle;

use super::StartupError;
use crate::{
    auth::{Login, Sessions},
    config::{self, Config, Limits, PubSub},
    network::{self, Dialer, OwnListeners},
    proxy::{
        Proxy,
        delivery::Delivery,
        guard::Guard,
        placeholder::Placeholders,
        replay::Budget,
        upstream::{Connections, Connector, Upstream},
    },
};

/// The state that the proxies of all threads for one org share, for its APIs or for its Pub/Sub API.
pub(super) struct OrgRuntime {
    pub(super) org: Arc<config::Org>,
    pub(super) placeholders: Arc<Placeholders>,
    pub(super) sessions: Arc<Sessions>,
    guard: Arc<Guard>,
    connector: Arc<Connector>,
    /// The host of the Pub/Sub API. None for that of the session.
    endpoint: Option<Authority>,
    limits: Limits,
    /// For the copies of bodies, of all orgs.
    replay_memory: Arc<Budget>,
}

impl OrgRuntime {
    /// The runtime of the org at `index` of `config`, which trusts `roots`, and goes nowhere where this
    /// process listens itself. Logins run on the runtime that this is called on.
    ///
    /// # Errors
    /// When a certificate authority of the org is not one, or its login URL has a host that cannot be
    /// connected to.
    pub(super) fn new(
        config: &Config,
        index: usize,
        roots: &RootCertStore,
        own: &OwnListeners,
        replay_memory: &Arc<Budget>,
    ) -> Result<Self, StartupError> {
        let org = Arc::new(config.orgs[index].clone());
        let limits = config.limits.clone();
        let tls = network::tls::client_config(roots.clone(), &org.ca)?;
        let dialer = Arc::new(Dialer::new(
            config.proxies_to(&org),
            &tls,
            limits.connect,
            limits.idle_body,
            own.clone(),
        ));
        let login = Login::new(org.clone(), dialer.clone(), tls.clone())?;
        Ok(Self {
            placeholders: Arc::new(Placeholders::new(&config.orgs, index)),
            sessions: Sessions::new(login, Handle::current()),
            guard: Arc::new(Guard::new(&org, &limits)),
            connector: Arc::new(Connector::new(dialer, tls, org.http2, &limits)),
            endpoint: None,
            replay_memory: replay_memory.clone(),
            limits,
            org,
        })
    }

    /// The same org with the same session, for the Pub/Sub API, where a call is open for days, while
    /// the client asks for nothing new and Salesforce says every 270 s that there is nothing
    /// ([`crate::salesforce::facts::families`]).
    pub(super) fn for_pubsub(&self, pubsub: &PubSub) -> Self {
        Self {
            org: self.org.clone(),
            placeholders: self.placeholders.clone(),
            sessions: self.sessions.clone(),
            guard: self.guard.clone(),
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
            delivery: Delivery {
                org: self.org.clone(),
                sessions: self.sessions.clone(),
                upstream: Upstream::new(connector, self.endpoint.clone(), &limits),
                replay_bytes: limits.replay_bytes,
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
