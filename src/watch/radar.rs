//! What clients still use of what Salesforce is about to end.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use time::Date;

use super::{Identity, Record, Sign, Signs};
use crate::salesforce::calendar::{self, Ending, LATEST_TO_END};

/// What was seen of each org and client, a bounded number of findings.
#[derive(Debug, Default)]
pub(crate) struct Radar(HashMap<(Arc<str>, Identity, Danger), Finding>);

/// Something that a client should not rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Danger {
    /// The entry of this name in the [`calendar`].
    Ends(&'static str),
    /// The org warns of the version of its API.
    Warning,
    /// A session in a query string, which logs and histories keep.
    SessionInQuery,
    /// A version of the API that lives on because requests are sent at a newer one.
    Raised,
}

/// How often it was seen, and when last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) times: u64,
    pub(crate) last: Option<SystemTime>,
}

impl Radar {
    pub(super) fn see(&mut self, record: &Record, now: SystemTime) {
        let Some(org) = &record.org else { return };
        for danger in dangers(record) {
            let key = (org.clone(), record.client.identity(), danger);
            let has_room = self.0.len() < MOST || !record.client.names_itself();
            let finding = match self.0.get_mut(&key) {
                Some(finding) => finding,
                None if has_room => self.0.entry(key).or_default(),
                None => {
                    let key = (key.0, Identity::others(), danger);
                    self.0.entry(key).or_default()
                }
            };
            finding.times += 1;
            finding.last = Some(now);
        }
    }

    /// The findings of `org`, what ends first coming first, then the most frequent.
    pub(crate) fn of(&self, org: &str) -> Vec<(Danger, &Identity, Finding)> {
        let own = self.0.iter().filter(|((of, ..), _)| **of == *org);
        let mut own: Vec<_> = own
            .map(|((_, client, danger), finding)| (*danger, client, *finding))
            .collect();
        own.sort_by_key(|(danger, client, finding)| {
            let ends = danger.ending().map(|ending| ending.ends.day);
            let times = std::cmp::Reverse(finding.times);
            (ends.is_none(), ends, *danger, times, *client)
        });
        own
    }
}

impl Danger {
    /// When it ends, if that is known.
    pub(crate) fn ending(self) -> Option<&'static Ending> {
        match self {
            Self::Ends(name) => calendar::CALENDAR.iter().find(|ending| ending.name == name),
            Self::Warning | Self::SessionInQuery | Self::Raised => None,
        }
    }

    /// What becomes of it, such as `Breaks in Summer '27`.
    pub(crate) fn fate(self, today: Date) -> String {
        match self {
            Self::Ends(name) => self
                .ending()
                .map_or_else(|| name.to_owned(), |ending| ending.fate(today)),
            Self::Warning => "Discouraged".to_owned(),
            Self::SessionInQuery => "Not safe".to_owned(),
            Self::Raised => "Lives on".to_owned(),
        }
    }

    /// One word, such as `soap-login`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ends(name) => name,
            Self::Warning => "warning",
            Self::SessionInQuery => "session-in-query",
            Self::Raised => "old-version-raised",
        }
    }

    /// In a few words.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Ends(name) => self.ending().map_or(name, |ending| ending.what),
            Self::Warning => "an API version that the org warns of",
            Self::SessionInQuery => "a session in a query string",
            Self::Raised => "an old API version, by minimum_api_version",
        }
    }

    /// What to do.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Ends(_) => self.ending().map_or("", |ending| ending.advice),
            Self::Warning => "Set a current API version in the client.",
            Self::SessionInQuery => {
                "Have the client send no session at all: orgproxy takes it off, but the client's \
                 own logs have it."
            }
            Self::Raised => {
                "Nothing breaks, since these calls are sent at minimum_api_version. The manual says \
                 how answers differ; set a current version in the client when you can."
            }
        }
    }
}

/// The dangers that `record` shows.
pub(super) fn dangers(record: &Record) -> impl Iterator<Item = Danger> {
    // Most show none, and are not looked at further.
    let is_old = record
        .api_version
        .is_some_and(|version| version <= LATEST_TO_END);
    let is_special = is_old || record.signs != Signs::default() || record.raised.is_some();
    let shown = is_special.then(|| all_dangers(record));
    shown.into_iter().flatten().flatten()
}

