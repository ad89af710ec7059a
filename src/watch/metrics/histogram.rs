//! How long things took.

use std::time::Duration;

/// How many took how long.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    /// One count for each of [`BOUNDS`], which includes the bound, and one for what took longer.
    counts: [u64; BOUNDS.len() + 1],
    /// Nanoseconds, enough for five hundred years.
    sum: u64,
}

impl Histogram {
    pub(super) fn observe(&mut self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[NANOS.partition_point(|bound| *bound < took)] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Seconds.
    pub(super) fn sum(&self) -> f64 {
        Duration::from_nanos(self.sum).as_secs_f64()
    }

    /// Upper bounds in seconds, and how many are above the bound before.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.iter().map(Duration::as_secs_f64);
        bounds.chain([f64::INFINITY]).zip(self.counts).collect()
    }
}

/// From what a local answer takes to the longest wait for an org.
const BOUNDS: [Duration; 18] = [
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// The same in nanoseconds, which are compared in half the time.
const NANOS: [u64; BOUNDS.len()] = {
    let mut nanos = [0; BOUNDS.len()];
    let mut place = 0;
    while place < BOUNDS.len() {
        nanos[place] =
            BOUNDS[place].as_secs() * 1_000_000_000 + BOUNDS[place].subsec_nanos() as u64;
        place += 1;
    }
    nanos
};
