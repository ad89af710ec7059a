//! Spans of time in words.

/// A time by its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// The same without seconds, so that it does not change all the time.
pub(crate) fn calm(seconds: u64) -> String {
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        _ => span(seconds),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0, "0 s")]
    #[test_case(59, "59 s")]
    #[test_case(60, "1 min 0 s")]
    #[test_case(3599, "59 min 59 s")]
    #[test_case(3600, "1 h 0 min")]
    #[test_case(86_399, "23 h 59 min")]
    #[test_case(90_000, "1 d 1 h")]
    fn a_time_is_shown_by_its_two_largest_units(seconds: u64, expected: &str) {
        assert_eq!(span(seconds), expected);
    }

    #[test_case(59 => "less than a minute")]
    #[test_case(60 => "1 min")]
    #[test_case(3720 => "1 h 2 min")]
    #[test_case(90_000 => "1 d 1 h")]
    fn a_calm_one_has_no_seconds(seconds: u64) -> String {
        calm(seconds)
    }
}
