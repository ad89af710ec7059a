//! Entries that are written together: lines, or messages for the journal.

use std::ops::Range;

/// Entries, one behind the other.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Batch {
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Entries in it.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes in it.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The entries of these numbers.
    pub(super) fn part(&self, entries: Range<usize>) -> &[u8] {
        &self.bytes[self.start(entries.start)..self.start(entries.end)]
    }

    /// How many entries, from number `first` on, are within `bytes` bytes.
    pub(super) fn fitting(&self, first: usize, bytes: usize) -> usize {
        let most = self.start(first).saturating_add(bytes);
        self.ends[first..].partition_point(|end| *end <= most)
    }

    /// Empties it, and gives back what a flood has made of it.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > USUAL_SIZE {
            *self = Self::default();
        }
        self.bytes.clear();
        self.ends.clear();
    }

    fn start(&self, entry: usize) -> usize {
        match entry {
            0 => 0,
            entry => self.ends[entry - 1],
        }
    }
}

const USUAL_SIZE: usize = 1024 * 1024;
