//! Numbers and times in words.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `2,000 requests`.
pub(super) fn counted(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(number))
}

/// `142 ms`, `0.8 ms`, `3.2 s`.
pub(super) fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1000, micros / 100 % 10),
        10_000..10_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// `09:21`, of UTC.
pub(super) fn clock(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    format!("{:02}:{:02}", time.hour(), time.minute())
}

/// `09:21:07`, of UTC.
pub(super) fn clock_with_seconds(time: SystemTime) -> String {
    format!("{}:{:02}", clock(time), OffsetDateTime::from(time).second())
}

/// `8 %`, with a blank that no line breaks at.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match share(part, whole) {
        0.0 => "0\u{a0}%".to_owned(),
        share if share < 1.0 => "<\u{a0}1\u{a0}%".to_owned(),
        share => format!("{share:.0}\u{a0}%"),
    }
}

/// `part` in per cent of `whole`.
#[expect(
    clippy::cast_precision_loss,
    reason = "nobody sees the tenth digit of a share"
)]
pub(super) fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64 * 100.0
}

/// `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0 => "0")]
    #[test_case(999 => "999")]
    #[test_case(1000 => "1,000")]
    #[test_case(1_234_567 => "1,234,567")]
    fn thousands_are_set_apart(number: u64) -> String {
        count(number)
    }

    #[test_case(800 => "0.8 ms")]
    #[test_case(142_318 => "142 ms")]
    #[test_case(12_345_678 => "12.3 s")]
    fn a_wait_has_no_more_digits_than_are_read(micros: u64) -> String {
        millis(Duration::from_micros(micros))
    }

    #[test_case(0, 0 => "0\u{a0}%")]
    #[test_case(1, 5000 => "<\u{a0}1\u{a0}%")]
    #[test_case(2, 3 => "67\u{a0}%")]
    fn a_share_is_in_whole_per_cent(part: u64, whole: u64) -> String {
        percent(part, whole)
    }

    #[test]
    fn names_are_listed_as_people_do() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and 1 more");
    }

    #[test]
    fn times_are_those_of_utc() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_811_846_467);
        assert_eq!(clock_with_seconds(time), "10:41:07");
    }
}
