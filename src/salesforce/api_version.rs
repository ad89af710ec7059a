//! Versions of Salesforce's APIs.

use std::fmt::{self, Display, Formatter};

use time::Date;

/// A version of the APIs, such as 62.0. All that end in anything but `.0` are long gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion(u16);

impl ApiVersion {
    /// The version of this number, such as 62.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Reads `v62.0`, as REST has it, `62.0`, as the others have it, and the same without `.0`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (number, minor) = match text.iter().position(|byte| *byte == b'.') {
            Some(point) => (&text[..point], &text[point + 1..]),
            None => (text, &b"0"[..]),
        };
        let number = match number {
            [b'v' | b'V', number @ ..] => number,
            number => number,
        };
        let are_digits = minor.iter().all(u8::is_ascii_digit);
        // No version has more digits, and the digits of a text cost less than the text as a number.
        if !are_digits || !(1..=3).contains(&number.len()) || !(1..=2).contains(&minor.len()) {
            return None;
        }
        let add = |version, byte: &u8| {
            let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
            Some(10 * version + u16::from(digit))
        };
        number.iter().try_fold(0, add).map(Self)
    }

    pub(crate) fn number(self) -> u16 {
        self.0
    }

    /// The newest version that any org may serve on `today`: each year has three releases, which
    /// come to some orgs in January, May and September
    /// ([release notes](https://help.salesforce.com/s/articleView?id=release-notes.salesforce_release_notes.htm)).
    pub(crate) fn newest(today: Date) -> Self {
        let years = u16::try_from(today.year() - 2026).unwrap_or(0);
        let releases = u16::from((u8::from(today.month()) - 1) / 4);
        Self(SPRING_2026 + 3 * years + releases)
    }
}

impl Display for ApiVersion {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

/// The version of Spring '26.
const SPRING_2026: u16 = 66;

#[cfg(test)]
mod tests {
    use test_case::test_case;
    use time::Month;

    use super::*;

    #[test_case("v62.0", Some(62))]
    #[test_case("V7.0", Some(7))]
    #[test_case("41.0", Some(41))]
    #[test_case("41", Some(41))]
    #[test_case("v41", Some(41))]
    #[test_case("2.5", Some(2))]
    #[test_case("100.0", Some(100))]
    #[test_case("", None; "nothing")]
    #[test_case("v", None)]
    #[test_case(".0", None; "no number")]
    #[test_case("41.", None; "no digit after the point")]
    #[test_case("vv41.0", None)]
    #[test_case("41.0.0", None)]
    #[test_case("41.000", None)]
    #[test_case("4100.0", None)]
    #[test_case("+41.0", None)]
    #[test_case("41things", None)]
    fn a_version_is_read_however_it_is_written(text: &str, number: Option<u16>) {
        assert_eq!(
            ApiVersion::parse(text.as_bytes()),
            number.map(ApiVersion::new)
        );
    }

    #[test_case(2026, Month::January, 66)]
    #[test_case(2026, Month::August, 67)]
    #[test_case(2026, Month::November, 68)]
    #[test_case(2027, Month::February, 69)]
    #[test_case(1970, Month::January, 66; "by a clock that is wrong")]
    fn there_are_three_versions_a_year(year: i32, month: Month, number: u16) {
        let today = Date::from_calendar_date(year, month, 26).unwrap();
        assert_eq!(ApiVersion::newest(today), ApiVersion::new(number));
        assert_eq!(ApiVersion::newest(today).to_string(), format!("{number}.0"));
    }
}
