//! Faults on the way to an org, on demand.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::demo::answer::{Answer, Content};

/// A fault of one request.
///
/// All but `Early` read the request's body first, so that the connection could be kept.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The real response, late.
    Delay(Duration),
    /// No response, ever.
    Hang,
    /// Another response; see the constructors.
    Answer(Canned),
    /// These bytes in place of a response. HTTP/2 connections break.
    Raw(Bytes, Then),
    /// The real response, whose body breaks off after so many bytes: the connection closes too soon
    /// in HTTP/1.1, the stream is reset in HTTP/2.
    CutBody(u64),
    /// The real response, whose body pauses after so many bytes.
    PauseBody(u64, Duration),
    /// The real response, and then an unannounced end of the connection.
    EndAfter(Then),
    /// The fault within, but without waiting for the request's body.
    Early(Box<Self>),
}

impl Fault {
    /// The session is refused although it is alive: a new login gets the same session, and the same
    /// response.
    pub fn session_expired() -> Self {
        Self::error(
            StatusCode::UNAUTHORIZED,
            "INVALID_SESSION_ID",
            "Session expired or invalid",
        )
    }

    /// Like [`Fault::session_expired`], in the form of the partner API.
    pub fn soap_session_expired() -> Self {
        Self::answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/xml; charset=utf-8",
            crate::demo::soap::partner_session_expired(),
        )
    }

    /// The session is alive, but policy forbids its use: logging in again does not help.
    pub fn not_for_rest() -> Self {
        Self::error(
            StatusCode::UNAUTHORIZED,
            "INVALID_SESSION_ID",
            "This session is not valid for use with the REST API",
        )
    }

    /// Like [`Fault::not_for_rest`], for an agent-only app.
    pub fn not_attached_to_agent() -> Self {
        Self::error(
            StatusCode::UNAUTHORIZED,
            "INVALID_SESSION_ID",
            "Connected app is not attached to Agent",
        )
    }

    /// The day's requests are used up.
    pub fn limit_exceeded() -> Self {
        Self::error(
            StatusCode::FORBIDDEN,
            "REQUEST_LIMIT_EXCEEDED",
            "TotalRequests Limit exceeded.",
        )
    }

    /// Too many long calls are open.
    pub fn crowded() -> Self {
        Self::error(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", CROWDED)
    }

    /// Like [`Fault::crowded`], in the form of the partner API.
    pub fn soap_crowded() -> Self {
        Self::answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/xml; charset=utf-8",
            crate::demo::soap::partner_crowded(),
        )
    }

    /// One of the two, by the API at `path`.
    pub(in crate::demo) fn crowded_at(path: &str) -> Self {
        if path.starts_with("/services/Soap") {
            Self::soap_crowded()
        } else {
            Self::crowded()
        }
    }

    /// An error in the shape of the REST API.
    pub fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::answer(
            status,
            "application/json;charset=UTF-8",
            serde_json::json!([{"message": message, "errorCode": code}]).to_string(),
        )
    }

    /// The token endpoint's refusal.
    pub fn login_refused(error: &str, description: &str) -> Self {
        Self::answer(
            StatusCode::BAD_REQUEST,
            "application/json;charset=UTF-8",
            serde_json::json!({"error": error, "error_description": description}).to_string(),
        )
    }

    /// A page for people, such as load balancers and maintenance windows send.
    pub fn html(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self::answer(
            status,
            "text/html; charset=UTF-8",
            format!(
                "<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
            ),
        )
    }

    /// A redirect to `location`.
    pub fn redirect(status: StatusCode, location: &str) -> Self {
        Self::answer(status, "text/html; charset=UTF-8", "").header("location", location)
    }

    /// Any other response.
    pub fn answer(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::Answer(Canned {
            status,
            headers: Vec::new(),
            body: body.into(),
            trailers: HeaderMap::new(),
        })
        .header("content-type", content_type)
    }

    /// Adds a header to a canned response.
    ///
    /// # Panics
    ///
    /// If `name` or `value` is invalid.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer(canned) = &mut self {
            canned.headers.push(line(name, value));
        }
        self
    }

    /// Adds a trailer to a canned response. In HTTP/1.1 it is sent only if a header announces it.
    ///
    /// # Panics
    ///
    /// If `name` or `value` is invalid.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer(canned) = &mut self {
            let (name, value) = line(name, value);
            canned.trailers.append(name, value);
        }
        self
    }

    /// `bytes` in place of a response.
    pub fn raw(bytes: impl Into<Bytes>, then: Then) -> Self {
        Self::Raw(bytes.into(), then)
    }

    /// The connection ends before the first byte of the response.
    pub fn no_answer(end: Then) -> Self {
        Self::raw("", end)
    }

    /// The connection ends within the head.
    pub fn cut_head() -> Self {
        Self::raw("HTTP/1.1 200 OK\r\nContent-Type: applica", Then::Cut)
    }

    /// Fewer bytes than `Content-Length` says.
    pub fn cut_length() -> Self {
        Self::raw(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n0123456789",
            Then::Cut,
        )
    }

    /// A chunk, but no last one.
    pub fn cut_chunks() -> Self {
        Self::raw(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
             a\r\n0123456789\r\n",
            Then::Cut,
        )
    }

    /// A second, unsolicited response right after the first.
    pub fn extra_bytes() -> Self {
        Self::raw(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok\
             HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nevil",
            Then::Keep,
        )
    }

    /// A switch of protocols without a request for it.
    pub fn unasked_switch() -> Self {
        Self::raw(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: evil\r\n\r\n",
            Then::Keep,
        )
    }

    /// Two conflicting ways to mark the end of the body.
    pub fn two_framings() -> Self {
        Self::raw(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Then::Keep,
        )
    }

    /// The same fault, without waiting for the request's body.
    #[must_use]
    pub fn early(self) -> Self {
        Self::Early(Box::new(self))
    }
}

