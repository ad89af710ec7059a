//! Who asks how much of which org.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use super::{AnsweredBy, Client, Identity, Record};
use crate::system::hours::Hours;

/// The callers of all orgs, a bounded number of them: the configuration and the system bound those that are
/// known for certain.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    all: Vec<Caller>,
    places: HashMap<(Arc<str>, Identity), usize>,
    /// Those of them that are only known by what they say of themselves.
    self_named: usize,
    /// The one that called last, who mostly calls next as well, and by what it is known.
    last: Option<(Arc<str>, Client, usize)>,
}

/// What one client asked of one org.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// Those that the org answered lately.
    hours: Hours,
    /// Requests of all kinds since the start.
    pub(crate) requests: u64,
}

impl Callers {
    pub(super) fn count(&mut self, record: &Record, now: SystemTime) {
        let Some(org) = &record.org else { return };
        let last = self
            .last
            .as_ref()
            .filter(|(of, client, _)| Arc::ptr_eq(of, org) && *client == record.client);
        let place = match last {
            Some((.., place)) => *place,
            None => self.place(org, &record.client),
        };
        let caller = &mut self.all[place];
        caller.requests += 1;
        if record.answered_by == AnsweredBy::Org {
            caller.hours.add(now);
        }
    }

    fn place(&mut self, org: &Arc<str>, client: &Client) -> usize {
        let mut key = (org.clone(), client.identity());
        if client.names_itself() && !self.places.contains_key(&key) {
            if self.self_named >= MOST {
                key.1 = Identity::others();
            } else {
                self.self_named += 1;
            }
        }
        let place = *self.places.entry(key).or_insert_with(|| {
            self.all.push(Caller::default());
            self.all.len() - 1
        });
        self.last = Some((org.clone(), client.clone(), place));
        place
    }

    /// Those of `org` with the requests of each in the last 24 hours, the busiest first.
    pub(crate) fn of(&self, org: &str, now: SystemTime) -> Vec<(&Identity, u64, &Caller)> {
        let own = self.places.iter().filter(|((of, _), _)| **of == *org);
        let mut own: Vec<_> = own
            .map(|((_, client), place)| {
                let caller = &self.all[*place];
                (client, caller.hours.clone().sum(now), caller)
            })
            .collect();
        own.sort_by(|(a_client, a, _), (b_client, b, _)| b.cmp(a).then(a_client.cmp(b_client)));
        own
    }
}

/// Of all orgs. A client can call itself what it likes.
const MOST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(hours * 3600)
    }

    fn by(agent: &str) -> Record {
        let mut record = Record::example();
        record.client = Client::Says(agent.into());
        record
    }

    #[test]
    fn the_busiest_of_a_day_comes_first() {
        let mut callers = Callers::default();
        for (agent, hour) in [("a/1", 100), ("a/1", 110), ("b/2", 110), ("c/3", 90)] {
            callers.count(&by(agent), at(hour));
        }
        let shares = |now| {
            let own = callers.of("main", now);
            own.iter()
                .map(|(client, count, _)| format!("{client} {count}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(shares(at(111)), ["ua:a/1 2", "ua:b/2 1", "ua:c/3 1"]);
        assert_eq!(shares(at(120)), ["ua:a/1 2", "ua:b/2 1", "ua:c/3 0"]);
        assert_eq!(shares(at(125)), ["ua:a/1 1", "ua:b/2 1", "ua:c/3 0"]);
        assert_eq!(shares(at(1000)), ["ua:a/1 0", "ua:b/2 0", "ua:c/3 0"]);
        assert!(callers.of("another", at(111)).is_empty());
    }

    #[test]
    fn what_the_proxy_answers_costs_the_org_nothing() {
        let mut callers = Callers::default();
        let mut record = by("a/1");
        record.answered_by = AnsweredBy::Error("FOREIGN_PAGE");
        callers.count(&record, at(100));
        let own = callers.of("main", at(100));
        assert_eq!((own[0].1, own[0].2.requests), (0, 1));
    }

    #[test]
    fn a_client_that_calls_itself_as_another_is_counted_apart() {
        let mut callers = Callers::default();
        let named = Record {
            client: Client::Named("etl@example.com".into()),
            ..Record::example()
        };
        let feigned = by("etl@example.com");
        for record in [&named, &feigned, &named, &feigned, &named] {
            callers.count(record, at(100));
        }
        let own = callers.of("main", at(100));
        let own: Vec<_> = own
            .iter()
            .map(|(client, count, _)| (client.to_string(), *count))
            .collect();
        assert_eq!(
            own,
            [
                ("etl@example.com".to_owned(), 3),
                ("ua:etl@example.com".to_owned(), 2)
            ]
        );
    }

    #[test]
    fn a_client_with_many_names_does_not_fill_the_memory() {
        let mut callers = Callers::default();
        for number in 0..10_000 {
            callers.count(&by(&format!("agent-{number}")), at(100));
        }
        assert!(callers.all.len() <= MOST + 1);
        let total: u64 = callers.of("main", at(100)).iter().map(|it| it.1).sum();
        assert_eq!(total, 10_000);
        // Those that are known for certain have their places.
        let mut certain = Record::example();
        certain.client = Client::Uid(7);
        callers.count(&certain, at(100));
        let own = callers.of("main", at(100));
        assert!(
            own.iter()
                .any(|(client, count, _)| client.to_string() == "uid:7" && *count == 1)
        );
    }
}
