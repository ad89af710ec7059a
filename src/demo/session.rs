//! The live sessions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::rand;
use http::{HeaderMap, header};

use super::id::ORG_ID;

/// The live sessions, by access token.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

struct Session {
    /// The user name.
    user: Arc<str>,
    used: Instant,
}

impl Sessions {
    /// The token of a live session of `user`, if there is one.
    pub(super) fn living(&self, user: &str, timeout: Duration) -> Option<String> {
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.used.elapsed() < timeout);
        let mut all = sessions.iter_mut();
        let (token, session) = all.find(|(_, session)| *session.user == *user)?;
        session.used = Instant::now();
        Some(token.clone())
    }

    pub(super) fn start(&self, token: String, user: &str) {
        let session = Session {
            user: user.into(),
            used: Instant::now(),
        };
        self.lock().insert(token, session);
    }

    /// The user of a session, unless it has been ended.
    pub(super) fn user(&self, token: &str) -> Option<Arc<str>> {
        self.lock().get(token).map(|session| session.user.clone())
    }

    /// The user of the session in any of `headers` that may have one.
    pub(super) fn user_in(&self, headers: &HeaderMap) -> Option<Arc<str>> {
        let names = ["authorization", "x-sfdc-session", "accesstoken", "cookie"];
        let values = names.into_iter().flat_map(|name| headers.get_all(name));
        let texts = values.filter_map(|value| value.to_str().ok());
        let mut words = texts.flat_map(|text| text.split([' ', ';']));
        words.find_map(|word| self.user(word.strip_prefix("sid=").unwrap_or(word)))
    }

    /// Ends every session of `user`.
    pub(super) fn end_of(&self, user: &str) {
        self.lock().retain(|_, session| *session.user != *user);
    }

    pub(super) fn end(&self, token: &str) {
        self.lock().remove(token);
    }

    /// Ends every session, and returns their number.
    pub(super) fn end_all(&self) -> usize {
        self.lock().drain().count()
    }

    /// The access by the session of a request to `path`: the one in `Authorization`, or in the
    /// header of its own that an API has. Asking keeps it alive.
    pub(super) fn access(&self, path: &str, headers: &HeaderMap, timeout: Duration) -> Access {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let own = match (segments.next(), segments.next()) {
            (Some("services"), Some("async")) => "x-sfdc-session",
            (Some("eventbus.v1.PubSub"), _) => "accesstoken",
            _ => return self.authorization(headers, timeout),
        };
        match headers.get(own).map(|token| token.to_str()) {
            None => Access::Missing,
            Some(Ok(token)) => self.worth(token, timeout),
            Some(Err(_)) => Access::Garbled,
        }
    }

    /// The access by a session. Asking keeps it alive.
    pub(super) fn worth(&self, token: &str, timeout: Duration) -> Access {
        match self.lock().get_mut(token) {
            Some(session) if session.used.elapsed() < timeout => {
                session.used = Instant::now();
                Access::Live
            }
            _ => Access::Dead,
        }
    }

    fn authorization(&self, headers: &HeaderMap, timeout: Duration) -> Access {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Access::Missing;
        };
        let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' '))
        else {
            return Access::Garbled;
        };
        if !["bearer", "oauth"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Access::Garbled;
        }
        self.worth(token, timeout)
    }

    /// The access by the session in a `sid` cookie, for pages.
    pub(super) fn page_access(&self, headers: &HeaderMap, timeout: Duration) -> Access {
        let sid = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .find_map(|cookie| cookie.trim().strip_prefix("sid="));
        sid.map_or(Access::Missing, |sid| self.worth(sid, timeout))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Live,
    Missing,
    Garbled,
    Dead,
}

/// An opaque access token of 112 characters, like real ones.
pub(super) fn opaque_token() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut random = [0; 96];
    rand::fill(&mut random)?;
    let secret = random.map(|byte| char::from(ALPHABET[usize::from(byte & 63)]));
    Ok(format!("{}!{}", &ORG_ID[..15], String::from_iter(secret)))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
