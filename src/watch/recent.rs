//! The last requests.

use std::collections::VecDeque;

use super::Record;

/// The last requests, the latest first.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    records: VecDeque<Record>,
    /// All that there have been.
    count: u64,
}

impl Recent {
    pub(super) fn take(&mut self, records: Vec<Record>) {
        self.count += records.len() as u64;
        let old = records.len().saturating_sub(MOST);
        for record in records.into_iter().skip(old) {
            self.records.push_front(record);
        }
        self.records.truncate(MOST);
    }

    /// Each with its number, which no other has.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Record)> {
        (0..=self.count).rev().zip(&self.records)
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
        let sent: Vec<_> = recent.iter().map(|(_, record)| record.sent).collect();
        assert_eq!(sent, (800..1000).rev().collect::<Vec<_>>());
        let numbers: Vec<_> = recent.iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, (801..=1000).rev().collect::<Vec<_>>());
    }
}
