//! How much was asked of each org lately, and how fast it was answered.

use std::{
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{AnsweredBy, Record};

/// The last few minutes, second by second.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The oldest first, without gaps.
    seconds: VecDeque<Second>,
}

/// What ended in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Since the Unix epoch.
    pub(crate) at: u64,
    pub(crate) requests: u32,
    /// Those of them that the proxy answered with an error, or the org with a status of 400 or more.
    pub(crate) errors: u32,
    /// Those that the org answered, most of which it counts.
    pub(crate) forwarded: u32,
    /// Requests by how long they took: at most 1 ms, 2 ms, 4 ms and so on, and more.
    took: [u32; STEPS],
}

impl History {
    /// Counts requests that ended at `now`.
    pub(super) fn count(&mut self, records: &[Record], now: SystemTime) {
        let second = self.second(now);
        for record in records {
            second.requests += 1;
            let is_error = matches!(record.answered_by, AnsweredBy::Error(_))
                || record.status.as_u16() >= 400
                || !record.is_whole;
            second.errors += u32::from(is_error);
            second.forwarded += u32::from(record.answered_by == AnsweredBy::Org);
            second.took[step(record.waits.total)] += 1;
        }
    }

    /// The seconds up to the one before `now`, which has ended: [`LENGTH`] of them, the oldest first.
    pub(crate) fn until(&self, now: SystemTime) -> Vec<Second> {
        let end = seconds_of(now);
        let mut known = self.seconds.iter().peekable();
        (end.saturating_sub(LENGTH)..end)
            .map(|at| {
                while known.next_if(|second| second.at < at).is_some() {}
                let second = known.next_if(|second| second.at == at).copied();
                second.unwrap_or_else(|| Second::new(at))
            })
            .collect()
    }

    fn second(&mut self, now: SystemTime) -> &mut Second {
        let at = seconds_of(now);
        // A clock that was set back counts on in the second that it has got to.
        let is_new = self.seconds.back().is_none_or(|last| last.at < at);
        if is_new {
            self.seconds.push_back(Second::new(at));
            while self
                .seconds
                .front()
                .is_some_and(|first| first.at + LENGTH < at)
            {
                self.seconds.pop_front();
            }
        }
        let last = self.seconds.len() - 1;
        &mut self.seconds[last]
    }
}

impl Second {
    fn new(at: u64) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    /// Adds what ended in `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.forwarded += other.forwarded;
        for (mine, more) in self.took.iter_mut().zip(other.took) {
            *mine += more;
        }
    }

    /// The time within which `share` of the requests were answered, as far as it is known: the end of
    /// the step that it falls in.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        if self.requests == 0 {
            return None;
        }
        let wanted = (f64::from(self.requests) * share).ceil();
        let mut seen = 0;
        let found = self.took.iter().position(|count| {
            seen += count;
            f64::from(seen) >= wanted
        });
        let step = u32::try_from(found?).ok()?;
        Some(Duration::from_millis(1 << step))
    }
}

fn step(took: Duration) -> usize {
    // The milliseconds that it took, but for the last nanosecond.
    let millis = took.saturating_sub(Duration::from_nanos(1)).as_millis();
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    // Two to this power is the first that is more.
    let step = u64::BITS - millis.leading_zeros();
    usize::try_from(step).map_or(STEPS - 1, |step| step.min(STEPS - 1))
}

fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Up to 2^19 ms, which is nine minutes, and more.
const STEPS: usize = 20;

/// Seconds.
pub(crate) const LENGTH: u64 = 300;

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn each_second_has_its_requests_and_none_is_left_out() {
        let mut history = History::default();
        for (second, total) in [(1000, 3), (1000, 100), (1002, 1)] {
            let mut record = Record::example();
            record.waits.total = Duration::from_millis(total);
            history.count(slice::from_ref(&record), at(second));
        }
        let seconds = history.until(at(1003));
        assert_eq!(seconds.len() as u64, LENGTH);
        let last: Vec<_> = seconds[297..]
            .iter()
            .map(|it| (it.at, it.requests))
            .collect();
        assert_eq!(last, [(1000, 2), (1001, 0), (1002, 1)]);
        assert_eq!(seconds[297].quantile(0.5), Some(Duration::from_millis(4)));
        assert_eq!(
            seconds[297].quantile(0.95),
            Some(Duration::from_millis(128))
        );
        assert_eq!(seconds[298].quantile(0.5), None);

        let mut both = seconds[297];
        both.add(&seconds[299]);
        assert_eq!((both.at, both.requests, both.forwarded), (1000, 3, 3));
        assert_eq!(both.quantile(0.3), Some(Duration::from_millis(1)));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut history = History::default();
        for second in 0..10_000 {
            history.count(&[Record::example()], at(second));
        }
        assert!(history.seconds.len() as u64 <= LENGTH + 1);
        assert!(history.until(at(10_000)).iter().all(|it| it.requests == 1));
        assert!(history.until(at(20_000)).iter().all(|it| it.requests == 0));
    }

    #[test]
    fn a_clock_that_is_set_back_breaks_nothing() {
        let mut history = History::default();
        history.count(&[Record::example()], at(1000));
        history.count(&[Record::example()], at(900));
        assert_eq!(history.until(at(1001))[299].requests, 2);
    }

    #[test]
    fn errors_are_counted_whoever_makes_them() {
        let mut history = History::default();
        let changes: [fn(&mut Record); 3] = [
            |record| record.status = http::StatusCode::NOT_FOUND,
            |record| record.answered_by = AnsweredBy::Error("LOGIN_REFUSED"),
            |record| record.is_whole = false,
        ];
        for change in changes {
            let mut record = Record::example();
            change(&mut record);
            history.count(slice::from_ref(&record), at(1000));
        }
        history.count(&[Record::example()], at(1000));
        let second = history.until(at(1001))[299];
        assert_eq!((second.requests, second.errors), (4, 3));
    }
}
