//! The last requests.

use std::collections::VecDeque;

use super::Record;

/// The last requests, the latest first.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<Record>);

impl Recent {
    pub(super) fn take(&mut self, records: Vec<Record>) {
        let old = records.len().saturating_sub(MOST);
        for record in records.into_iter().skip(old) {
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
        recent.take((0..990).map(record).collect());
        recent.take((990..1000).map(record).collect());
        let sent: Vec<_> = recent.iter().map(|record| record.sent).collect();
        assert_eq!(sent, (800..1000).rev().collect::<Vec<_>>());
    }
}
