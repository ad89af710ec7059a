//! Latencies, counted in buckets of a fixed relative width.

/// Counts of nanoseconds in buckets that are at most 1/32 wide: 32 for every power of two.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; (64 - STEPS_LOG2 as usize) << STEPS_LOG2],
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// The latency, in nanoseconds, that `part` of all stayed below; 0 if there are none.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let wanted = (self.total as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return middle(bucket);
            }
        }
        0.0
    }
}

/// Small values have a bucket each; larger ones are told apart by their leading bits.
fn bucket(nanos: u64) -> usize {
    let shift = nanos.max(1).ilog2().saturating_sub(STEPS_LOG2);
    ((shift as usize) << STEPS_LOG2) + (nanos >> shift) as usize
}

fn middle(bucket: usize) -> f64 {
    let shift = (bucket >> STEPS_LOG2).saturating_sub(1);
    let lead = bucket - (shift << STEPS_LOG2);
    (lead as f64 + 0.5) * (1_u64 << shift) as f64
}

const STEPS_LOG2: u32 = 5;
