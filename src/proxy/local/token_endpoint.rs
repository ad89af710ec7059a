//! The token endpoint, for clients that log in by OAuth.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64ct::{Base64, Encoding};
use http::{Method, Response, StatusCode, header, request::Parts};
use serde_json::json;

use super::{
    form::{Form, json_reply, refuse, wrong_method},
    note_refusal,
    user::User,
};
use crate::{
    proxy::{
        Proxy, base_url::BaseUrl, error::Error, exchange::Exchange, replay::Replay, response::Body,
    },
    watch::Sign,
};

/// Gives the client a placeholder, if it may have one. What it shows for that ends here.
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
    if is_login_of_orgproxy(head) {
        // To answer it, the session that it is to bring would be needed.
        return Ok(refuse(StatusCode::LOOP_DETECTED, "login_loop", LOOP));
    }
    let status = StatusCode::BAD_REQUEST;
    let Some(form) = Form::read(head, body).await? else {
        return Ok(refuse(status, "invalid_request", NO_FORM));
    };
    let Some(grant) = Grant::of(form.get("grant_type")) else {
        let description = "grant type not supported";
        return Ok(refuse(status, "unsupported_grant_type", description));
    };
    proxy.placeholders.check_text(form.get("refresh_token"))?;
    let Some(client) = grant.client(proxy, head, &form) else {
        note_refusal(proxy, form.get("grant_type"));
        return Ok(refuse(status, "invalid_grant", "authentication failure"));
    };

    if grant == Grant::Password {
        exchange.shows(Sign::PasswordGrant);
    }
    if !client.is_empty() {
        exchange.is_of(&client);
    }
    proxy.delivery.sessions_for(exchange)?;
    proxy
        .placeholders
        .check_user(form.get("refresh_token"), exchange)?;
    let user = User::of(proxy, exchange).await?;
    let of = exchange.user();
    let placeholders = &proxy.placeholders;
    let (_, client_secret) = form.client(head);
    let id = user.url(base);
    let issued_at = issued_at();
    Ok(json_reply(
        StatusCode::OK,
        // As the org answers: see salesforce::facts::token_response.
        &json!({
            "access_token": placeholders.session_id_of(&client, of.as_deref(), &user.org_id),
            "scope": user.scope,
            "instance_url": base.to_string(),
            "id": id,
            "token_type": "Bearer",
            "issued_at": issued_at,
            "signature": signature(&client_secret, &id, &issued_at),
        }),
    ))
}

/// Returns whether the name of the org's host has led an orgproxy here, this or another one.
fn is_login_of_orgproxy(head: &Parts) -> bool {
    let agent = head.headers.get(header::USER_AGENT);
    agent.is_some_and(|agent| agent.as_bytes().starts_with(b"orgproxy/"))
}

/// The way in which a client logs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grant {
    Password,
    RefreshToken,
    ClientCredentials,
    JwtBearer,
}

impl Grant {
    fn of(grant_type: &str) -> Option<Self> {
        match grant_type {
            "password" => Some(Self::Password),
            "refresh_token" => Some(Self::RefreshToken),
            "client_credentials" => Some(Self::ClientCredentials),
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => Some(Self::JwtBearer),
            _ => None,
        }
    }

    /// The user name of the client that may log in with what it shows; empty where nobody has said
    /// who may, and so everyone may who is let in at all.
    fn client(self, proxy: &Proxy, head: &Parts, form: &Form) -> Option<String> {
        let Some(clients) = &proxy.org.clients else {
            return Some(String::new());
        };
        let pair = |name: &str, password: &str| {
            let admitted = clients.admit(name, password.as_bytes());
            admitted.then(|| name.to_owned())
        };
        match self {
            Self::Password => pair(form.get("username"), form.get("password")),
            Self::ClientCredentials => {
                let (id, secret) = form.client(head);
                pair(&id, &secret)
            }
            // A client that has one was let in before.
            Self::RefreshToken => {
                let shown = form.get("refresh_token");
                proxy.placeholders.client_of(shown).map(str::to_owned)
            }
            // There is no certificate to check it with.
            Self::JwtBearer => None,
        }
    }
}

/// Milliseconds.
fn issued_at() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_millis().to_string()
}

/// The signature by which a client that has the secret can verify that nobody changed the response.
/// Some do.
fn signature(client_secret: &str, id: &str, issued_at: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, client_secret.as_bytes());
    let tag = hmac::sign(&key, [id, issued_at].concat().as_bytes());
    Base64::encode_string(tag.as_ref())
}

const LOOP: &str = "this is orgproxy: the login of an orgproxy must not lead here";

const NO_FORM: &str = "send grant_type and its parameters as application/x-www-form-urlencoded, \
                       multipart/form-data or application/json";
