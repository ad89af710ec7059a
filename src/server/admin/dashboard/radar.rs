//! What clients use that ends.

use std::time::SystemTime;

use askama::Template;
use time::{Date, OffsetDateTime};

use super::{
    snapshot::OrgFacts,
    summary::{Line, Tone},
    words,
};
use crate::{
    salesforce::calendar::{CALENDAR, Ending, Sign, When},
    watch::{Danger, Finding},
};

#[derive(Template)]
#[template(path = "radar.html", config = "src/server/admin/dashboard/askama.toml")]
pub(super) struct Radar<'a> {
    threats: Vec<Threat<'a>>,
    /// What ends, and no client has used.
    unseen: Vec<String>,
}

/// One thing that ends, and who uses it.
struct Threat<'a> {
    danger: Danger,
    tone: Tone,
    /// `Breaks in Summer '27`.
    fate: String,
    /// `about 1 June 2027, in 187 days`.
    date: Option<String>,
    source: Option<&'static str>,
    uses: Vec<Use<'a>>,
}

struct Use<'a> {
    client: &'a str,
    times: String,
    last: String,
}

impl<'a> Radar<'a> {
    pub(super) fn of(facts: &'a OrgFacts, now: SystemTime) -> Self {
        let today = OffsetDateTime::from(now).date();
        // Findings of one danger are beside each other.
        let groups = facts.findings.chunk_by(|(a, ..), (b, ..)| a == b);
        let threats: Vec<_> = groups
            .filter_map(|group| Threat::of(group, today, now))
            .collect();
        let is_unseen = |ending: &&Ending| {
            let seen = threats.iter().filter_map(|threat| threat.danger.ending());
            ending.sign != Sign::PublicCertificate
                && !seen.into_iter().any(|it| it.name == ending.name)
        };
        let unseen = CALENDAR.iter().filter(is_unseen);
        let unseen = unseen.map(|ending| format!("{}: {}", name_of(ending.ends), ending.what));
        Self {
            unseen: unseen.collect(),
            threats,
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let line = |tone, text| Line {
            tone,
            topic: "What breaks",
            text,
            is_calm: true,
        };
        if self.threats.is_empty() {
            let text = "Nothing that clients have used since orgproxy started ends.".to_owned();
            return vec![line(Tone::Good, text)];
        }
        let threats = self.threats.iter().take(MOST_LINES);
        threats
            .map(|threat| {
                let clients: Vec<_> = threat.uses.iter().map(|it| it.client).collect();
                let use_ = if clients.len() == 1 { "uses" } else { "use" };
                let text = format!(
                    "{}: {}, which {} {use_}.",
                    threat.fate,
                    threat.danger.what(),
                    words::list(&clients),
                );
                line(threat.tone, text)
            })
            .collect()
    }
}

impl<'a> Threat<'a> {
    fn of(group: &'a [(Danger, String, Finding)], today: Date, now: SystemTime) -> Option<Self> {
        let (danger, ..) = *group.first()?;
        let ending = danger.ending();
        let (tone, fate) = match ending {
            Some(ending) => fate(ending, today),
            None if danger == Danger::SessionInQuery => (Tone::Doubtful, "Not safe".to_owned()),
            None => (Tone::Doubtful, "Discouraged".to_owned()),
        };
        // The most frequent comes first.
        let uses = group.iter().take(MOST_CLIENTS);
        Some(Self {
            danger,
            tone,
            fate,
            date: ending.map(|ending| date(ending, today)),
            source: ending.map(|ending| ending.source),
            uses: uses
                .map(|(_, client, finding)| Use {
                    client,
                    times: words::count(finding.times),
                    last: last(finding, now),
                })
                .collect(),
        })
    }
}

/// What becomes of it, and how bad that is.
fn fate(ending: &Ending, today: Date) -> (Tone, String) {
    let name = name_of(ending.ends);
    let preposition = if ending.ends.release.is_some() {
        "in"
    } else {
        "on"
    };
    match (ending.days_left(today), ending.deprecated) {
        (..=0, _) => (Tone::Bad, format!("Has ended ({name})")),
        (_, Some(before)) if before.day > today => {
            let before = name_of(before);
            (
                Tone::Doubtful,
                format!("Discouraged from {before}, breaks {preposition} {name}"),
            )
        }
        (left, _) => {
            let tone = if left < SOON {
                Tone::Bad
            } else {
                Tone::Doubtful
            };
            (tone, format!("Breaks {preposition} {name}"))
        }
    }
}

fn date(ending: &Ending, today: Date) -> String {
    let about = if ending.ends.release.is_some() {
        "about "
    } else {
        ""
    };
    let day = words::day(ending.ends.day);
    match ending.days_left(today) {
        ..=0 => format!("{about}{day}"),
        1 => format!("{about}{day}, tomorrow"),
        left => format!("{about}{day}, in {left} days"),
    }
}

/// The release, or the day.
fn name_of(when: When) -> String {
    match when.release {
        Some(release) => release.to_owned(),
        None => words::day(when.day),
    }
}

fn last(finding: &Finding, now: SystemTime) -> String {
    let Some(last) = finding.last else {
        return String::new();
    };
    let ago = now.duration_since(last).unwrap_or_default();
    format!("{} ago", words::span(ago.as_secs()))
}

const MOST_CLIENTS: usize = 10;
const MOST_LINES: usize = 4;

/// Days.
const SOON: i64 = 365;

#[cfg(test)]
mod tests {
    use time::Month;

    use super::*;

    fn day(year: i32, month: Month) -> Date {
        Date::from_calendar_date(year, month, 1).unwrap()
    }

    #[test]
    fn a_fate_is_told_by_release_or_day() {
        let told = |sign, today| fate(Ending::of(sign).unwrap(), today).1;
        let before = day(2026, Month::November);
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
        let between = day(2027, Month::July);
        assert_eq!(told(versions, between), "Breaks in Summer '28");
        assert_eq!(told(Sign::SoapLogin, between), "Has ended (Summer '27)");
    }

    #[test]
    fn a_date_has_the_days_that_are_left() {
        let ending = Ending::of(Sign::SoapLogin).unwrap();
        let told = date(ending, day(2026, Month::December));
        assert_eq!(told, "about 1 June 2027, in 182 days");
    }
}
