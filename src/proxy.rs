//! The life of one request.

use std::{sync::Arc, time::Duration};

use http::{Response, request::Parts};
use hyper::body::Incoming;

use crate::{
    auth::{Session, Sessions},
    base::Base,
    config::{self, Limits},
    error::Error,
    family::Family,
    guard::{Guard, Named},
    line::Line,
    local::Local,
    placeholder::Placeholders,
    replay::Replay,
    request::Head,
    response::{self, Body},
    upstream::Upstream,
};

/// One thread's proxy for one org.
///
/// What is rare is boxed, so that not every request's future has room for it.
pub(crate) struct Proxy {
    pub(crate) org: Arc<config::Org>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) placeholders: Arc<Placeholders>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) upstream: Upstream,
    pub(crate) limits: Limits,
}

impl Proxy {
    /// Answers a request: with what the org says, or with what is ours to say.
    pub(crate) async fn forward(
        &self,
        family: Family,
        parts: Box<Parts>,
        body: Incoming,
        line: &Line,
    ) -> Result<Response<Body>, Error> {
        let mut body = Replay::new(body, parts.version, &self.limits);
        let admitted = self.guard.admit(&parts, line)?;
        let envelope = family.open(&parts, &mut body).await?;
        let local = Local::of(&parts, family, &admitted, envelope.as_deref());
        if admitted.lacks_key && !local.as_ref().is_some_and(Local::is_login) {
            self.placeholders.vouch(&parts, envelope.as_deref())?;
        }
        let base = match &admitted.named {
            Named::Us => Base::of(&parts, line.secure()),
            named => Box::pin(Base::of_instance(named, &parts, line, &self.sessions)).await?,
        };
        if let Some(local) = local {
            return Box::pin(local.answer(self, &parts, &body, &base)).await;
        }

        self.placeholders.check(&parts, envelope.as_deref())?;
        let head = Head::new(*parts, family, envelope);
        let (mut response, session) = self.deliver(&head, &body).await?;
        let placeholder = || self.placeholders.session_for(&session);
        response::localize(
            &mut response,
            &head,
            &session,
            &base,
            admitted.origin,
            placeholder,
        )
        .await?;
        Ok(response)
    }

    /// Has the org answer `head` and `body`, and tells with which session.
    ///
    /// A session that the org takes for dead is replaced, and the request is sent once more, whole.
    pub(crate) async fn deliver(
        &self,
        head: &Head,
        body: &Replay,
    ) -> Result<(Response<Body>, Arc<Session>), Error> {
        let mut session = self.sessions.current().await?;
        if body.may_outgrow(self.limits.replay_bytes)
            && !session.accepted_within(KNOWN_GOOD)
            && head.family() != Family::PubSub
        {
            session = Box::pin(self.living(session)).await?;
        }

        let (mut response, dead) = self.attempt(head, body, &session).await?;
        if dead && let Some(next) = self.sessions.replace(&session).await? {
            (response, _) = Box::pin(self.attempt(head, body, &next)).await?;
            session = next;
        }
        if head.family() == Family::PubSub {
            let (sessions, session) = (self.sessions.clone(), session.clone());
            response = response::watch(response, move || sessions.end(&session));
        }
        Ok((response, session))
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
        let family = head.family();
        let dead = family.suspects(&response, session)
            && family.is_expired(
                head.method(),
                &Box::pin(response::peek(&mut response)).await?,
            );
        if !dead && family.proves_session(head.path(), status) {
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

/// For how long a session that the org accepted is trusted to be alive.
const KNOWN_GOOD: Duration = Duration::from_secs(60);
