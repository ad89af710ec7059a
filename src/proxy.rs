//! The life of one request.

use std::{sync::Arc, time::Duration};

use http::{Response, request::Parts};
use hyper::body::Incoming;

use crate::{
    auth::{Session, Sessions},
    config::Limits,
    error::Error,
    family::Family,
    guard::{Admitted, Guard, Refusal},
    local,
    replay::Replay,
    request::Head,
    response::{self, Body},
    upstream::Upstream,
};

/// One thread's proxy for one org.
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
        let Admitted { addressed, origin } = self.guard.admit(&parts)?;
        if let Some(answer) = local::answer(&parts, origin.as_ref()) {
            return Ok(answer);
        }
        let head = Head::new(parts, addressed);
        let body = Replay::new(body, self.limits.replay_bytes, self.limits.idle_body);

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
        let family = Family::of(head.path());
        let dead = family.suspects(response.status())
            && family.is_expired(
                head.method(),
                &Box::pin(response::peek(&mut response)).await?,
            );
        if !dead && family.proves(head.path(), response.status()) {
            session.accepted();
        }
        Ok((response, dead))
    }

    /// `session` if the org says that it lives, else the next one: asked before a body that could
    /// not be sent again.
    async fn living(&self, session: Arc<Session>) -> Result<Arc<Session>, Error> {
        match self
            .attempt(&Head::liveness(), &Replay::Empty, &session)
            .await?
        {
            (_, true) => Ok(self.sessions.after(&session).await?),
            (_, false) => Ok(session),
        }
    }
}

/// For how long a session that the org accepted is trusted to be alive.
const KNOWN_GOOD: Duration = Duration::from_secs(60);
