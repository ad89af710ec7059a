//! The session to use now, and one login at a time.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::{FutureExt, future::Shared};
use http::uri::Authority;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use self::status::History;
use super::{
    access::Access,
    login::LoginError,
    session::{Fitness, Session},
};
use crate::system::{clocks::Clocks, telemetry::Throttle};

#[cfg(test)]
#[cfg(feature = "demo")]
mod model;
pub(crate) mod status;

/// The sessions of one user of an org: the current one, the login under way, and the last failure.
///
/// Lazy: nothing happens until a request asks. Every login runs in a task of its own, so that a
/// client that hangs up takes nobody else's login with it, and its outcome is shared by all who
/// wait. No failure is kept forever.
pub(crate) struct Sessions {
    /// Written only while `state` is locked.
    access: ArcSwap<Access>,
    /// The runtime of the logins, apart from the threads that carry requests.
    runtime: Handle,
    /// Written only while `state` is locked; read without.
    current: ArcSwapOption<Session>,
    state: Mutex<State>,
}

type Outcome = Result<Arc<Session>, Arc<LoginError>>;

/// Never held across an await.
#[derive(Default)]
struct State {
    flight: Option<Shared<oneshot::Receiver<Outcome>>>,
    /// The last one that the org has ended.
    retired: Option<Arc<Session>>,
    failure: Option<Failure>,
    /// The time when the logins so far will have been paid for at the rate that the org allows.
    paid: Option<Instant>,
    doubt: Option<Doubt>,
    /// The time of the last login that was to find where the org is now.
    sought: Option<Instant>,
    /// The instances that sessions of this process were for, the latest last.
    instances: Vec<Authority>,
    history: History,
}

/// Logins were in vain lately: what was refused before was refused after them, too.
struct Doubt {
    since: Instant,
    /// The number of them in a row.
    count: u32,
}

#[derive(Clone)]
struct Failure {
    error: Arc<LoginError>,
    until: Instant,
    /// The time when it came.
    clocks: Clocks,
    /// The number of them in a row, this one included.
    count: u32,
}

