//! The users of an org that clients act as.

use serde::{Deserialize, Serialize};

use super::{LoginStatus, SessionStatus};
use crate::{
    auth::SessionState,
    proxy::users::{User, Users},
    system::span::span,
};

/// Those besides the org's own, and what becomes of clients that act as none of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UsersStatus {
    /// True if they are refused. Otherwise they act as the org's own user.
    pub(crate) refuses_others: bool,
    pub(crate) all: Vec<UserStatus>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserStatus {
    pub(crate) username: String,
    /// The clients that act as it, as in the configuration.
    pub(crate) clients: Vec<String>,
    pub(crate) session: SessionStatus,
    /// The last that has ended.
    pub(crate) last_login: Option<LoginStatus>,
}

impl UsersStatus {
    pub(in crate::server::admin) fn of(users: &Users) -> Self {
        let status = |user: &User| {
            let sessions = user.sessions.status();
            UserStatus {
                username: user.name.to_string(),
                clients: users.clients_of(user).map(ToString::to_string).collect(),
                session: SessionStatus::of(&sessions),
                last_login: LoginStatus::of(&sessions),
            }
        };
        Self {
            refuses_others: users.refuses_others(),
            all: users.all().iter().map(status).collect(),
        }
    }
}

impl UsersStatus {
    /// A line for each user, for people, and one for clients that act as none of them.
    /// These act as `own`, or are refused.
    pub(crate) fn lines(&self, own: &str) -> impl Iterator<Item = String> {
        let others = if self.refuses_others {
            "all other clients are refused".to_owned()
        } else {
            format!("all other clients act as {own}")
        };
        let all = self.all.iter().map(UserStatus::line);
        all.chain([others])
    }
}

impl UserStatus {
    fn line(&self) -> String {
        let age = self.session.age_seconds.map(span).unwrap_or_default();
        let state = match self.session.state {
            SessionState::Live => format!("logged in {age} ago"),
            SessionState::LoggingIn => "logging in".to_owned(),
            SessionState::Failed => {
                let login = self.last_login.as_ref();
                let why = login.and_then(|login| login.cause.as_ref().or(login.error.as_ref()));
                format!("the login failed: {}", why.map_or("", String::as_str))
            }
            SessionState::Absent => "not logged in yet".to_owned(),
        };
        let clients = self.clients.join(", ");
        format!("{} for {clients}: {state}", self.username)
    }
}
