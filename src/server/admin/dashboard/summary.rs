//! What matters of an org, in a few sentences.

use std::fmt;

use askama::Template;

use super::{budget::Budget, callers::Callers, radar::Radar, session::Session};

#[derive(Template)]
#[template(
    path = "summary.html",
    config = "src/server/admin/dashboard/askama.toml"
)]
pub(super) struct Summary {
    lines: Vec<Line>,
}

/// One sentence or two.
pub(super) struct Line {
    pub(super) tone: Tone,
    pub(super) topic: &'static str,
    pub(super) text: String,
    /// If true, it changes so seldom that it is read aloud then.
    pub(super) is_calm: bool,
}

/// How good it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Plain,
    Doubtful,
    Bad,
}

impl Summary {
    pub(super) fn of(
        session: &Session<'_>,
        budget: &Budget,
        callers: &Callers<'_>,
        radar: &Radar<'_>,
    ) -> Self {
        let mut lines = vec![session.line(), budget.line()];
        lines.extend(callers.line());
        lines.extend(radar.lines());
        Self { lines }
    }
}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Plain => "plain",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
        })
    }
}
