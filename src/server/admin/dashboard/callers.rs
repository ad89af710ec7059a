//! Who spends what an org allows.

use askama::Template;

use super::{
    snapshot::OrgFacts,
    summary::{Line, Tone},
    words,
};

#[derive(Template)]
#[template(
    path = "callers.html",
    config = "src/server/admin/dashboard/askama.toml"
)]
pub(super) struct Callers<'a> {
    rows: Vec<Row<'a>>,
    /// How many more there are.
    more: usize,
    /// Requests that the org counts and this program has not seen.
    elsewhere: Option<Row<'a>>,
    knows_limit: bool,
}

struct Row<'a> {
    name: &'a str,
    requests: String,
    /// Of all that were used.
    percent: String,
    share: f64,
    of_limit: Option<String>,
}

impl<'a> Callers<'a> {
    pub(super) fn of(facts: &'a OrgFacts) -> Self {
        let known: u64 = facts.callers.iter().map(|(_, requests)| requests).sum();
        let (used, allowed) = match facts.usage {
            Some((usage, _)) => (u64::from(usage.used), Some(usage.allowed.into())),
            None => (0, None),
        };
        let all = known.max(used);
        let row = |name, requests| Row {
            name,
            requests: words::count(requests),
            percent: words::percent(requests, all),
            share: words::share(requests, all),
            of_limit: allowed.map(|allowed| words::percent(requests, allowed)),
        };
        let callers = facts.callers.iter().take(MOST);
        let elsewhere = used.saturating_sub(known);
        Self {
            rows: callers.map(|(name, count)| row(name, *count)).collect(),
            more: facts.callers.len().saturating_sub(MOST),
            elsewhere: (elsewhere > 0).then(|| row("", elsewhere)),
            knows_limit: allowed.is_some(),
        }
    }

    pub(super) fn line(&self) -> Option<Line> {
        let first = self.rows.first().filter(|row| row.share > 0.0)?;
        let text = format!(
            "{} uses most: {} of all requests of the last 24 hours ({}).",
            first.name, first.percent, first.requests
        );
        let elsewhere = self.elsewhere.as_ref();
        let text = match elsewhere.filter(|it| it.share > first.share) {
            Some(elsewhere) => format!(
                "Of the clients here, {text} {} did not come through here, or before orgproxy started.",
                elsewhere.percent
            ),
            None => text,
        };
        Some(Line {
            tone: Tone::Plain,
            topic: "Who uses it up",
            text,
            is_calm: false,
        })
    }
}

/// Shown by name.
const MOST: usize = 15;
