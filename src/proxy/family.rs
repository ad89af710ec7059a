//! The differences between API families: where the session goes, how a dead one shows, and the
//! shape of an error.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts,
};
use quick_xml::escape::partial_escape;
use serde_json::json;

pub(crate) use self::soap::{
    Envelope, EnvelopeError, KNOWN_VERSION, Operation, SOAP, Wsdl, check_charset,
    check_declaration, check_version, envelope, fault, get_user_info,
};
pub(crate) use self::verdict::Verdict;
use crate::{
    auth::Session,
    proxy::{
        path,
        replay::Replay,
        target::{Api, Endpoint, Target},
    },
    salesforce::REST_ROOT,
};

mod cometd;
mod page;
pub(crate) mod pubsub;
mod soap;
mod verdict;

/// One of Salesforce's API families: [`crate::salesforce::facts::families`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Everything that answers as the REST API does: REST and its relatives, Apex REST, Bulk 2.0.
    Rest,
    /// `userinfo` and the identity URLs.
    Identity,
    /// The token endpoint and what belongs to it.
    OAuth,
    /// SOAP, whose session is in the envelope.
    Soap(Wsdl),
    /// Bulk 1.0, which has a header of its own for the session.
    Bulk(Format),
    /// The Streaming API, which reports everything in-band.
    Cometd,
    /// Pages for browsers, whose session is a cookie.
    Page,
    /// The Pub/Sub API, which has a host of its own, and so a listener.
    PubSub,
}

/// The format in which Bulk 1.0 reports errors: the job's format, or XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Xml,
    Json,
}

impl Family {
    /// The family of a request, by its path.
    pub(crate) fn of(head: &Parts) -> Self {
        let path = head.uri.path();
        if path.starts_with(REST_ROOT) {
            return Self::Rest;
        }
        match Target::parse(&path::resolved(path.as_bytes())).api {
            Api::Rest | Api::Apex | Api::Other | Api::Session(Endpoint::Revoke) => Self::Rest,
            Api::Identity => Self::Identity,
            Api::Session(Endpoint::Token | Endpoint::Introspect) => Self::OAuth,
            Api::Session(Endpoint::Logout) => Self::Page,
            Api::Soap(letter) => Self::Soap(Wsdl::of(letter)),
            Api::Bulk => Self::Bulk(Format::of(&head.headers)),
            Api::Cometd => Self::Cometd,
            Api::Wsdl | Api::Page => Self::Page,
        }
    }

