//! `/api/status`: how it stands with each org and with the process. Nothing in it opens anything.

use std::{
    fmt::{self, Display, Formatter},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

pub(crate) use self::{budget::BudgetStatus, users::UsersStatus};
use super::super::{Bound, reload::Outcome};
use crate::{
    auth::{self, LoginError, SessionState},
    config::{self, Protocol},
    proxy::budget::View,
    system::{clocks, escape},
    watch::{Board, Danger, Identity, KnownBy},
};

mod budget;
mod users;

/// The whole document.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    /// RFC 3339, as every moment in it.
    pub(crate) started: String,
    pub(crate) uptime_seconds: u64,
    pub(crate) ready: bool,
    /// The lines of `/readiness`.
    pub(crate) not_ready_because: Vec<String>,
    /// What became of the last reload, if there was one.
    #[serde(default)]
    pub(crate) last_reload: Option<ReloadStatus>,
    pub(crate) orgs: Vec<OrgStatus>,
    pub(crate) process: ProcessStatus,
}

/// What became of one reload of the configuration.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReloadStatus {
    pub(crate) at: String,
    pub(crate) seconds_ago: u64,
    /// What asked for it.
    pub(crate) by: String,
    pub(crate) succeeded: bool,
    /// All in the configuration, which is not in use if there are any.
    pub(crate) mistakes: Vec<String>,
    /// The keys whose values change with a restart only.
    pub(crate) needs_restart: Vec<String>,
}

/// One org.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrgStatus {
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) login_host: String,
    pub(crate) listeners: Vec<ListenerStatus>,
    pub(crate) session: SessionStatus,
    /// The least version of the APIs that requests are sent at, if it is set.
    #[serde(default)]
    pub(crate) minimum_api_version: Option<String>,
    /// The last that has ended.
    pub(crate) last_login: Option<LoginStatus>,
    /// What the org said last of its allocation.
    pub(crate) api_usage: Option<UsageStatus>,
    /// What may be used of that, and has been, if it is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<BudgetStatus>,
    /// What clients may ask, in words, if that is limited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    /// Those that clients act as, if not all as `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) users: Option<UsersStatus>,
    /// Those that have asked since the start, who use most coming first.
    pub(crate) clients: Vec<ClientStatus>,
    /// What they have used that ends, the first to end coming first.
    pub(crate) radar: Vec<ThreatStatus>,
}

/// Where clients reach an org.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListenerStatus {
    /// As in the configuration, with the port that the system chose.
    pub(crate) address: String,
    /// If true, it is for the Pub/Sub API only.
    pub(crate) pubsub: bool,
    /// If true, other machines reach it.
    #[serde(default)]
    pub(crate) remote: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionStatus {
    pub(crate) state: SessionState,
    /// Where requests go, while there is a session.
    pub(crate) instance: Option<String>,
    pub(crate) age_seconds: Option<u64>,
    /// The org's id.
    pub(crate) org_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoginStatus {
    pub(crate) at: String,
    pub(crate) seconds_ago: u64,
    pub(crate) succeeded: bool,
    /// The reason in full.
    pub(crate) error: Option<String>,
    /// What it means, where the org gave the reason.
    pub(crate) cause: Option<String>,
    /// What to do about that.
    pub(crate) fix: Option<String>,
    /// Until the next attempt, which takes a request.
    pub(crate) rests_for_seconds: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProcessStatus {
    /// Open connections of clients.
    pub(crate) connections: usize,
    /// Requests in flight.
    pub(crate) requests: usize,
    pub(crate) threads: usize,
    /// What it is confined to: `none`, `files`, or `files and ports`.
    #[serde(default)]
    pub(crate) sandbox: String,
    /// Lines that the access log has lost.
    pub(crate) access_log_dropped: u64,
    /// If replicas share what they know in Redis, whether it answers.
    pub(crate) redis_up: Option<bool>,
    /// Why it cannot be used.
    #[serde(default)]
    pub(crate) redis_fault: Option<String>,
}

/// A client, and how it is known.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Who {
    /// None if nothing is known of it.
    client: Option<String>,
    client_by: KnownBy,
}

/// One client of an org.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientStatus {
    #[serde(flatten)]
    pub(crate) who: Who,
    /// Requests that the org answered in the last 24 hours.
    pub(crate) used: u64,
    /// All its requests since the start.
    pub(crate) requests: u64,
}