#[expect(clippy::expect_used, reason = "a mistake in the test that says so")]
fn line(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    let name = HeaderName::try_from(name).expect("a header name");
    (name, HeaderValue::try_from(value).expect("a header value"))
}

/// The rest of a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It stays open, as after an ordinary response.
    Keep,
    /// It closes in good order.
    Close,
    /// TCP ends without the `close_notify` of TLS.
    Cut,
    /// TCP is reset.
    Reset,
}

/// A response that was made beforehand.
#[derive(Debug, Clone)]
pub struct Canned {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    trailers: HeaderMap,
}

impl From<Canned> for Answer {
    fn from(canned: Canned) -> Self {
        let content = if canned.trailers.is_empty() {
            Content::Bytes(canned.body)
        } else {
            Content::with_trailers(canned.body, canned.trailers)
        };
        let mut answer = Self::new(canned.status, content);
        answer.headers = canned.headers;
        answer
    }
}

/// The rules by which requests fail. The rule that was added first is tried first.
///
/// A rule is for the paths that start with its prefix. The token endpoint needs a prefix that names
/// it (`/services/oauth2…`), so that a login does not use up a rule that is meant for a request.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Rule>>>);

impl Faults {
    /// Adds a fault for the next `count` requests to `prefix`.
    pub fn next(&self, count: usize, prefix: &str, fault: Fault) {
        self.add(Some(count), prefix, fault);
    }

    /// Adds a fault for every request to `prefix` from now on.
    pub fn always(&self, prefix: &str, fault: Fault) {
        self.add(None, prefix, fault);
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(in crate::demo) fn take(&self, path: &str) -> Option<Fault> {
        let mut rules = self.lock();
        let index = rules.iter().position(|rule| concerns(&rule.prefix, path))?;
        let rule = &mut rules[index];
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left -= 1;
            if *left == 0 {
                rules.remove(index);
            }
        }
        Some(fault)
    }

    fn add(&self, left: Option<usize>, prefix: &str, fault: Fault) {
        if left != Some(0) {
            self.lock().push(Rule {
                prefix: prefix.to_owned(),
                left,
                fault,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Rule {
    prefix: String,
    left: Option<usize>,
    fault: Fault,
}

/// Returns whether a rule for `prefix` is about `path`.
pub(in crate::demo) fn concerns(prefix: &str, path: &str) -> bool {
    path.starts_with(prefix) && (path != TOKEN || prefix.starts_with("/services/oauth2"))
}

/// What an org says while too many long calls are open.
pub(in crate::demo) const CROWDED: &str =
    "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";

/// The path of the token endpoint.
pub const TOKEN: &str = "/services/oauth2/token";
