//! Which paths lead somewhere that a shared session must not go.

use percent_encoding::percent_decode;

use super::Endpoint;
use crate::family::REST_ROOT;

/// Judges `path` by what is denied, as any server on the way might read it: decoded once or more,
/// with `\` for `/`, without `;parameters`, empty segments skipped. The very bytes judged are what is
/// sent. What is ours to answer must be spelled plainly; `allowed` opens the rest.
///
/// # Errors
/// Why it is denied. Dot segments always are: they mean one thing here and another there.
pub(super) fn judge(path: &str, allowed: &[String]) -> Result<Option<Endpoint>, Denied> {
    match is_plain(path.as_bytes()) {
        true if path.starts_with(REST_ROOT) => Ok(None),
        true => judge_words(path.as_bytes(), true, allowed),
        false => judge_decoded(&decode(path)?, allowed),
    }
}

/// Whether there is nothing to decode and no segment begins with a dot, as in nearly all paths.
fn is_plain(path: &[u8]) -> bool {
    // Both go to the end, whatever they find: many bytes at a time then take as long as one.
    let special = |found, byte: &u8| found | matches!(byte, b'%' | b'\\' | b';');
    let dotted = |found, (first, second): (&u8, &u8)| found | (*first == b'/' && *second == b'.');
    let rest = path.get(1..).unwrap_or_default();
    !path.iter().fold(false, special) && !path.iter().zip(rest).fold(false, dotted)
}

fn judge_decoded(path: &[u8], allowed: &[String]) -> Result<Option<Endpoint>, Denied> {
    if segments(path).any(|segment| matches!(segment, b"." | b"..")) {
        return Err(Denied::DotSegment);
    }
    if is_soap(segments(path)) {
        return Err(Denied::Disguised);
    }
    judge_words(path, false, allowed)
}

/// Whether the words of a path lead to SOAP, where the letter of the API decides what is ours.
fn is_soap<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> bool {
    let is = |found: Option<&[u8]>, word: &str| {
        found.is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    words.any(|word| is(Some(word), "services")) && is(words.next(), "soap")
}

fn judge_words(
    path: &[u8],
    is_plain: bool,
    allowed: &[String],
) -> Result<Option<Endpoint>, Denied> {
    let Some(why) = denied(segments(path)) else {
        return Ok(None);
    };
    let mut words = segments(path);
    let endpoint = Endpoint::of(&mut words);
    let is_whole = words.next().is_none();
    let is_allowed = is_allowed(path, allowed);
    match endpoint {
        Some(endpoint) if is_plain && is_whole && (endpoint.is_shielded() || !is_allowed) => {
            Ok(Some(endpoint))
        }
        Some(endpoint) if endpoint.is_shielded() => Err(why),
        _ if is_allowed => Ok(None),
        _ => Err(why),
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
        "the path of a SOAP API has an encoded character, a backslash or a semicolon, which not every server reads alike; spell it plainly"
    )]
    Disguised,
    #[error(
        "/secur/ pages hand the session that all clients share out to a browser, or end it for all; if you must, add the path to guard.allow_paths"
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
            "/services/oauth2/revoke/x",
            "/services/oauth2;x=y/revoke",
            "/services%2foauth2%2Frevoke",
            "/%73ervices/oauth2/revoke",
            "/%2573ervices/oauth2/revoke",
            "/services\\oauth2\\revoke",
            "/services%5coauth2%5crevoke",
            "/services/%6fauth2/revoke",
            "/customers/services/oauth2/revoke",
            "/secur/frontdoor.jsp",
            "/Secur/logout.jsp/x",
            "/secur/logout.jsp;x",
            "/site/secur/logout.jsp",
            "/services/oauth2/userinfo%2f..%2frevoke",
            "/services/oauth2/userinfo/../revoke",
            "/services/data/%2e%2e/oauth2/revoke",
            "/services/data/.;x/v62.0",
            "/services/Soap/%75/64.0",
            "/services/Soap/u;x/64.0",
            "/services/Soap/%2575/64.0",
            "/services/%53oap/u/64.0",
            "/services/Soap;x/u/64.0",
            "/site/services\\Soap/u/64.0",
        ] {
            assert!(judge(path, &[]).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_decoded_does_not_break_a_line_of_the_log() {
        let denied = judge("/services/oauth2/%0a%1b[31mERROR", &[]).unwrap_err();
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
            assert_eq!(judge(path, &[]), Ok(None), "{path}");
        }
    }

    #[test]
    fn what_is_ours_to_answer_is_plain_and_whole() {
        for (path, endpoint) in [
            ("/services/oauth2/token", Endpoint::Token),
            ("//services//oauth2//revoke/", Endpoint::Revoke),
            ("/SERVICES/OAuth2/Introspect", Endpoint::Introspect),
            ("/secur/logout.jsp", Endpoint::Logout),
            ("//Secur/LOGOUT.jsp/", Endpoint::Logout),
        ] {
            assert_eq!(judge(path, &[]), Ok(Some(endpoint)), "{path}");
        }
    }

    #[test]
    fn a_setting_opens_one_path_and_what_lies_below() {
        let allowed = ["/services/oauth2/introspect".to_owned()];
        assert_eq!(judge("/services/oauth2/introspect", &allowed), Ok(None));
        assert_eq!(judge("//Services/oauth2/introspect/", &allowed), Ok(None));
        assert!(judge("/services/oauth2/introspector", &allowed).is_err());
        assert!(judge("/services/oauth2/singleaccess", &allowed).is_err());
    }

    #[test]
    fn no_setting_opens_what_ends_the_session() {
        let allowed = ["/services/oauth2".to_owned(), "/secur".to_owned()];
        assert_eq!(judge("/services/oauth2/singleaccess", &allowed), Ok(None));
        for path in ["/services/oauth2/revoke", "/secur/logout.jsp"] {
            assert!(judge(path, &allowed).is_ok_and(|endpoint| endpoint.is_some()));
        }
        for path in [
            "/services/oauth2/%72evoke",
            "/services/oauth2/revoke/x",
            "/services/oauth2/revoke;x",
            "/services%2foauth2/token",
            "/secur/logout%2ejsp",
            "/secur\\logout.jsp",
        ] {
            assert!(judge(path, &allowed).is_err(), "{path}");
        }
    }
}