/// Something that ends, or that should not be relied on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ThreatStatus {
    /// One word, such as `soap-login`.
    pub(crate) name: String,
    pub(crate) what: String,
    /// What becomes of it, and when.
    pub(crate) fate: String,
    /// When it ends, if that is known: near enough, if it is with a release.
    pub(crate) date: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) days_left: Option<i64>,
    /// The date in words.
    pub(crate) when: Option<String>,
    pub(crate) advice: String,
    /// The page that announces it.
    pub(crate) source: Option<String>,
    /// Who uses it, the most frequent coming first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) clients: Vec<UseStatus>,
}

/// A client that uses it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UseStatus {
    #[serde(flatten)]
    pub(crate) who: Who,
    pub(crate) times: u64,
    pub(crate) last: String,
    pub(crate) seconds_ago: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UsageStatus {
    /// API requests of the last 24 hours.
    pub(crate) used: u32,
    pub(crate) allowed: u32,
    pub(crate) at: String,
}

impl OrgStatus {
    pub(super) fn new(
        org: &config::Org,
        listeners: Vec<ListenerStatus>,
        sessions: &auth::Status,
        budget: Option<View>,
        board: Option<&Board>,
    ) -> Self {
        let usage = board.and_then(|board| board.orgs.get(&*org.name)?.usage);
        Self {
            name: org.name.clone(),
            username: org.username.clone(),
            login_host: org.login_url.authority().to_owned(),
            listeners,
            session: SessionStatus::of(sessions),
            minimum_api_version: org.minimum_api_version.map(|it| it.to_string()),
            last_login: LoginStatus::of(sessions),
            api_usage: usage.map(|(usage, at)| UsageStatus {
                used: usage.used,
                allowed: usage.allowed,
                at: moment(at),
            }),
            budget: budget.map(BudgetStatus::from),
            policies: org
                .policies
                .as_ref()
                .map(config::Policies::words)
                .unwrap_or_default(),
            users: None,
            clients: board.map_or_else(Vec::new, |board| ClientStatus::all(&org.name, board)),
            radar: board.map_or_else(Vec::new, |board| ThreatStatus::all(&org.name, board)),
        }
    }
}

impl SessionStatus {
    fn of(sessions: &auth::Status) -> Self {
        let session = sessions.session.as_ref();
        Self {
            state: sessions.state,
            instance: session.map(|session| session.instance_url.clone()),
            age_seconds: session.map(|session| session.age.as_secs()),
            org_id: session.and_then(|session| session.identity.org_id.clone()),
        }
    }
}

impl From<Outcome> for ReloadStatus {
    fn from(outcome: Outcome) -> Self {
        let needs_restart = outcome.needs_restart.into_iter();
        Self {
            at: moment(outcome.at),
            seconds_ago: outcome.at.elapsed().unwrap_or_default().as_secs(),
            by: outcome.by,
            succeeded: outcome.mistakes.is_empty(),
            mistakes: outcome.mistakes,
            needs_restart: needs_restart.map(str::to_owned).collect(),
        }
    }
}

impl ClientStatus {
    fn all(org: &str, board: &Board) -> Vec<Self> {
        let all = board.callers.of(org, SystemTime::now()).into_iter();
        all.map(|(client, used, caller)| Self {
            who: client.into(),
            used,
            requests: caller.requests,
        })
        .collect()
    }
}

