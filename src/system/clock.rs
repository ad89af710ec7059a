//! The time since some moment in the past, to tell how long something took.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock. As a number, since to subtract two `Instant`s costs ten times
/// as much, and each request does so several times.
pub(crate) fn nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither is ever negative.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
