//! Records that are handed on together.

use std::{mem, ops::Deref, sync::Arc};

use http::HeaderValue;

use super::{Client, Record};

/// Records of one thread. It is emptied and used again, with all that they have on the heap: memory
/// that one thread allocates and another frees costs more than all else that is done to a record.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Those in use come first.
    records: Vec<Record>,
    length: usize,
}

/// A place for a record, and what a record takes from the one that was there before.
pub(crate) struct Slot<'a> {
    path: String,
    agents: &'a mut Agents,
}

/// What clients have lately said of themselves, so that each is copied once.
#[derive(Debug, Default)]
pub(super) struct Agents {
    known: Vec<Arc<str>>,
    /// The one that is forgotten next.
    next: usize,
}

impl Batch {
    /// Adds the record that `make` makes.
    pub(super) fn add(
        &mut self,
        agents: &mut Agents,
        make: impl FnOnce(Slot<'_>) -> Record,
    ) -> &Record {
        let mut path = match self.records.get_mut(self.length) {
            Some(old) => mem::take(&mut old.path),
            None => String::new(),
        };
        path.clear();
        let record = make(Slot { path, agents });
        self.length += 1;
        match self.records.get_mut(self.length - 1) {
            Some(old) => *old = record,
            None => self.records.push(record),
        }
        &self.records[self.length - 1]
    }

    /// Empties it, and gives back what a flood has made of it.
    pub(super) fn clear(&mut self) {
        for record in &mut self.records[..self.length] {
            (record.operation, record.trace) = (None, None);
            if record.path.capacity() > LONG {
                record.path = String::new();
            }
        }
        self.length = 0;
        self.records.truncate(USUAL);
    }

    #[cfg(test)]
    pub(super) fn of(records: impl IntoIterator<Item = Record>) -> Self {
        let records = Vec::from_iter(records);
        Self {
            length: records.len(),
            records,
        }
    }
}

impl Deref for Batch {
    type Target = [Record];

    fn deref(&self) -> &[Record] {
        &self.records[..self.length]
    }
}

impl Slot<'_> {
    /// A copy of `path`.
    pub(crate) fn path(&mut self, path: &str) -> String {
        let mut copy = mem::take(&mut self.path);
        copy.push_str(path);
        copy
    }

    /// The client that calls itself `agent`.
    pub(crate) fn client(&mut self, agent: Option<&HeaderValue>) -> Client {
        agent.map_or(Client::Unknown, |agent| {
            Client::Says(self.agents.known(agent))
        })
    }
}

impl Agents {
    fn known(&mut self, agent: &HeaderValue) -> Arc<str> {
        let agent = &agent.as_bytes()[..agent.len().min(LONGEST_AGENT)];
        let mut known = self.known.iter();
        if let Some(known) = known.find(|known| *known.as_bytes() == *agent) {
            return known.clone();
        }
        let new = Arc::<str>::from(String::from_utf8_lossy(agent));
        if self.known.len() < MOST_AGENTS {
            self.known.push(new.clone());
        } else {
            self.known[self.next] = new.clone();
            self.next = (self.next + 1) % MOST_AGENTS;
        }
        new
    }
}

/// Records whose memory is kept for others.
const USUAL: usize = 1024;

/// Bytes of a path whose memory is not kept.
const LONG: usize = 512;

/// Bytes of a `User-Agent` that are kept. More than is shown anywhere.
const LONGEST_AGENT: usize = 1024;

/// Those that a thread knows. There are few, but where each request has another.
const MOST_AGENTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_old_records_is_used_again() {
        let (mut batch, mut agents) = (Batch::default(), Agents::default());
        let mut add = |batch: &mut Batch, text: &str| {
            let agent = HeaderValue::from_str(text).unwrap();
            let record = batch.add(&mut agents, |mut slot| Record {
                client: slot.client(Some(&agent)),
                path: slot.path(text),
                ..Record::example()
            });
            let Client::Says(agent) = &record.client else {
                panic!("{record:?}");
            };
            (record.path.as_ptr(), agent.as_ptr())
        };
        let first = add(&mut batch, "first");
        add(&mut batch, "other");
        assert_eq!(batch.len(), 2);
        batch.clear();
        assert!(batch.is_empty());
        assert_eq!(add(&mut batch, "first"), first);
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].path, "first");
    }

    #[test]
    fn what_clients_say_takes_little_memory() {
        let mut agents = Agents::default();
        for number in 0..1000 {
            let agent = format!("{number}{}", "x".repeat(10_000));
            let agent = HeaderValue::try_from(agent).unwrap();
            assert_eq!(agents.known(&agent).len(), LONGEST_AGENT);
        }
        assert_eq!(agents.known.len(), MOST_AGENTS);
        let last = agents.known(&HeaderValue::from_static("last"));
        assert_eq!(&*last, "last");
        assert!(agents.known.contains(&last));
        let odd = HeaderValue::from_bytes(b"caf\xe9/1").unwrap();
        assert_eq!(&*agents.known(&odd), "caf\u{fffd}/1");
    }

    #[test]
    fn a_flood_and_long_paths_leave_no_memory_behind() {
        let (mut batch, mut agents) = (Batch::default(), Agents::default());
        for _ in 0..2 {
            for _ in 0..2 * USUAL {
                batch.add(&mut agents, |mut slot| Record {
                    path: slot.path(&"x".repeat(4096)),
                    ..Record::example()
                });
            }
            batch.clear();
        }
        assert_eq!(batch.records.len(), USUAL);
        let record = batch.add(&mut agents, |mut slot| Record {
            path: slot.path("/"),
            ..Record::example()
        });
        assert!(record.path.capacity() <= LONG);
    }
}
