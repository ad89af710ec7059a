//! The reasons why a call is not sent now.

use std::time::Duration;

use crate::config::Amount;

/// The bound of a budget that a request would exceed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Exceeded {
    #[error(
        "the org counts {used} API calls in the last 24 hours, and the budget ends at {limit} \
         (budget.calls = {amount}); wait, or raise it"
    )]
    Calls {
        used: u64,
        limit: u64,
        amount: Amount,
        retry: Duration,
    },
    #[error(
        "this client has made {used} API calls in the last 24 hours, all that its budget allows \
         ({key} = {amount}); wait, or raise it"
    )]
    ClientCalls {
        used: u64,
        key: String,
        amount: Amount,
        retry: Duration,
    },
    #[error(
        "this client sends more than {rate} requests per second (budget.requests_per_second); send \
         fewer"
    )]
    Rate { rate: u32, retry: Duration },
    #[error(
        "the org would refuse this call: {most} or more long calls are open (budget.long_calls), and \
         none has ended within {}s (budget.wait); send it again later",
        wait.as_secs_f64()
    )]
    Turn { most: usize, wait: Duration },
    #[error(
        "the org would refuse this call: {most} or more long calls are open (budget.long_calls), and \
         {queue} calls wait for their turn already (budget.queue); send it again later"
    )]
    Queue { most: usize, queue: usize },
}

impl Exceeded {
    /// The time after which it is worth trying again.
    pub(crate) fn retry_after(&self) -> Duration {
        match self {
            Self::Calls { retry, .. }
            | Self::ClientCalls { retry, .. }
            | Self::Rate { retry, .. } => *retry,
            Self::Turn { .. } | Self::Queue { .. } => SOON,
        }
    }
}

/// Long calls end at any time, so this is a guess.
const SOON: Duration = Duration::from_secs(5);
