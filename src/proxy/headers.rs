//! Changes to headers that both directions make.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode;

/// About the bytes of memory that they take.
pub(crate) fn bytes(headers: &HeaderMap) -> usize {
    let all = headers.iter();
    all.map(|(name, value)| EACH + name.as_str().len() + value.len())
        .sum()
}

/// What a line takes beside its name and value.
const EACH: usize = 100;

/// Removes hop-by-hop headers (RFC 9110 section 7.6.1): first those that `Connection` names, then
/// those that are known.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if !has(headers, is_hop_by_hop) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| members(line.as_bytes()))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        // The length of a body does not concern a connection: framing would be lost.
        .filter(|name| *name != header::CONTENT_LENGTH)
        .collect();
    for name in named {
        headers.remove(name);
    }
    strip(headers, is_hop_by_hop);
}

/// The members of a comma-separated list (RFC 9110 section 5.6.1).
pub(crate) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Removes every header whose name `drops`.
pub(crate) fn strip(headers: &mut HeaderMap, drops: impl Fn(&str) -> bool) {
    if !has(headers, &drops) {
        return;
    }
    let dropped: Vec<HeaderName> = headers
        .keys()
        .filter(|name| drops(name.as_str()))
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// Returns whether any name is such. Most messages have none, which one pass shows: to look each up
/// would cost more than all else that is done to a head.
pub(crate) fn has(headers: &HeaderMap, is_such: impl Fn(&str) -> bool) -> bool {
    headers.keys().any(|name| is_such(name.as_str()))
}

/// The same as `HeaderMap::contains_key`, which costs more where there are as few as there mostly
/// are.
pub(crate) fn contains(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.keys().any(|other| other == name)
}

/// Returns whether a cookie pair such as ` sid=00D…` is a session of the org's web pages. That without a
/// name in `=sid=00D…` is sent back as if it had one.
pub(crate) fn is_session_cookie(pair: impl AsRef<[u8]>) -> bool {
    let pair = pair.as_ref().trim_ascii_start();
    let pair = pair.strip_prefix(b"=").unwrap_or(pair);
    let name = pair.split(|byte| *byte == b'=').next();
    let name = name.unwrap_or_default().trim_ascii();
    PAGE_SESSIONS
        .iter()
        .any(|session| name.eq_ignore_ascii_case(session.as_bytes()))
}

/// Makes a cookie of the org one that a client keeps for the proxy: without `Domain`, which names
/// another host, and, unless the client came by TLS (`secure`), without `Secure`. Either makes
/// clients crash or forget. `None` for the sessions of web pages.
pub(crate) fn local_cookie(cookie: &HeaderValue, secure: bool) -> Option<HeaderValue> {
    if is_session_cookie(cookie) {
        return None;
    }
    // Without `Secure`, no client keeps one of such a name.
    let is_named_secure = [&b"__host-"[..], b"__secure-"]
        .iter()
        .any(|prefix| starts_with(cookie.as_bytes().trim_ascii_start(), prefix));
    let secure = secure || is_named_secure;
    let kept: Vec<&[u8]> = cookie
        .as_bytes()
        .split(|byte| *byte == b';')
        .enumerate()
        .filter(|(index, attribute)| {
            let attribute = attribute.trim_ascii();
            let name = attribute
                .split(|byte| *byte == b'=')
                .next()
                .unwrap_or_default();
            let is = |other: &[u8]| name.trim_ascii().eq_ignore_ascii_case(other);
            // The others are valid with `Secure` only.
            let needs_tls =
                is(b"secure") || is(b"partitioned") || is(b"samesite") && is_none(attribute);
            *index == 0 || !is(b"domain") && (secure || !needs_tls)
        })
        .map(|(_, attribute)| attribute)
        .collect();
    HeaderValue::from_bytes(&kept.join(&b";"[..])).ok()
}

/// Returns whether `text` begins with `prefix`, in whatever case.
pub(crate) fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    let start = text.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Returns whether this is `SameSite=None`, in whatever spelling.
fn is_none(attribute: &[u8]) -> bool {
    let value = attribute.rsplit(|byte| *byte == b'=').next();
    let value = value.unwrap_or_default().trim_ascii();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    value
        .strip_suffix(b"\"")
        .unwrap_or(value)
        .eq_ignore_ascii_case(b"none")
}

/// Returns whether `text`, percent-decoded and in lower case, is `plain`.
pub(crate) fn decodes_to(text: &[u8], plain: &str) -> bool {
    // It gets no longer by being decoded.
    text.len() >= plain.len()
        && percent_decode(text)
            .map(|byte| byte.to_ascii_lowercase())
            .eq(plain.bytes())
}

/// Returns whether a header is about the org's own address, and would be wrong about the proxy's:
/// browsers would keep it for every port of localhost. `Proxy-Status` marks responses of the proxy
/// itself.
pub(crate) fn is_foreign(name: &str) -> bool {
    matches!(
        name,
        "alt-svc"
            | "clear-site-data"
            | "expect-ct"
            | "nel"
            | "proxy-status"
            | "public-key-pins"
            | "public-key-pins-report-only"
            | "report-to"
            | "reporting-endpoints"
            | "strict-transport-security"
    )
}

/// Returns whether a header of the org's responses is not passed on as it is.
pub(crate) fn is_localized(name: &str) -> bool {
    matches!(name, "content-location" | "location" | "set-cookie")
        || is_hop_by_hop(name)
        || is_foreign(name)
}

/// Returns whether a header concerns one connection only.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// The cookies in which Salesforce's pages keep a session. Other names that begin so, such as
/// `sidebar`, are somebody else's.
const PAGE_SESSIONS: [&str; 3] = ["sid", "sid_Client", "oid"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_become_ours() {
        for (theirs, ours) in [
            ("a=b", Some("a=b")),
            (
                "BrowserId=x; domain=.salesforce.com; path=/; Secure; SameSite=None",
                Some("BrowserId=x; path=/"),
            ),
            (
                "a=b; SECURE ;SameSite = None ; Partitioned;HttpOnly",
                Some("a=b;HttpOnly"),
            ),
            (
                "a=b; SameSite=Lax; Max-Age=5",
                Some("a=b; SameSite=Lax; Max-Age=5"),
            ),
            ("secure=domain; path=/", Some("secure=domain; path=/")),
            ("sid=00D; path=/", None),
            ("sid_Client=x", None),
            ("a=b; SameSite=\"None\"; Secure", Some("a=b")),
            (
                "__Host-a=b; Secure; SameSite=None; path=/",
                Some("__Host-a=b; Secure; SameSite=None; path=/"),
            ),
            (
                " __secure-a=b; domain=x; Secure",
                Some(" __secure-a=b; Secure"),
            ),
            ("sidebar=1", Some("sidebar=1")),
            ("side", Some("side")),
            ("SID=x", None),
            ("oid=00D", None),
            ("oids=1", Some("oids=1")),
        ] {
            let cookie = local_cookie(&HeaderValue::from_static(theirs), false);
            let cookie = cookie.as_ref().map(|cookie| cookie.to_str().unwrap());
            assert_eq!(cookie, ours, "{theirs}");
        }
    }

    #[test]
    fn cookies_stay_secure_where_we_are() {
        for (theirs, ours) in [
            (
                "BrowserId=x; domain=.salesforce.com; path=/; Secure; SameSite=None; Partitioned",
                Some("BrowserId=x; path=/; Secure; SameSite=None; Partitioned"),
            ),
            ("a=b; DOMAIN = x ;Secure", Some("a=b;Secure")),
            ("sid=00D; path=/; Secure", None),
            ("oid=00D; Secure", None),
        ] {
            let cookie = local_cookie(&HeaderValue::from_static(theirs), true);
            let cookie = cookie.as_ref().map(|cookie| cookie.to_str().unwrap());
            assert_eq!(cookie, ours, "{theirs}");
        }
    }
}
