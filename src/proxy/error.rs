//! The errors of a request, the party at fault for each, and the one place that turns them into a
//! response.

use std::{io, sync::Arc};

use http::{HeaderValue, Response, StatusCode, header};

use crate::{
    auth::LoginError,
    proxy::{
        budget::Exceeded,
        family::{self, EnvelopeError, Family},
        guard::Denied,
        old_version::Why,
        refusal::Refusal,
        replay::ClientFault,
        response::Body,
        upstream,
    },
};

/// The reason why a request gets a response of the proxy instead of the org's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot insert the session into this request: {0}")]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    Local(#[from] Unanswerable),
    #[error("cannot log in: {0}")]
    Login(#[from] Arc<LoginError>),
    #[error(transparent)]
    Upstream(#[from] upstream::Error),
    #[error(
        "the org asks for a login at this page: sessions of this app are not valid for pages; add the scope web to the app"
    )]
    NoPages,
    #[error("the org's response broke off: {0}")]
    BrokeOff(#[from] io::Error),
    #[error("limit of {limit} concurrent {what} reached ({setting}); try again")]
    Overloaded {
        what: &'static str,
        limit: usize,
        setting: &'static str,
    },
    #[error(
        "this connection should have ended, since orgproxy ends or was configured anew; connect again"
    )]
    Over,
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    #[error("internal error in orgproxy; please report it with what the log says")]
    Panicked,
}

/// The reason why a request that the proxy answers itself cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswerable {
    #[error(transparent)]
    Body(#[from] ClientFault),
    #[error("the body of this request is longer than {0} bytes, too long for a login")]
    TooLong(usize),
    #[error("the body of this request cannot be read: {0}")]
    Malformed(&'static str),
    #[error(
        "{name} of {namespace:?} is not an operation of this path; log in and out at /services/Soap/u/64.0 in the namespace urn:partner.soap.sforce.com, or at /c/ or /T/ in theirs"
    )]
    Operation { name: String, namespace: String },
    #[error(
        "the path has no API version that supports logins; use one from 20.0 on, as in /services/Soap/u/64.0, or set minimum_api_version for the org"
    )]
    Version,
    #[error("the org did not report who the user is: {0}")]
    Unidentified(String),
}

/// The party at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    Client,
    Proxy,
    Login,
    Org,
}

/// The form of an error: the status, a stable code, the error type of RFC 9209 section 2.3.
struct ErrorSpec(Blame, StatusCode, &'static str, &'static str);

impl Error {
    /// The response, in the shape that clients of `family` read, marked as the proxy's (RFC 9209).
    pub(crate) fn into_response(self, family: Family) -> Response<Body> {
        let ErrorSpec(_, status, code, kind) = self.spec();
        let message = format!("orgproxy: {self}");
        let (shown, content_type, body) = family.render_error(status, code, &message);
        let mut response = Response::new(Body::Local(Some(body)));
        *response.status_mut() = shown;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("proxy-status", proxy_status(kind, code));
        if let Self::Exceeded(exceeded) = &self {
            // In whole seconds (RFC 9110 section 10.2.3), and not too soon.
            let seconds = exceeded.retry_after().as_secs() + 1;
            headers.insert(header::RETRY_AFTER, seconds.into());
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(
                header::ALLOW,
                HeaderValue::from_static(crate::proxy::guard::ALLOW),
            );
        }
        // After a message that is not framed as it should be nothing can be trusted, and a
        // connection too many makes room.
        if self.ends_connection() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if family == Family::PubSub {
            family::pubsub::render_error(&mut response, code, &message);
        }
        response
    }