impl From<&Identity> for Who {
    fn from(client: &Identity) -> Self {
        Self {
            client: client.name(),
            client_by: client.known_by,
        }
    }
}

/// In one word, by its mark.
impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.client.as_deref().unwrap_or_default();
        Identity::new(self.client_by, name).fmt(f)
    }
}

impl ThreatStatus {
    /// `danger`, and nobody who uses it.
    pub(crate) fn new(danger: Danger, today: Date) -> Self {
        let ending = danger.ending();
        Self {
            name: danger.name().to_owned(),
            what: danger.what().to_owned(),
            fate: danger.fate(today),
            date: ending.map(|ending| ending.ends.day.to_string()),
            release: ending.and_then(|ending| ending.ends.release.map(str::to_owned)),
            days_left: ending.map(|ending| ending.days_left(today)),
            when: ending.and_then(|ending| ending.date(today)),
            advice: danger.advice().to_owned(),
            source: ending.map(|ending| ending.source.to_owned()),
            clients: Vec::new(),
        }
    }

    fn all(org: &str, board: &Board) -> Vec<Self> {
        let now = SystemTime::now();
        let today = OffsetDateTime::from(now).date();
        let found = board.radar.of(org);
        // Findings of one danger are beside each other.
        let groups = found.chunk_by(|(a, ..), (b, ..)| a == b);
        groups
            .filter_map(|group| {
                let uses = group.iter().map(|(_, client, finding)| {
                    let last = finding.last.unwrap_or(now);
                    UseStatus {
                        who: (*client).into(),
                        times: finding.times,
                        last: moment(last),
                        seconds_ago: now.duration_since(last).unwrap_or_default().as_secs(),
                    }
                });
                Some(Self {
                    clients: uses.collect(),
                    ..Self::new(group.first()?.0, today)
                })
            })
            .collect()
    }
}

impl LoginStatus {
    fn of(sessions: &auth::Status) -> Option<Self> {
        let failed = sessions.last_error.as_ref();
        match (sessions.logins.last_ok, failed) {
            (Some(at), None) => Some(Self::new(at, None, None)),
            (Some(at), Some((failed, _))) if at >= *failed => Some(Self::new(at, None, None)),
            (_, Some((at, error))) => {
                let rest = sessions.refusal.as_ref().map(|(_, rest)| *rest);
                Some(Self::new(*at, Some(error), rest))
            }
            (None, None) => None,
        }
    }

    fn new(at: SystemTime, error: Option<&LoginError>, rest: Option<Duration>) -> Self {
        let diagnosis = error.and_then(LoginError::diagnosis);
        Self {
            at: moment(at),
            seconds_ago: at.elapsed().unwrap_or_default().as_secs(),
            succeeded: error.is_none(),
            error: error.map(|error| escape::line(&error.to_string()).into_owned()),
            cause: diagnosis.map(|diagnosis| diagnosis.cause.to_owned()),
            fix: diagnosis.map(|diagnosis| diagnosis.fix.to_owned()),
            rests_for_seconds: rest.map(|rest| rest.as_secs()),
        }
    }
}

/// Those of `bound` that lead to `org`.
pub(super) fn listeners(org: &config::Org, bound: &[Bound]) -> Vec<ListenerStatus> {
    bound
        .iter()
        .filter(|bound| bound.orgs.iter().any(|it| it.name == org.name))
        .map(|bound| ListenerStatus {
            address: bound.listen.to_string(),
            pubsub: bound.protocol == Protocol::PubSub,
            remote: !bound.listen.is_local(),
        })
        .collect()
}

pub(super) fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(clocks::writable(time)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_clock_has_a_moment() {
        let year = Duration::from_secs(366 * 24 * 60 * 60);
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(moment(epoch - year), "1970-01-01T00:00:00Z");
        assert_eq!(moment(epoch + year * 9000), "9999-12-31T23:59:59Z");
    }
}
