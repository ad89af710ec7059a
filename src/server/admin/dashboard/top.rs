//! How the process is.

use askama::Template;

use super::{super::Status, words};
use crate::system::span;

#[derive(Template)]
#[template(path = "top.html", config = "src/server/admin/dashboard/askama.toml")]
pub(super) struct Top<'a> {
    status: &'a Status,
    /// The reasons not to be ready, in short: the session says the rest.
    reasons: Vec<&'a str>,
    up: String,
    in_flight: String,
    connections: String,
    lost_lines: String,
}

impl<'a> Top<'a> {
    pub(super) fn of(status: &'a Status) -> Self {
        let process = &status.process;
        Self {
            status,
            reasons: status
                .not_ready_because
                .iter()
                .map(|it| short(it))
                .collect(),
            up: span::calm(status.uptime_seconds),
            in_flight: words::counted(process.requests as u64, "request"),
            connections: words::counted(process.connections as u64, "connection"),
            lost_lines: words::counted(process.access_log_dropped, "line"),
        }
    }
}

/// The part of a reason that says what is the matter, without why.
fn short(reason: &str) -> &str {
    reason.split_once(": ").map_or(reason, |(what, _)| what)
}
