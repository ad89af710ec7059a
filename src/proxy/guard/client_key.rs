//! The ways in which a client may show its key: a legacy tool can do one and not the other.

use base64ct::{Base64, Encoding};
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use super::CLIENT_KEY_HEADER;
use crate::config::ClientKey;

/// Whether `headers` show `key` in one of the places for it.
pub(super) fn shows(headers: &HeaderMap, key: &ClientKey) -> bool {
    let credentials = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION];
    headers
        .get_all(CLIENT_KEY_HEADER)
        .iter()
        .any(|value| key.matches(value.as_bytes()))
        || credentials
            .iter()
            .flat_map(|name| headers.get_all(name))
            .any(|value| matches(value, key))
}

/// `Bearer KEY`, or `Basic` with the key as the password of any user (RFC 7617).
fn matches(value: &HeaderValue, key: &ClientKey) -> bool {
    let value = value.as_bytes();
    let Some(space) = value.iter().position(|byte| *byte == b' ') else {
        return false;
    };
    let (scheme, shown) = (&value[..space], value[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return key.matches(shown);
    }
    let Some(decoded) = std::str::from_utf8(shown)
        .ok()
        .and_then(|shown| Base64::decode_vec(shown).ok())
        .map(Zeroizing::new)
    else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"basic")
        && decoded
            .iter()
            .position(|byte| *byte == b':')
            .is_some_and(|colon| key.matches(&decoded[colon + 1..]))
}
