//! What differs by API family: where the session goes, how a dead one shows, and in what shape an
//! error is told.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts,
};
use quick_xml::escape::partial_escape;
use serde_json::json;

pub(crate) use self::soap::{
    Envelope, EnvelopeError, KNOWN_VERSION, Operation, Wsdl, envelope, fault, get_user_info,
};
use crate::{
    auth::Session,
    path::{self, Api, REST_ROOT},
    replay::Replay,
};

mod cometd;
pub(crate) mod pubsub;
mod soap;

/// One of Salesforce's API families (S§4).
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
    /// The Streaming API, which tells everything in-band.
    Cometd,
    /// Pages for browsers, whose session is a cookie.
    Page,
    /// The Pub/Sub API, which has a host of its own, and so a listener.
    PubSub,
}

/// In what Bulk 1.0 tells errors: the job's format, or XML.
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
        match Api::of(&path::resolved(path.as_bytes())) {
            Api::Rest => Self::Rest,
            Api::Identity => Self::Identity,
            Api::OAuth => Self::OAuth,
            Api::Soap(letter) => Self::Soap(Wsdl::of(letter)),
            Api::Bulk => Self::Bulk(Format::of(&head.headers)),
            Api::Cometd => Self::Cometd,
            Api::Page => Self::Page,
        }
    }

    /// Finds the place for the session in a body that has one.
    ///
    /// # Errors
    /// Why it has none that can be used.
    pub(crate) async fn open(
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

    /// Hands `line` all of `headers`, with `session` where this family looks for it. An envelope
    /// has its own place, see [`Envelope`].
    pub(crate) fn authorize(
        self,
        headers: &HeaderMap,
        session: &Session,
        mut line: impl FnMut(&HeaderName, &HeaderValue),
    ) {
        for (name, value) in headers {
            if self != Self::Page || *name != header::COOKIE {
                line(name, value);
            }
        }
        if self == Self::PubSub {
            return pubsub::authorize(session, line);
        }
        // Where it is not what counts it does no harm: Salesforce's own clients send it, too (S§4).
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

    /// Whether an answer with this head may mean that `session` is dead (S§3.3).
    pub(crate) fn suspects<B>(self, answer: &Response<B>, session: &Session) -> bool {
        let status = answer.status();
        match self {
            Self::Rest | Self::OAuth | Self::Page => status == StatusCode::UNAUTHORIZED,
            // Every other 403 is about limits or permissions.
            Self::Identity => status == StatusCode::FORBIDDEN || status == StatusCode::UNAUTHORIZED,
            // A session in JWT format is none for these APIs, and the next one will not be either
            // (S§3.1).
            Self::Soap(_) => status == StatusCode::INTERNAL_SERVER_ERROR && !session.is_jwt(),
            Self::Bulk(_) => status == StatusCode::BAD_REQUEST && !session.is_jwt(),
            Self::Cometd => status == StatusCode::OK || status == StatusCode::UNAUTHORIZED,
            Self::PubSub => pubsub::is_expired(answer.headers()),
        }
    }

    /// Whether a suspected answer whose body begins with `head` means it.
    ///
    /// An Apex class may well answer 401 itself, and two of Salesforce's own 401 do not get
    /// better with a new session.
    pub(crate) fn is_expired(self, method: &Method, head: &[u8]) -> bool {
        let says = |text: &str| memchr::memmem::find(head, text.as_bytes()).is_some();
        if method == Method::HEAD {
            return !matches!(self, Self::Cometd);
        }
        match self {
            Self::Rest | Self::OAuth | Self::Page => {
                says("INVALID_SESSION_ID") && !NOT_EXPIRED.iter().any(|text| says(text))
            }
            Self::Identity => says("Bad_OAuth_Token") || says("INVALID_SESSION_ID"),
            Self::Soap(_) => says("INVALID_SESSION_ID</faultcode>"),
            Self::Bulk(_) => says("InvalidSessionId"),
            Self::Cometd => cometd::is_expired(head),
            // Its head has said it all.
            Self::PubSub => true,
        }
    }

    /// Whether an answer of this status, if it does not mean a dead session, means a live one. The
    /// list of versions needs none (S§3.4), a page may be the one to log in at, and a server in
    /// trouble does not get that far.
    pub(crate) fn proves_session(self, path: &str, status: StatusCode) -> bool {
        let is_versions = path.len() < 2 * VERSIONS.len()
            && path.trim_matches('/').eq_ignore_ascii_case(VERSIONS);
        !status.is_server_error() && !is_versions && self != Self::Page
    }

    /// An error of ours as the clients of this family can read it (S§3.3): its status, content
    /// type and body.
    pub(crate) fn tell(
        self,
        status: StatusCode,
        code: &str,
        message: &str,
    ) -> (StatusCode, &'static str, Bytes) {
        match self {
            Self::Rest => {
                let body = json!([{ "message": message, "errorCode": code }]);
                (status, JSON, body.to_string().into())
            }
            Self::Cometd => (status, JSON, cometd::refusal(status, code, message).into()),
            Self::OAuth => {
                // The org's own words for the two (S§2.1).
                let error = match status {
                    _ if status.is_client_error() => "invalid_request",
                    StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
                    _ => "server_error",
                };
                let description = format!("{code}: {message}");
                let body = json!({ "error": error, "error_description": description });
                (status, JSON, body.to_string().into())
            }
            // What there is to tell of a call is not in its body, see [`pubsub::tell`].
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

/// The cookies of a client, and that of `session`, in one line (RFC 6265 section 5.4).
fn cookies(headers: &HeaderMap, session: &Session) -> HeaderValue {
    let mut line = Vec::new();
    for others in headers.get_all(header::COOKIE) {
        line.extend_from_slice(others.as_bytes());
        line.extend_from_slice(b"; ");
    }
    line.extend_from_slice(b"sid=");
    line.extend_from_slice(session.token.as_bytes());
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
        match said.is_some_and(is_json) {
            true => Self::Json,
            false => Self::Xml,
        }
    }
}

const VERSIONS: &str = "services/data";

/// A new session is refused for the same reason (S§3.3).
const NOT_EXPIRED: [&str; 2] = [
    "This session is not valid for use with the REST API",
    "Connected app is not attached to Agent",
];

const JSON: &str = "application/json;charset=UTF-8";
const TEXT: &str = "text/plain;charset=UTF-8";
const XML: &str = "text/xml;charset=UTF-8";

/// The namespace of Bulk 1.0.
const BULK: &str = "http://www.force.com/2009/06/asyncapi/dataload";

#[cfg(test)]
mod tests;
