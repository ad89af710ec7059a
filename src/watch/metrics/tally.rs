//! The counts of one thread.

use std::{
    collections::BTreeMap,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{
    histogram::Histogram,
    labels::{Admitted, Key, Labels},
};
use crate::watch::{AnsweredBy, Record, Replayed, Usage, radar};

/// The counts of one thread.
///
/// A lock, which nobody else wants but a scrape for as long as it copies: it costs a request two
/// atomic instructions. Relaxed atomics would be one for each number, ten or so, and a table that
/// grows while others read it.
pub(crate) struct Tally {
    state: Mutex<State>,
    admitted: Arc<Admitted>,
    /// The name of the org that a request is for which is for none.
    none: Arc<str>,
}

#[derive(Default)]
struct State {
    orgs: Vec<(Arc<str>, OrgCounts)>,
    families: Vec<&'static str>,
    series: Vec<(Labels, Counts)>,
    /// Found in some steps of comparing integers: there are dozens of them.
    places: BTreeMap<Key, usize>,
    /// The one that was counted last, which mostly comes next as well.
    last: Option<(Key, usize)>,
}

/// The counts of one thread, or of all.
#[derive(Debug, Default)]
pub(super) struct Tallied {
    pub(super) series: BTreeMap<Labels, Counts>,
    pub(super) orgs: BTreeMap<Arc<str>, OrgCounts>,
}

/// The counts of requests that have the same labels.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) requests: u64,
    /// Bytes.
    pub(super) received: u64,
    /// Bytes.
    pub(super) sent: u64,
    pub(super) took: Histogram,
    /// For the org's first byte.
    pub(super) waited: Histogram,
}

