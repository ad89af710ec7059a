//! The Pub/Sub API, which is gRPC: metadata in place of a session header, statuses in trailers.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{auth::Session, proxy::response::Body};

/// Hands over the metadata of a call with `session`: [`crate::salesforce::facts::families`]. The
/// instance is the real one, not the proxy.
pub(super) fn authorize(session: &Session, mut line: impl FnMut(&HeaderName, &HeaderValue)) {
    let org_id = session.identity.org_id.as_deref().unwrap_or_default();
    let text = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| NOTHING.clone());
    let mut put = |name, value: &HeaderValue| line(&HeaderName::from_static(name), value);
    put("accesstoken", &session.token);
    put("instanceurl", &text(&session.instance_url()));
    put("tenantid", &text(org_id));
    // gRPC servers accept no call without it, and it concerns this connection only.
    put("te", &HeaderValue::from_static("trailers"));
}

/// Returns whether a status, which comes in trailers or in place of them, says that the session is
/// dead: [`crate::salesforce::facts::expiry`].
pub(crate) fn is_expired(trailers: &HeaderMap) -> bool {
    let is = |name: &str, values: &[&str]| {
        trailers
            .get(name)
            .is_some_and(|value| values.iter().any(|expected| value == expected))
    };
    is("grpc-status", &[UNAUTHENTICATED]) && is("error-code", &SESSION_ERRORS)
}

/// Makes an error of the proxy's own one that gRPC clients read: a call that ends before it began
/// (gRPC over HTTP/2, Trailers-Only).
pub(crate) fn render_error(response: &mut Response<Body>, code: &str, message: &str) {
    let status = match response.status() {
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => "3",
        StatusCode::GATEWAY_TIMEOUT => "4",
        StatusCode::TOO_MANY_REQUESTS => "8",
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => "7",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => "14",
        _ => "13",
    };
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = Body::Local(None);
    let headers = response.headers_mut();
    let text = format!("{code}: {message}");
    let text = utf8_percent_encode(&text, UNPRINTABLE).to_string();
    headers.insert("grpc-status", HeaderValue::from_static(status));
    if let Ok(text) = HeaderValue::try_from(text) {
        headers.insert("grpc-message", text);
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
}

const UNAUTHENTICATED: &str = "16";

const SESSION_ERRORS: [&str; 2] = [
    "sfdc.platform.eventbus.grpc.service.auth.error",
    "sfdc.platform.eventbus.grpc.service.auth.refresh.invalid",
];

/// The characters that a `grpc-message` must not have as they are.
const UNPRINTABLE: &AsciiSet = &CONTROLS.add(b'%');

static NOTHING: HeaderValue = HeaderValue::from_static("");