    /// The name for logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Identity => "identity",
            Self::OAuth => "oauth",
            Self::Soap(_) => "soap",
            Self::Bulk(_) => "bulk",
            Self::Cometd => "cometd",
            Self::Page => "page",
            Self::PubSub => "pubsub",
        }
    }

    /// Finds the place for the session in a body that has one.
    ///
    /// # Errors
    /// The reason why it has none that can be used.
    pub(crate) async fn open_envelope(
        self,
        head: &Parts,
        body: &mut Replay,
    ) -> Result<Option<Box<Envelope>>, EnvelopeError> {
        match self {
            Self::Soap(wsdl) if head.method == Method::POST => {
                Box::pin(Envelope::open(wsdl, &head.headers, body))
                    .await
                    .map(|envelope| Some(Box::new(envelope)))
            }
            _ => Ok(None),
        }
    }

    /// Returns whether a header of the client goes to the org as it is: the cookies of a page go
    /// along with the session.
    pub(crate) fn passes(self, name: &HeaderName) -> bool {
        self != Self::Page || *name != header::COOKIE
    }

    /// Hands `line` what carries `session` where this family looks for it, for a request with
    /// `headers`. An envelope has its own place, see [`Envelope`].
    pub(crate) fn authorize(
        self,
        headers: &HeaderMap,
        session: &Session,
        mut line: impl FnMut(&HeaderName, &HeaderValue),
    ) {
        if self == Self::PubSub {
            return pubsub::authorize(session, line);
        }
        // Where it is not what counts it does no harm: Salesforce's own clients send it, too.
        line(&header::AUTHORIZATION, &session.authorization);
        match self {
            Self::Bulk(_) => line(&HeaderName::from_static("x-sfdc-session"), &session.token),
            Self::Page => line(&header::COOKIE, &cookies(headers, session)),
            Self::Rest
            | Self::Identity
            | Self::OAuth
            | Self::Soap(_)
            | Self::Cometd
            | Self::PubSub => {}
        }
    }

    /// Returns whether the body of a response with this head may say something of `session`.
    pub(crate) fn suspects<B>(self, response: &Response<B>, session: &Session) -> bool {
        let status = response.status();
        match self {
            Self::Rest | Self::OAuth | Self::Page | Self::Identity => {
                status.is_client_error()
                    && (self.refuses_with(status) || says_code(response.headers()))
            }
            // A session in JWT format is not one for these APIs, and the next one will not be
            // either.
            Self::Soap(_) => status == StatusCode::INTERNAL_SERVER_ERROR && !session.is_jwt(),
            Self::Bulk(_) => status == StatusCode::BAD_REQUEST && !session.is_jwt(),
            Self::Cometd => status == StatusCode::OK || status == StatusCode::UNAUTHORIZED,
            Self::PubSub => pubsub::is_expired(response.headers()),
        }
    }

    /// Returns whether the page of a response with this head may be one that only sends a browser
    /// to log in.
    pub(crate) fn suspects_page<B>(self, response: &Response<B>) -> bool {
        let kind = || response.headers().get(header::CONTENT_TYPE);
        self == Self::Page
            && response.status() == StatusCode::OK
            && kind().is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
    }

    /// Judges the session by such a page, which begins with `html`.
    pub(crate) fn judge_page(html: &[u8]) -> Verdict {
        if page::leads_to_login(&String::from_utf8_lossy(html)) {
            Verdict::Login
        } else {
            Verdict::Sound
        }
    }

    /// Returns whether a response of this family sends a browser to log in by a redirect.
    pub(crate) fn sends_to_login<B>(self, response: &Response<B>) -> bool {
        let location = || response.headers().get(header::LOCATION);
        self == Self::Page
            && response.status().is_redirection()
            && location().is_some_and(|url| url.to_str().is_ok_and(page::is_login))
    }

    /// True for a status that may mean a dead session where the response has no body that says so, as to
    /// HEAD. `Verdict::of` decides.
    fn refuses_with(self, status: StatusCode) -> bool {
        status == StatusCode::UNAUTHORIZED
            || self == Self::Identity && status == StatusCode::FORBIDDEN
    }

    /// Judges the session by a suspected response of `status` to a request of `method`, whose body
    /// begins with `head`.
    pub(crate) fn judge(self, method: &Method, status: StatusCode, head: &[u8]) -> Verdict {
        Verdict::of(self, method, status, head)
    }

    /// Returns whether a response of this status, if it does not mean a dead session, means a live
    /// one. The list of versions needs none, a page may be the one to log in at, and a server in
    /// trouble does not get that far.
    pub(crate) fn proves_session(self, path: &str, status: StatusCode) -> bool {
        !status.is_server_error() && !is_versions(path) && self != Self::Page
    }

    /// Returns whether the org counts a request to `path` as a call to its API:
    /// [`crate::salesforce::facts::limits`].
    pub(crate) fn is_counted(self, path: &str) -> bool {
        match self {
            Self::Rest => !is_versions(path),
            Self::Soap(_) | Self::Bulk(_) => true,
            Self::Identity | Self::OAuth | Self::Cometd | Self::Page | Self::PubSub => false,
        }
    }

    /// An error of the proxy's own as the clients of this family can read it
    /// ([`crate::salesforce::facts::expiry`]): its status, content type and body.
    pub(crate) fn render_error(
        self,
        status: StatusCode,
        code: &str,
        message: &str,
    ) -> (StatusCode, &'static str, Bytes) {
        match self {
            Self::Rest if status == StatusCode::TOO_MANY_REQUESTS => {
                let message = format!("{code}: {message}");
                let body = json!([{ "message": message, "errorCode": LIMIT_EXCEEDED }]);
                (status, JSON, body.to_string().into())
            }
            Self::Rest => {
                let body = json!([{ "message": message, "errorCode": code }]);
                (status, JSON, body.to_string().into())
            }
            Self::Cometd => (status, JSON, cometd::refusal(status, code, message).into()),
            Self::OAuth => {
                // The org's own words for the two: see salesforce::facts::login_refusals.
                let error = if status.is_client_error() {
                    "invalid_request"
                } else if status == StatusCode::SERVICE_UNAVAILABLE {
                    "service_unavailable"
                } else {
                    "server_error"
                };
                let description = format!("{code}: {message}");
                let body = json!({ "error": error, "error_description": description });
                (status, JSON, body.to_string().into())
            }
            // The error of a call is not in its body, see [`pubsub::render_error`].
            Self::Identity | Self::Page | Self::PubSub => {
                (status, TEXT, format!("{code}: {message}\n").into())
            }
            // Of other statuses many SOAP clients do not read the body (SOAP 1.1 section 6.2).
            Self::Soap(wsdl) => {
                let exception_code = soap::exception_code(status, code);
                let message = format!("{code}: {message}");
                let kind = "UnexpectedErrorFault";
                let fault = fault(wsdl, kind, exception_code, &message, &message);
                (StatusCode::INTERNAL_SERVER_ERROR, XML, fault.into())
            }
            Self::Bulk(Format::Json) => {
                let body = json!({ "exceptionCode": code, "exceptionMessage": message });
                (status, JSON, body.to_string().into())
            }
            Self::Bulk(Format::Xml) => {
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><error xmlns=\"{BULK}\">\
                     <exceptionCode>{}</exceptionCode><exceptionMessage>{}</exceptionMessage></error>",
                    partial_escape(code),
                    partial_escape(message)
                );
                (status, "application/xml", body.into())
            }
        }
    }
}

