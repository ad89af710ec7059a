//! The signed JWT that stands for a password (RFC 7523).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::config;

/// Signs an assertion for `org` with `key`, valid from `now` on for three minutes.
///
/// `iat`, `jti` and `nbf` are left out: nothing asks for them, and each could only be refused.
pub(crate) fn sign(
    org: &config::Org,
    key: &EncodingKey,
    now: SystemTime,
) -> Result<Zeroizing<String>, jsonwebtoken::errors::Error> {
    let claims = Claims {
        iss: org.credential.client_id(),
        sub: &org.username,
        aud: &org.audience,
        exp: exp(now),
    };
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key).map(Zeroizing::new)
}

/// Seconds. A clock before 1970 is refused as any clock that is behind.
fn exp(now: SystemTime) -> u64 {
    let age = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    age.saturating_add(LIFETIME).as_secs()
}

/// The four claims that Salesforce reads: [`crate::salesforce::facts::jwt_bearer`]. `aud` is one
/// string: a list is refused.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

/// The value that other clients of the flow use; documented bounds differ from enforced ones.
const LIFETIME: Duration = Duration::from_secs(180);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_clock_makes_an_assertion() {
        let second = Duration::from_secs(1);
        let most = Duration::from_secs(i64::MAX.unsigned_abs());
        assert_eq!(exp(UNIX_EPOCH + second), 181);
        assert_eq!(exp(UNIX_EPOCH - second), 180);
        assert_eq!(exp(UNIX_EPOCH - most), 180);
        assert_eq!(exp(UNIX_EPOCH + most), i64::MAX.unsigned_abs() + 180);
    }
}
