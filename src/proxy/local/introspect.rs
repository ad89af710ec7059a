//! Token introspection (RFC 7662).

use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, Response, StatusCode, request::Parts};
use serde_json::json;

use super::{
    form::{Form, json_reply, wrong_method},
    user::User,
};
use crate::proxy::{
    Proxy, base_url::BaseUrl, error::Error, exchange::Exchange, replay::Replay, response::Body,
};

/// Says of a placeholder of this proxy what the org would say of its session, and nothing of any
/// other.
///
/// # Errors
/// When the request is not whole, there is no session, or the org does not say whose it is.
pub(super) async fn answer(
    proxy: &Proxy,
    head: &Parts,
    body: &Replay,
    base: &BaseUrl,
    exchange: &Exchange,
) -> Result<Response<Body>, Error> {
    if head.method != Method::POST {
        return Ok(wrong_method("POST"));
    }
    let form = Form::read(head, body).await?;
    let is_own = form.is_some_and(|form| proxy.placeholders.is_own(form.get("token")));
    if !is_own {
        return Ok(json_reply(StatusCode::OK, &json!({ "active": false })));
    }
    let user = User::of(proxy, exchange).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    Ok(json_reply(
        StatusCode::OK,
        // As the org answers: see salesforce::facts::sessions.
        &json!({
            "active": true,
            "scope": user.scope,
            "client_id": proxy.org.credential.client_id(),
            "username": proxy.org.username,
            "sub": user.url(base),
            "token_type": "access_token",
            // It never ends. A session that is used now lives that long.
            "exp": now.saturating_add(proxy.org.session_timeout.as_secs()),
            "iat": now,
            "nbf": now,
        }),
    ))
}
