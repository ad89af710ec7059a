//! The shares of what the org allows in 24 hours.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{Exceeded, Share, Who};
use crate::{
    config::{self, Amount},
    system::hours::Hours,
    watch::Usage,
};

/// What is known of the calls of 24 hours.
#[derive(Default)]
pub(super) struct Shares(Mutex<State>);

#[derive(Default)]
struct State {
    /// What the org said last, and when.
    heard: Option<(Usage, Instant)>,
    /// When it was last asked.
    asked: Option<Instant>,
    /// Calls that were sent since it said that.
    since: u64,
    /// Calls that are open.
    open: u64,
    /// Those of clients that have a share of their own, and of all others.
    clients: HashMap<Who, Account>,
    /// If other replicas are to know of them.
    is_shared: bool,
}

#[derive(Default)]
struct Account {
    /// Calls that are about to be sent.
    due: u64,
    /// What is known of the calls of all replicas.
    calls: Hours,
    /// Those of this one that no other knows of.
    news: Hours,
}

/// Calls of one client in one hour, counted from 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) who: Who,
    pub(super) hour: u64,
    pub(super) calls: u32,
}

/// A call that the org may not have counted yet.
pub(crate) struct Spending {
    shares: Arc<Shares>,
    /// The account that it is to be counted in, until it is.
    account: Option<Who>,
    is_counted: bool,
}

impl Shares {
    pub(super) fn check(
        &self,
        settings: &config::Budget,
        who: &Who,
        now: (Instant, SystemTime),
    ) -> Result<(), Exceeded> {
        self.lock().check(settings, who, now).map(drop)
    }

    pub(super) fn spend(
        this: &Arc<Self>,
        settings: &config::Budget,
        who: &Who,
        now: (Instant, SystemTime),
    ) -> Result<Spending, Exceeded> {
        let mut state = this.lock();
        let account = state.check(settings, who, now)?;
        if let Some(account) = &account {
            state.clients.entry(account.clone()).or_default().due += 1;
        }
        state.open += 1;
        Ok(Spending {
            shares: this.clone(),
            account,
            is_counted: false,
        })
    }

    pub(super) fn hears(&self, usage: Usage, now: Instant) {
        let mut state = self.lock();
        let is_overtaken = |(last, at): (Usage, Instant)| {
            let less = last.used.saturating_sub(usage.used);
            (1..=OVERTAKEN).contains(&less) && now.duration_since(at) < MOMENT
        };
        if state.heard.is_some_and(is_overtaken) {
            return;
        }
        state.heard = Some((usage, now));
        state.since = 0;
    }

    /// From now on, other replicas are to know of what is counted.
    pub(super) fn share(&self) {
        self.lock().is_shared = true;
    }

    /// Takes what no other replica knows of.
    pub(super) fn take_news(&self, now: SystemTime) -> Vec<Count> {
        let mut news = Vec::new();
        for (who, account) in &mut self.lock().clients {
            let mut hours = mem::take(&mut account.news);
            news.extend(hours.each(now).map(|(hour, calls)| Count {
                who: who.clone(),
                hour,
                calls,
            }));
        }
        news
    }

    /// Notes what all replicas together have counted, but for what none of the others knows of.
    pub(super) fn learn(&self, counts: Vec<Count>, now: SystemTime) {
        let mut state = self.lock();
        for account in state.clients.values_mut() {
            account.calls = account.news.clone();
        }
        for Count { who, hour, calls } in counts {
            let account = state.clients.entry(who).or_default();
            account.calls.put(hour, calls, now);
        }
    }

    /// Returns whether the org has ever said how much is used.
    pub(super) fn are_known(&self) -> bool {
        self.lock().heard.is_some()
    }

    /// Returns whether it has said so lately.
    pub(super) fn are_up_to_date(&self) -> bool {
        let heard = self.lock().heard;
        heard.is_some_and(|(_, at)| at.elapsed() < VALID)
    }

    /// Returns whether the org is to be asked now, and notes that it is.
    pub(super) fn ask(&self) -> bool {
        if self.are_up_to_date() {
            return false;
        }
        let asked = &mut self.lock().asked;
        let may = asked.is_none_or(|at| at.elapsed() >= PAUSE);
        if may {
            *asked = Some(Instant::now());
        }
        may
    }

    /// Notes that a question has just ended.
    pub(super) fn has_asked(&self) {
        self.lock().asked = Some(Instant::now());
    }

