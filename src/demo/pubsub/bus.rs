//! The events of the only topic.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::message::{ConsumerEvent, ProducerEvent};

/// The newest events since the org started.
#[derive(Default)]
pub(in crate::demo) struct Bus(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    events: VecDeque<ProducerEvent>,
    published: u64,
}

impl Bus {
    /// Adds an event, and returns its replay id.
    pub(super) fn publish(&self, event: ProducerEvent) -> Vec<u8> {
        let mut kept = self.lock();
        if kept.events.len() == MOST {
            kept.events.pop_front();
        }
        kept.events.push_back(event);
        kept.published += 1;
        replay_id(kept.published)
    }

    /// The number of the newest event.
    pub(super) fn newest(&self) -> u64 {
        self.lock().published
    }

    /// At most `most` events after the one with this number, and the number of the last of them.
    pub(super) fn after(&self, number: u64, most: usize) -> (Vec<ConsumerEvent>, u64) {
        let kept = self.lock();
        let oldest = kept.published - kept.events.len() as u64;
        let from = number.max(oldest).min(kept.published);
        let events: Vec<_> = kept
            .events
            .range((from - oldest) as usize..)
            .take(most)
            .zip(from + 1..)
            .map(|(event, number)| ConsumerEvent {
                event: Some(event.clone()),
                replay_id: replay_id(number),
            })
            .collect();
        let last = from + events.len() as u64;
        (events, last)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The replay id of an event: eight bytes, which clients must not interpret.
pub(super) fn replay_id(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The number of an event, if this can be its replay id.
pub(super) fn number(replay_id: &[u8]) -> Option<u64> {
    replay_id.try_into().ok().map(u64::from_be_bytes)
}

/// Events kept, so that a demo org can run forever.
const MOST: usize = 10_000;
