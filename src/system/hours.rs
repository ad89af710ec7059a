//! What is counted in a day, by the hour.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The calls of this hour and of the 24 before it, so that none is forgotten before it is a day old.
#[derive(Debug, Default, Clone)]
pub(crate) struct Hours {
    counts: [u32; HOURS],
    /// The latest, since the Unix epoch.
    hour: u64,
}

impl Hours {
    pub(crate) fn add(&mut self, now: SystemTime) {
        self.turn_to(now);
        self.put(self.hour, 1, now);
    }

    /// Adds calls of another `hour`, by the clock of another machine perhaps.
    pub(crate) fn put(&mut self, hour: u64, calls: u32, now: SystemTime) {
        self.turn_to(now);
        let hour = hour.min(self.hour);
        if self.hour - hour < HOURS as u64 {
            let count = &mut self.counts[slot(hour)];
            *count = count.saturating_add(calls);
        }
    }

    /// The hours with calls, and how many these are.
    pub(crate) fn each(&mut self, now: SystemTime) -> impl Iterator<Item = (u64, u32)> {
        self.turn_to(now);
        let oldest = self.hour.saturating_sub(HOURS as u64 - 1);
        let hours = (oldest..=self.hour).map(|hour| (hour, self.counts[slot(hour)]));
        hours.filter(|(_, calls)| *calls > 0)
    }

    pub(crate) fn sum(&mut self, now: SystemTime) -> u64 {
        self.turn_to(now);
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The time until fewer than `limit` are left.
    pub(crate) fn until_below(&mut self, limit: u64, now: SystemTime) -> Duration {
        let mut sum = self.sum(now);
        if sum < limit {
            return Duration::ZERO;
        }
        let into = since_epoch(now).as_secs() % HOUR;
        for ahead in 1..=HOURS as u64 {
            sum -= u64::from(self.counts[slot(self.hour + ahead)]);
            if sum < limit {
                return Duration::from_secs(ahead * HOUR - into);
            }
        }
        Duration::from_secs(HOUR)
    }

    /// Forgets the hours that are a day old. A clock that is set back a little changes nothing. After one
    /// that was ahead, what was counted by it is of this hour: else it would be so until that comes.
    fn turn_to(&mut self, now: SystemTime) {
        let hour = hour_of(now);
        if hour + 1 < self.hour {
            let ahead = (hour + 1..=self.hour).rev().take(HOURS);
            let calls = ahead.fold(0, |calls: u32, ahead| {
                calls.saturating_add(std::mem::take(&mut self.counts[slot(ahead)]))
            });
            self.counts[slot(hour)] = self.counts[slot(hour)].saturating_add(calls);
            self.hour = hour;
        }
        let gone = hour.saturating_sub(self.hour).min(HOURS as u64);
        for back in 0..gone {
            self.counts[slot(hour - back)] = 0;
        }
        self.hour = self.hour.max(hour);
    }
}

fn hour_of(time: SystemTime) -> u64 {
    since_epoch(time).as_secs() / HOUR
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn slot(hour: u64) -> usize {
    usize::try_from(hour % HOURS as u64).unwrap_or_default()
}

const HOURS: usize = 25;

/// Seconds.
const HOUR: u64 = 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs((100_000 * 60 + minutes) * 60)
    }

    #[test]
    fn a_call_counts_until_it_is_a_day_old() {
        let mut hours = Hours::default();
        hours.add(at(59));
        hours.add(at(60));
        assert_eq!(hours.sum(at(61)), 2);
        assert_eq!(hours.sum(at(59 + 24 * 60)), 2);
        assert_eq!(hours.sum(at(60 + 24 * 60)), 1);
        assert_eq!(hours.sum(at(60 + 25 * 60)), 0);
        // The clock is set back by an hour.
        hours.add(at(60 + 24 * 60));
        assert_eq!(hours.sum(at(60 + 25 * 60)), 1);
    }

    #[test]
    fn what_was_counted_by_a_clock_that_was_ahead_is_of_today() {
        for ahead in [2, 3, 23, 24, 25, 26, 24 * 365] {
            let mut hours = Hours::default();
            hours.add(at(0));
            hours.add(at(60 * (ahead - 1)));
            hours.add(at(60 * ahead));
            let then = hours.sum(at(60 * ahead));
            assert_eq!(hours.sum(at(0)), then, "{ahead} hours ahead");
            assert_eq!(hours.sum(at(24 * 60)), then, "{ahead} hours ahead");
            assert_eq!(hours.sum(at(25 * 60)), 0, "{ahead} hours ahead");
        }
    }

    #[test]
    fn what_others_have_counted_is_put_into_its_hour() {
        let mut hours = Hours::default();
        let this = hour_of(at(90));
        for (hour, calls) in [(this - 25, 1), (this - 24, 2), (this, 4)] {
            hours.put(hour, calls, at(90));
        }
        // A clock that is ahead.
        hours.put(this + 3, 8, at(90));
        let each: Vec<_> = hours.each(at(90)).collect();
        assert_eq!(each, [(this - 24, 2), (this, 12)]);
        assert_eq!(hours.sum(at(150)), 12);
    }

    #[test]
    fn it_is_known_when_there_is_room_again() {
        let mut hours = Hours::default();
        for minute in [0, 30, 60, 90] {
            hours.add(at(minute));
        }
        let until = |hours: &mut Hours, limit| hours.until_below(limit, at(100)).as_secs() / 60;
        assert_eq!(until(&mut hours, 5), 0);
        assert_eq!(until(&mut hours, 4), 25 * 60 - 100);
        assert_eq!(until(&mut hours, 2), 26 * 60 - 100);
    }
}
