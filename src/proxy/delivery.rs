//! A request on its way to the org, with a session that lives: sent again, whole, if it turns out
//! to be dead, or if the org has moved.

use std::{sync::Arc, time::Duration};

use http::{Method, Response};

use crate::{
    auth::{Session, Sessions},
    config,
    proxy::{
        budget::Budget,
        error::Error,
        exchange::Exchange,
        family::{Family, Verdict},
        refusal::Refusal,
        replay::{Kept, Replay},
        request::Head,
        response::{self, Body},
        upstream::{self, Upstream},
        users::Users,
    },
    watch::{Replayed, Wait},
};

mod moved;
mod spending;

/// A request to deliver.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) head: &'a Head,
    pub(crate) body: &'a Replay,
    pub(crate) exchange: &'a Exchange,
    /// Those of the user that it is sent as.
    pub(crate) sessions: &'a Arc<Sessions>,
    /// What the client waits for until the response begins.
    pub(crate) wait: Wait,
}

impl<'a> Request<'a> {
    pub(crate) fn new(
        head: &'a Head,
        body: &'a Replay,
        exchange: &'a Exchange,
        sessions: &'a Arc<Sessions>,
    ) -> Self {
        Self {
            head,
            body,
            exchange,
            sessions,
            wait: Wait::FirstByte,
        }
    }
}

/// One thread's way to one org, and the sessions for it.
///
/// Boxes what is rare, so that not every request's future has room for it.
pub(crate) struct Delivery {
    pub(crate) org: Arc<config::Org>,
    /// Those of the org's own user.
    pub(crate) sessions: Arc<Sessions>,
    /// The users that clients act as, if not all as the org's own.
    pub(crate) users: Option<Arc<Users>>,
    pub(crate) upstream: Upstream,
    /// Bytes of a body that are kept.
    pub(crate) replay_bytes: usize,
    /// How much clients may use of what the org allows, if that is bounded.
    pub(crate) budget: Option<Arc<Budget>>,
}

/// The org's response, and its verdict on the session.
type Attempt = Result<(Response<Body>, Verdict), Error>;

impl Delivery {
    /// The sessions of the user that the client of `exchange` acts as.
    ///
    /// # Errors
    /// If it may act as none.
    pub(crate) fn sessions_for(&self, exchange: &Exchange) -> Result<&Arc<Sessions>, Refusal> {
        let Some(users) = &self.users else {
            return Ok(&self.sessions);
        };
        let user = users.of(exchange.label().as_ref())?;
        exchange.acts_as(&user.name);
        Ok(&user.sessions)
    }

    /// Has the org answer `head` and `body`, and returns with which session.
    ///
    /// A session that the org takes for dead is replaced, and the request is sent again, whole: at
    /// most three times in all.
    pub(crate) async fn deliver(
        &self,
        request: Request<'_>,
    ) -> Result<(Response<Body>, Arc<Session>), Error> {
        let Request {
            head,
            body,
            exchange,
            sessions,
            ..
        } = request;
        let login = sessions.current();
        let mut session = exchange.awaits(Wait::Login, login).await?;
        let is_at_risk = match body.kept(self.replay_bytes) {
            Kept::Whole => false,
            Kept::TooLarge => !session.accepted_within(KNOWN_GOOD),
            // Many large bodies at once: if the session is dead, it is for all of them.
            Kept::NoMemory => true,
        };
        if is_at_risk && head.family() != Family::PubSub {
            session = Box::pin(self.living(request, session)).await?;
        }

        let (mut response, session) = match self.attempt(request, &session).await {
            Ok((response, Verdict::Sound)) => (response, session),
            other => Box::pin(self.repeat(request, other, session)).await?,
        };
        self.is_counted(exchange);
        if head.family() == Family::PubSub {
            let (sessions, session) = (sessions.clone(), session.clone());
            response = response::watch(response, move || sessions.end(&session));
        }
        Ok((response, session))
    }

