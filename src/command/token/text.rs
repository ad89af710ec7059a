//! The text that somebody took for a token, and what it is.

use std::borrow::Cow;

use base64ct::{Base64UrlUnpadded, Encoding};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// A text in one of Salesforce's forms.
#[derive(Debug)]
pub(super) enum Text {
    /// A session id of the common form: `00D…!…`.
    Opaque(Zeroizing<String>),
    /// A signed JWT: an assertion, or an access token in that format.
    Jwt(Jwt),
}

#[derive(Debug)]
pub(super) struct Jwt {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// The text that the signature covers.
    pub(super) signed: Zeroizing<String>,
    /// In base64url.
    pub(super) signature: String,
    /// If true, there was white space in it, as when it was wrapped or copied in pieces.
    pub(super) is_broken_up: bool,
}

impl Text {
    /// Finds a token or an assertion in what people copy: itself, a header, a form, or the response
    /// of a token endpoint.
    ///
    /// # Errors
    /// The fault of the text, which does not repeat it.
    pub(super) fn find(given: &str) -> Result<Self, Unreadable> {
        let text = unwrap(given.trim());
        let joined: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
        if joined.is_empty() {
            return Err(Unreadable::Empty);
        }
        if is_session_id(&joined) {
            return Ok(Self::Opaque(joined));
        }
        let is_broken_up = joined.len() < text.len();
        Jwt::parse(&joined, is_broken_up).map(Self::Jwt)
    }
}

impl Jwt {
    fn parse(text: &str, is_broken_up: bool) -> Result<Self, Unreadable> {
        let parts: Vec<_> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(if text.starts_with("eyJ") {
                Unreadable::Parts(parts.len())
            } else {
                Unreadable::Unknown
            });
        };
        // RFC 7519 allows an empty one; RFC 7523 does not.
        if signature.is_empty() {
            return Err(Unreadable::Unsigned);
        }
        decode_part("signature", signature)?;
        Ok(Self {
            header: parse_part("header", header)?,
            claims: parse_part("claims", claims)?,
            signed: Zeroizing::new(format!("{header}.{claims}")),
            signature: signature.to_owned(),
            is_broken_up,
        })
    }
}

/// Removes what is around a token.
fn unwrap(text: &str) -> Cow<'_, str> {
    if text.starts_with('{')
        && let Ok(Value::Object(response)) = serde_json::from_str(text)
        && let Some(Value::String(token)) = response.get("access_token")
    {
        return token.clone().into();
    }
    // The field of a form or a link that counts.
    for field in ["assertion=", "access_token=", "oauth_token=", "sid="] {
        let mut fields = text.split(['&', ';', '?', ' ']);
        if let Some(value) = fields.find_map(|piece| piece.strip_prefix(field)) {
            return percent_decode_str(value).decode_utf8_lossy();
        }
    }
    let mut rest = text;
    for before in ["Authorization:", "X-SFDC-Session:", "Bearer ", "OAuth "] {
        if let Some((start, end)) = rest.split_at_checked(before.len())
            && start.eq_ignore_ascii_case(before)
        {
            rest = end.trim_start();
        }
    }
    rest.trim_matches(['"', '\'']).into()
}

/// `00D` and 12 or 15 characters, an exclamation mark, and the secret:
/// [`crate::salesforce::facts::sessions`].
fn is_session_id(text: &str) -> bool {
    let has_only = |text: &str, more: &str| {
        let is_known = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.chars().all(is_known)
    };
    text.split_once('!').is_some_and(|(org, secret)| {
        org.starts_with("00D")
            && matches!(org.len(), 15 | 18)
            && has_only(org, "")
            && has_only(secret, "._-")
    })
}

fn parse_part(name: &'static str, part: &str) -> Result<Map<String, Value>, Unreadable> {
    let bytes = decode_part(name, part)?;
    serde_json::from_slice(&bytes).map_err(|_| Unreadable::Json(name))
}

fn decode_part(name: &'static str, part: &str) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    match Base64UrlUnpadded::decode_vec(part) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(_) if part.contains(['+', '/', '=']) => Err(Unreadable::Base64(name)),
        Err(_) => Err(Unreadable::Damaged(name)),
    }
}

