//! Forms that clients post, and errors in the shape of OAuth (RFC 6749 section 5.2).

use base64ct::{Base64, Encoding};
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use serde_json::{Value, json};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{JSON, Unanswerable, read, reply};
use crate::{replay::Replay, response::Body};

/// The parameters of a request.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads those in the body, and those in the query, where many scripts have them. `None` if
    /// there are none.
    ///
    /// # Errors
    /// When the body does not come, or is too long.
    pub(super) async fn read(head: &Parts, body: &Replay) -> Result<Option<Self>, Unanswerable> {
        let body = read(body).await?;
        let is_form = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
            let kind = kind.as_bytes().get(..FORM.len()).unwrap_or_default();
            kind.eq_ignore_ascii_case(FORM.as_bytes())
        });
        let body: &[u8] = match is_form && !head.headers.contains_key(header::CONTENT_ENCODING) {
            true => &body,
            false => &[],
        };
        let query = head.uri.query().unwrap_or_default().as_bytes();
        let pairs: Vec<_> = form_urlencoded::parse(body)
            .chain(form_urlencoded::parse(query))
            .map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())))
            .collect();
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

/// User and password of `Authorization: Basic` (RFC 7617).
fn basic(head: &Parts) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let value = head.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = value.split_once(' ')?;
    let decoded = Zeroizing::new(Base64::decode_vec(shown.trim()).ok()?);
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let own = |text: &str| Zeroizing::new(text.to_owned());
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (own(user), own(password)))
}

/// JSON that is nobody else's to see.
pub(super) fn tell(status: StatusCode, body: &Value) -> Response<Body> {
    reply(status, JSON, body.to_string())
}

/// A refusal in the words of the org (S§2.2).
pub(super) fn refuse(status: StatusCode, error: &str, description: &str) -> Response<Body> {
    let body = json!({ "error": error, "error_description": description });
    tell(status, &body)
}

pub(super) fn wrong_method(allow: &'static str) -> Response<Body> {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let description = format!("must use HTTP {}", allow.replace(", ", " or "));
    let mut response = refuse(status, "invalid_request", &description);
    let allow = HeaderValue::from_static(allow);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

const FORM: &str = "application/x-www-form-urlencoded";