    /// The calls that the org has counted, if they are bounded and known, and those of each client.
    pub(super) fn view(
        &self,
        settings: &config::Budget,
        now: SystemTime,
    ) -> (Option<Share>, Vec<(Who, Share)>) {
        let mut state = self.lock();
        let (used, allowed) = (state.used(), state.allowed());
        let bound = settings.calls.filter(|_| allowed.is_some());
        let calls = bound.map(|amount| Share {
            used,
            limit: amount.of(allowed),
        });
        let named = settings.clients.iter();
        let named = named.map(|(label, amount)| (Some(label.clone()), *amount));
        let others = settings.others.map(|amount| (None, amount));
        let clients = named.chain(others).map(|(who, amount)| {
            let account = state.clients.get_mut(&who);
            let used = account.map_or(0, |account| account.used(now));
            let limit = amount.of(allowed);
            (who, Share { used, limit })
        });
        let clients = clients.collect();
        (calls, clients)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the account that a call of `who` is counted in, if it has one and may be sent. Where a
    /// bound is a share of what the org has not said yet, there is none.
    fn check(
        &mut self,
        settings: &config::Budget,
        who: &Who,
        (now, today): (Instant, SystemTime),
    ) -> Result<Option<Who>, Exceeded> {
        let allowed = self.allowed();
        let used = self.used();
        // Until the org has said something, nothing is known of what it counts.
        if let Some(amount) = settings.calls.filter(|_| allowed.is_some())
            && let Some(limit) = amount.of(allowed).filter(|limit| used >= *limit)
        {
            let age = self.heard.map(|(_, at)| now.duration_since(at));
            return Err(Exceeded::Calls {
                used,
                limit,
                amount,
                retry: VALID.saturating_sub(age.unwrap_or_default()),
            });
        }
        let Some((account, amount)) = account(settings, who) else {
            return Ok(None);
        };
        if let Some(limit) = amount.of(allowed)
            && let Some(of) = self.clients.get_mut(&account)
            && of.used(today) >= limit
        {
            return Err(Exceeded::ClientCalls {
                used: of.used(today),
                key: match &account {
                    Some(label) => format!("budget.clients.\"{label}\""),
                    None => "budget.others".to_owned(),
                },
                amount,
                retry: of.calls.until_below(limit, today).max(MOMENT),
            });
        }
        Ok(Some(account))
    }

    /// The account in which a call had a place, if it had one still.
    fn give_up_place(&mut self, place: &mut Option<Who>) -> Option<&mut Account> {
        let account = self.clients.get_mut(&place.take()?)?;
        account.due -= 1;
        Some(account)
    }

    fn allowed(&self) -> Option<u32> {
        self.heard.map(|(usage, _)| usage.allowed)
    }

    /// The calls that the org counts, or will when it gets to those that are on their way.
    fn used(&self) -> u64 {
        let counted = self.heard.map_or(0, |(usage, _)| usage.used);
        u64::from(counted) + self.since.max(self.open)
    }
}

impl Account {
    /// Calls that are counted or about to be.
    fn used(&mut self, now: SystemTime) -> u64 {
        self.calls.sum(now) + self.due
    }
}

impl Spending {
    /// Counts it, once, since it is sent now. One that does not get that far costs nothing.
    pub(crate) fn is_due(&mut self) {
        if mem::replace(&mut self.is_counted, true) {
            return;
        }
        let mut state = self.shares.lock();
        state.since += 1;
        let is_shared = state.is_shared;
        if let Some(account) = state.give_up_place(&mut self.account) {
            let now = SystemTime::now();
            account.calls.add(now);
            if is_shared {
                account.news.add(now);
            }
        }
    }
}

impl Drop for Spending {
    fn drop(&mut self) {
        let mut state = self.shares.lock();
        state.open -= 1;
        state.give_up_place(&mut self.account);
    }
}

/// The client of `settings` that a call of `who` counts for, and its share.
fn account(settings: &config::Budget, who: &Who) -> Option<(Who, Amount)> {
    let mut named = settings.clients.iter();
    let own = named.find(|(label, _)| who.as_ref() == Some(label));
    let own = own.map(|(_, amount)| (who.clone(), *amount));
    own.or_else(|| Some((None, settings.others?)))
}

/// The time for which the org's word counts.
const VALID: Duration = Duration::from_secs(60);

/// Answers at about the same time overtake each other, so that the count of one that comes a moment later
/// may be the older one, by no more than so many calls.
const MOMENT: Duration = Duration::from_secs(1);
const OVERTAKEN: u32 = 1000;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClientLabel;

    fn now() -> (Instant, SystemTime) {
        (Instant::now(), SystemTime::now())
    }

    /// A call that is sent, and has ended.
    fn send(shares: &Arc<Shares>, settings: &config::Budget, who: &Who) -> Result<(), Exceeded> {
        let mut spending = Shares::spend(shares, settings, who, now())?;
        spending.is_due();
        Ok(())
    }

    fn name(name: &str) -> Who {
        Some(ClientLabel::Name(name.into()))
    }

    fn half() -> config::Budget {
        config::Budget {
            calls: Some(Amount::Share(500)),
            ..config::Budget::default()
        }
    }

