//! The ways in which a client may show its key: a legacy tool can do one and not the other.

use http::{HeaderMap, HeaderValue, header};

use super::CLIENT_KEY_HEADER;
use crate::{config::ClientKey, proxy::credentials::Credentials};

/// Returns whether `headers` show `key` in one of the places for it.
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

/// `Bearer KEY`, or `Basic` with the key as the password of any user.
fn matches(value: &HeaderValue, key: &ClientKey) -> bool {
    match Credentials::read(value) {
        Some(Credentials::Bearer(shown)) => key.matches(shown),
        Some(Credentials::Basic { password, .. }) => key.matches(&password),
        None => false,
    }
}
