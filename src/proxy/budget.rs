//! How much of what the org allows its clients may use: calls in 24 hours, long calls at the same
//! time, requests per second.
//!
//! A client counts by what it cannot choose for itself ([`ClientLabel`]). All others count as one,
//! since what a client says of itself it can change with every request.

use std::{sync::Arc, time::SystemTime};

use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinSet,
    time::Instant,
};

pub(crate) use self::{
    exceeded::Exceeded,
    replicas::Replicas,
    shares::Spending,
    turns::{OpenCalls, Turn, Turns},
};
use self::{rates::Rates, replicas::Ledger, shares::Shares};
use crate::{
    config::{self, ClientLabel, LongCalls},
    watch::Usage,
};

mod exceeded;
mod rates;
mod replicas;
mod shares;
mod turns;

/// A client. None for all those together that cannot be told apart for sure.
pub(crate) type Who = Option<ClientLabel>;

/// The budget of one org. All threads share it, and its counts outlive its settings.
pub(crate) struct Budget {
    settings: config::Budget,
    shares: Arc<Shares>,
    turns: Arc<Turns>,
    rates: Option<Arc<Rates>>,
    ledger: Arc<Mutex<Ledger>>,
    /// Held by the one that asks the org how much is used.
    asking: Mutex<()>,
}

/// What a call has of the budget, up to the last byte of its response.
#[derive(Default)]
pub(crate) struct Permit {
    pub(crate) spending: Option<Spending>,
    pub(crate) turn: Option<Turn>,
}

/// The state of a budget at one moment.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// What the org has counted, if that is bounded and known.
    pub(crate) calls: Option<Share>,
    /// The same for clients by their label, and for all others.
    pub(crate) clients: Vec<(Who, Share)>,
    /// If these are bounded.
    pub(crate) long_calls: Option<OpenCalls>,
}

/// The calls of 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) used: u64,
    /// None if it is a share of what the org has not said yet.
    pub(crate) limit: Option<u64>,
}

/// The question how much is used, until the org has answered, or not.
pub(crate) struct Asking<'a> {
    shares: &'a Shares,
    _others_wait: MutexGuard<'a, ()>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shares.has_asked();
    }
}

impl Budget {
    /// A budget of these `settings`, which goes on with the counts of the one `before`.
    pub(crate) fn new(settings: config::Budget, before: Option<&Self>) -> Self {
        let rates = before.and_then(|before| before.rates.clone());
        let rates = settings.requests_per_second.map(|rate| match rates {
            Some(rates) if rates.rate() == rate => rates,
            _ => Arc::new(Rates::new(rate)),
        });
        Self {
            shares: before.map_or_else(Arc::default, |before| before.shares.clone()),
            turns: before.map_or_else(Arc::default, |before| before.turns.clone()),
            rates,
            ledger: before.map_or_else(Arc::default, |before| before.ledger.clone()),
            asking: Mutex::default(),
            settings,
        }
    }

    /// Counts together with other replicas, as long as the task that is returned is not dropped. What
    /// the org itself counts is of all of them anyway, and rates are of each.
    pub(crate) fn share(self: &Arc<Self>, replicas: Replicas) -> JoinSet<()> {
        let mut sharing = JoinSet::new();
        if self.settings.has_accounts() || self.settings.long_calls.is_some() {
            self.shares.share();
            sharing.spawn(replicas::share(self.clone(), replicas));
        }
        sharing
    }

    /// Counts a request of `who`, which may be one too many in this second.
    pub(crate) fn count_request(&self, who: &Who) -> Result<(), Exceeded> {
        match &self.rates {
            Some(rates) => rates.count(who),
            None => Ok(()),
        }
    }

    /// Returns whether a call of `who` would be within its share and the org's.
    pub(crate) fn check(&self, who: &Who) -> Result<(), Exceeded> {
        let now = (Instant::now(), SystemTime::now());
        self.shares.check(&self.settings, who, now)
    }

    /// Has a place for a call of `who`, which counts once it is sent, if it is within its share and the
    /// org's.
    pub(crate) fn spend(&self, who: &Who) -> Result<Option<Spending>, Exceeded> {
        if !self.settings.has_shares() {
            return Ok(None);
        }
        let now = (Instant::now(), SystemTime::now());
        let spending = Shares::spend(&self.shares, &self.settings, who, now)?;
        Ok(Some(spending))
    }

    /// Notes what the org says of its allocation.
    pub(crate) fn hears(&self, usage: Usage) {
        self.shares.hears(usage, Instant::now());
    }

    /// Waits for others who ask the org how much is used. Returns a guard if it is to be asked now:
    /// where it has not said it lately by itself.
    pub(crate) async fn begin_to_ask(&self) -> Option<Asking<'_>> {
        if !self.settings.follows_the_org() || self.shares.are_up_to_date() {
            return None;
        }
        let asking = if self.shares.are_known() {
            self.asking.try_lock().ok()?
        } else {
            self.asking.lock().await
        };
        let shares = &*self.shares;
        shares.ask().then_some(Asking {
            shares,
            _others_wait: asking,
        })
    }

    /// The turns of calls and their bounds, if long ones are bounded.
    pub(crate) fn turns(&self) -> Option<(&Arc<Turns>, LongCalls)> {
        Some((&self.turns, self.settings.long_calls?))
    }

    /// How it is now.
    pub(crate) fn view(&self) -> View {
        let (calls, clients) = self.shares.view(&self.settings, SystemTime::now());
        View {
            calls,
            clients,
            long_calls: self.turns().map(|(turns, bounds)| turns.view(bounds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Amount;

    #[tokio::test(start_paused = true)]
    async fn its_counts_outlive_its_settings() {
        let long_calls = LongCalls {
            most: 1,
            ..LongCalls::default()
        };
        let mut settings = config::Budget {
            others: Some(Amount::Calls(2)),
            long_calls: Some(long_calls),
            requests_per_second: std::num::NonZeroU32::new(1),
            ..config::Budget::default()
        };
        let first = Budget::new(settings.clone(), None);
        let (turns, bounds) = first.turns().unwrap();
        let turn = turns.take(&None, None, bounds).await.unwrap();
        tokio::time::advance(Duration::from_secs(20)).await;
        first.spend(&None).unwrap().unwrap().is_due();
        first.count_request(&None).unwrap();

        settings.others = Some(Amount::Calls(1));
        let second = Budget::new(settings.clone(), Some(&first));
        assert!(second.spend(&None).is_err() && second.count_request(&None).is_err());
        let open = |budget: &Budget| Some(budget.view().long_calls?.open);
        assert_eq!(open(&second), Some(1));
        drop(turn);
        assert_eq!(open(&second), Some(0));

        settings.long_calls = None;
        let third = Budget::new(settings, Some(&second));
        assert_eq!(third.view().long_calls, None);
        assert!(third.spend(&None).is_err());
    }
}
