//! The two clocks of a machine, and when they part.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks at one moment. They part when the machine sleeps or its time is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    monotonic: Instant,
    wall: SystemTime,
}

impl Clocks {
    pub(crate) fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Returns whether they have parted between `earlier` and this moment.
    pub(crate) fn have_parted_since(self, earlier: Self) -> bool {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        let apart = match self.wall.duration_since(earlier.wall) {
            Ok(wall) => wall.abs_diff(monotonic),
            Err(back) => monotonic.saturating_add(back.duration()),
        };
        apart > JUMP
    }
}

/// `time` as headers have it.
pub(crate) fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(writable(time))
}

/// The nearest time that has a date in four digits: libraries panic at others.
pub(crate) fn writable(time: SystemTime) -> SystemTime {
    time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST_DATE)
}

/// From 1970 to the end of the year 9999.
const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);

/// Further apart than clocks are adjusted smoothly.
const JUMP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const HOUR: i64 = 3600;
    const CENTURY: i64 = 100 * 366 * 24 * HOUR;

    #[test_case(10, 0, false; "neither jumps")]
    #[test_case(10, 4, false; "adjusted forwards")]
    #[test_case(10, -4, false; "adjusted backwards")]
    #[test_case(0, -1, false; "adjusted to before")]
    #[test_case(10, 6, true; "set forwards a little")]
    #[test_case(10, -6, true; "set backwards a little")]
    #[test_case(0, -6, true; "set to before")]
    #[test_case(10, HOUR, true; "set an hour forwards")]
    #[test_case(10, -HOUR, true; "set an hour backwards")]
    #[test_case(10, -CENTURY, true; "set to before 1970")]
    #[test_case(0, 8 * HOUR, true; "a night asleep")]
    #[test_case(HOUR, 0, false; "an hour awake")]
    fn they_part_when_one_jumps(passed: i64, jump: i64, parted: bool) {
        let earlier = Clocks::now();
        let later = Clocks {
            monotonic: earlier.monotonic + Duration::from_secs(passed.unsigned_abs()),
            wall: moved(earlier.wall, passed + jump),
        };
        assert_eq!(later.have_parted_since(earlier), parted);
    }

    #[test]
    fn a_clock_before_1970_that_is_set_parts_from_the_other() {
        let before_1970 = Clocks {
            wall: UNIX_EPOCH - Duration::from_secs(1000),
            ..Clocks::now()
        };
        assert!(Clocks::now().have_parted_since(before_1970));
        assert!(!before_1970.have_parted_since(before_1970));
    }

    #[test_case(0, "Thu, 01 Jan 1970 00:00:00 GMT"; "the first second")]
    #[test_case(-1, "Thu, 01 Jan 1970 00:00:00 GMT"; "before")]
    #[test_case(1_795_737_600, "Fri, 27 Nov 2026 00:00:00 GMT"; "today")]
    #[test_case(253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"; "the last second")]
    #[test_case(253_402_300_800, "Fri, 31 Dec 9999 23:59:59 GMT"; "after")]
    fn any_clock_has_a_date_for_headers(seconds: i64, date: &str) {
        assert_eq!(http_date(moved(UNIX_EPOCH, seconds)), date);
    }

    fn moved(time: SystemTime, seconds: i64) -> SystemTime {
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { time - by } else { time + by }
    }
}
