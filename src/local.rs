//! Answers given without the org.

use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use crate::{
    base::Base,
    error::Error,
    family::Envelope,
    guard,
    proxy::Proxy,
    replay::Replay,
    response::{self, Body},
};

/// What a request asks of us and not of the org.
pub(crate) enum Local {
    /// What we can do.
    Options,
    /// What the page of this origin may send.
    Preflight(HeaderValue),
}

impl Local {
    /// What is ours to answer in this request, if it is.
    pub(crate) fn of(
        head: &Parts,
        _envelope: Option<&Envelope>,
        origin: Option<&HeaderValue>,
    ) -> Option<Self> {
        if head.method != Method::OPTIONS {
            return None;
        }
        if head.uri.path() == "*" {
            return Some(Self::Options);
        }
        origin
            .filter(|_| guard::is_preflight(head))
            .map(|origin| Self::Preflight(origin.clone()))
    }

    /// Answers it, with what `proxy` has or asks the org.
    ///
    /// # Errors
    /// As [`Proxy::deliver`].
    pub(crate) async fn answer(
        self,
        _proxy: &Proxy,
        head: &Parts,
        _body: &Replay,
        _base: &Base,
    ) -> Result<Response<Body>, Error> {
        Ok(match self {
            Self::Options => options(),
            Self::Preflight(origin) => preflight(head, &origin),
        })
    }
}

/// What we can do, whatever the org can (RFC 9110 section 9.3.7).
fn options() -> Response<Body> {
    let mut response = Response::new(Body::Local(None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(guard::ALLOW));
    headers.insert("proxy-status", HeaderValue::from_static("orgproxy"));
    response
}

/// A browser asks whether the page of an origin that the guard admitted may send what it wants to
/// (Fetch standard, CORS preflight). The org would answer for its own address.
fn preflight(head: &Parts, origin: &HeaderValue) -> Response<Body> {
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
    response
}
