//! The last requests.

use std::{collections::VecDeque, mem};

use super::{Record, batch::Batch};

/// The last requests, in the batches that they came in: to move each by itself would cost a request
/// more than all else that is done for it here.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// The latest comes last. Without the first there would be too few records.
    batches: VecDeque<Batch>,
    /// Records in them.
    kept: usize,
    /// All that there have been.
    count: u64,
}

impl Recent {
    /// Takes `batch`, and leaves one that nobody needs any more in its place.
    pub(super) fn take(&mut self, batch: &mut Batch) {
        self.count += batch.len() as u64;
        self.kept += batch.len();
        self.batches.push_back(mem::take(batch));
        while let Some(oldest) = self.batches.front()
            && self.kept - oldest.len() >= MOST
        {
            self.kept -= oldest.len();
            *batch = self.batches.pop_front().unwrap_or_default();
        }
    }

    /// Each with its number, which no other has, the latest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Record)> {
        let latest_first = self
            .batches
            .iter()
            .rev()
            .flat_map(|batch| batch.iter().rev());
        (0..=self.count).rev().zip(latest_first.take(MOST))
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
        let mut take = |numbers: Range<u64>| {
            let mut batch = Batch::of(numbers.map(|sent| Record {
                sent,
                ..Record::example()
            }));
            recent.take(&mut batch);
            batch
        };
        assert!(take(0..150).is_empty());
        assert_eq!(take(150..990).len(), 150);
        for number in 990..1000 {
            assert!(take(number..number + 1).is_empty());
        }
        let sent: Vec<_> = recent.iter().map(|(_, record)| record.sent).collect();
        assert_eq!(sent, (800..1000).rev().collect::<Vec<_>>());
        let numbers: Vec<_> = recent.iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, (801..=1000).rev().collect::<Vec<_>>());
    }
}
