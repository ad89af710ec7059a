//! Times in claims, in words.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

/// The value of `exp`, `iat` or `nbf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970.
    seconds: u64,
    /// Written in milliseconds, which Salesforce takes for seconds.
    pub(super) is_in_milliseconds: bool,
}

impl Moment {
    /// A number, or a string of digits, which Salesforce takes as well:
    /// [`crate::salesforce::facts::jwt_bearer`].
    pub(super) fn of(claim: &Value) -> Option<Self> {
        let number = match claim {
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            Value::String(digits) => digits.parse().ok(),
            _ => None,
        }?;
        let is_in_milliseconds = (MILLISECONDS..MILLISECONDS * 100).contains(&number);
        Some(Self {
            seconds: if is_in_milliseconds {
                number / 1000
            } else {
                number
            },
            is_in_milliseconds,
        })
    }

    /// The time from `now` until it, if it is in the future.
    pub(super) fn ahead_of(self, now: SystemTime) -> Option<Duration> {
        self.seconds
            .checked_sub(seconds(now))
            .map(Duration::from_secs)
    }

    /// The date, and how far away it is: "in 3 minutes", "3 minutes ago".
    pub(super) fn describe(self, now: SystemTime) -> String {
        let now = seconds(now);
        let away = match self.seconds.checked_sub(now) {
            Some(0) => "now".to_owned(),
            Some(ahead) => format!("in {}", Words(ahead)),
            None => format!("{} ago", Words(now - self.seconds)),
        };
        format!("{self}, {away}")
    }
}

/// In UTC.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 has no dates beyond it.
        if self.seconds > LAST {
            return f.write_str("after the year 9999");
        }
        let time = UNIX_EPOCH + Duration::from_secs(self.seconds);
        let text = humantime::format_rfc3339_seconds(time).to_string();
        let text = text.replace('T', " ").replace('Z', " UTC");
        f.write_str(&text)
    }
}

/// Seconds as people say them, in two units at most.
struct Words(u64);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let parts: Vec<_> = UNITS
            .iter()
            .map(|(unit, length)| {
                let count = rest / length;
                rest %= length;
                (count, unit)
            })
            .skip_while(|(count, _)| *count == 0)
            .take(2)
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| match count {
                1 => format!("1 {unit}"),
                _ => format!("{count} {unit}s"),
            })
            .collect();
        f.write_str(&parts.join(" "))
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs())
}

/// Some clients send fractions.
fn whole(number: f64) -> Option<u64> {
    // Within this range a cast is exact enough, and other numbers are not times.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..9e15).contains(&number).then_some(number as u64)
}

const UNITS: [(&str, u64); 5] = [
    ("year", 365 * 24 * 60 * 60),
    ("day", 24 * 60 * 60),
    ("hour", 60 * 60),
    ("minute", 60),
    ("second", 1),
];

/// The year 2001 in milliseconds, 33,658 in seconds.
const MILLISECONDS: u64 = 1_000_000_000_000;

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    const NOW: u64 = 1_764_000_000;

    #[test_case(json!(NOW + 178), "2025-11-24 16:02:58 UTC, in 2 minutes 58 seconds")]
    #[test_case(json!(NOW.to_string()), "2025-11-24 16:00:00 UTC, now"; "a string of digits")]
    #[test_case(json!(NOW - 3 * 3600), "2025-11-24 13:00:00 UTC, 3 hours ago")]
    #[test_case(json!(NOW - 3601), "2025-11-24 14:59:59 UTC, 1 hour ago"; "two units at most that follow each other")]
    #[test_case(json!(NOW + 86400 + 7200), "2025-11-25 18:00:00 UTC, in 1 day 2 hours")]
    #[test_case(json!(1_333_685_628), "2012-04-06 04:13:48 UTC, 13 years 235 days ago")]
    #[test_case(json!((NOW + 300) * 1000), "2025-11-24 16:05:00 UTC, in 5 minutes"; "milliseconds")]
    #[test_case(json!(1_764_000_000.5), "2025-11-24 16:00:00 UTC, now"; "a fraction")]
    #[test_case(json!(NOW * 1000 * 1000), "after the year 9999, in 55936017 years 45 days"; "microseconds")]
    fn is_described(claim: Value, expected: &str) {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        assert_eq!(Moment::of(&claim).unwrap().describe(now), expected);
    }

    #[test_case(json!("tomorrow"))]
    #[test_case(json!(null))]
    #[test_case(json!([1]))]
    #[test_case(json!(-1))]
    #[test_case(json!(1e300))]
    fn is_no_time(claim: Value) {
        assert_eq!(Moment::of(&claim), None);
    }
}
