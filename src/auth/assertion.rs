//! The signed JWT that stands for a password (RFC 7523).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::config::{self, PrivateKey};

/// Signs an assertion for `org` with `key`, valid from `now` on for three minutes.
///
/// `iat`, `jti` and `nbf` are left out: nothing asks for them, and each could only be refused
/// (S§1.1).
pub(crate) fn sign(
    org: &config::Org,
    key: &PrivateKey,
    now: SystemTime,
) -> Result<Zeroizing<String>, jsonwebtoken::errors::Error> {
    let claims = Claims {
        iss: &org.client_id,
        sub: &org.username,
        aud: &org.audience,
        exp: (now + LIFETIME)
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs(),
    };
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key.encoding_key())
        .map(Zeroizing::new)
}

/// The four claims that Salesforce reads (S§1.1). `aud` is one string: a list is refused.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

/// What every client of the flow uses; documented bounds differ from enforced ones (S§1.3).
const LIFETIME: Duration = Duration::from_secs(180);