/// The reason that a text cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("there is nothing to decode")]
    Empty,
    #[error(
        "this is neither a session id (00D…!…) nor a JWT (eyJ….….…); if it was copied, it may be \
         cut off"
    )]
    Unknown,
    #[error(
        "this begins like a JWT, but dots divide it into {0} parts instead of 3; it may be cut off"
    )]
    Parts(usize),
    #[error("this JWT has no signature; it must be signed with RS256")]
    Unsigned,
    #[error(
        "the {0} of this JWT has +, / or =, so it is base64; a JWT uses base64url without padding, with - for + and _ for / (RFC 7515 section 2)"
    )]
    Base64(&'static str),
    #[error("the {0} of this JWT cannot be decoded; it may be cut off or damaged")]
    Damaged(&'static str),
    #[error("the {0} of this JWT is not a JSON object; it may be cut off or damaged")]
    Json(&'static str),
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const SESSION: &str = "00Dxx0000001gPL!AR8AQJXg5oj8.jXSgxJ_A0lBog";

    /// `{"alg":"RS256"}`, `{"iss":"me"}`, and three bytes.
    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2ln";

    #[test_case("TEXT"; "itself")]
    #[test_case("  TEXT\n"; "with space around it")]
    #[test_case("\"TEXT\""; "in quotes")]
    #[test_case("Bearer TEXT"; "scheme")]
    #[test_case("OAuth TEXT"; "the older scheme")]
    #[test_case("Authorization: Bearer TEXT\r\n"; "header")]
    #[test_case("authorization:bearer TEXT"; "header in lower case")]
    #[test_case("X-SFDC-Session: TEXT"; "header of bulk")]
    #[test_case("grant_type=urn%3Aietf%3Ax&assertion=TEXT"; "form")]
    #[test_case("assertion=TEXT&x=y"; "form the other way round")]
    #[test_case("https://acme.my.salesforce.com/secur/frontdoor.jsp?sid=TEXT&x=y"; "link")]
    #[test_case("{\"access_token\": \"TEXT\", \"scope\": \"api\"}"; "response of a token endpoint")]
    fn it_is_found_in(around: &str) {
        let found = Text::find(&around.replace("TEXT", SESSION)).unwrap();
        assert!(
            matches!(&found, Text::Opaque(text) if **text == SESSION),
            "{found:?}"
        );
        let found = Text::find(&around.replace("TEXT", JWT)).unwrap();
        let Text::Jwt(jwt) = found else {
            panic!("{found:?}");
        };
        assert_eq!(jwt.claims["iss"], "me");
        assert!(!jwt.is_broken_up);
    }

    #[test]
    fn what_was_wrapped_is_joined() {
        let wrapped = JWT.replace('.', ".\n  ");
        let Ok(Text::Jwt(jwt)) = Text::find(&wrapped) else {
            panic!("not a JWT");
        };
        assert!(jwt.is_broken_up);
        assert_eq!(*jwt.signed, JWT.rsplit_once('.').unwrap().0);
    }

    #[test]
    fn a_form_encodes_the_exclamation_mark() {
        let form = format!("oauth_token={}", SESSION.replace('!', "%21"));
        assert!(matches!(Text::find(&form), Ok(Text::Opaque(text)) if *text == SESSION));
    }

    #[test_case("", Unreadable::Empty)]
    #[test_case(" \n", Unreadable::Empty; "blank")]
    #[test_case("secret-CANARY", Unreadable::Unknown)]
    #[test_case("00Dxx0000001gPL", Unreadable::Unknown; "id of an org alone")]
    #[test_case("00Dxx0000001gPL!", Unreadable::Unknown; "no secret")]
    #[test_case("00Dxx0000001gPL!a$b", Unreadable::Unknown; "other characters")]
    #[test_case("005xx0000001gPL!abc", Unreadable::Unknown; "id of a user")]
    #[test_case("eyJhbGciOiJSUzI1NiJ9", Unreadable::Parts(1); "one part")]
    #[test_case("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9", Unreadable::Parts(2); "two parts")]
    #[test_case("eyJh.b.c.d.e", Unreadable::Parts(5); "encrypted")]
    #[test_case("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.", Unreadable::Unsigned; "no signature")]
    #[test_case("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2ln+/==", Unreadable::Base64("signature"); "base64")]
    #[test_case("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJt.c2ln", Unreadable::Json("claims"); "cut off within")]
    #[test_case("eyJhbGciOiJSUzI1NiJ9.%%%%.c2ln", Unreadable::Damaged("claims"); "damaged")]
    #[test_case("eyJhbGciOiJSUzI1NiJ9.WyJpc3MiXQ.c2ln", Unreadable::Json("claims"); "a list")]
    fn it_is_unreadable(text: &str, why: Unreadable) {
        let error = Text::find(text).unwrap_err();
        assert_eq!(error, why);
        assert!(!error.to_string().contains("CANARY"));
    }
}
