//! The last requests.

use super::Record;

/// The last requests.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// The latest is before the place of `next`.
    records: Vec<Record>,
    next: usize,
    /// All that there have been.
    count: u64,
}

impl Recent {
    /// Takes the last of `records`, and leaves those that it forgets in their places.
    pub(super) fn take(&mut self, records: &mut [Record]) {
        self.count += records.len() as u64;
        let old = records.len().saturating_sub(MOST);
        for record in &mut records[old..] {
            match self.records.get_mut(self.next) {
                Some(oldest) => std::mem::swap(oldest, record),
                None => self.records.push(record.clone()),
            }
            self.next = (self.next + 1) % MOST;
        }
    }

    /// Each with its number, which no other has, the latest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Record)> {
        let (later, earlier) = self.records.split_at(self.next);
        let all = later.iter().rev().chain(earlier.iter().rev());
        (0..=self.count).rev().zip(all)
    }
}

const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    #[test]
    fn the_latest_comes_first_and_the_oldest_is_forgotten() {
        let mut recent = Recent::default();
        let record = |sent| Record {
            sent,
            ..Record::example()
        };
        let mut take = |numbers: Range<u64>| {
            recent.take(&mut numbers.map(record).collect::<Vec<_>>());
        };
        take(0..150);
        take(150..990);
        take(990..1000);
        let sent: Vec<_> = recent.iter().map(|(_, record)| record.sent).collect();
        assert_eq!(sent, (800..1000).rev().collect::<Vec<_>>());
        let numbers: Vec<_> = recent.iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, (801..=1000).rev().collect::<Vec<_>>());
    }
}