/// The counts of one org that need no other labels than few of their own.
#[derive(Debug, Clone, Default)]
pub(super) struct OrgCounts {
    pub(super) login_wait: Duration,
    pub(super) turn_wait: Duration,
    pub(super) connection_wait: Duration,
    /// By code, of which there are few.
    pub(super) refusals: Vec<(&'static str, u64)>,
    /// Those that a policy only observes.
    pub(super) observed: u64,
    /// By the name of what ends.
    pub(super) retiring: Vec<(&'static str, u64)>,
    /// By what [`REASONS`] and [`OUTCOMES`] name.
    pub(super) replays: [[u64; OUTCOMES.len()]; REASONS.len()],
    /// The latest, and when it came.
    pub(super) usage: Option<(SystemTime, Usage)>,
}

impl Tally {
    pub(super) fn new(admitted: Arc<Admitted>) -> Self {
        Self {
            state: Mutex::default(),
            admitted,
            none: Arc::from(""),
        }
    }

    /// Counts a request that has ended. Allocates only for labels that this thread has not met.
    pub(crate) fn count(&self, record: &Record) {
        let mut state = self.state();
        let org = state.org(record.org.as_ref().unwrap_or(&self.none));
        let family = state.family(record.family);
        let key = Key::of(org, family, record);
        state.orgs[org].1.count(record);
        let place = match state.last {
            Some((last, place)) if last == key => place,
            _ => self.place(&mut state, key, org, record),
        };
        state.series[place].1.count(record);
        state.last = Some((key, place));
    }

    /// The place of the series for `record`, or of the one for all others of its org.
    fn place(&self, state: &mut State, key: Key, org: usize, record: &Record) -> usize {
        if let Some(place) = state.places.get(&key) {
            return *place;
        }
        let name = state.orgs[org].0.clone();
        let mut new = (key, Labels::of(name.clone(), record));
        if !self.admitted.admit(&new.1) {
            new = (Key::other(org), Labels::other(name));
        }
        let (key, labels) = new;
        let State { series, places, .. } = state;
        *places.entry(key).or_insert_with(|| {
            series.push((labels, Counts::default()));
            series.len() - 1
        })
    }

    /// What it has counted so far.
    pub(super) fn counted(&self) -> Tallied {
        let state = self.state();
        Tallied {
            series: state.series.iter().cloned().collect(),
            orgs: state.orgs.iter().cloned().collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The place of an org. Its name is nearly always the very same string.
    fn org(&mut self, name: &Arc<str>) -> usize {
        let mut orgs = self.orgs.iter();
        if let Some(place) = orgs.position(|(known, _)| Arc::ptr_eq(known, name)) {
            return place;
        }
        let mut orgs = self.orgs.iter();
        orgs.position(|(known, _)| known == name)
            .unwrap_or_else(|| {
                self.orgs.push((name.clone(), OrgCounts::default()));
                self.orgs.len() - 1
            })
    }

    fn family(&mut self, name: &'static str) -> usize {
        let mut families = self.families.iter();
        if let Some(place) = families.position(|known| ptr::eq(*known, name)) {
            return place;
        }
        let mut families = self.families.iter();
        families
            .position(|known| *known == name)
            .unwrap_or_else(|| {
                self.families.push(name);
                self.families.len() - 1
            })
    }
}

impl Tallied {
    pub(super) fn add(&mut self, other: &Self) {
        for (labels, counts) in &other.series {
            self.series.entry(labels.clone()).or_default().add(counts);
        }
        for (name, counts) in &other.orgs {
            self.orgs.entry(name.clone()).or_default().add(counts);
        }
    }
}

impl Counts {
    fn count(&mut self, record: &Record) {
        self.requests += 1;
        self.received = self.received.saturating_add(record.received);
        self.sent = self.sent.saturating_add(record.sent);
        self.took.observe(record.waits.total);
        if !record.waits.first_byte.is_zero() {
            self.waited.observe(record.waits.first_byte);
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.received = self.received.saturating_add(other.received);
        self.sent = self.sent.saturating_add(other.sent);
        self.took.add(&other.took);
        self.waited.add(&other.waited);
    }
}

impl OrgCounts {
    fn count(&mut self, record: &Record) {
        let waits = &record.waits;
        if waits.login > Duration::ZERO {
            self.login_wait = self.login_wait.saturating_add(waits.login);
        }
        if waits.turn > Duration::ZERO {
            self.turn_wait = self.turn_wait.saturating_add(waits.turn);
        }
        if waits.connection > Duration::ZERO {
            self.connection_wait = self.connection_wait.saturating_add(waits.connection);
        }
        if let AnsweredBy::Error(code) = record.answered_by {
            increase(&mut self.refusals, code, 1);
        }
        self.observed += u64::from(record.would_be_refused);
        for danger in radar::dangers(record) {
            increase(&mut self.retiring, danger.name(), 1);
        }
        if let Some(reason) = record.replayed_for {
            self.replays[place(reason)][outcome(record)] += u64::from(record.replays);
        }
        if let Some(usage) = record.usage {
            let came = record.began.checked_add(waits.total);
            self.note_usage(came.unwrap_or(record.began), usage);
        }
    }

    fn add(&mut self, other: &Self) {
        self.login_wait = self.login_wait.saturating_add(other.login_wait);
        self.turn_wait = self.turn_wait.saturating_add(other.turn_wait);
        self.connection_wait = self.connection_wait.saturating_add(other.connection_wait);
        for (code, count) in &other.refusals {
            increase(&mut self.refusals, code, *count);
        }
        self.observed += other.observed;
        for (name, count) in &other.retiring {
            increase(&mut self.retiring, name, *count);
        }
        let replays = self.replays.as_flattened_mut().iter_mut();
        for (count, more) in replays.zip(other.replays.as_flattened()) {
            *count += more;
        }
        if let Some((came, usage)) = other.usage {
            self.note_usage(came, usage);
        }
    }

    fn note_usage(&mut self, came: SystemTime, usage: Usage) {
        if self.usage.is_none_or(|(before, _)| before <= came) {
            self.usage = Some((came, usage));
        }
    }
}

/// Adds to the one of few counts that has this name.
fn increase(counts: &mut Vec<(&'static str, u64)>, name: &'static str, count: u64) {
    match counts.iter_mut().find(|(known, _)| *known == name) {
        Some((_, sum)) => *sum += count,
        None => counts.push((name, count)),
    }
}

/// The place in [`REASONS`].
fn place(reason: Replayed) -> usize {
    match reason {
        Replayed::Session => 0,
        Replayed::Moved => 1,
        Replayed::Connection => 2,
        Replayed::Crowded => 3,
    }
}

/// The place in [`OUTCOMES`].
fn outcome(record: &Record) -> usize {
    let is_good = record.answered_by == AnsweredBy::Org && record.status.as_u16() < 400;
    usize::from(!is_good)
}

/// Why requests were sent to the org again.
pub(super) const REASONS: [&str; 4] = ["session", "moved", "connection", "crowded"];

/// What came of it.
pub(super) const OUTCOMES: [&str; 2] = ["success", "failure"];
