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
    salesforce::calendar::{CALENDAR, Ending, SOON, Sign},
    system::span,
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
    has_ended: bool,
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
        let unseen = unseen.map(|ending| format!("{}: {}", ending.ends.name(), ending.what));
        Self {
            unseen: unseen.collect(),
            threats,
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let line = |tone, topic, text| Line {
            tone,
            topic,
            text,
            is_calm: true,
        };
        if self.threats.is_empty() {
            let text = "Nothing that clients have used since orgproxy started ends.".to_owned();
            return vec![line(Tone::Good, "What breaks", text)];
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
                let topic = match threat.danger {
                    Danger::Raised => "What lives on",
                    _ if threat.has_ended => "Broken now",
                    _ => "What breaks",
                };
                line(threat.tone, topic, text)
            })
            .collect()
    }
}

impl<'a> Threat<'a> {
    fn of(group: &'a [(Danger, String, Finding)], today: Date, now: SystemTime) -> Option<Self> {
        let (danger, ..) = *group.first()?;
        let ending = danger.ending();
        // The most frequent comes first.
        let uses = group.iter().take(MOST_CLIENTS);
        Some(Self {
            danger,
            tone: tone(danger, today),
            has_ended: ending.is_some_and(|ending| ending.has_ended(today)),
            fate: danger.fate(today),
            date: ending.and_then(|ending| ending.date(today)),
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

/// How bad it is.
fn tone(danger: Danger, today: Date) -> Tone {
    match danger.ending() {
        Some(ending) if ending.days_left(today) < SOON && !ending.is_only_discouraged(today) => {
            Tone::Bad
        }
        _ => Tone::Doubtful,
    }
}

fn last(finding: &Finding, now: SystemTime) -> String {
    let Some(last) = finding.last else {
        return String::new();
    };
    let ago = now.duration_since(last).unwrap_or_default();
    format!("{} ago", span::calm(ago.as_secs()))
}

const MOST_CLIENTS: usize = 10;
const MOST_LINES: usize = 4;