impl Sessions {
    /// Keeps the sessions that `access` gets, on `runtime`.
    pub(crate) fn new(access: Access, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            access: ArcSwap::from_pointee(access),
            runtime,
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
        })
    }

    /// Others in their place, which `access` gets. What became of logins so far counts for them, too.
    pub(crate) fn succeeded_by(&self, access: Access) -> Arc<Self> {
        let next = Self::new(access, self.runtime.clone());
        next.state().history = self.state().history.clone();
        next
    }

    /// Returns whether `access` is for the same user by the same app, so that the current session is
    /// as good as one of its own.
    pub(crate) fn are_those_of(&self, access: &Access) -> bool {
        access.login.continues(&self.access.load().login)
    }

    /// Has `access` get the next session. The current one stays, if it may still be sent where it is
    /// for.
    pub(crate) fn go_on_by(&self, access: Access) {
        // All users of an org have one key.
        if access.user().is_none() {
            access.login.note_key_after(&self.access.load().login);
        }
        let mut state = self.state();
        if let Some(session) = &*self.current.load()
            && !access.login.trusts(&session.authority)
        {
            self.current.store(None);
        }
        // A person has mended something, and watches.
        state.failure = None;
        self.access.store(Arc::new(access));
    }

    /// The session to use now, after a login if need be.
    ///
    /// # Errors
    /// The reason why the org cannot be logged in to. While a failure rests, the same error without
    /// asking, unless the key has changed or the clock was set.
    pub(crate) async fn current(self: &Arc<Self>) -> Outcome {
        let now = Instant::now();
        if let Some(session) = &*self.current.load()
            && session.fitness(now) == Fitness::Fresh
        {
            return Ok(session.clone());
        }

        let flight = {
            let mut state = self.state();
            match decide(self.current.load_full(), state.failure.as_ref(), now) {
                Decision::Use(session) => return Ok(session),
                Decision::UseAndRenew(session) => {
                    // Nobody waits for this one.
                    drop(self.renew(&mut state, now));
                    return Ok(session);
                }
                // A person has mended something, and watches; or the clock is right now.
                Decision::Refuse(_)
                    if self.access.load().login.key_has_changed() || state.clock_was_set() =>
                {
                    self.renew(&mut state, now)
                }
                Decision::Refuse(error) => return Err(error),
                Decision::Wait => self.renew(&mut state, now),
            }
        };
        flight
            .await
            .unwrap_or_else(|_| Err(Arc::new(LoginError::Lost)))
    }

    /// A session to use in place of `rejected`, with which the org refused a request. It may carry
    /// the same token: Salesforce answers a login with the live session if there is one, and the
    /// refusal was a stray one then, or about the request.
    ///
    /// # Errors
    /// The same as [`Sessions::current`].
    pub(crate) async fn replace(self: &Arc<Self>, rejected: &Arc<Session>) -> Outcome {
        // A login has just said that it lives.
        if rejected.is_confirmed(Instant::now()) && self.is_current(rejected) {
            return Ok(rejected.clone());
        }
        self.retire(rejected);
        let next = self.current().await?;
        if next.same_token(rejected) {
            next.confirm();
        }
        Ok(next)
    }

    /// Returns whether logins were in vain lately.
    pub(crate) fn doubts(&self) -> bool {
        let now = Instant::now();
        let state = self.state();
        state.doubt.as_ref().is_some_and(|doubt| doubt.holds(now))
    }

    /// Returns whether so many logins were in vain that another is not worth its price now,
    /// whatever the org says of the session.
    pub(crate) fn rests(&self) -> bool {
        let now = Instant::now();
        let state = self.state();
        state.doubt.as_ref().is_some_and(|doubt| doubt.rests(now))
    }

    /// Notes that a login was in vain: the request was refused again.
    pub(crate) fn doubt(&self) {
        let since = Instant::now();
        let mut state = self.state();
        let before = state.doubt.as_ref().filter(|doubt| doubt.holds(since));
        let count = before.map_or(0, |doubt| doubt.count) + 1;
        state.doubt = Some(Doubt { since, count });
    }

    /// A session in place of `dead`, of which the org has said so when it was asked about nothing
    /// else.
    ///
    /// # Errors
    /// The same as [`Sessions::current`].
    pub(crate) async fn after(self: &Arc<Self>, dead: &Arc<Session>) -> Outcome {
        self.retire(dead);
        self.current().await
    }

    /// A session at another host than that of `left`, where the org seems not to be any more. A
    /// login shows where it is, but only one in a while is made, which all share. `left` stays
    /// until then.
    pub(crate) async fn elsewhere(self: &Arc<Self>, left: &Arc<Session>) -> Option<Arc<Session>> {
        let moved = |session: &Arc<Session>| session.authority != left.authority;
        let now = Instant::now();
        let flight = {
            let mut state = self.state();
            if let Some(current) = self.current.load_full().filter(moved) {
                return Some(current);
            }
            let resting = state.failure.as_ref();
            if resting.is_some_and(|failure| now < failure.until) {
                return None;
            }
            match (&state.flight, state.sought) {
                (Some(flight), _) => flight.clone(),
                (None, Some(sought)) if now < sought + SEARCH_INTERVAL => return None,
                (None, _) => {
                    if let Some(left_out) = THROTTLE.admit() {
                        let access = self.access.load();
                        tracing::info!(org = access.login.org(), user = access.user(),
                            host = %left.authority, left_out, "the org seems to have moved");
                    }
                    state.sought = Some(now);
                    self.renew(&mut state, now)
                }
            }
        };
        // No longer than it takes to see that the org is not there.
        let landed = tokio::time::timeout(SEARCH_TIME, flight).await;
        landed.ok()?.ok()?.ok().filter(moved)
    }

    /// True if the org was, in the life of this process, at an instance for which `is_it` returns
    /// true. Clients that name a host of the org's go on to name the old one after a move.
    pub(crate) fn were_at(&self, is_it: impl FnMut(&Authority) -> bool) -> bool {
        self.state().instances.iter().any(is_it)
    }

    /// Notes that the org has said, while it answered, that `dead` is dead: what comes next must
    /// not use it.
    pub(crate) fn end(&self, dead: &Arc<Session>) {
        self.retire(dead);
    }

    /// Retires by identity, so that a late refusal of an old session cannot throw away a new one.
    fn retire(&self, rejected: &Arc<Session>) {
        let mut state = self.state();
        if self.is_current(rejected) {
            if let Some(left_out) = THROTTLE.admit() {
                let access = self.access.load();
                tracing::info!(
                    org = access.login.org(),
                    user = access.user(),
                    left_out,
                    "the org ended the session"
                );
            }
            state.retired = self.current.swap(None);
        }
    }

    fn is_current(&self, session: &Arc<Session>) -> bool {
        let current = self.current.load();
        current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, session))
    }

    /// Joins the login under way, or starts one.
    fn renew(
        self: &Arc<Self>,
        state: &mut State,
        now: Instant,
    ) -> Shared<oneshot::Receiver<Outcome>> {
        if let Some(flight) = &state.flight {
            return flight.clone();
        }
        let paid = state.paid.map_or(now, |paid| paid.max(now)) + LOGIN_INTERVAL;
        state.paid = Some(paid);
        let (done, flight) = oneshot::channel();
        let flight = flight.shared();
        state.flight = Some(flight.clone());

        let useless = self.current.load_full().or_else(|| state.retired.clone());
        let sessions = self.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep_until(paid - LOGIN_BURST.min(paid - now)).await;
            let access = sessions.access.load_full();
            let outcome = AssertUnwindSafe(access.session(useless.as_deref()))
                .catch_unwind()
                .await
                .unwrap_or(Err(LoginError::Lost))
                .map(Arc::new)
                .map_err(Arc::new);
            sessions.land(&outcome, &access);
            // Nobody may be waiting any more.
            let _ = done.send(outcome);
        });
        flight
    }

    /// Ends the flight that went by `by`, and remembers how it went.
    fn land(&self, outcome: &Outcome, by: &Arc<Access>) {
        let mut state = self.state();
        let access = self.access.load();
        let (org, user) = (access.login.org(), access.user());
        state.flight = None;
        state.history.note(outcome, SystemTime::now());
        match outcome {
            Ok(session) => {
                let by = session.is_taken_over.then_some("another process");
                tracing::info!(org, user, instance = %session.authority, by, "logged in");
                state.failure = None;
                state.retired = None;
                state.note_instance(&session.authority);
                // A reload may have taken its host from those that are trusted.
                let is_trusted = access.login.trusts(&session.authority);
                self.current.store(is_trusted.then(|| session.clone()));
            }
            // A person has mended something meanwhile: the next request tries that.
            Err(error) if !Arc::ptr_eq(by, &access) => {
                tracing::warn!(org, user, "cannot log in: {error}");
            }
            Err(error) => {
                let count = state.failure.as_ref().map_or(0, |failure| failure.count) + 1;
                let rest = rest(error, count);
                tracing::warn!(org, user, ?rest, "cannot log in: {error}");
                state.failure = Some(Failure {
                    error: error.clone(),
                    until: Instant::now() + rest,
                    clocks: Clocks::now(),
                    count,
                });
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns whether the machine's clock was set, or it slept, since a login failed: the failure may
    /// have come of that.
    fn clock_was_set(&self) -> bool {
        let failure = self.failure.as_ref();
        failure.is_some_and(|failure| Clocks::now().have_parted_since(failure.clocks))
    }

    fn note_instance(&mut self, authority: &Authority) {
        if self.instances.contains(authority) {
            return;
        }
        if self.instances.len() == MOST_INSTANCES {
            self.instances.remove(0);
        }
        self.instances.push(authority.clone());
    }
}

impl Doubt {
    fn holds(&self, now: Instant) -> bool {
        now < self.since + DOUBT
    }

    fn rests(&self, now: Instant) -> bool {
        let doubled = 2_u32.pow(self.count.saturating_sub(2).min(5));
        self.count > 1 && now < self.since + LONGEST_REST.min(FIRST_REST * doubled)
    }
}

#[derive(Debug)]
enum Decision {
    Use(Arc<Session>),
    UseAndRenew(Arc<Session>),
    Refuse(Arc<LoginError>),
    Wait,
}

fn decide(current: Option<Arc<Session>>, failure: Option<&Failure>, now: Instant) -> Decision {
    let resting = failure.filter(|failure| now < failure.until);
    match (current, resting) {
        (Some(session), _) if session.fitness(now) == Fitness::Fresh => Decision::Use(session),
        (Some(session), resting) if session.fitness(now) == Fitness::Ageing => match resting {
            Some(_) => Decision::Use(session),
            None => Decision::UseAndRenew(session),
        },
        (_, Some(failure)) => Decision::Refuse(failure.error.clone()),
        (_, None) => Decision::Wait,
    }
}

/// The time for which a failure is passed on without asking again. Short, since a person who mends
/// the app's settings is watching; unless each login makes it worse.
fn rest(error: &LoginError, count: u32) -> Duration {
    let doubled = 2_u32.pow(count.saturating_sub(1).min(5));
    if error.is_about_user() {
        LONGEST_USER_REST.min(FIRST_USER_REST * doubled)
    } else if error.is_transient() {
        LONGEST_REST.min(FIRST_REST * doubled)
    } else {
        LONGEST_REST
    }
}

static THROTTLE: Throttle = Throttle::new();

/// The time between two logins, in the long run: Salesforce allows 3,600 per hour per user
/// ([`crate::salesforce::facts::limits`]).
const LOGIN_INTERVAL: Duration = Duration::from_secs(1);

/// The number of logins that may come at once, in terms of `LOGIN_INTERVAL`.
const LOGIN_BURST: Duration = Duration::from_secs(60);

/// The time between two logins that are to find where the org is.
const SEARCH_INTERVAL: Duration = Duration::from_secs(15);

/// The time that a request waits for such a login.
const SEARCH_TIME: Duration = Duration::from_secs(10);

/// The number of instances that are remembered, far more than an org ever has.
const MOST_INSTANCES: usize = 16;

/// The time for which it is remembered that a login was in vain.
const DOUBT: Duration = Duration::from_secs(30);

/// After a failure that may pass.
const FIRST_REST: Duration = Duration::from_secs(1);

/// After a failure that will not pass by itself, and the most after one that may.
const LONGEST_REST: Duration = Duration::from_secs(15);

/// After the org has frozen or locked the user, or has had too many logins of it.
const FIRST_USER_REST: Duration = Duration::from_secs(60);
const LONGEST_USER_REST: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::{super::session::Identity, *};

    fn session(lifetime: Option<u64>) -> Arc<Session> {
        Arc::new(
            Session::new(
                Authority::from_static("acme.my.salesforce.com"),
                "x",
                Identity::default(),
                lifetime.map(Duration::from_secs),
                Duration::from_secs(7200),
            )
            .unwrap(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn decides() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let failure = Failure {
            error: Arc::new(LoginError::Lost),
            until: at(1000),
            clocks: Clocks::now(),
            count: 1,
        };
        let sliding = || Some(session(None));
        let ageing = || Some(session(Some(1000)));
        for (current, failure, second, expected) in [
            (None, None, 0, "Wait"),
            (None, Some(&failure), 999, "Refuse"),
            (None, Some(&failure), 1000, "Wait"),
            (sliding(), None, 0, "Use("),
            (sliding(), Some(&failure), 0, "Use("),
            (sliding(), None, 7200, "Wait"),
            (ageing(), None, 879, "Use("),
            (ageing(), None, 880, "UseAndRenew("),
            (ageing(), Some(&failure), 880, "Use("),
            (ageing(), None, 990, "Wait"),
            (ageing(), Some(&failure), 990, "Refuse"),
        ] {
            let decision = format!("{:?}", decide(current, failure, at(second)));
            assert!(
                decision.starts_with(expected),
                "{decision} at {second}, not {expected}"
            );
        }
    }

    #[test]
    fn no_more_instances_are_remembered_than_an_org_has() {
        let mut state = State::default();
        let at = |number: usize| Authority::try_from(format!("a{number}.example")).unwrap();
        for number in 0..100 {
            state.note_instance(&at(number / 2));
        }
        assert_eq!(state.instances.len(), MOST_INSTANCES);
        assert!(state.instances.contains(&at(49)) && !state.instances.contains(&at(0)));
    }

    #[test_case("unknown_error", "retry your request", &[1, 2, 4, 8, 15, 15, 15]; "may pass")]
    #[test_case("invalid_grant", "user hasn't approved this consumer", &[15, 15, 15]; "a setting")]
    #[test_case("invalid_grant", "inactive user", &[60, 120, 240, 300, 300]; "inactive")]
    #[test_case("invalid_grant", "user is frozen", &[60, 120]; "frozen")]
    #[test_case("invalid_grant", "user is locked", &[60, 120]; "locked")]
    #[test_case("inactive_user", "", &[60, 120]; "inactive by code")]
    #[test_case("rate_limit_exceeded", "login rate exceeded", &[60, 120]; "too many logins")]
    fn a_refusal_rests_as_long_as_asking_again_does_harm(
        error: &str,
        description: &str,
        seconds: &[u64],
    ) {
        let error = LoginError::Refused {
            url: String::new(),
            error: error.to_owned(),
            description: description.to_owned(),
        };
        assert_eq!(rests(&error, seconds.len()), seconds);
    }

    #[test_case(200, &[1, 2, 4, 8, 15, 15]; "a page, an empty or a cut response")]
    #[test_case(400, &[1, 2, 4]; "no error")]
    #[test_case(403, &[1, 2, 4]; "forbidden by something on the way")]
    #[test_case(503, &[1, 2, 4]; "maintenance")]
    #[test_case(302, &[15, 15]; "a redirect")]
    #[test_case(420, &[15, 15]; "a scratch org that is gone")]
    fn a_malformed_response_rests_as_what_may_pass(status: u16, seconds: &[u64]) {
        let error = LoginError::Strange {
            url: String::new(),
            status,
            response: String::new(),
        };
        assert_eq!(rests(&error, seconds.len()), seconds);
    }

    #[test]
    fn a_malformed_token_rests_as_what_may_pass() {
        assert_eq!(rests(&LoginError::Token("it is empty"), 3), [1, 2, 4]);
    }

    fn rests(error: &LoginError, count: usize) -> Vec<u64> {
        (1..)
            .take(count)
            .map(|count| rest(error, count).as_secs())
            .collect()
    }
}
