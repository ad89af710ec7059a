//! All that the admin listener knows.

use std::{
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use tokio::{sync::mpsc, time::Instant};

use super::{
    super::{Bound, org_runtime::OrgRuntime, reload::Reloads, worker::Message},
    status::{self, ListenerStatus, OrgStatus, ProcessStatus, ReloadStatus, Status, UsersStatus},
};
use crate::{
    auth,
    network::Store,
    proxy::{load::Load, users::User},
    system::{escape, sandbox},
    watch::{Board, Watch, metrics},
};

/// The parts of a server that are looked at.
pub(in crate::server) struct Facts {
    shown: ArcSwap<Shown>,
    pub(super) reloads: Arc<Reloads>,
    /// Where replicas share what they know, if they do.
    store: Option<Arc<Store>>,
    load: Arc<Load>,
    watch: Arc<Watch>,
    /// Closed when the thread behind it has ended.
    workers: Vec<mpsc::UnboundedSender<Message>>,
    started: SystemTime,
    began: Instant,
    is_stopping: AtomicBool,
}

/// Those that change with the configuration.
#[derive(Default)]
struct Shown {
    orgs: Vec<Org>,
    certificates: Vec<metrics::CertificateFacts>,
}

/// One org, and where clients reach it.
pub(in crate::server) struct Org {
    runtime: Arc<OrgRuntime>,
    listeners: Vec<ListenerStatus>,
}

/// The orgs of a server that is bound.
pub(in crate::server) fn orgs(orgs: &[Arc<OrgRuntime>], bound: &[Bound]) -> Vec<Org> {
    let orgs = orgs.iter().map(|runtime| Org {
        runtime: runtime.clone(),
        listeners: status::listeners(&runtime.org, bound),
    });
    orgs.collect()
}

impl Facts {
    /// Those of a process that begins now, without orgs.
    pub(in crate::server) fn new(
        load: Arc<Load>,
        watch: Arc<Watch>,
        workers: Vec<mpsc::UnboundedSender<Message>>,
        reloads: Arc<Reloads>,
        store: Option<Arc<Store>>,
    ) -> Self {
        Self {
            shown: ArcSwap::default(),
            reloads,
            store,
            load,
            watch,
            workers,
            started: SystemTime::now(),
            began: Instant::now(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Takes the orgs and certificates that there are from now on.
    pub(in crate::server) fn show(
        &self,
        orgs: Vec<Org>,
        certificates: Vec<metrics::CertificateFacts>,
    ) {
        self.shown.store(Arc::new(Shown { orgs, certificates }));
    }

    /// Notes that no more connections are taken.
    pub(in crate::server) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    /// Returns whether no thread has died. Those that end in a stop have not.
    pub(super) fn is_alive(&self) -> bool {
        self.is_stopping.load(Relaxed) || self.workers.iter().all(|worker| !worker.is_closed())
    }

    /// Why requests would be refused now, a line each. That no login has been tried is not a
    /// reason, since the next request tries it; nor is one that failed, once it is time for another.
    pub(super) fn reasons_not_to_be_ready(&self) -> Vec<String> {
        if self.is_stopping.load(Relaxed) {
            return vec!["it is stopping".to_owned()];
        }
        let mut reasons = Vec::new();
        for org in &self.shown.load().orgs {
            if let Some((error, rest)) = org.runtime.sessions.status().refusal {
                reasons.push(format!(
                    "org {} cannot log in: {} (no other attempt for {} s)",
                    org.runtime.org.name,
                    escape::line(&error.to_string()),
                    rest.as_secs().max(1),
                ));
            }
        }
        if !self.is_alive() {
            reasons.push("a thread that handles requests has died".to_owned());
        }
        reasons
    }

    pub(super) fn status(&self) -> Status {
        let reasons = self.reasons_not_to_be_ready();
        let board = self.board();
        let board = board.as_deref();
        let shown = self.shown.load();
        let orgs = shown.orgs.iter().map(|org| {
            let sessions = org.runtime.sessions.status();
            let budget = org.runtime.budget.as_ref().map(|budget| budget.view());
            let listeners = org.listeners.clone();
            let runtime = &org.runtime;
            OrgStatus {
                users: runtime.users.as_deref().map(UsersStatus::of),
                ..OrgStatus::new(&runtime.org, listeners, &sessions, budget, board)
            }
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: status::moment(self.started),
            uptime_seconds: self.began.elapsed().as_secs(),
            ready: reasons.is_empty(),
            not_ready_because: reasons,
            last_reload: self.reloads.last().map(ReloadStatus::from),
            orgs: orgs.collect(),
            process: ProcessStatus {
                connections: self.load.connections(),
                requests: self.load.requests(),
                threads: self.workers.len(),
                sandbox: sandbox::words().to_owned(),
                access_log_dropped: self.watch.lost_lines(),
                redis_up: self.redis_up(),
                redis_fault: self.store.as_deref().and_then(Store::fault),
            },
        }
    }

    fn redis_up(&self) -> Option<bool> {
        self.store.as_deref().map(Store::is_up)
    }

    /// The text for Prometheus.
    pub(super) fn metrics(&self) -> String {
        let shown = self.shown.load();
        let orgs = shown.orgs.iter().map(|org| {
            let status = org.runtime.sessions.status();
            let connections = org.runtime.connections();
            let budget = org.runtime.budget.as_ref().map(|budget| budget.view());
            let users = org.runtime.users.iter().flat_map(|users| users.all());
            let user = |user: &User| metrics::UserFacts {
                name: user.name.clone(),
                session: session(&user.sessions.status()),
            };
            metrics::OrgFacts {
                name: org.runtime.org.name.as_str().into(),
                session: session(&status),
                users: users.map(user).collect(),
                connections_open: connections.open() as u64,
                connections_idle: connections.idle() as u64,
                long_calls: budget
                    .and_then(|budget| budget.long_calls)
                    .map(|calls| (calls.open as u64, calls.waiting as u64)),
            }
        });
        let reloads = &self.reloads;
        self.watch.metrics.encode(&metrics::Facts {
            now: SystemTime::now(),
            started: self.started,
            requests_in_flight: self.load.requests() as u64,
            connections_open: self.load.connections() as u64,
            access_log_dropped: self.watch.lost_lines(),
            trace_spans_dropped: self.watch.lost_spans(),
            redis_up: self.redis_up(),
            reloads: metrics::ReloadFacts {
                succeeded: reloads.succeeded.load(Relaxed),
                refused: reloads.refused.load(Relaxed),
                last: reloads
                    .last()
                    .map(|last| (last.at, last.mistakes.is_empty())),
            },
            orgs: orgs.collect(),
            certificates: shown.certificates.clone(),
        })
    }

    /// The names of the orgs.
    pub(super) fn names(&self) -> Vec<String> {
        let shown = self.shown.load();
        let orgs = shown.orgs.iter();
        orgs.map(|org| org.runtime.org.name.clone()).collect()
    }

    /// What people are shown of the requests.
    pub(super) fn board(&self) -> Option<MutexGuard<'_, Board>> {
        self.watch.board()
    }
}

fn session(status: &auth::Status) -> metrics::SessionFacts {
    let logins = &status.logins;
    metrics::SessionFacts {
        logins_ok: logins.ok,
        logins_refused: logins.refused,
        logins_unavailable: logins.unavailable,
        logins_shared: logins.shared,
        age: status.session.as_ref().map(|session| session.age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    #[test]
    fn lives_while_all_threads_do_and_while_they_end_in_a_stop() {
        let (one, first) = mpsc::unbounded_channel();
        let (other, second) = mpsc::unbounded_channel();
        let load = Arc::new(Load::new(&Limits::default(), 1000));
        let watch = Arc::new(Watch::start(None, None, false).unwrap());
        let facts = Facts::new(load, watch, vec![one, other], Arc::default(), None);
        assert!(facts.is_alive() && facts.reasons_not_to_be_ready().is_empty());
        drop(first);
        assert!(!facts.is_alive());
        assert_eq!(
            facts.reasons_not_to_be_ready(),
            ["a thread that handles requests has died"]
        );
        facts.stop();
        drop(second);
        assert!(facts.is_alive());
        assert_eq!(facts.reasons_not_to_be_ready(), ["it is stopping"]);
    }
}
