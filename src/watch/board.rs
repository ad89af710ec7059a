//! What people are shown of the requests: the last ones, how many and how fast, and who sends them.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use super::{Callers, History, Radar, Recent, Usage, batch::Batch};

/// It is changed for many requests at a time, by one thread.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) recent: Recent,
    pub(crate) callers: Callers,
    pub(crate) radar: Radar,
    pub(crate) orgs: HashMap<Arc<str>, Seen>,
}

/// What is shown of one org.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) history: History,
    /// What the org said last of its allocation, and when.
    pub(crate) usage: Option<(Usage, SystemTime)>,
}

impl Board {
    /// Takes in requests that ended about `now`.
    pub(super) fn take(&mut self, records: &mut Batch, now: SystemTime) {
        // A user of this machine who may not call is no client.
        let of_clients = records.iter().filter(|record| !record.is_of_another_user());
        for record in of_clients {
            self.callers.count(record, now);
            self.radar.see(record, now);
        }
        // Mostly all are for the same org, which then is looked up once.
        for of_one in records.chunk_by(|one, next| one.org == next.org) {
            let Some(org) = &of_one[0].org else { continue };
            let seen = self.orgs.entry(org.clone()).or_default();
            seen.history.count(of_one, now);
            if let Some(usage) = of_one.iter().rev().find_map(|record| record.usage) {
                seen.usage = Some((usage, now));
            }
        }
        self.recent.take(records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Record;

    #[test]
    fn the_latest_usage_counts() {
        let record = |used: Option<u32>| Record {
            usage: used.map(|used| Usage {
                used,
                allowed: 5000,
            }),
            ..Record::example()
        };
        let mut board = Board::default();
        let mut records = Batch::of([Some(17), None, Some(18), None].map(record));
        board.take(&mut records, SystemTime::UNIX_EPOCH);
        let (usage, _) = board.orgs["main"].usage.unwrap();
        assert_eq!(usage.used, 18);
        assert_eq!(board.recent.iter().count(), 4);
    }
}
