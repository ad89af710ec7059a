//! A request on its way to the org: with a session that lives, and once more if it turns out dead.

use std::{sync::Arc, time::Duration};

use http::Response;

use crate::{
    auth::{Session, Sessions},
    error::Error,
    family::Family,
    replay::{Kept, Replay},
    request::Head,
    response::{self, Body},
    upstream::Upstream,
};

/// One thread's way to one org, and the sessions for it.
///
/// What is rare is boxed, so that not every request's future has room for it.
pub(crate) struct Delivery {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) upstream: Upstream,
    /// Bytes of a body that are kept.
    pub(crate) replay_bytes: usize,
}

/// What the org answered, and whether it says that the session is dead.
type Attempt = (Response<Body>, bool);

impl Delivery {
    /// Has the org answer `head` and `body`, and returns with which session.
    ///
    /// A session that the org takes for dead is replaced, and the request is sent once more, whole.
    pub(crate) async fn deliver(
        &self,
        head: &Head,
        body: &Replay,
    ) -> Result<(Response<Body>, Arc<Session>), Error> {
        let mut session = self.sessions.current().await?;
        let is_at_risk = match body.kept(self.replay_bytes) {
            Kept::Whole => false,
            Kept::TooLarge => !session.accepted_within(KNOWN_GOOD),
            // Many large bodies at once: if the session is dead, it is for all of them.
            Kept::NoMemory => true,
        };
        if is_at_risk && head.family() != Family::PubSub {
            session = Box::pin(self.living(session)).await?;
        }

        let (mut response, is_dead) = self.attempt(head, body, &session).await?;
        if is_dead {
            (response, session) = Box::pin(self.repeat(head, body, response, session)).await?;
        }
        if head.family() == Family::PubSub {
            let (sessions, session) = (self.sessions.clone(), session.clone());
            response = response::watch(response, move || sessions.end(&session));
        }
        Ok((response, session))
    }

    /// Sends the request again in place of `response`, which says that `session` is dead, for as
    /// long as another session may do better.
    async fn repeat(
        &self,
        head: &Head,
        body: &Replay,
        mut response: Response<Body>,
        mut session: Arc<Session>,
    ) -> Result<(Response<Body>, Arc<Session>), Error> {
        for repeats in 0..MOST_REPEATS {
            let Some(next) = self.successor(head, &session, repeats).await? else {
                return Ok((response, session));
            };
            let is_confirmed = next.same_token(&session) && !Arc::ptr_eq(&next, &session);
            session = next;
            let is_dead;
            (response, is_dead) = self.attempt(head, body, &session).await?;
            if !is_dead {
                return Ok((response, session));
            }
            // A login says that it lives, so it is the request that is refused.
            if is_confirmed {
                break;
            }
        }
        self.sessions.doubt();
        Ok((response, session))
    }

    /// With what to send a request again that was refused with `session`, if that is of use.
    ///
    /// The first time a login will tell. Where logins were in vain lately, the org is asked first
    /// whether it is the session that it refuses, or the request: that costs no login.
    async fn successor(
        &self,
        head: &Head,
        session: &Arc<Session>,
        repeats: usize,
    ) -> Result<Option<Arc<Session>>, Error> {
        // The host of the Pub/Sub API answers no such question.
        let can_ask = head.family() != Family::PubSub;
        if repeats == 0 && !(can_ask && self.sessions.doubts()) && !self.sessions.rests() {
            return Ok(Some(self.sessions.replace(session).await?));
        }
        if !can_ask || self.sessions.rests() || self.lives(session).await.unwrap_or(true) {
            return Ok(None);
        }
        Ok(Some(self.sessions.after(session).await?))
    }

    /// Sends the request with `session`.
    async fn attempt(
        &self,
        head: &Head,
        body: &Replay,
        session: &Session,
    ) -> Result<Attempt, Error> {
        let mut response = self
            .upstream
            .send(head, body, session)
            .await?
            .map(Body::from);
        let status = response.status();
        let family = head.family();
        let is_dead = family.suspects(&response, session)
            && family.is_expired(
                head.method(),
                &Box::pin(response::peek(&mut response)).await?,
            );
        if !is_dead && family.proves_session(head.path(), status) {
            session.accepted();
        }
        Ok((response, is_dead))
    }

    /// `session` if the org says that it lives, else the next one: asked before a body that could
    /// not be sent again.
    async fn living(&self, session: Arc<Session>) -> Result<Arc<Session>, Error> {
        match self.lives(&session).await? {
            true => Ok(session),
            false => Ok(self.sessions.after(&session).await?),
        }
    }

    /// Whether the org says that `session` lives.
    async fn lives(&self, session: &Session) -> Result<bool, Error> {
        let question = Head::liveness();
        let (mut response, is_dead) = self.attempt(&question, &Replay::Empty, session).await?;
        // Read to its end, so that the connection is at hand for what follows.
        response::peek(&mut response).await?;
        Ok(!is_dead)
    }
}

/// A request is sent three times at most: two sessions in a row may be dead before the org has
/// accepted either.
const MOST_REPEATS: usize = 2;

/// For how long a session that the org accepted is trusted to be alive.
const KNOWN_GOOD: Duration = Duration::from_secs(3);
