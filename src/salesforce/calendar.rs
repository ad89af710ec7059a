//! What ends, and when: of Salesforce's, and of what connections to it need.
//!
//! Each entry has a public source, and the day on which somebody last read it there. A test fails
//! half a year later.

use std::fmt;

use time::{Date, Month};

/// Something that ends.
#[derive(Debug)]
pub(crate) struct Ending {
    /// One word, such as `soap-login`.
    pub(crate) name: &'static str,
    /// In a few words, such as "SOAP login()".
    pub(crate) what: &'static str,
    /// From then on it is discouraged, if that is said of it.
    pub(crate) deprecated: Option<When>,
    pub(crate) ends: When,
    pub(crate) sign: Sign,
    /// What to do, in one sentence.
    pub(crate) advice: &'static str,
    /// The page that says so.
    pub(crate) source: &'static str,
    /// When somebody last read that page.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by the test that asks for another look")
    )]
    pub(crate) checked: Date,
}

/// A day, or a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    /// Near enough, if it is a release, which reaches orgs over some weeks.
    pub(crate) day: Date,
    /// Such as `Summer '27`.
    pub(crate) release: Option<&'static str>,
}

/// How it shows that somebody still relies on something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A call of `login()`, at `/services/Soap/u/` or `/c/`.
    SoapLogin,
    /// `grant_type=password` at the token endpoint.
    PasswordGrant,
    /// A version of the API in a path, from the first to the last.
    Versions(u16, u16),
    /// The host of an instance, or one that the org has left.
    OldHost,
    /// A certificate of a public authority that people renew by hand, or that somebody pins.
    PublicCertificate,
}

impl Ending {
    /// What ends with `version` of the API, if that is so old.
    pub(crate) fn of_version(version: u16) -> Option<&'static Self> {
        CALENDAR.iter().find(|ending| match ending.sign {
            Sign::Versions(first, last) => (first..=last).contains(&version),
            _ => false,
        })
    }

    /// What ends for those who show `sign`.
    pub(crate) fn of(sign: Sign) -> Option<&'static Self> {
        CALENDAR.iter().find(|ending| ending.sign == sign)
    }

    /// What becomes of it, such as `Breaks in Summer '27`.
    pub(crate) fn fate(&self, today: Date) -> String {
        let name = self.ends.name();
        let preposition = if self.ends.release.is_some() {
            "in"
        } else {
            "on"
        };
        match self.deprecated {
            _ if self.has_ended(today) => format!("Has ended ({name})"),
            Some(before) if before.day > today => {
                let before = before.name();
                format!("Discouraged from {before}, breaks {preposition} {name}")
            }
            _ => format!("Breaks {preposition} {name}"),
        }
    }

    /// True from the day of its end on.
    pub(crate) fn has_ended(&self, today: Date) -> bool {
        self.days_left(today) <= 0
    }

    /// Returns whether it is not even discouraged yet, though that is announced.
    pub(crate) fn is_only_discouraged(&self, today: Date) -> bool {
        self.deprecated.is_some_and(|before| before.day > today)
    }

    /// What [`Ending::fate`] does not say of its day, such as `about 1 June 2027, in 187 days`.
    pub(crate) fn date(&self, today: Date) -> Option<String> {
        let has_release = self.ends.release.is_some();
        let day = has_release.then(|| format!("about {}", in_words(self.ends.day)));
        let left = match self.days_left(today) {
            ..=0 => None,
            1 => Some("tomorrow".to_owned()),
            left => Some(format!("in {left} days")),
        };
        let said: Vec<_> = day.into_iter().chain(left).collect();
        (!said.is_empty()).then(|| said.join(", "))
    }

    /// Days from `today` to its end. Negative if that is past.
    pub(crate) fn days_left(&self, today: Date) -> i64 {
        (self.ends.day - today).whole_days()
    }
}

impl When {
    /// The release, or the day.
    pub(crate) fn name(self) -> String {
        match self.release {
            Some(release) => release.to_owned(),
            None => in_words(self.day),
        }
    }
}

/// `1 June 2027`.
fn in_words(day: Date) -> String {
    format!("{} {} {}", day.day(), day.month(), day.year())
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.release {
            Some(release) => write!(f, "{release} (about {})", self.day),
            None => write!(f, "{}", self.day),
        }
    }
}