fn all_dangers(record: &Record) -> [Option<Danger>; 7] {
    let ends = |sign| Ending::of(sign).map(|ending| Danger::Ends(ending.name));
    let of_sign = |sign, danger: Option<Danger>| danger.filter(|_| record.signs.has(sign));
    // What counts is the version that the org sees.
    let version = record.raised.map_or(record.api_version, |it| Some(it.to));
    let version = version.and_then(Ending::of_version);
    [
        version.map(|ending| Danger::Ends(ending.name)),
        of_sign(Sign::SoapLogin, ends(calendar::Sign::SoapLogin)),
        of_sign(Sign::PasswordGrant, ends(calendar::Sign::PasswordGrant)),
        of_sign(Sign::OldHost, ends(calendar::Sign::OldHost)),
        of_sign(Sign::Warning, Some(Danger::Warning)),
        of_sign(Sign::SessionInQuery, Some(Danger::SessionInQuery)),
        record.raised.map(|_| Danger::Raised),
    ]
}

/// Findings of all orgs. A client can call itself what it likes.
const MOST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::{Client, Raised};

    fn record(agent: &str, version: u16, signs: &[Sign]) -> Record {
        let mut all = Signs::default();
        for sign in signs {
            all.add(*sign);
        }
        Record {
            client: Client::Says(agent.into()),
            api_version: Some(version),
            signs: all,
            ..Record::example()
        }
    }

    fn seen(radar: &Radar) -> Vec<String> {
        let found = radar.of("main");
        found
            .iter()
            .map(|(danger, client, finding)| {
                format!("{} by {client}: {}", danger.what(), finding.times)
            })
            .collect()
    }

    #[test]
    fn what_ends_is_found_by_client_the_first_to_end_coming_first() {
        let mut radar = Radar::default();
        let all = [
            Sign::SessionInQuery,
            Sign::Warning,
            Sign::SoapLogin,
            Sign::PasswordGrant,
        ];
        for record in [
            record("old/1", 35, &all),
            record("old/1", 35, &[]),
            record("new/2", 64, &[Sign::SoapLogin]),
            record("new/2", 64, &[Sign::SoapLogin]),
            record("fine/3", 62, &[]),
        ] {
            radar.see(&record, SystemTime::UNIX_EPOCH);
        }
        assert_eq!(
            seen(&radar),
            [
                "the OAuth user name-password flow by ua:old/1: 1",
                "SOAP login() by ua:new/2: 2",
                "SOAP login() by ua:old/1: 1",
                "API versions 31.0 to 40.0 by ua:old/1: 2",
                "an API version that the org warns of by ua:old/1: 1",
                "a session in a query string by ua:old/1: 1",
            ]
        );
        assert!(radar.of("another").is_empty());
    }

    #[test]
    fn an_old_version_lives_on_where_it_is_sent_at_one_that_does_not_end() {
        let mut radar = Radar::default();
        let raised = |from, to| Record {
            raised: Some(Raised { from, to }),
            ..record("old/1", from, &[])
        };
        radar.see(&raised(20, 41), SystemTime::UNIX_EPOCH);
        assert_eq!(
            seen(&radar),
            ["an old API version, by minimum_api_version by ua:old/1: 1"]
        );
        radar.see(&raised(20, 40), SystemTime::UNIX_EPOCH);
        assert_eq!(
            seen(&radar),
            [
                "API versions 31.0 to 40.0 by ua:old/1: 1",
                "an old API version, by minimum_api_version by ua:old/1: 2",
            ]
        );
    }

    #[test]
    fn every_danger_says_what_to_do() {
        let all = calendar::CALENDAR.iter();
        let all = all.map(|ending| Danger::Ends(ending.name));
        for danger in all.chain([Danger::Warning, Danger::SessionInQuery, Danger::Raised]) {
            assert!(!danger.advice().is_empty() && !danger.what().is_empty());
        }
    }

    #[test]
    fn a_client_that_calls_itself_as_another_is_found_apart() {
        let mut radar = Radar::default();
        let feigned = record("uid:1000", 64, &[Sign::SoapLogin]);
        let user = Record {
            client: Client::Uid(1000),
            ..feigned.clone()
        };
        for record in [&user, &user, &feigned] {
            radar.see(record, SystemTime::UNIX_EPOCH);
        }
        assert_eq!(
            seen(&radar),
            [
                "SOAP login() by uid:1000: 2",
                "SOAP login() by ua:uid:1000: 1"
            ]
        );
    }

    #[test]
    fn a_client_with_many_names_does_not_fill_the_memory() {
        let mut radar = Radar::default();
        for number in 0..10_000 {
            radar.see(
                &record(&format!("a-{number}"), 35, &[]),
                SystemTime::UNIX_EPOCH,
            );
        }
        let times: u64 = radar.of("main").iter().map(|(_, _, it)| it.times).sum();
        assert!(radar.0.len() <= MOST + 1);
        assert_eq!(times, 10_000);
    }
}