    /// Sends the request again if `attempt` did not go well with `session`, for as long as another
    /// may do better.
    async fn repeat(
        &self,
        request: Request<'_>,
        mut attempt: Attempt,
        mut session: Arc<Session>,
    ) -> Result<(Response<Body>, Arc<Session>), Error> {
        let mut repeats = 0;
        let mut has_waited = false;
        while repeats < MOST_REPEATS {
            let next = match &attempt {
                Ok((_, Verdict::Sound)) => None,
                Ok((_, Verdict::Dead | Verdict::Login)) => {
                    self.successor(request, &session, repeats).await?
                }
                Ok((_, Verdict::DeadAtLast)) => {
                    request.sessions.end(&session);
                    None
                }
                Ok((_, Verdict::Unsaid)) => self.after(request, &session).await?,
                Ok((_, Verdict::Crowded)) => {
                    let may = !std::mem::replace(&mut has_waited, true);
                    (may && self.take_turn_again(request).await).then(|| session.clone())
                }
                Ok((_, Verdict::Moved)) => self.after_move(request, &session).await,
                Err(error) if error.is_unreachable() => self.elsewhere(request, &session).await,
                Err(_) => None,
            };
            let Some(next) = next else { break };
            let why = match &attempt {
                Ok((_, Verdict::Moved)) | Err(_) => Replayed::Moved,
                Ok((_, Verdict::Crowded)) => Replayed::Crowded,
                Ok(_) => Replayed::Session,
            };
            let is_confirmed = next.same_token(&session) && !Arc::ptr_eq(&next, &session);
            session = next;
            attempt = self.attempt(request, &session).await;
            // A body that had outgrown its copy was not sent again.
            if !matches!(attempt, Err(Error::Upstream(upstream::Error::Outgrown))) {
                request.exchange.is_replayed(why);
            }
            repeats += 1;
            // A login says that it lives, so it is the request that is refused.
            if is_confirmed && matches!(attempt, Ok((_, Verdict::Dead | Verdict::Login))) {
                break;
            }
        }
        let (response, verdict) = attempt?;
        if repeats > 0 && matches!(verdict, Verdict::Dead | Verdict::Login) {
            request.sessions.doubt();
        }
        // What asked for a file would take the page for it.
        if verdict == Verdict::Login {
            return Err(Error::NoPages);
        }
        Ok((response, session))
    }

    /// The session with which to send a request again that was refused with `session`, if that is
    /// of use.
    ///
    /// The first time a login decides. Where logins were in vain lately, or an Apex class or a page may
    /// have answered after it wrote something, the org is asked first whether it is the session that it
    /// refuses, or the request: that costs no login.
    async fn successor(
        &self,
        request: Request<'_>,
        session: &Arc<Session>,
        repeats: usize,
    ) -> Result<Option<Arc<Session>>, Error> {
        // The host of the Pub/Sub API answers no such question.
        let Request {
            head,
            exchange,
            sessions,
            ..
        } = request;
        let can_ask = head.family() != Family::PubSub;
        // Code chooses its answer, after it may have written something, at a GET as well.
        let must_ask = can_ask && (sessions.doubts() || head.is_answered_by_code());
        if repeats == 0 && !must_ask && !sessions.rests() {
            let login = sessions.replace(session);
            return Ok(Some(exchange.awaits(Wait::Login, login).await?));
        }
        if !can_ask || sessions.rests() {
            return Ok(None);
        }
        self.after(request, session).await
    }

    /// The session after `session`, if the org says that this one is dead.
    async fn after(
        &self,
        request: Request<'_>,
        session: &Arc<Session>,
    ) -> Result<Option<Arc<Session>>, Error> {
        match self.ask(request, session).await {
            Ok(Verdict::Dead) => {
                let login = request.sessions.after(session);
                Ok(Some(request.exchange.awaits(Wait::Login, login).await?))
            }
            _ => Ok(None),
        }
    }

