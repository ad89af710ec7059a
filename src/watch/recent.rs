//! The last requests.

use std::collections::VecDeque;

use super::Record;

/// The last requests, the latest first.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<Record>);

impl Recent {
    pub(super) fn take(&mut self, records: &[Record]) {
        let new = &records[records.len().saturating_sub(MOST)..];
        for record in new {
            let mut record = record.clone();
            record.forget_query();
            self.0.push_front(record);
        }
        self.0.truncate(MOST);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter()
    }
}

const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_comes_first_and_the_oldest_is_forgotten() {
        let mut recent = Recent::default();
        let record = |sent| Record {
            sent,
            ..Record::example()
        };
        recent.take(&(0..990).map(record).collect::<Vec<_>>());
        recent.take(&(990..1000).map(record).collect::<Vec<_>>());
        let sent: Vec<_> = recent.iter().map(|record| record.sent).collect();
        assert_eq!(sent, (800..1000).rev().collect::<Vec<_>>());
    }

    #[test]
    fn no_query_is_kept() {
        let mut recent = Recent::default();
        let mut record = Record::example();
        record.target = Some("/services/data/v62.0/query?q=secret".parse().unwrap());
        recent.take(&[record]);
        let kept = recent.iter().next().unwrap();
        assert_eq!(kept.path(), "/services/data/v62.0/query");
        assert!(!format!("{kept:?}").contains("secret"));
    }
}
