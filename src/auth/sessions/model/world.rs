//! An org without a network, which does what it likes.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;
use http::uri::Authority;
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep},
};

use super::super::{
    super::{access::Access, login::Login, session::Identity},
    LoginError, Session, Sessions,
};

/// What the org does with logins and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Takes what has the session that lives.
    Well,
    /// Refuses every request, although its session lives.
    Picky,
    /// Fails as what may pass.
    Away,
    /// Fails as a setting does.
    Strict,
    /// Has locked the user.
    Locked,
    /// Has the login panic.
    Odd,
    /// Waits for an order.
    Told,
}

/// An org without a network.
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<Inner>>);

pub(super) struct Inner {
    pub(super) random: Rng,
    pub(super) mood: Mood,
    /// The token of the session that lives.
    pub(super) live: Option<usize>,
    tokens: usize,
    pub(super) logins: usize,
    pub(super) logging_in: usize,
    /// The most milliseconds that one takes.
    pub(super) slowness: u64,
    /// The time and the life of the latest session, which is as many as there were.
    latest: Option<(Instant, Option<Duration>)>,
    given: usize,
    /// The sessions that were refused or ended.
    spent: BTreeSet<usize>,
    /// Those of which the proxy knows that they are dead.
    ended: BTreeSet<usize>,
    /// What comes of the login under way.
    pub(super) order: Option<Mood>,
    pub(super) ordered: Arc<Notify>,
    pub(super) faults: Vec<String>,
}

impl Inner {
    /// Notes that the org has refused `session`, so that another may be got.
    pub(super) fn spend(&mut self, session: &Session) {
        self.spent.insert(number(session));
    }

    /// Notes that the proxy is about to learn that `session` is dead.
    pub(super) fn end_of(&mut self, session: &Session) {
        self.spend(session);
        self.ended.insert(number(session));
    }

    /// Returns whether the proxy knew that `session` is dead.
    pub(super) fn has_ended(&self, session: &Session) -> bool {
        self.ended.contains(&number(session))
    }

    fn begin(&mut self) {
        self.logins += 1;
        self.logging_in += 1;
        if self.logging_in > 1 {
            self.faults.push("two logins at a time".to_owned());
        }
        if let Some((began, life)) = self.latest {
            let is_old = life.is_some_and(|life| began.elapsed() >= life * 3 / 4);
            if !is_old && !self.spent.contains(&self.given) {
                self.faults.push("a login for nothing".to_owned());
            }
        }
    }

    fn end(&mut self, mood: Mood) -> Result<Session, LoginError> {
        let refused = |error: &str, description: &str| LoginError::Refused {
            url: String::new(),
            error: error.to_owned(),
            description: description.to_owned(),
        };
        match mood {
            Mood::Away => return Err(LoginError::Token("it is empty")),
            Mood::Strict => return Err(refused("invalid_client_id", "")),
            Mood::Locked => return Err(refused("invalid_grant", "user is locked")),
            // Without the words of a panic, which cost time.
            Mood::Odd => std::panic::resume_unwind(Box::new("odd")),
            Mood::Well | Mood::Picky | Mood::Told => {}
        }
        let tokens = &mut self.tokens;
        let token = *self.live.get_or_insert_with(|| {
            *tokens += 1;
            *tokens
        });
        self.given += 1;
        let life = (self.random.u8(..4) == 0).then_some(Duration::from_secs(400));
        self.latest = Some((Instant::now(), life));
        let identity = Identity {
            user_id: Some(self.given.to_string()),
            ..Identity::default()
        };
        let authority = Authority::from_static("acme.my.salesforce.com");
        let (token, idle) = (format!("t{token}"), Duration::from_secs(7200));
        Ok(Session::new(authority, &token, identity, life, idle).unwrap())
    }

    pub(super) fn is_live(&self, session: &Session) -> bool {
        let live = self.live.map(|live| format!("t{live}"));
        live.is_some_and(|live| session.token.as_bytes() == live.as_bytes())
    }
}

impl World {
    pub(super) fn new(seed: u64, mood: Mood) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            random: Rng::with_seed(seed),
            mood,
            live: None,
            tokens: 0,
            logins: 0,
            logging_in: 0,
            slowness: 3000,
            latest: None,
            given: 0,
            spent: BTreeSet::new(),
            ended: BTreeSet::new(),
            order: None,
            ordered: Arc::default(),
            faults: Vec::new(),
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions with this org.
    pub(super) fn sessions(&self, login: &Login) -> Arc<Sessions> {
        let world = self.clone();
        let access = Access::scripted(login.clone(), move || Box::pin(world.clone().login()));
        Sessions::new(access, Handle::current())
    }

    async fn login(self) -> Result<Session, LoginError> {
        let (mood, ordered) = {
            let mut inner = self.lock();
            inner.begin();
            (inner.mood, inner.ordered.clone())
        };
        let _logging_in = LoggingIn(self.clone());
        if mood == Mood::Told {
            ordered.notified().await;
            let mood = self.lock().order.take().unwrap_or(Mood::Well);
            return self.lock().end(mood);
        }
        let slowness = self.lock().slowness;
        self.pause(slowness).await;
        let mood = self.lock().mood;
        self.lock().end(mood)
    }

    pub(super) async fn pause(&self, most: u64) {
        let millis = self.lock().random.u64(..most);
        sleep(Duration::from_millis(millis)).await;
    }

    /// Returns whether the org takes a request with `session`.
    pub(super) fn takes(&self, session: &Session) -> bool {
        let mut inner = self.lock();
        let takes = inner.is_live(session) && inner.mood != Mood::Picky;
        if !takes {
            inner.spend(session);
        }
        takes
    }

    pub(super) fn fault(&self, fault: &str) {
        self.lock().faults.push(fault.to_owned());
    }
}

/// A login under way, however it ends.
struct LoggingIn(World);

impl Drop for LoggingIn {
    fn drop(&mut self) {
        self.0.lock().logging_in -= 1;
    }
}

fn number(session: &Session) -> usize {
    let number = session.identity.user_id.as_deref();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