    /// A session at another host than that of `session`, if it is the org that says it has left. Code
    /// chooses its answer, after it may have written something.
    async fn after_move(
        &self,
        request: Request<'_>,
        session: &Arc<Session>,
    ) -> Option<Arc<Session>> {
        let has_left = !request.head.is_answered_by_code()
            || matches!(self.ask(request, session).await, Ok(Verdict::Moved));
        if !has_left {
            return None;
        }
        self.elsewhere(request, session).await
    }

    /// A session at another host than that of `session`, which the org seems to have left.
    async fn elsewhere(
        &self,
        request: Request<'_>,
        session: &Arc<Session>,
    ) -> Option<Arc<Session>> {
        // The Pub/Sub API is at the same host for all orgs.
        match request.head.family() {
            Family::PubSub => None,
            _ => {
                let login = request.sessions.elsewhere(session);
                request.exchange.awaits(Wait::Login, login).await
            }
        }
    }

    /// Sends the request with `session`.
    async fn attempt(&self, request: Request<'_>, session: &Session) -> Attempt {
        let head = request.head;
        let mut response = self.upstream.send(request, session).await?.map(Body::from);
        request.exchange.hears(response.headers());
        self.hears(response.headers());
        let status = response.status();
        let family = head.family();
        let verdict = if family.suspects(&response, session) {
            let beginning = Box::pin(response::peek(&mut response)).await?;
            self.but_for_turns(family.judge(head.method(), status, &beginning))
        } else if status.is_redirection() {
            self.judge_redirect(head, &response, session)
        } else if family.suspects_page(&response) && head.method() != Method::HEAD {
            let html = Box::pin(response::peek_page(&mut response)).await?;
            of_page(Family::judge_page(&html), head)
        } else {
            Verdict::Sound
        };
        if verdict == Verdict::Sound && family.proves_session(head.path(), status) {
            session.accepted();
        }
        Ok((response, verdict))
    }

    fn judge_redirect<B>(&self, head: &Head, response: &Response<B>, session: &Session) -> Verdict {
        if head.family().sends_to_login(response) {
            of_page(Verdict::Login, head)
        } else if moved::leads_away(response, head, session, &self.org) {
            Verdict::Moved
        } else {
            Verdict::Sound
        }
    }

    /// `session` if the org says that it lives, else the next one: asked before a body that could
    /// not be sent again.
    async fn living(
        &self,
        request: Request<'_>,
        session: Arc<Session>,
    ) -> Result<Arc<Session>, Error> {
        let Request {
            exchange, sessions, ..
        } = request;
        let next = match self.ask(request, &session).await {
            Ok(Verdict::Dead) => {
                let login = sessions.after(&session);
                return Ok(exchange.awaits(Wait::Login, login).await?);
            }
            Ok(Verdict::Moved) => {
                let login = sessions.elsewhere(&session);
                exchange.awaits(Wait::Login, login).await
            }
            Ok(_) => None,
            Err(error) if error.is_unreachable() => {
                let login = sessions.elsewhere(&session);
                return exchange.awaits(Wait::Login, login).await.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        Ok(next.unwrap_or(session))
    }

    /// Asks the org about nothing but `session`, before or after `request`.
    async fn ask(&self, request: Request<'_>, session: &Session) -> Result<Verdict, Error> {
        let question = Head::liveness();
        let request = Request {
            head: &question,
            body: &Replay::Empty,
            wait: Wait::Question,
            ..request
        };
        let (mut response, verdict) = self.attempt(request, session).await?;
        // Read to its end, so that the connection is at hand for what follows.
        response::peek(&mut response).await?;
        Ok(verdict)
    }
}

/// What sends a browser to log in may be where a form leads that was carried out.
fn of_page(verdict: Verdict, head: &Head) -> Verdict {
    if verdict == Verdict::Login && !head.method().is_safe() {
        return Verdict::Unsaid;
    }
    verdict
}

/// A request is sent three times at most: two sessions in a row may be dead before the org has
/// accepted either.
const MOST_REPEATS: usize = 2;

/// The time for which a session that the org accepted is trusted to be alive.
const KNOWN_GOOD: Duration = Duration::from_secs(3);
