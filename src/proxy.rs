//! The life of one request.

use std::{sync::Arc, time::Duration};

use http::{Response, request::Parts};
use hyper::body::Incoming;

use crate::{
    auth::{Session, Sessions},
    config::Limits,
    error::Error,
    family::{self, Family},
    guard::{Admitted, Guard, Refusal},
    local,
    replay::Replay,
    request::Head,
    response::{self, Body},
    upstream::Upstream,
};

/// One thread's proxy for one org.
///
/// What is rare is boxed, so that not every request's future has room for it.
pub(crate) struct Proxy {
    pub(crate) guard: Arc<Guard>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) upstream: Upstream,
    pub(crate) limits: Limits,
}

impl Proxy {
    /// Forwards a request to the org and returns what the org said.
    ///
    /// A session that the org takes for dead is replaced, and the request is sent once more, whole.
    pub(crate) async fn forward(
        &self,
        parts: Parts,
        body: Incoming,
    ) -> Result<Response<Body>, Error> {
        let body = Replay::new(body, parts.version, &self.limits);
        let Admitted { addressed, origin } = self.guard.admit(&parts)?;
        if let Some(answer) = local::answer(&parts, origin.as_ref()) {
            return Ok(answer);
        }
        let head = Head::new(parts, addressed, body.is_chunked());

        let mut session = self.sessions.current().await?;
        if !head.is_for(&session) {
            return Err(Refusal::WrongInstance(head.addressed()).into());
        }
        if body.may_outgrow(self.limits.replay_bytes) && !session.accepted_within(KNOWN_GOOD) {
            session = Box::pin(self.living(session)).await?;
        }

        let (mut response, dead) = self.attempt(&head, &body, &session).await?;
        if dead && let Some(next) = self.sessions.replace(&session).await? {
            (response, _) = Box::pin(self.attempt(&head, &body, &next)).await?;
        }
        Ok(response::clean(response, origin))
    }

    /// Sends the request with `session`, and tells whether the org answered that it is dead.
    async fn attempt(
        &self,
        head: &Head,
        body: &Replay,
        session: &Session,
    ) -> Result<(Response<Body>, bool), Error> {
        let mut response = self
            .upstream
            .send(head, body, session)
            .await?
            .map(Body::from);
        let status = response.status();
        let dead = status.is_client_error() && Box::pin(says_dead(head, &mut response)).await?;
        if !dead && family::proves_session(head.path(), status) {
            session.accepted();
        }
        Ok((response, dead))
    }

    /// `session` if the org says that it lives, else the next one: asked before a body that could
    /// not be sent again.
    async fn living(&self, session: Arc<Session>) -> Result<Arc<Session>, Error> {
        let question = Head::liveness();
        let (mut response, dead) = self.attempt(&question, &Replay::Empty, &session).await?;
        // Read to its end, so that the connection is at hand for what follows.
        response::peek(&mut response).await?;
        match dead {
            true => Ok(self.sessions.after(&session).await?),
            false => Ok(session),
        }
    }
}

/// Whether an answer that is an error means a dead session.
async fn says_dead(head: &Head, response: &mut Response<Body>) -> Result<bool, Error> {
    let family = Family::of(head.path());
    Ok(family.suspects(response.status())
        && family.is_expired(head.method(), &response::peek(response).await?))
}

/// For how long a session that the org accepted is trusted to be alive.
const KNOWN_GOOD: Duration = Duration::from_secs(60);
