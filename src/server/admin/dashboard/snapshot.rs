//! The facts of one moment, from which the page is drawn while nobody waits for a lock.

use std::time::{Duration, SystemTime};

use super::{
    super::{Facts, Status},
    budget::Budget,
    callers::Callers,
    radar::Radar,
    requests::Requests,
    session::Session,
    summary::Summary,
    top::Top,
    traffic::Traffic,
};
use crate::watch::{Board, Danger, Finding, Record, Second, Usage};

/// What there is to show.
pub(super) struct Snapshot {
    pub(super) now: SystemTime,
    pub(super) status: Status,
    orgs: Vec<OrgFacts>,
    /// The last requests, the latest first, each with its number.
    pub(super) recent: Vec<(u64, Record)>,
}

/// What there is to show of one org's requests.
pub(super) struct OrgFacts {
    pub(super) seconds: Vec<Second>,
    pub(super) usage: Option<(Usage, SystemTime)>,
    /// Their names, and the requests of each that the org answered in the last 24 hours.
    pub(super) callers: Vec<(String, u64)>,
    pub(super) findings: Vec<(Danger, String, Finding)>,
}

impl Snapshot {
    pub(super) fn take(facts: &Facts, now: SystemTime) -> Self {
        let status = facts.status();
        let board = facts.board();
        let empty = Board::default();
        let board = board.as_deref().unwrap_or(&empty);
        let recent = board.recent.iter().take(MOST_REQUESTS);
        let orgs = status.orgs.iter();
        Self {
            now,
            recent: recent
                .map(|(number, record)| (number, record.clone()))
                .collect(),
            orgs: orgs
                .map(|org| OrgFacts::take(board, &org.name, now))
                .collect(),
            status,
        }
    }

    /// The parts of the page, by their names.
    pub(super) fn parts(&self) -> Vec<(String, String)> {
        let render = |template: &dyn askama::DynTemplate| {
            // Writing to a string cannot fail.
            template.dyn_render().unwrap_or_default()
        };
        let mut parts = vec![
            ("top".to_owned(), render(&Top::of(&self.status))),
            ("requests".to_owned(), render(&Requests::of(self))),
        ];
        for (index, (org, facts)) in self.status.orgs.iter().zip(&self.orgs).enumerate() {
            let budget = Budget::of(facts, org.budget.as_ref(), self.uptime(), self.now);
            let session = Session::of(org);
            let callers = Callers::of(facts);
            let radar = Radar::of(facts, self.now);
            let summary = Summary::of(&session, &budget, &callers, &radar);
            for (name, html) in [
                ("summary", render(&summary)),
                ("session", render(&session)),
                ("budget", render(&budget)),
                ("callers", render(&callers)),
                ("traffic", render(&Traffic::of(&facts.seconds))),
                ("radar", render(&radar)),
            ] {
                parts.push((format!("{name}-{index}"), html));
            }
        }
        parts
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.status.uptime_seconds)
    }

    pub(super) fn has_several_orgs(&self) -> bool {
        self.status.orgs.len() > 1
    }
}

impl OrgFacts {
    fn take(board: &Board, org: &str, now: SystemTime) -> Self {
        let seen = board.orgs.get(org);
        let callers = board.callers.of(org, now).into_iter();
        let findings = board.radar.of(org).into_iter();
        Self {
            seconds: seen.map_or_else(Vec::new, |seen| seen.history.until(now)),
            usage: seen.and_then(|seen| seen.usage),
            callers: callers
                .map(|(client, day, _)| (client.to_string(), day))
                .collect(),
            findings: findings
                .map(|(danger, client, finding)| (danger, client.to_string(), finding))
                .collect(),
        }
    }
}

/// Shown, of those that are kept: a page is sent as often as one of them changes.
const MOST_REQUESTS: usize = 100;
