//! Counts of requests, for Prometheus.
//!
//! Each thread counts by itself, in its [`Tally`]; they are summed when somebody scrapes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use prometheus_client::{encoding::text, registry::Registry};

pub(super) use self::tally::Tally;
use self::{labels::Admitted, scrape::Scrape, tally::Tallied};

mod histogram;
mod labels;
mod scrape;
mod table;
mod tally;
#[cfg(test)]
mod tests;

/// The counts of all threads.
pub(crate) struct Metrics {
    /// Those of threads that have ended, too: a count never goes down.
    tallies: Mutex<Vec<Arc<Tally>>>,
    admitted: Arc<Admitted>,
}

/// The facts that others know at the moment of a scrape.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) now: SystemTime,
    /// When this process began.
    pub(crate) started: SystemTime,
    pub(crate) requests_in_flight: u64,
    /// From clients.
    pub(crate) connections_open: u64,
    /// Lines of the access log that were not written.
    pub(crate) access_log_dropped: u64,
    /// Spans that were not sent.
    pub(crate) trace_spans_dropped: u64,
    /// If there is one, whether it answers.
    pub(crate) redis_up: Option<bool>,
    pub(crate) reloads: ReloadFacts,
    pub(crate) orgs: Vec<OrgFacts>,
    pub(crate) certificates: Vec<CertificateFacts>,
}

/// The facts about reloads of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReloadFacts {
    pub(crate) succeeded: u64,
    /// For mistakes.
    pub(crate) refused: u64,
    /// The last, and whether it succeeded.
    pub(crate) last: Option<(SystemTime, bool)>,
}

/// The facts about one org.
#[derive(Debug, Clone)]
pub(crate) struct OrgFacts {
    pub(crate) name: Arc<str>,
    /// Those of its own user.
    pub(crate) session: SessionFacts,
    /// The other users that clients act as, no more than `limits.user_sessions`.
    pub(crate) users: Vec<UserFacts>,
    /// To the org, busy ones included.
    pub(crate) connections_open: u64,
    pub(crate) connections_idle: u64,
    /// Long calls that are open, and requests that wait for their turn, if these are bounded.
    pub(crate) long_calls: Option<(u64, u64)>,
}

/// The facts about a user of an org.
#[derive(Debug, Clone)]
pub(crate) struct UserFacts {
    pub(crate) name: Arc<str>,
    pub(crate) session: SessionFacts,
}

/// The facts about logins and the session of one user.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionFacts {
    pub(crate) logins_ok: u64,
    pub(crate) logins_refused: u64,
    pub(crate) logins_unavailable: u64,
    pub(crate) logins_shared: u64,
    /// Since its login, if there is a session.
    pub(crate) age: Option<Duration>,
}

impl SessionFacts {
    /// The number of logins by what came of them.
    fn logins(&self) -> [(&'static str, u64); 4] {
        [
            ("ok", self.logins_ok),
            ("refused", self.logins_refused),
            ("unavailable", self.logins_unavailable),
            ("shared", self.logins_shared),
        ]
    }
}

/// A certificate and its end.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFacts {
    pub(crate) name: String,
    pub(crate) ends: SystemTime,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            tallies: Mutex::default(),
            admitted: Arc::default(),
        }
    }

    /// The counts of a thread that begins.
    pub(crate) fn tally(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::new(self.admitted.clone()));
        self.tallies().push(tally.clone());
        tally
    }

    /// All that is known, as text of [`CONTENT_TYPE`].
    pub(crate) fn encode(&self, facts: &Facts) -> String {
        let mut sum = Tallied::default();
        for tally in &*self.tallies() {
            sum.add(&tally.counted());
        }
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(Scrape {
            sum,
            facts: facts.clone(),
        }));
        let mut text = String::new();
        // A String takes everything.
        let _ = text::encode(&mut text, &registry);
        text
    }

    fn tallies(&self) -> MutexGuard<'_, Vec<Arc<Tally>>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The media type of OpenMetrics, which Prometheus asks for first.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Before the names of all metrics, with a `_`.
const PREFIX: &str = "orgproxy";
