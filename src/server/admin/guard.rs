//! Who may ask the admin listener: what is not a page in a browser, or is its own.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::RELOAD;
use crate::proxy::guard::is_loopback;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("method {0} is not supported here; only {1} is")]
    Method(Method, &'static str),
    #[error("this request does not have exactly one Host")]
    NoHost,
    #[error("unknown host {0:?}: use localhost, 127.0.0.1 or [::1]")]
    Host(String),
    #[error("a web page from {0:?} sent this request; pages may not ask the admin listener")]
    Origin(String),
    #[error(
        "a browser sent this request on behalf of another page (Sec-Fetch-Site); type the address \
         instead of following a link"
    )]
    Page,
}

/// Admits a request, or says why not. A page can make a name of its own lead here (DNS rebinding),
/// and can send requests to any address; it cannot hide that it did.
pub(super) fn check(request: &Request, is_unix: bool) -> Result<(), Denied> {
    let headers = request.headers();
    let host = match one(headers, &header::HOST) {
        // No page reaches a socket.
        _ if is_unix => "",
        Some(host) => host.to_str().unwrap_or_default(),
        None => return Err(Denied::NoHost),
    };
    let named = request.uri().authority().map(|target| target.as_str());
    let foreign = [Some(host), named]
        .into_iter()
        .flatten()
        .find(|name| !is_unix && !is_loopback(name));
    if let Some(name) = foreign {
        return Err(Denied::Host(name.to_owned()));
    }
    let own = format!("http://{host}");
    if let Some(origin) = headers
        .get_all(header::ORIGIN)
        .iter()
        .find(|origin| *origin != own.as_str())
    {
        let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        return Err(Denied::Origin(origin));
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if !sites.all(|site| site == "none" || site == "same-origin") {
        return Err(Denied::Page);
    }
    let (allowed, is_allowed) = match (request.uri().path(), request.method()) {
        (RELOAD, method) => ("POST", *method == Method::POST),
        (_, method) => ("GET, HEAD", matches!(*method, Method::GET | Method::HEAD)),
    };
    if !is_allowed {
        return Err(Denied::Method(request.method().clone(), allowed));
    }
    Ok(())
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let text = format!("orgproxy: {self}\n");
        match self {
            Self::Method(_, allowed) => {
                let allow = [(header::ALLOW, allowed)];
                (StatusCode::METHOD_NOT_ALLOWED, allow, text).into_response()
            }
            Self::NoHost => (StatusCode::BAD_REQUEST, text).into_response(),
            Self::Host(_) | Self::Origin(_) | Self::Page => {
                (StatusCode::FORBIDDEN, text).into_response()
            }
        }
    }
}

/// The only line of this name.
fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    lines.next().is_none().then_some(first)
}