/// Returns whether `path` is that of the list of versions.
fn is_versions(path: &str) -> bool {
    path.len() < 2 * VERSIONS.len() && path.trim_matches('/').eq_ignore_ascii_case(VERSIONS)
}

/// The cookie of `session`, and those of a client, in one line (RFC 6265 section 5.4). The session's
/// comes first: after a quotation mark of the client's, some servers would take it for a part of the
/// client's cookie.
fn cookies(headers: &HeaderMap, session: &Session) -> HeaderValue {
    let mut line = b"sid=".to_vec();
    line.extend_from_slice(session.token.as_bytes());
    for others in headers.get_all(header::COOKIE) {
        line.extend_from_slice(b"; ");
        line.extend_from_slice(others.as_bytes());
    }
    let mut line = HeaderValue::from_bytes(&line).unwrap_or_else(|_| HeaderValue::from_static(""));
    line.set_sensitive(true);
    line
}

impl Format {
    fn of(headers: &HeaderMap) -> Self {
        let is_json = |value: &HeaderValue| {
            let value = value.as_bytes().to_ascii_lowercase();
            memchr::memmem::find(&value, b"json").is_some()
        };
        let said = headers
            .get(header::CONTENT_TYPE)
            .or_else(|| headers.get(header::ACCEPT));
        if said.is_some_and(is_json) {
            Self::Json
        } else {
            Self::Xml
        }
    }
}

/// Returns whether the body may be an error with a code in it. Whatever else it is streams.
fn says_code(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| {
        kind.starts_with(b"application/json") || kind.starts_with(b"application/xml")
    })
}

/// The headers that carry a session, but for cookies and the metadata of the Pub/Sub API. What a
/// client sends in them never reaches the org, and its placeholder is looked for there.
pub(crate) const SESSION_HEADERS: [&str; 2] = ["authorization", "x-sfdc-session"];

/// The org's own code for too many calls, by which tools know that it is of no use to go on.
const LIMIT_EXCEEDED: &str = "REQUEST_LIMIT_EXCEEDED";

const VERSIONS: &str = "services/data";

const JSON: &str = "application/json;charset=UTF-8";
const TEXT: &str = "text/plain;charset=UTF-8";
const XML: &str = "text/xml;charset=UTF-8";

/// The namespace of Bulk 1.0.
const BULK: &str = "http://www.force.com/2009/06/asyncapi/dataload";

#[cfg(test)]
mod tests;
