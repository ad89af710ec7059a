//! The ways to log out. None of them ends the session, which all clients share:
//! [`crate::salesforce::facts::session_endpoints`].

use http::{Method, Response, StatusCode, request::Parts};

use super::{TEXT, form, read, reply};
use crate::proxy::{replay::Replay, response::Body};

/// `/services/oauth2/revoke`: as if it had been done.
pub(super) async fn revoke(head: &Parts, body: &Replay) -> Response<Body> {
    take(body).await;
    match head.method {
        Method::GET | Method::POST => reply(StatusCode::OK, TEXT, ""),
        _ => form::wrong_method("GET, POST"),
    }
}

/// `/secur/logout.jsp`, which a person may see.
pub(super) async fn page(body: &Replay) -> Response<Body> {
    take(body).await;
    reply(StatusCode::OK, TEXT, STAYS)
}

/// Reads the body, which does not matter, but must have been read for the connection to go on.
async fn take(body: &Replay) {
    if let Err(error) = read(body).await {
        tracing::debug!("the rest of a logout was not read: {error}");
    }
}

const STAYS: &str = "orgproxy stays logged in: its session is shared by all its clients. \
    To end it, stop orgproxy and end the session in Setup, Session Management.\n";
