//! What differs by API family: how a dead session shows, and in what shape an error is told.

use bytes::Bytes;
use http::{Method, StatusCode, header::HeaderValue};
use serde_json::json;

/// One of Salesforce's API families (S§4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Everything that answers as the REST API does.
    Rest,
    /// `userinfo` and the identity URLs.
    Identity,
}

impl Family {
    /// The family of `path`, whatever its case, with doubled slashes as some clients send them.
    pub(crate) fn of(path: &str) -> Self {
        // Bytes, since this runs with every request and `str` splits at twice the cost.
        let mut segments = path
            .as_bytes()
            .split(|byte| *byte == b'/')
            .filter(|segment| !segment.is_empty());
        let is = |segment: Option<&[u8]>, word: &[u8]| {
            segment.is_some_and(|segment| segment.eq_ignore_ascii_case(word))
        };
        let first = segments.next();
        if is(first, b"id")
            || is(first, b"services")
                && is(segments.next(), b"oauth2")
                && is(segments.next(), b"userinfo")
        {
            return Self::Identity;
        }
        Self::Rest
    }

    /// Whether an answer of this status may mean that the session is dead (S§3.3).
    pub(crate) fn suspects(self, status: StatusCode) -> bool {
        match self {
            Self::Rest => status == StatusCode::UNAUTHORIZED,
            // Every other 403 is about limits or permissions.
            Self::Identity => status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether a suspected answer whose body begins with `head` means it.
    ///
    /// An Apex class may well answer 401 itself, and two of Salesforce's own 401 do not get
    /// better with a new session.
    pub(crate) fn is_expired(self, method: &Method, head: &[u8]) -> bool {
        let says = |text: &str| memchr::memmem::find(head, text.as_bytes()).is_some();
        if method == Method::HEAD {
            return true;
        }
        match self {
            Self::Rest => says("INVALID_SESSION_ID") && !NOT_EXPIRED.iter().any(|text| says(text)),
            Self::Identity => says("Bad_OAuth_Token") || says("INVALID_SESSION_ID"),
        }
    }

    /// An error of ours as the clients of this family can read it (S§3.3).
    pub(crate) fn error_body(self, code: &str, message: &str) -> (HeaderValue, Bytes) {
        let body = json!([{ "message": message, "errorCode": code }]);
        (
            HeaderValue::from_static("application/json;charset=UTF-8"),
            body.to_string().into(),
        )
    }
}

/// Whether an answer of this status, if it does not mean a dead session, means a live one. The
/// list of versions needs none (S§3.4), and a server in trouble does not get that far.
pub(crate) fn proves_session(path: &str, status: StatusCode) -> bool {
    let is_versions =
        path.len() < 2 * VERSIONS.len() && path.trim_matches('/').eq_ignore_ascii_case(VERSIONS);
    !status.is_server_error() && !is_versions
}

const VERSIONS: &str = "services/data";

/// A new session is refused for the same reason (S§3.3).
const NOT_EXPIRED: [&str; 2] = [
    "This session is not valid for use with the REST API",
    "Connected app is not attached to Agent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_families_by_path() {
        for (path, family) in [
            ("/services/data/v62.0/query", Family::Rest),
            ("//services/data/v62.0/", Family::Rest),
            ("/services/oauth2/userinfo", Family::Identity),
            ("//Services/OAuth2/UserInfo/", Family::Identity),
            (
                "/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS",
                Family::Identity,
            ),
            ("/services/oauth2/introspect", Family::Rest),
            ("/identity", Family::Rest),
            ("/", Family::Rest),
        ] {
            assert_eq!(Family::of(path), family, "{path}");
        }
    }

    #[test]
    fn tells_a_dead_session_from_what_looks_like_it() {
        use Family::{Identity, Rest};
        let json = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
        let xml = "<Errors><Error><errorCode>INVALID_SESSION_ID</errorCode><message>Session expired or invalid</message></Error></Errors>";
        let policy = r#"[{"errorCode":"INVALID_SESSION_ID","message":"This session is not valid for use with the REST API"}]"#;
        let agent = r#"[{"errorCode":"INVALID_SESSION_ID","message":"Connected app is not attached to Agent"}]"#;
        let limit =
            r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
        for (family, status, body, expired) in [
            (Rest, 401, json, true),
            (Rest, 401, xml, true),
            (Rest, 401, policy, false),
            (Rest, 401, agent, false),
            (Rest, 401, "{\"mine\":\"an Apex class\"}", false),
            (Rest, 403, limit, false),
            (Rest, 403, json, false),
            (Rest, 500, json, false),
            (Identity, 403, "Bad_OAuth_Token", true),
            (Identity, 403, "Missing_OAuth_Token", false),
            (Identity, 403, "Wrong_Org", false),
            (Identity, 404, "Bad_OAuth_Token", false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let found = family.suspects(status) && family.is_expired(&Method::GET, body.as_bytes());
            assert_eq!(found, expired, "{family:?} {status} {body}");
        }
    }
}
