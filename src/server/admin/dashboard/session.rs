//! The session of an org.

use askama::Template;

use super::{
    super::{OrgStatus, status::LoginStatus},
    summary::{Line, Tone},
};
use crate::{auth::SessionState, system::span};

#[derive(Template)]
#[template(
    path = "session.html",
    config = "src/server/admin/dashboard/askama.toml"
)]
pub(super) struct Session<'a> {
    org: &'a OrgStatus,
    tone: Tone,
    /// In one word or a few.
    state: &'static str,
    age: Option<String>,
    login: Option<Login<'a>>,
}

/// The last login.
struct Login<'a> {
    status: &'a LoginStatus,
    /// `09:21` of its day.
    at: &'a str,
    ago: String,
    /// The error, without what the diagnosis has of it.
    said: Option<&'a str>,
    rest: Option<String>,
}

impl<'a> Session<'a> {
    pub(super) fn of(org: &'a OrgStatus) -> Self {
        let (tone, state) = match org.session.state {
            SessionState::Live => (Tone::Good, "logged in"),
            SessionState::LoggingIn => (Tone::Plain, "logging in"),
            SessionState::Failed => (Tone::Bad, "login failed"),
            SessionState::Absent => (Tone::Plain, "not logged in yet"),
        };
        Self {
            org,
            tone,
            state,
            age: org.session.age_seconds.map(span::calm),
            login: org.last_login.as_ref().map(|status| Login {
                status,
                at: status.at.get(11..16).unwrap_or(&status.at),
                ago: span::calm(status.seconds_ago),
                said: said(status),
                rest: status.rests_for_seconds.map(span::calm),
            }),
        }
    }

    pub(super) fn line(&self) -> Line {
        let user = &self.org.username;
        let text = match (self.org.session.state, &self.login) {
            (SessionState::Live, _) => format!("Requests are sent as {user}."),
            (SessionState::LoggingIn, _) => format!("It is logging in as {user}."),
            (SessionState::Absent, _) => {
                format!("There is no session yet: the next request logs in as {user}.")
            }
            (SessionState::Failed, Some(login)) => {
                let status = login.status;
                let cause = status.cause.as_ref().or(status.error.as_ref());
                let cause = cause.map_or("", String::as_str);
                format!("Requests fail, since the login as {user} does: {cause}.")
            }
            (SessionState::Failed, None) => {
                format!("Requests fail, since the login as {user} does.")
            }
        };
        Line {
            tone: self.tone,
            topic: "Session",
            text,
            is_calm: true,
        }
    }
}

/// The error of a login up to its diagnosis, which stands in brackets behind it.
fn said(login: &LoginStatus) -> Option<&str> {
    let error = login.error.as_deref()?;
    let cause = login.cause.as_ref().map(|cause| format!(" ({cause}"));
    let end = cause.and_then(|cause| error.find(&cause));
    Some(&error[..end.unwrap_or(error.len())])
}