    /// The code that clients see, which is stable.
    pub(crate) fn code(&self) -> &'static str {
        self.spec().2
    }

    pub(crate) fn blame(&self) -> Blame {
        self.spec().0
    }

    /// The one table.
    #[rustfmt::skip]
    fn spec(&self) -> ErrorSpec {
        use Blame::{Client, Login, Org, Proxy};
        use StatusCode as S;

        match self {
            Self::Refused(refusal) => match refusal {
                Refusal::Malformed(_) => ErrorSpec(Client, S::BAD_REQUEST, "MALFORMED_REQUEST", "http_request_error"),
                Refusal::BadHost => ErrorSpec(Client, S::BAD_REQUEST, "MALFORMED_HOST", "http_request_error"),
                Refusal::Method(_) => ErrorSpec(Client, S::METHOD_NOT_ALLOWED, "METHOD_REFUSED", "http_request_denied"),
                Refusal::NoTunnels | Refusal::NoTunnelHere => ErrorSpec(Client, S::METHOD_NOT_ALLOWED, "METHOD_REFUSED", "http_request_denied"),
                Refusal::ForeignTunnel(_) => ErrorSpec(Client, S::FORBIDDEN, "TUNNEL_REFUSED", "http_request_denied"),
                Refusal::SharedTunnel(_) => ErrorSpec(Client, S::MISDIRECTED_REQUEST, "NO_SUCH_ORG", "http_request_denied"),
                Refusal::OutsideTunnel(..) => ErrorSpec(Client, S::MISDIRECTED_REQUEST, "WRONG_HOST", "http_request_denied"),
                Refusal::HeadTooLarge(_) | Refusal::ManyHeaders(_) | Refusal::LongTarget(_) => ErrorSpec(Client, S::REQUEST_HEADER_FIELDS_TOO_LARGE, "HEAD_TOO_LARGE", "http_request_error"),
                Refusal::Expectation => ErrorSpec(Client, S::EXPECTATION_FAILED, "EXPECTATION_FAILED", "http_request_error"),
                Refusal::WrongHost(_) | Refusal::WrongPort(_) => ErrorSpec(Client, S::MISDIRECTED_REQUEST, "WRONG_HOST", "http_request_denied"),
                Refusal::NoCall => ErrorSpec(Client, S::MISDIRECTED_REQUEST, "NO_CALL", "http_request_denied"),
                Refusal::NoSuchOrg => ErrorSpec(Client, S::MISDIRECTED_REQUEST, "NO_SUCH_ORG", "http_request_denied"),
                Refusal::WrongInstance(_) => ErrorSpec(Client, S::MISDIRECTED_REQUEST, "WRONG_INSTANCE", "http_request_denied"),
                Refusal::ForeignOrigin(_) => ErrorSpec(Client, S::FORBIDDEN, "FOREIGN_ORIGIN", "http_request_denied"),
                Refusal::OtherUser(_) => ErrorSpec(Client, S::FORBIDDEN, "OTHER_USER", "http_request_denied"),
                Refusal::FromPage | Refusal::Opened | Refusal::SilentBrowser => ErrorSpec(Client, S::FORBIDDEN, "FOREIGN_PAGE", "http_request_denied"),
                Refusal::NoClientKey => ErrorSpec(Client, S::FORBIDDEN, "CLIENT_KEY_MISSING", "http_request_denied"),
                Refusal::WrongOrg(_) => ErrorSpec(Client, S::FORBIDDEN, "WRONG_ORG", "http_request_denied"),
                Refusal::NoUser { .. } | Refusal::UnknownClient(_) => ErrorSpec(Client, S::FORBIDDEN, "NO_USER", "http_request_denied"),
                Refusal::WrongUser(_) => ErrorSpec(Client, S::FORBIDDEN, "WRONG_USER", "http_request_denied"),
                Refusal::DisguisedVersion => ErrorSpec(Client, S::BAD_REQUEST, "AMBIGUOUS_PATH", "http_request_error"),
                Refusal::OldVersions(Why::TooLarge) => ErrorSpec(Client, S::PAYLOAD_TOO_LARGE, "OLD_VERSIONS_IN_BODY", "http_request_error"),
                Refusal::OldVersions(_) => ErrorSpec(Client, S::BAD_REQUEST, "OLD_VERSIONS_IN_BODY", "http_request_error"),
                Refusal::Path(Denied::DotSegment | Denied::Disguised | Denied::Ambiguous) => ErrorSpec(Client, S::BAD_REQUEST, "AMBIGUOUS_PATH", "http_request_error"),
                Refusal::Policy(_) => ErrorSpec(Client, S::FORBIDDEN, "POLICY_REFUSED", "http_request_denied"),
                Refusal::Path(_) => ErrorSpec(Client, S::FORBIDDEN, "PATH_REFUSED", "http_request_denied"),
            },
            Self::Envelope(EnvelopeError::Body(fault)) => spec_of(*fault),
            Self::Envelope(EnvelopeError::Coding(_)) => ErrorSpec(Client, S::UNSUPPORTED_MEDIA_TYPE, "UNKNOWN_CODING", "http_request_error"),
            Self::Envelope(EnvelopeError::TooLong) => ErrorSpec(Client, S::PAYLOAD_TOO_LARGE, "ENVELOPE_TOO_LONG", "http_request_error"),
            Self::Envelope(_) => ErrorSpec(Client, S::BAD_REQUEST, "MALFORMED_ENVELOPE", "http_request_error"),
            Self::Local(error) => match error {
                Unanswerable::Body(fault) => spec_of(*fault),
                Unanswerable::TooLong(_) => ErrorSpec(Client, S::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "http_request_error"),
                Unanswerable::Malformed(_) | Unanswerable::Operation { .. } => ErrorSpec(Client, S::BAD_REQUEST, "MALFORMED_ENVELOPE", "http_request_error"),
                Unanswerable::Version => ErrorSpec(Client, S::NOT_FOUND, "UNSUPPORTED_API_VERSION", "http_request_error"),
                Unanswerable::Unidentified(_) => ErrorSpec(Org, S::BAD_GATEWAY, "ORG_USER_UNKNOWN", "http_protocol_error"),
            },
            Self::Login(error) => match **error {
                LoginError::Exhausted(_) => ErrorSpec(Proxy, S::SERVICE_UNAVAILABLE, "OVERLOADED", "connection_limit_reached"),
                LoginError::Loop { .. } => ErrorSpec(Proxy, S::BAD_GATEWAY, "PROXY_LOOP", "proxy_loop_detected"),
                _ if error.is_transient() => ErrorSpec(Login, S::SERVICE_UNAVAILABLE, "LOGIN_UNAVAILABLE", "destination_unavailable"),
                _ => ErrorSpec(Login, S::BAD_GATEWAY, "LOGIN_REFUSED", "proxy_configuration_error"),
            },
            Self::Upstream(error) => match error {
                upstream::Error::Connect(_) => ErrorSpec(Org, S::BAD_GATEWAY, "ORG_UNREACHABLE", "destination_unavailable"),
                upstream::Error::Exhausted(_) => ErrorSpec(Proxy, S::SERVICE_UNAVAILABLE, "OVERLOADED", "connection_limit_reached"),
                upstream::Error::Loop(_) => ErrorSpec(Proxy, S::BAD_GATEWAY, "PROXY_LOOP", "proxy_loop_detected"),
                upstream::Error::Client(fault) => spec_of(*fault),
                upstream::Error::TimedOut(_) => ErrorSpec(Org, S::GATEWAY_TIMEOUT, "ORG_TIMED_OUT", "http_response_timeout"),
                upstream::Error::Closed(_) => ErrorSpec(Org, S::BAD_GATEWAY, "ORG_CLOSED", "connection_terminated"),
                upstream::Error::Upgraded => ErrorSpec(Org, S::BAD_GATEWAY, "ORG_UPGRADED", "http_upgrade_failed"),
                upstream::Error::Outgrown => ErrorSpec(Proxy, S::SERVICE_UNAVAILABLE, "SEND_AGAIN", "proxy_internal_error"),
            },
            Self::NoPages => ErrorSpec(Org, S::BAD_GATEWAY, "PAGE_REFUSED", "http_protocol_error"),
            Self::BrokeOff(_) => ErrorSpec(Org, S::BAD_GATEWAY, "ORG_CLOSED", "http_response_incomplete"),
            Self::Over => ErrorSpec(Proxy, S::SERVICE_UNAVAILABLE, "CONNECT_AGAIN", "connection_terminated"),
            Self::Overloaded { .. } => ErrorSpec(Proxy, S::SERVICE_UNAVAILABLE, "OVERLOADED", "connection_limit_reached"),
            Self::Exceeded(exceeded) => match exceeded {
                Exceeded::Calls { .. } => ErrorSpec(Client, S::TOO_MANY_REQUESTS, "BUDGET_SPENT", "http_request_denied"),
                Exceeded::ClientCalls { .. } => ErrorSpec(Client, S::TOO_MANY_REQUESTS, "CLIENT_BUDGET_SPENT", "http_request_denied"),
                Exceeded::Rate { .. } => ErrorSpec(Client, S::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "http_request_denied"),
                Exceeded::Turn { .. } | Exceeded::Queue { .. } => ErrorSpec(Client, S::TOO_MANY_REQUESTS, "TOO_MANY_LONG_CALLS", "http_request_denied"),
            },
            Self::Panicked => ErrorSpec(Proxy, S::INTERNAL_SERVER_ERROR, "PROXY_FAILED", "proxy_internal_error"),
        }
    }

    /// Returns whether there was no connection to the org, so that nothing of the request was sent.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Upstream(upstream::Error::Connect(_)))
    }

    fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Refused(Refusal::Malformed(_) | Refusal::BadHost)
                | Self::Overloaded { .. }
                | Self::Over
                | Self::Envelope(_)
                | Self::Local(Unanswerable::Body(_) | Unanswerable::TooLong(_))
                | Self::Upstream(upstream::Error::Client(_))
        )
    }
}

/// The part of the table for faults of a client while it sent.
#[rustfmt::skip]
fn spec_of(fault: ClientFault) -> ErrorSpec {
    use Blame::{Client, Proxy};
    use StatusCode as S;

    let client = |status, code| ErrorSpec(Client, status, code, "http_request_error");
    match fault {
        ClientFault::Malformed | ClientFault::Undecodable | ClientFault::Hollow => client(S::BAD_REQUEST, "MALFORMED_BODY"),
        ClientFault::Gone => client(S::BAD_REQUEST, "INCOMPLETE_BODY"),
        ClientFault::Stalled(_) | ClientFault::Slow(_) => client(S::REQUEST_TIMEOUT, "STALLED_BODY"),
        ClientFault::Inflated => client(S::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"),
        ClientFault::Crowded => ErrorSpec(Proxy, S::SERVICE_UNAVAILABLE, "OVERLOADED", "connection_limit_reached"),
    }
}

fn proxy_status(kind: &str, code: &str) -> HeaderValue {
    HeaderValue::try_from(format!("orgproxy; error={kind}; details=\"{code}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("orgproxy"))
}

/// Seconds. A login that failed for a temporary reason is tried again about then.
const RETRY_AFTER: &str = "2";
