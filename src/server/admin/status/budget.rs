//! What an org's clients have used of its budget.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::Who;
use crate::{
    config::ClientLabel,
    proxy::budget::{self, OpenCalls, Share, View},
    watch::KnownBy,
};

/// The budget of one org.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BudgetStatus {
    /// Of all that use the org, if that is bounded and the org has said how many there are.
    pub(crate) calls: Option<ShareStatus>,
    /// Of clients that have a share of their own, and of all others.
    pub(crate) clients: Vec<ClientShareStatus>,
    /// If these are bounded.
    pub(crate) long_calls: Option<LongCallsStatus>,
}

/// API calls of the last 24 hours.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShareStatus {
    pub(crate) used: u64,
    /// None if it is a share of what the org has not said yet.
    pub(crate) limit: Option<u64>,
}

/// Those of one client.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientShareStatus {
    #[serde(flatten)]
    pub(crate) who: Who,
    #[serde(flatten)]
    pub(crate) share: ShareStatus,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LongCallsStatus {
    pub(crate) open: usize,
    /// Those of other replicas, if it is known lately.
    pub(crate) elsewhere: Option<usize>,
    /// Requests that wait until there are fewer.
    pub(crate) waiting: usize,
}

impl From<View> for BudgetStatus {
    fn from(view: View) -> Self {
        let clients = view.clients.into_iter();
        let clients = clients.map(|(who, share)| ClientShareStatus {
            who: who.into(),
            share: share.into(),
        });
        Self {
            calls: view.calls.map(ShareStatus::from),
            clients: clients.collect(),
            long_calls: view.long_calls.map(LongCallsStatus::from),
        }
    }
}

impl From<Share> for ShareStatus {
    fn from(Share { used, limit }: Share) -> Self {
        Self { used, limit }
    }
}

impl From<OpenCalls> for LongCallsStatus {
    fn from(calls: OpenCalls) -> Self {
        Self {
            open: calls.open,
            elsewhere: calls.elsewhere,
            waiting: calls.waiting,
        }
    }
}

impl From<budget::Who> for Who {
    fn from(who: budget::Who) -> Self {
        let (client, client_by) = match who {
            Some(ClientLabel::Name(name)) => (Some(name.to_string()), KnownBy::Name),
            Some(ClientLabel::Uid(uid)) => (Some(uid.to_string()), KnownBy::Uid),
            Some(ClientLabel::Listener(name)) => (Some(name.to_string()), KnownBy::Listener),
            None => (None, KnownBy::Others),
        };
        Self { client, client_by }
    }
}

impl BudgetStatus {
    /// It in lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let calls = self.calls.as_ref();
        let calls = calls.map(|share| format!("{share} in 24 hours, by all that use the org"));
        let clients = self.clients.iter();
        let clients = clients.map(|client| format!("{}: {} in 24 hours", client.who, client.share));
        let long_calls = self.long_calls.as_ref().map(|long_calls| {
            let LongCallsStatus { open, waiting, .. } = long_calls;
            let elsewhere = long_calls.elsewhere;
            let elsewhere = elsewhere.map(|count| format!(" here, {count} with other replicas"));
            let elsewhere = elsewhere.unwrap_or_default();
            format!("long calls: {open} open{elsewhere}, {waiting} waiting")
        });
        calls.into_iter().chain(clients).chain(long_calls).collect()
    }
}

impl Display for ShareStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.limit {
            Some(limit) => write!(f, "{} of {limit}", self.used),
            None => write!(f, "{} of a number that the org has not said yet", self.used),
        }
    }
}
