//! Responses to OPTIONS: what a client may send.

use http::{HeaderValue, Response, StatusCode, header, request::Parts};

use crate::proxy::{
    guard,
    response::{self, Body},
};

/// The methods that the proxy can pass on, whatever the org can (RFC 9110 section 9.3.7).
pub(super) fn options() -> Response<Body> {
    let mut response = Response::new(Body::Local(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(guard::ALLOW));
    headers.insert("proxy-status", HeaderValue::from_static("orgproxy"));
    response
}

/// A browser asks whether the page of an origin that the guard admitted may send what it wants to
/// (Fetch standard, CORS preflight). The org would answer for its own address.
pub(super) fn preflight(head: &Parts, origin: &HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::Local(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    response::share_with(headers, origin.clone());
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(guard::ALLOW),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    if let Some(wanted) = head.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    // A page from elsewhere asks whether it may reach this machine (Private Network Access).
    if head
        .headers
        .contains_key("access-control-request-private-network")
    {
        headers.insert(
            "access-control-allow-private-network",
            HeaderValue::from_static("true"),
        );
    }
    response
}
