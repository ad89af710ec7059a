//! `/api/status`: how it stands with each org and with the process. Nothing in it opens anything.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::super::Bound;
use crate::{
    auth::{self, LoginError, SessionState},
    config::{self, Protocol},
    system::escape,
    watch::{Board, Identity, KnownBy},
};

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
    pub(crate) orgs: Vec<OrgStatus>,
    pub(crate) process: ProcessStatus,
}

/// One org.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrgStatus {
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) login_host: String,
    pub(crate) listeners: Vec<ListenerStatus>,
    pub(crate) session: SessionStatus,
    /// The last that has ended.
    pub(crate) last_login: Option<LoginStatus>,
    /// What the org said last of its allocation.
    pub(crate) api_usage: Option<UsageStatus>,
    /// Those that have asked since the start, who use most coming first.
    pub(crate) clients: Vec<ClientStatus>,
}

/// Where clients reach an org.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListenerStatus {
    /// As in the configuration, with the port that the system chose.
    pub(crate) address: String,
    /// If true, it is for the Pub/Sub API only.
    pub(crate) pubsub: bool,
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
    /// Lines that the access log has lost.
    pub(crate) access_log_dropped: u64,
}

/// One client of an org.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientStatus {
    /// None if nothing is known of it.
    pub(crate) client: Option<String>,
    pub(crate) client_by: KnownBy,
    /// Requests that the org answered in the last 24 hours.
    pub(crate) used: u64,
    /// All its requests since the start.
    pub(crate) requests: u64,
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
        board: Option<&Board>,
    ) -> Self {
        let session = sessions.session.as_ref();
        let usage = board.and_then(|board| board.orgs.get(&*org.name)?.usage);
        Self {
            name: org.name.clone(),
            username: org.username.clone(),
            login_host: org.login_url.authority().to_owned(),
            listeners,
            session: SessionStatus {
                state: sessions.state,
                instance: session.map(|session| session.instance_url.clone()),
                age_seconds: session.map(|session| session.age.as_secs()),
                org_id: session.and_then(|session| session.identity.org_id.clone()),
            },
            last_login: LoginStatus::of(sessions),
            api_usage: usage.map(|(usage, at)| UsageStatus {
                used: usage.used,
                allowed: usage.allowed,
                at: moment(at),
            }),
            clients: board.map_or_else(Vec::new, |board| ClientStatus::all(&org.name, board)),
        }
    }
}

impl ClientStatus {
    fn all(org: &str, board: &Board) -> Vec<Self> {
        let all = board.callers.of(org, SystemTime::now()).into_iter();
        all.map(|(client, used, caller)| Self {
            client: client.name(),
            client_by: client.known_by,
            used,
            requests: caller.requests,
        })
        .collect()
    }

    /// The client in one word, by its mark.
    pub(crate) fn label(&self) -> String {
        Identity::new(self.client_by, self.client.as_deref().unwrap_or_default()).to_string()
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
        })
        .collect()
}

pub(super) fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