const fn day(year: i32, month: Month, day: u8) -> Date {
    match Date::from_calendar_date(year, month, day) {
        Ok(date) => date,
        // When this is compiled.
        Err(_) => panic!("no such day"),
    }
}

const fn on(date: Date) -> When {
    When {
        day: date,
        release: None,
    }
}

const fn with(release: &'static str, date: Date) -> When {
    When {
        day: date,
        release: Some(release),
    }
}

/// The latest version of the API that has an entry here.
pub(crate) const LATEST_TO_END: u16 = 40;

/// Days before its end in which something is to be seen to.
pub(crate) const SOON: i64 = 365;

/// Everything that ends, the earliest first.
pub(crate) static CALENDAR: &[Ending] = &[
    Ending {
        name: "api-7-to-20",
        what: "API versions 7.0 to 20.0",
        deprecated: None,
        ends: with("Summer '22", day(2022, Month::June, 1)),
        sign: Sign::Versions(7, 20),
        advice: "These calls fail: set a current API version in the client, at least 41.0.",
        source: "https://help.salesforce.com/s/articleView?id=000389618&type=1",
        checked: day(2026, Month::November, 26),
    },
    Ending {
        name: "api-21-to-30",
        what: "API versions 21.0 to 30.0",
        deprecated: Some(with("Summer '22", day(2022, Month::June, 1))),
        ends: with("Summer '25", day(2025, Month::June, 1)),
        sign: Sign::Versions(21, 30),
        advice: "These calls fail: set a current API version in the client, at least 41.0.",
        source: "https://help.salesforce.com/s/articleView?id=000354473&type=1",
        checked: day(2026, Month::November, 26),
    },
    Ending {
        name: "instanced-urls",
        what: "redirects from hosts of the wrong instance",
        deprecated: None,
        ends: with("Summer '26", day(2026, Month::June, 15)),
        sign: Sign::OldHost,
        advice: "Have the client call orgproxy by its own address, or the org by its My Domain.",
        source: "https://help.salesforce.com/s/articleView?id=xcloud.domain_name_redirections_manage.htm&type=5",
        checked: day(2026, Month::November, 26),
    },
    Ending {
        name: "password-grant",
        what: "the OAuth user name-password flow",
        deprecated: None,
        ends: on(day(2027, Month::February, 20)),
        sign: Sign::PasswordGrant,
        advice: "Logins through orgproxy go on, since it answers them itself: have the client log in nowhere else, or give it the address of orgproxy and no password.",
        source: "https://help.salesforce.com/s/articleView?id=005461976&type=1",
        checked: day(2026, Month::November, 26),
    },
    Ending {
        name: "soap-login",
        what: "SOAP login()",
        deprecated: None,
        ends: with("Summer '27", day(2027, Month::June, 1)),
        sign: Sign::SoapLogin,
        advice: "Logins through orgproxy go on, since it answers login() itself: have the client log in nowhere else, or move it to OAuth.",
        source: "https://help.salesforce.com/s/articleView?id=005132110&type=1",
        checked: day(2026, Month::November, 26),
    },
    Ending {
        name: "api-31-to-40",
        what: "API versions 31.0 to 40.0",
        deprecated: Some(with("Summer '27", day(2027, Month::June, 1))),
        ends: with("Summer '28", day(2028, Month::June, 1)),
        sign: Sign::Versions(31, 40),
        advice: "Set a current API version in the client, at least 41.0.",
        source: "https://help.salesforce.com/s/articleView?id=005321531&type=1",
        checked: day(2026, Month::November, 26),
    },
    Ending {
        name: "long-certificates",
        what: "public TLS certificates for more than 47 days",
        deprecated: Some(on(day(2027, Month::March, 15))),
        ends: on(day(2029, Month::March, 15)),
        sign: Sign::PublicCertificate,
        advice: "Have certificates renewed by a program, and pin none of Salesforce's.",
        source: "https://cabforum.org/2025/04/11/ballot-sc081v3-introduce-schedule-of-reducing-validity-and-data-reuse-periods/",
        checked: day(2026, Month::November, 26),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use test_case::test_case;
    use time::OffsetDateTime;
    use url::Url;

    use super::*;

    /// By the real clock, on purpose: what was true half a year ago may have been put off.
    #[test]
    fn each_entry_was_looked_at_within_180_days() {
        let today = OffsetDateTime::now_utc().date();
        for ending in CALENDAR {
            let age = (today - ending.checked).whole_days();
            assert!(
                age <= 180,
                "the calendar's entry {:?} was last checked on {}: read {}, correct the entry in \
                 src/salesforce/calendar.rs if need be, and set `checked` to today",
                ending.name,
                ending.checked,
                ending.source,
            );
            assert!(age >= -1, "{} was checked in the future", ending.name);
        }
    }

    #[test]
    fn entries_are_whole_and_in_order() {
        assert!(CALENDAR.is_sorted_by_key(|ending| ending.ends.day));
        let names: HashSet<_> = CALENDAR.iter().map(|ending| ending.name).collect();
        assert_eq!(names.len(), CALENDAR.len());
        for ending in CALENDAR {
            let source = Url::parse(ending.source).unwrap();
            assert_eq!(source.scheme(), "https");
            assert!(ending.advice.ends_with('.') && !ending.what.ends_with('.'));
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(ending.name.chars().all(is_plain), "{}", ending.name);
            if let Some(deprecated) = ending.deprecated {
                assert!(deprecated.day < ending.ends.day, "{}", ending.name);
            }
            if let Some(release) = ending.ends.release {
                let year = (ending.ends.day.year() % 100).to_string();
                assert!(release.ends_with(&format!("'{year}")), "{release}");
            }
        }
    }

    #[test_case(6, None)]
    #[test_case(7, Some("api-7-to-20"))]
    #[test_case(20, Some("api-7-to-20"))]
    #[test_case(21, Some("api-21-to-30"))]
    #[test_case(31, Some("api-31-to-40"))]
    #[test_case(40, Some("api-31-to-40"))]
    #[test_case(41, None)]
    #[test_case(67, None)]
    fn a_version_ends_with_its_range(version: u16, expected: Option<&str>) {
        let ending = Ending::of_version(version);
        assert_eq!(ending.map(|ending| ending.name), expected);
        if version >= LATEST_TO_END {
            assert_eq!(ending.is_some(), version == LATEST_TO_END);
        }
    }

    #[test]
    fn a_fate_is_told_by_release_or_day() {
        let told = |sign, today| Ending::of(sign).unwrap().fate(today);
        let before = day(2026, Month::November, 1);
        assert_eq!(told(Sign::SoapLogin, before), "Breaks in Summer '27");
        assert_eq!(
            told(Sign::PasswordGrant, before),
            "Breaks on 20 February 2027"
        );
        let versions = Sign::Versions(31, 40);
        assert_eq!(
            told(versions, before),
            "Discouraged from Summer '27, breaks in Summer '28"
        );
        let between = day(2027, Month::July, 1);
        assert_eq!(told(versions, between), "Breaks in Summer '28");
        assert_eq!(told(Sign::SoapLogin, between), "Has ended (Summer '27)");
    }

    #[test]
    fn a_date_has_the_days_that_are_left() {
        let told = |sign, today| Ending::of(sign).unwrap().date(today);
        let before = day(2026, Month::December, 1);
        let about = told(Sign::SoapLogin, before);
        assert_eq!(about.as_deref(), Some("about 1 June 2027, in 182 days"));
        let exact = told(Sign::PasswordGrant, before);
        assert_eq!(exact.as_deref(), Some("in 81 days"));
        let eve = told(Sign::PasswordGrant, day(2027, Month::February, 19));
        assert_eq!(eve.as_deref(), Some("tomorrow"));
        let after = day(2027, Month::July, 1);
        let about = told(Sign::SoapLogin, after);
        assert_eq!(about.as_deref(), Some("about 1 June 2027"));
        assert_eq!(told(Sign::PasswordGrant, after), None);
    }

    #[test]
    fn days_are_counted_to_the_end_and_after_it() {
        let ending = Ending::of(Sign::SoapLogin).unwrap();
        assert_eq!(ending.days_left(day(2027, Month::May, 31)), 1);
        assert_eq!(ending.days_left(day(2027, Month::June, 3)), -2);
        assert_eq!(ending.ends.to_string(), "Summer '27 (about 2027-06-01)");
        let grant = Ending::of(Sign::PasswordGrant).unwrap();
        assert_eq!(grant.ends.to_string(), "2027-02-20");
    }
}