    fn hear(shares: &Shares, used: u32) {
        let allowed = 100_000;
        shares.hears(Usage { used, allowed }, Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn the_org_has_the_last_word() {
        let shares = Arc::<Shares>::default();
        let spend = || Shares::spend(&shares, &half(), &None, now());
        // Nobody knows yet what a half is.
        send(&shares, &half(), &None).unwrap();
        hear(&shares, 49);
        let mut last = spend().unwrap();
        last.is_due();
        let Err(Exceeded::Calls { used, limit, .. }) = spend() else {
            panic!("there is no bound");
        };
        assert_eq!((used, limit), (50, 50));
        drop(last);
        assert!(spend().is_err());
        hear(&shares, 60);
        assert!(spend().is_err());
        // An older answer, which comes later.
        hear(&shares, 20);
        assert!(spend().is_err());
        tokio::time::advance(MOMENT).await;
        hear(&shares, 20);
        assert!(spend().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_on_their_way_count_though_the_org_does_not_know_them() {
        let shares = Arc::<Shares>::default();
        hear(&shares, 47);
        let open: Vec<_> = (0..3)
            .map(|_| Shares::spend(&shares, &half(), &None, now()).unwrap())
            .collect();
        hear(&shares, 47);
        assert!(shares.check(&half(), &None, now()).is_err());
        drop(open);
        assert!(shares.check(&half(), &None, now()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_org_is_asked_when_it_has_been_silent_and_not_more_often() {
        let shares = Arc::<Shares>::default();
        assert!(!shares.are_up_to_date() && !shares.are_known());
        assert!(shares.ask() && !shares.ask());
        tokio::time::advance(PAUSE).await;
        assert!(shares.ask());
        tokio::time::advance(PAUSE).await;
        hear(&shares, 60);
        let retry = |refused: Result<(), Exceeded>| refused.unwrap_err().retry_after();
        assert_eq!(retry(shares.check(&half(), &None, now())), VALID);
        tokio::time::advance(VALID / 2).await;
        assert_eq!(retry(shares.check(&half(), &None, now())), VALID / 2);
        assert!(shares.are_up_to_date() && !shares.ask());
        tokio::time::advance(VALID / 2).await;
        assert!(!shares.are_up_to_date() && shares.ask());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_share_and_all_others_have_one_together() {
        let shares = Arc::<Shares>::default();
        let label = ClientLabel::Name("etl".into());
        let settings = config::Budget {
            clients: vec![(label, Amount::Share(20))],
            others: Some(Amount::Calls(3)),
            ..config::Budget::default()
        };
        hear(&shares, 99);
        let spend = |who: &Who| send(&shares, &settings, who);
        for _ in 0..2 {
            spend(&name("etl")).unwrap();
        }
        let refused = spend(&name("etl")).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("budget.clients.\"etl\" = 0.002%")
        );
        assert!(refused.retry_after() > Duration::from_secs(23 * 60 * 60));
        // Another name is no way round it.
        for who in [&None, &name("x"), &None] {
            spend(who).unwrap();
        }
        for who in [&None, &name("x"), &name("y")] {
            let refused = spend(who).unwrap_err();
            assert!(
                refused.to_string().contains("budget.others = 3"),
                "{refused}"
            );
        }
        let (calls, clients) = shares.view(&settings, SystemTime::now());
        assert_eq!(calls, None);
        let of = |(_, share): &(Who, Share)| (share.used, share.limit);
        assert_eq!(of(&clients[0]), (2, Some(2)));
        assert_eq!(of(&clients[1]), (3, Some(3)));
        assert_eq!(shares.lock().clients.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_sent_costs_nothing_but_has_its_place_until_then() {
        let shares = Arc::<Shares>::default();
        let settings = config::Budget {
            others: Some(Amount::Calls(2)),
            ..config::Budget::default()
        };
        send(&shares, &settings, &None).unwrap();
        let unsent = Shares::spend(&shares, &settings, &None, now()).unwrap();
        let refused = send(&shares, &settings, &None).unwrap_err();
        assert_eq!(refused.retry_after(), MOMENT);
        drop(unsent);
        let mut last = Shares::spend(&shares, &settings, &None, now()).unwrap();
        last.is_due();
        // It is sent once more.
        last.is_due();
        drop(last);
        let (_, clients) = shares.view(&settings, SystemTime::now());
        assert_eq!(clients[0].1.used, 2);
        assert!(send(&shares, &settings, &None).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_replicas_count_is_one_sum_and_the_news_are_what_only_one_knows() {
        let shares = Arc::<Shares>::default();
        let settings = config::Budget {
            others: Some(Amount::Calls(10)),
            ..config::Budget::default()
        };
        let spend = || send(&shares, &settings, &None);
        let today = SystemTime::now();
        let used = || shares.view(&settings, today).1[0].1.used;
        // As long as there are no others, nothing is kept for them.
        spend().unwrap();
        assert_eq!(shares.take_news(today), []);
        shares.share();
        spend().unwrap();
        let mut news = shares.take_news(today);
        assert_eq!((news.len(), news[0].calls), (1, 1));
        assert_eq!(shares.take_news(today), []);

        spend().unwrap();
        news[0].calls = 6;
        shares.learn(news.clone(), today);
        assert_eq!(used(), 7);
        assert_eq!(shares.take_news(today)[0].calls, 1);
        news[0].calls = 10;
        shares.learn(news, today);
        assert!(spend().is_err());
    }
}
