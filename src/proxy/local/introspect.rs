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
    let token = form.as_ref().map_or("", |form| form.get("token"));
    // Who shows the placeholder of a client has logged in as that.
    if let Some(client) = proxy.placeholders.client_of(token) {
        exchange.is_of(client);
    }
    let is_own = proxy.placeholders.is_own(token)
        && proxy.delivery.sessions_for(exchange).is_ok()
        && proxy.placeholders.check_user(token, exchange).is_ok();
    if !is_own {
        return Ok(json_reply(StatusCode::OK, &json!({ "active": false })));
    }
    let username = exchange.user();
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
            "username": username.as_deref().unwrap_or(&proxy.org.username),
            "sub": user.url(base),
            "token_type": "access_token",
            // It never ends. A session that is used now lives that long.
            "exp": now.saturating_add(proxy.org.session_timeout.as_secs()),
            "iat": now,
            "nbf": now,
        }),
    ))
}
