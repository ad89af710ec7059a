//! The life of one request: `Proxy::forward`.

use std::sync::Arc;

use http::{Response, request::Parts};
use hyper::body::Incoming;

use self::{
    base_url::BaseUrl,
    delivery::Delivery,
    error::Error,
    exchange::Exchange,
    guard::{Guard, Named},
    local::Local,
    placeholder::Placeholders,
    policy::Policies,
    replay::{Replay, ReplayMemory},
    request::Head,
    response::Body,
};
use crate::config::{self, Limits};

pub(crate) mod base_url;
pub(crate) mod budget;
pub(crate) mod coding;
pub(crate) mod connection_state;
pub(crate) mod credentials;
pub(crate) mod delivery;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod family;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod load;
pub(crate) mod local;
pub(crate) mod old_version;
pub(crate) mod path;
pub(crate) mod percent;
pub(crate) mod placeholder;
pub(crate) mod policy;
pub(crate) mod received;
pub(crate) mod refusal;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stack;
pub(crate) mod target;
pub(crate) mod upstream;
pub(crate) mod users;

/// One thread's proxy for one org.
pub(crate) struct Proxy {
    /// The org's name.
    pub(crate) name: Arc<str>,
    pub(crate) org: Arc<config::Org>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) placeholders: Arc<Placeholders>,
    /// What clients may ask, if that is limited.
    pub(crate) policies: Option<Arc<Policies>>,
    pub(crate) delivery: Delivery,
    pub(crate) limits: Limits,
    pub(crate) replay_memory: Arc<ReplayMemory>,
}

impl Proxy {
    /// Answers a request: with the org's response, or, for logins and the like, with one of the
    /// proxy's own.
    ///
    /// The rare cases are boxed, so that not every request's future has room for them.
    pub(crate) async fn forward(
        &self,
        mut parts: Box<Parts>,
        body: Incoming,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Error> {
        let (family, connection) = (exchange.family, &*exchange.connection);
        let (delivery, placeholders) = (&self.delivery, &self.placeholders);
        let mut body = Replay::new(body, &parts, &self.limits, &self.replay_memory, exchange);
        exchange.comes_with(&parts, placeholders);
        let admitted = self.guard.admit(&parts, connection)?;
        let envelope = family.open_envelope(&parts, &mut body).await?;
        exchange.opens(&parts, envelope.as_deref(), placeholders);
        let local = Local::of(&parts, family, &admitted, envelope.as_deref());
        // Where clients have passwords, one without the client key may log in, or show the
        // placeholder that it got for that. Elsewhere the guard has refused it.
        if admitted.lacks_key && !local.as_ref().is_some_and(Local::is_login) {
            exchange.must_be_of_a_client()?;
        }
        // The address by which the client knows the proxy.
        let base = match &admitted.named {
            Named::Us => BaseUrl::of(&parts, connection.is_tls()),
            named => Box::pin(BaseUrl::of_instance(named, &parts, exchange, delivery)).await?,
        };
        if let Some(local) = local {
            return Box::pin(local.answer(self, &parts, &body, &base, exchange)).await;
        }

        // Those of the user that the client acts as.
        let sessions = delivery.sessions_for(exchange)?;
        placeholders.refuse_others(&parts, envelope.as_deref(), exchange)?;
        if let Some(least) = self.org.minimum_api_version {
            old_version::raise(least, &mut parts, &mut body, exchange).await?;
        }
        if let Some(policies) = &self.policies {
            let envelope = envelope.as_deref();
            Box::pin(policies.admit(&mut parts, &mut body, envelope, exchange)).await?;
        }
        let mut head = Head::new(*parts, connection.take_header_lines(), family, envelope);
        head.join(exchange);
        if self.org.name_clients {
            Box::pin(head.name_client(exchange, &body)).await;
        }
        let request = delivery::Request::new(&head, &body, exchange, sessions);
        // Refused if it is beyond the budget of its client, or of all.
        delivery.admit(request).await?;
        // If the org says that the session is dead, this sends it again with another.
        let (mut response, session) = delivery.deliver(request).await?;
        let placeholder = || placeholders.placeholder_for(&session, exchange);
        response::localize(
            &mut response,
            head,
            &session,
            &base,
            admitted.origin,
            placeholder,
        )
        .await?;
        Ok(response)
    }
}
