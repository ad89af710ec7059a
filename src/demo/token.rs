//! The token endpoint: the JWT bearer flow, with the errors of the real one.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jsonwebtoken::{Algorithm, Header, Validation, dangerous, decode, decode_header, encode};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{
    Inner,
    answer::{Answer, Content},
    id::ORG_ID,
    session::opaque_token,
};

/// The app's consumer key.
pub(super) const CLIENT_ID: &str = "3MVG9orgproxy.demo_app.consumer_key.A1b2C3d4E5f6G7h8I9j0";

/// The user that the app may log in as.
pub(super) const USERNAME: &str = "integration@demo.example";

impl Inner {
    pub(super) fn login(&self, method: &Method, headers: &HeaderMap, form: &Bytes) -> Answer {
        let refusal = self.knobs().refusal.filter(|_| method == Method::POST);
        let answer = match (self.check(method, headers, form), refusal) {
            (_, Some(refusal)) => {
                self.log.count(|counts| counts.refusals += 1);
                super::refusal::answer(refusal)
            }
            (Ok(user), None) => self.grant(&user),
            (Err((error, description)), None) => {
                self.log.count(|counts| counts.refusals += 1);
                let body = json!({"error": error, "error_description": description});
                Answer::new(StatusCode::BAD_REQUEST, Content::Json(body))
            }
        };
        answer.header(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache,must-revalidate,max-age=0,no-store,private"),
        )
    }

    fn check(
        &self,
        method: &Method,
        headers: &HeaderMap,
        form: &Bytes,
    ) -> Result<String, (&'static str, &'static str)> {
        if method != Method::POST {
            return Err(("invalid_request", "must use HTTP POST"));
        }
        let is_form = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-"));
        let field = |name| {
            form_urlencoded::parse(form)
                .find(|(key, _)| is_form && key == name)
                .map(|(_, value)| value)
        };
        if field("grant_type").as_deref() != Some(JWT_BEARER) {
            return Err(("unsupported_grant_type", "grant type not supported"));
        }
        let assertion = field("assertion").ok_or(INVALID_ASSERTION)?;
        self.check_assertion(assertion.as_bytes())
    }

    /// Returns the user that it is for.
    fn check_assertion(&self, assertion: &[u8]) -> Result<String, (&'static str, &'static str)> {
        let claims = dangerous::insecure_decode_claims::<Map<String, Value>>(assertion)
            .map_err(|_| INVALID_ASSERTION)?;
        let claim = |name| claims.get(name).and_then(Value::as_str);

        if claim("iss") != Some(self.app.client_id.as_str()) {
            return Err(("invalid_client_id", "client identifier invalid"));
        }
        // Checks only the signature: the claims have their own errors below.
        let mut signature = Validation::new(Algorithm::RS256);
        signature.required_spec_claims.clear();
        signature.validate_exp = false;
        signature.validate_aud = false;
        let key = self.app.verify(now()).ok_or(INVALID_ASSERTION)?;
        decode_header(assertion)
            .and_then(|_| decode::<Value>(assertion, &key, &signature))
            .map_err(|_| INVALID_ASSERTION)?;

        let audiences = [
            &*self.origin,
            "https://login.salesforce.com",
            "https://test.salesforce.com",
        ];
        if !claim("aud").is_some_and(|aud| audiences.contains(&aud)) {
            return Err(("invalid_grant", "audience is invalid"));
        }
        let expires = match claims.get("exp") {
            Some(Value::Number(seconds)) => seconds.as_u64(),
            Some(Value::String(seconds)) => seconds.parse().ok(),
            _ => None,
        };
        if expires.ok_or(INVALID_ASSERTION)?.saturating_add(CLOCK_SKEW) < now() {
            return Err(("invalid_grant", "expired authorization code"));
        }
        // `prn` is the older name, and takes precedence if both are there.
        let user = claim("prn").or_else(|| claim("sub")).unwrap_or_default();
        match self.number_of(user) {
            Some(_) => Ok(user.to_owned()),
            None => Err(("invalid_grant", "user hasn't approved this consumer")),
        }
    }

    fn grant(&self, user: &str) -> Answer {
        let knobs = self.knobs();
        let reused = if knobs.reuse_session {
            self.sessions.living(user, knobs.session_timeout)
        } else {
            None
        };
        let token = match reused {
            Some(token) => token,
            None => {
                let made = if knobs.jwt_tokens {
                    self.jwt_token(user, knobs.session_timeout.as_secs())
                } else {
                    opaque_token().ok()
                };
                let Some(token) = made else {
                    return Answer::empty(StatusCode::INTERNAL_SERVER_ERROR);
                };
                self.sessions.start(token.clone(), user);
                token
            }
        };
        self.log.count(|counts| counts.logins += 1);
        self.log.count_login_of(user);

        let instance_url = knobs.instance_url.as_deref().unwrap_or(&self.origin);
        let mut body = json!({
            "access_token": token,
            "scope": "web openid api id",
            "instance_url": instance_url,
            "id": self.identity_url(&self.user(Some(user))),
            "token_type": "Bearer",
        });
        if let Some(seconds) = knobs.expires_in {
            body["expires_in"] = seconds.into();
        }
        Answer::json(body)
    }

    fn jwt_token(&self, user: &str, lives: u64) -> Option<String> {
        let header = Header::new(Algorithm::RS256);
        let claims = json!({
            "scp": "web openid api id",
            "aud": [self.origin],
            "sub": format!("uid:{}", self.user(Some(user)).id),
            "iss": self.origin,
            "org_id": ORG_ID,
            "client_id": self.app.client_id,
            "iat": now(),
            "exp": now() + lives,
            // Makes every token different.
            "jti": opaque_token().ok()?,
        });
        encode(&header, &claims, &self.certificates.sign).ok()
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs())
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const INVALID_ASSERTION: (&str, &str) = ("invalid_grant", "invalid assertion");

/// Seconds by which clocks may differ.
const CLOCK_SKEW: u64 = 180;
