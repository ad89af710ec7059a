//! Forms that clients post, and errors in the shape of OAuth (RFC 6749 section 5.2).

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use multer::Multipart;
use serde_json::{Map, Value, json};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{JSON, read, reply};
use crate::proxy::{credentials::Credentials, error::Unanswerable, replay::Replay, response::Body};

/// The parameters of a request.
pub(super) struct Form(Pairs);

type Pairs = Vec<Pair>;

type Pair = (String, Zeroizing<String>);

impl Form {
    /// Reads those in the body, and those in the query, where many scripts have them. `None` if
    /// there are none.
    ///
    /// # Errors
    /// When the body does not come, or is too long.
    pub(super) async fn read(head: &Parts, body: &Replay) -> Result<Option<Self>, Unanswerable> {
        let body = read(body).await?;
        let mut pairs = posted(&head.headers, body).await.unwrap_or_default();
        pairs.extend(urlencoded(head.uri.query().unwrap_or_default().as_bytes()));
        Ok(Some(Self(pairs)).filter(|form| !form.0.is_empty()))
    }

    /// The first parameter of this name, empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// `client_id` and `client_secret`, which may also be shown as Basic credentials (RFC 6749
    /// section 2.3.1).
    pub(super) fn client(&self, head: &Parts) -> (Zeroizing<String>, Zeroizing<String>) {
        let own = |name| Zeroizing::new(self.get(name).to_owned());
        let (id, secret) = (own("client_id"), own("client_secret"));
        match basic(head) {
            Some((basic_id, basic_secret)) if secret.is_empty() => (basic_id, basic_secret),
            _ => (id, secret),
        }
    }
}

/// The parameters in a body, in whichever way clients write it: as a form, as PHP makes one of an
/// array and Node of a `FormData` (RFC 7578), or as JSON. `None` if it cannot be read.
async fn posted(headers: &HeaderMap, body: Bytes) -> Option<Pairs> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return None;
    }
    let kind = match headers.get(header::CONTENT_TYPE) {
        Some(kind) => kind.to_str().ok()?,
        None => "",
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let is = |other: &str| essence.eq_ignore_ascii_case(other);
    let is_object = || body.trim_ascii_start().starts_with(b"{");
    if is("application/json") || essence.is_empty() && is_object() {
        json_object(&body)
    } else if is("multipart/form-data") {
        multipart(kind, body).await
    } else if is("application/x-www-form-urlencoded") || essence.is_empty() {
        Some(urlencoded(&body).collect())
    } else {
        None
    }
}

fn urlencoded(text: &[u8]) -> impl Iterator<Item = Pair> {
    form_urlencoded::parse(text)
        .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())))
}

async fn multipart(kind: &str, body: Bytes) -> Option<Pairs> {
    let boundary = multer::parse_boundary(kind).ok()?;
    let whole = stream::once(ready(Ok::<_, Infallible>(body)));
    let mut parts = Multipart::new(whole, boundary);
    let mut pairs = Pairs::new();
    while let Some(part) = parts.next_field().await.ok()? {
        let name = part.name().unwrap_or_default().to_owned();
        pairs.push((name, Zeroizing::new(part.text().await.ok()?)));
    }
    Some(pairs)
}

fn json_object(body: &[u8]) -> Option<Pairs> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let object: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let pairs = object
        .into_iter()
        .filter_map(|(name, value)| Some((name, text(value)?)));
    Some(
        pairs
            .map(|(name, value)| (name, Zeroizing::new(value)))
            .collect(),
    )
}

/// User and password of `Authorization: Basic`.
fn basic(head: &Parts) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let shown = Credentials::read(head.headers.get(header::AUTHORIZATION)?)?;
    let Credentials::Basic { user, password } = shown else {
        return None;
    };
    let own = |bytes: &[u8]| Some(Zeroizing::new(std::str::from_utf8(bytes).ok()?.to_owned()));
    Some((own(&user)?, own(&password)?))
}

/// A reply in JSON, which is nobody else's to see.
pub(super) fn json_reply(status: StatusCode, body: &Value) -> Response<Body> {
    reply(status, JSON, body.to_string())
}

/// A refusal in the words of the org: [`crate::salesforce::facts::login_refusals`].
pub(super) fn refuse(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    let body = json!({ "error": error, "error_description": description });
    json_reply(status, &body)
}

pub(super) fn wrong_method(allow: &'static str) -> Response<Body> {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let description = format!("must use HTTP {}", allow.replace(", ", " or "));
    let mut response = refuse(status, "invalid_request", &description);
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}
