//! What people may know of a session.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    super::session::{Fitness, Identity},
    Outcome, Sessions, State,
};
use crate::auth::{LoginError, Session};

/// What is known of an org's session and of logins. It has no token.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) state: SessionState,
    /// The session in use, if there is one.
    pub(crate) session: Option<SessionFacts>,
    pub(crate) logins: Logins,
    /// Why the latest login that failed did so, and when, even if a later one went well.
    pub(crate) last_error: Option<(SystemTime, Arc<LoginError>)>,
    /// Why requests get no session now, and how long no other login is tried.
    pub(crate) refusal: Option<(Arc<LoginError>, Duration)>,
}

/// How it stands with the session of an org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionState {
    /// There is none, or it has ended. The next request logs in.
    Absent,
    /// The first login is under way, or one after the last session has ended.
    LoggingIn,
    Live,
    /// There is none, since the last login failed.
    Failed,
}

/// The session in use.
#[derive(Debug)]
pub(crate) struct SessionFacts {
    /// Since the login.
    pub(crate) age: Duration,
    /// `https://` and the host of the org.
    pub(crate) instance_url: String,
    pub(crate) identity: Identity,
}

/// How many logins there have been, by what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Logins {
    pub(crate) ok: u64,
    /// It takes a person to change that.
    pub(crate) refused: u64,
    /// It may pass by itself.
    pub(crate) unavailable: u64,
    /// Another process had logged in.
    pub(crate) shared: u64,
    /// When the last one went well.
    pub(crate) last_ok: Option<SystemTime>,
}

/// What became of the logins so far.
#[derive(Default, Clone)]
pub(super) struct History {
    logins: Logins,
    last_error: Option<(SystemTime, Arc<LoginError>)>,
}

impl Sessions {
    /// Returns how it stands with the session. For people: it takes the lock that logins take, and no
    /// request that has a session does.
    pub(crate) fn status(&self) -> Status {
        let state = self.state();
        state.status(self.current.load_full(), Instant::now())
    }
}

impl State {
    fn status(&self, current: Option<Arc<Session>>, now: Instant) -> Status {
        let current = current.filter(|session| session.fitness(now) != Fitness::Expired);
        let state = if current.is_some() {
            SessionState::Live
        } else if self.failure.is_some() {
            SessionState::Failed
        } else if self.flight.is_some() {
            SessionState::LoggingIn
        } else {
            SessionState::Absent
        };
        // A session that is good to use does, whatever became of the login for the next.
        let resting = self.failure.as_ref().filter(|failure| now < failure.until);
        let refusal = resting
            .filter(|_| current.is_none())
            .map(|failure| (failure.error.clone(), failure.until - now));
        Status {
            state,
            refusal,
            session: current.map(|session| SessionFacts {
                age: session.age(now),
                instance_url: session.instance_url(),
                identity: session.identity.clone(),
            }),
            logins: self.history.logins,
            last_error: self.history.last_error.clone(),
        }
    }
}

impl History {
    /// Notes what came of a login at `time`.
    pub(super) fn note(&mut self, outcome: &Outcome, time: SystemTime) {
        let logins = &mut self.logins;
        match outcome {
            Ok(session) => {
                if session.is_taken_over {
                    logins.shared += 1;
                } else {
                    logins.ok += 1;
                }
                logins.last_ok = Some(time);
            }
            Err(error) => {
                if error.is_transient() {
                    logins.unavailable += 1;
                } else {
                    logins.refused += 1;
                }
                self.last_error = Some((time, error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http::uri::Authority;
    use tokio::sync::oneshot;

    use super::{super::Failure, *};
    use crate::system::clocks::Clocks;

    fn session() -> Arc<Session> {
        let identity = Identity {
            org_id: Some("00D000000000001EAA".to_owned()),
            ..Identity::default()
        };
        let authority = Authority::from_static("acme.my.salesforce.com");
        let idle = Duration::from_secs(7200);
        Arc::new(Session::new(authority, "00D!CANARY", identity, None, idle).unwrap())
    }

    fn refused() -> Arc<LoginError> {
        Arc::new(LoginError::Refused {
            url: "https://acme.my.salesforce.com/services/oauth2/token".to_owned(),
            error: "invalid_grant".to_owned(),
            description: "user hasn't approved this consumer".to_owned(),
        })
    }

    fn failure(error: Arc<LoginError>) -> Option<Failure> {
        let (until, count) = (Instant::now(), 1);
        Some(Failure {
            error,
            until,
            clocks: Clocks::now(),
            count,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_state_is_that_of_the_session_then_of_the_last_login() {
        let (_waiting, flight) = oneshot::channel();
        let flight = Some(flight.shared());
        for (current, failed, flies, expected) in [
            (false, false, false, SessionState::Absent),
            (false, false, true, SessionState::LoggingIn),
            (false, true, false, SessionState::Failed),
            (false, true, true, SessionState::Failed),
            (true, false, false, SessionState::Live),
            (true, false, true, SessionState::Live),
            (true, true, true, SessionState::Live),
        ] {
            let state = State {
                flight: flight.clone().filter(|_| flies),
                failure: failure(refused()).filter(|_| failed),
                ..State::default()
            };
            let status = state.status(current.then(session), Instant::now());
            assert_eq!(status.state, expected);
            assert_eq!(status.session.is_some(), current);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_shown_with_its_age_and_without_its_token_until_it_has_expired() {
        let (state, session) = (State::default(), session());
        tokio::time::advance(Duration::from_secs(7199)).await;
        let status = state.status(Some(session.clone()), Instant::now());
        let facts = status.session.as_ref().unwrap();
        assert_eq!(facts.age, Duration::from_secs(7199));
        assert_eq!(facts.instance_url, "https://acme.my.salesforce.com");
        assert_eq!(facts.identity, session.identity);
        assert!(!format!("{status:?}").contains("CANARY"));

        tokio::time::advance(Duration::from_secs(1)).await;
        let status = state.status(Some(session), Instant::now());
        assert_eq!(status.state, SessionState::Absent);
        assert!(status.session.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_refused_while_a_failure_rests_and_there_is_no_session() {
        let rest = Duration::from_secs(15);
        let error = refused();
        let state = State {
            failure: Some(Failure {
                error: error.clone(),
                until: Instant::now() + rest,
                clocks: Clocks::now(),
                count: 1,
            }),
            ..State::default()
        };
        let refusal = |current| state.status(current, Instant::now()).refusal;
        assert_eq!(refusal(None).unwrap().1, rest);
        assert!(refusal(Some(session())).is_none());
        tokio::time::advance(rest).await;
        assert!(refusal(None).is_none());
    }

    #[tokio::test]
    async fn logins_are_counted_by_outcome_and_the_last_error_stays() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let mut state = State::default();
        for (second, outcome) in [
            (1, Err(Arc::new(LoginError::Lost))),
            (2, Err(refused())),
            (3, Ok(session())),
            (4, Ok(session())),
        ] {
            state.history.note(&outcome, at(second));
        }
        let status = state.status(None, Instant::now());
        let logins = Logins {
            ok: 2,
            refused: 1,
            unavailable: 1,
            shared: 0,
            last_ok: Some(at(4)),
        };
        assert_eq!(status.logins, logins);
        let (time, error) = status.last_error.unwrap();
        assert_eq!(time, at(2));
        assert!(error.diagnosis().is_some());
    }
}
