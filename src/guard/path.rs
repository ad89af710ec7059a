//! Which paths lead somewhere that a shared session must not go.

use percent_encoding::percent_decode;

/// Checks `path` against what is denied, as any server on the way might read it: decoded once or
/// more, with `\` for `/`, without `;parameters`, empty segments skipped. The very bytes judged are
/// what is sent.
///
/// # Errors
/// Why it is denied. Dot segments always are: they mean one thing here and another there.
pub(super) fn check(path: &str, allowed: &[String]) -> Result<(), Denied> {
    match is_plain(path.as_bytes()) {
        true => check_words(path.as_bytes(), allowed),
        false => check_decoded(&decode(path)?, allowed),
    }
}

/// Whether there is nothing to decode and no segment begins with a dot, as in nearly all paths.
fn is_plain(path: &[u8]) -> bool {
    let (mut plain, mut before) = (true, 0);
    // To its end, whatever it finds: that takes less time than to stop early.
    for &byte in path {
        plain &= !matches!(byte, b'%' | b'\\' | b';') && !(byte == b'.' && before == b'/');
        before = byte;
    }
    plain
}

fn check_decoded(path: &[u8], allowed: &[String]) -> Result<(), Denied> {
    if segments(path).any(|segment| matches!(segment, b"." | b"..")) {
        return Err(Denied::DotSegment);
    }
    check_words(path, allowed)
}

fn check_words(path: &[u8], allowed: &[String]) -> Result<(), Denied> {
    match denied(segments(path)) {
        Some(why) if !is_allowed(path, allowed) => Err(why),
        _ => Ok(()),
    }
}

fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| matches!(byte, b'/' | b'\\'))
        .map(|segment| {
            segment
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default()
        })
        .filter(|segment| !segment.is_empty())
}

/// Decodes until nothing is left to decode: whether the org does it once or twice is not ours to
/// know.
fn decode(path: &str) -> Result<Vec<u8>, Denied> {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..MOST_DECODINGS {
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        if decoded == bytes {
            return Ok(bytes);
        }
        bytes = decoded;
    }
    Err(Denied::DotSegment)
}

/// Sites have a path of their own before `services`, so the first of these words decides.
fn denied<'a>(mut segments: impl Iterator<Item = &'a [u8]>) -> Option<Denied> {
    let is = |segment: &[u8], word: &str| segment.eq_ignore_ascii_case(word.as_bytes());
    let first = segments.find(|segment| is(segment, "services") || is(segment, "secur"))?;
    if is(first, "secur") {
        return Some(Denied::Secur);
    }
    match (segments.next(), segments.next()) {
        (Some(api), Some(action)) if is(api, "oauth2") && !is(action, "userinfo") => {
            // Decoded, it may hold anything, and it goes into logs.
            Some(Denied::OAuth(action.escape_ascii().to_string()))
        }
        _ => None,
    }
}

/// `allowed` holds paths such as `/services/oauth2/introspect`, which open what lies below too.
fn is_allowed(path: &[u8], allowed: &[String]) -> bool {
    allowed.iter().any(|allowed| {
        let mut ours = segments(path);
        segments(allowed.as_bytes()).all(|word| {
            ours.next()
                .is_some_and(|segment| segment.eq_ignore_ascii_case(word))
        })
    })
}

/// Why a path is denied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error(
        "the path has a segment . or .., plain or encoded, which not every server reads alike; send it resolved"
    )]
    DotSegment,
    #[error(
        "/secur/ pages turn a session into a browser's login or end it for all who share it; if you must, add the path to guard.allow_paths"
    )]
    Secur,
    #[error(
        "/services/oauth2/{0} makes, shows or ends sessions, and this one is shared by all clients; if you must, add the path to guard.allow_paths"
    )]
    OAuth(String),
}

/// Rounds. Nobody who means well encodes twice.
const MOST_DECODINGS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shared_session_must_not_reach_is_denied_however_it_is_spelled() {
        for path in [
            "/services/oauth2/singleaccess",
            "/services/oauth2/revoke",
            "/services/oauth2/token",
            "//services//oauth2//revoke/",
            "/SERVICES/OAuth2/Revoke",
            "/services/oauth2;x=y/revoke",
            "/services%2foauth2%2Frevoke",
            "/%73ervices/oauth2/revoke",
            "/%2573ervices/oauth2/revoke",
            "/services\\oauth2\\revoke",
            "/services%5coauth2%5crevoke",
            "/services/%6fauth2/revoke",
            "/customers/services/oauth2/revoke",
            "/secur/frontdoor.jsp",
            "/Secur/logout.jsp",
            "/site/secur/logout.jsp",
            "/services/oauth2/userinfo%2f..%2frevoke",
            "/services/oauth2/userinfo/../revoke",
            "/services/data/%2e%2e/oauth2/revoke",
            "/services/data/.;x/v62.0",
        ] {
            assert!(check(path, &[]).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_decoded_does_not_break_a_line_of_the_log() {
        let denied = check("/services/oauth2/%0a%1b[31mERROR", &[]).unwrap_err();
        assert!(!denied.to_string().contains(char::is_control), "{denied}");
    }

    #[test]
    fn what_clients_use_passes() {
        for path in [
            "/",
            "/services/data/v62.0/query",
            "//services/data/v62.0/query/",
            "/services/oauth2/userinfo",
            "/services/apexrest/secur/oauth2/revoke",
            "/services/data/v62.0/sobjects/Account/Ext__c/a%2Fb%20c",
            "/services/data/v62.0/sobjects/Account/Ext__c/..a",
            "/services/Soap/u/64.0/",
            "/id/00D000000000000/005000000000000",
        ] {
            assert_eq!(check(path, &[]), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_setting_opens_one_path_and_what_lies_below() {
        let allowed = ["/services/oauth2/introspect".to_owned()];
        assert_eq!(check("/services/oauth2/introspect", &allowed), Ok(()));
        assert_eq!(check("//Services/oauth2/introspect/", &allowed), Ok(()));
        assert!(check("/services/oauth2/introspector", &allowed).is_err());
        assert!(check("/services/oauth2/revoke", &allowed).is_err());
    }
}
