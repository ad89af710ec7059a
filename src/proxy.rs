//! The life of one request.

use std::sync::Arc;

use http::{Response, request::Parts};
use hyper::body::Incoming;

use self::{
    base_url::BaseUrl,
    connection_state::ConnectionState,
    delivery::Delivery,
    error::Error,
    family::Family,
    guard::{Guard, Named},
    local::Local,
    placeholder::Placeholders,
    replay::{Budget, Replay},
    request::Head,
    response::Body,
};
use crate::config::{self, Limits};

pub(crate) mod base_url;
pub(crate) mod coding;
pub(crate) mod connection_state;
pub(crate) mod credentials;
pub(crate) mod delivery;
pub(crate) mod error;
pub(crate) mod family;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod load;
pub(crate) mod local;
pub(crate) mod path;
pub(crate) mod placeholder;
pub(crate) mod refusal;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stack;
pub(crate) mod target;
pub(crate) mod upstream;

/// One thread's proxy for one org.
///
/// What is rare is boxed, so that not every request's future has room for it.
pub(crate) struct Proxy {
    pub(crate) org: Arc<config::Org>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) placeholders: Arc<Placeholders>,
    pub(crate) delivery: Delivery,
    pub(crate) limits: Limits,
    pub(crate) replay_memory: Arc<Budget>,
}

impl Proxy {
    /// Answers a request: with what the org says, or with what is ours to say.
    pub(crate) async fn forward(
        &self,
        family: Family,
        parts: Box<Parts>,
        body: Incoming,
        connection: &ConnectionState,
    ) -> Result<Response<Body>, Error> {
        // A call of the Pub/Sub API is a body that hardly ever goes on.
        let activity = (family != Family::PubSub).then(|| connection.activity());
        let mut body = Replay::new(body, &parts, &self.limits, &self.replay_memory, activity);
        let admitted = self.guard.admit(&parts, connection)?;
        let envelope = family.open(&parts, &mut body).await?;
        let local = Local::of(&parts, family, &admitted, envelope.as_deref());
        if admitted.lacks_key && !local.as_ref().is_some_and(Local::is_login) {
            self.placeholders.vouch(&parts, envelope.as_deref())?;
        }
        let sessions = &self.delivery.sessions;
        let base = match &admitted.named {
            Named::Us => BaseUrl::of(&parts, connection.secure()),
            named => Box::pin(BaseUrl::of_instance(named, &parts, connection, sessions)).await?,
        };
        if let Some(local) = local {
            return Box::pin(local.answer(self, &parts, &body, &base)).await;
        }

        self.placeholders.check(&parts, envelope.as_deref())?;
        let head = Head::new(*parts, connection.lines(), family, envelope);
        let (mut response, session) = self.delivery.deliver(&head, &body).await?;
        let placeholder = || self.placeholders.session_for(&session);
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
