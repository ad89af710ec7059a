//! The last requests, with what each waited for.

use std::time::Duration;

use askama::Template;

use super::{snapshot::Snapshot, words};
use crate::watch::{AnsweredBy, Raised, Record, Replayed, shown};

#[derive(Template)]
#[template(
    path = "requests.html",
    config = "src/server/admin/dashboard/askama.toml"
)]
pub(super) struct Requests {
    has_orgs: bool,
    rows: Vec<Row>,
}

struct Row {
    number: u64,
    time: String,
    org: String,
    client: String,
    method: String,
    path: String,
    /// The API, its operation and its version.
    api: String,
    family: &'static str,
    status: u16,
    /// `2xx`.
    class: String,
    /// What else there is to say of the outcome.
    notes: Vec<String>,
    total: String,
    waits: Vec<Wait>,
}

/// A share of the time that a request took.
struct Wait {
    name: &'static str,
    /// Its colour.
    kind: &'static str,
    time: String,
    /// In per cent.
    begin: f64,
    share: f64,
}

impl Requests {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let rows = snapshot.recent.iter();
        Self {
            has_orgs: snapshot.has_several_orgs(),
            rows: rows
                .map(|(number, record)| Row::of(*number, record))
                .collect(),
        }
    }
}

impl Row {
    fn of(number: u64, record: &Record) -> Self {
        let status = record.status.as_u16();
        let operation = record.operation.as_deref();
        let operation = operation.map(|name| shown(name, LONGEST_WORD).into_owned());
        let version = record.api_version.map(|version| format!("v{version}"));
        let api: Vec<_> = [Some(record.family.to_owned()), operation, version]
            .into_iter()
            .flatten()
            .collect();
        Self {
            number,
            time: words::clock_with_seconds(record.began),
            org: record.org.as_deref().unwrap_or_default().to_owned(),
            client: record.client.identity().to_string(),
            method: shown(record.method.as_str(), LONGEST_WORD).into_owned(),
            path: shown(&record.path, LONGEST_PATH).into_owned(),
            api: api.join(" "),
            family: record.family,
            status,
            class: format!("{}xx", status / 100),
            notes: notes(record),
            total: words::millis(record.waits.total),
            waits: waits(record),
        }
    }
}

fn notes(record: &Record) -> Vec<String> {
    let mut notes = Vec::new();
    match record.answered_by {
        AnsweredBy::Org => {}
        AnsweredBy::Proxy => notes.push("by orgproxy".to_owned()),
        AnsweredBy::Error(code) => notes.push(code.to_owned()),
        AnsweredBy::Nobody => notes.push("the client was gone before it was answered".to_owned()),
    }
    if !record.is_whole {
        notes.push("broken off".to_owned());
    }
    if let Some(reason) = record.replayed_for {
        notes.push(match reason {
            Replayed::Session => "sent again: the session had ended".to_owned(),
            Replayed::Moved => "sent again: the org had moved".to_owned(),
            Replayed::Crowded => "sent again: the org had too many long calls open".to_owned(),
            Replayed::Connection => "sent again: the connection had been closed".to_owned(),
        });
    }
    if let Some(Raised { from, to }) = record.raised {
        notes.push(format!("sent at version {to}.0 instead of {from}.0"));
    }
    notes
}

/// What it waited for, in turn, and the rest.
fn waits(record: &Record) -> Vec<Wait> {
    let waits = &record.waits;
    let known = waits.login + waits.turn + waits.connection + waits.first_byte;
    let all = waits.total.max(known).max(Duration::from_micros(1));
    let mut begin = 0.0;
    [
        ("login", "login", waits.login),
        ("turn", "turn", waits.turn),
        ("connection", "connection", waits.connection),
        ("org", "org", waits.first_byte),
        ("rest", "rest", waits.total.saturating_sub(known)),
    ]
    .into_iter()
    .filter(|(_, _, time)| *time >= LEAST)
    .map(|(name, kind, time)| {
        let share = time.as_secs_f64() / all.as_secs_f64() * 100.0;
        let wait = Wait {
            name,
            kind,
            time: words::millis(time),
            begin,
            share,
        };
        begin += share;
        wait
    })
    .collect()
}

/// Shorter waits are not seen.
const LEAST: Duration = Duration::from_micros(100);

const LONGEST_PATH: usize = 160;
const LONGEST_WORD: usize = 64;
