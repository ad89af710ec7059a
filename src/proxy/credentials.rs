//! The credentials that a client shows (RFC 9110 section 11.4).

use base64ct::{Base64, Encoding};
use http::HeaderValue;
use zeroize::Zeroizing;

/// The value of `Authorization` or `Proxy-Authorization`.
pub(crate) enum Credentials<'a> {
    /// A token (RFC 6750 section 2.1).
    Bearer(&'a [u8]),
    /// A user and a password (RFC 7617).
    Basic {
        user: Zeroizing<Vec<u8>>,
        password: Zeroizing<Vec<u8>>,
    },
}

impl<'a> Credentials<'a> {
    /// Reads a header value. `None` if the scheme is another one, or what follows it is malformed.
    pub(crate) fn read(value: &'a HeaderValue) -> Option<Self> {
        let value = value.as_bytes();
        let space = memchr::memchr(b' ', value)?;
        let (scheme, shown) = (&value[..space], value[space..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            Some(Self::Bearer(shown))
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            let decoded = Base64::decode_vec(std::str::from_utf8(shown).ok()?).ok()?;
            let decoded = Zeroizing::new(decoded);
            let colon = memchr::memchr(b':', &decoded)?;
            Some(Self::Basic {
                user: decoded[..colon].to_vec().into(),
                password: decoded[colon + 1..].to_vec().into(),
            })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts that are read of `value`: a token, or a user and a password.
    fn read(value: &str) -> Option<(Option<String>, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match Credentials::read(&value.parse().unwrap())? {
            Credentials::Bearer(token) => Some((None, text(token))),
            Credentials::Basic { user, password } => Some((Some(text(&user)), text(&password))),
        }
    }

    #[test]
    fn both_schemes_are_read_and_no_other() {
        let basic = |user: &str, password: &str| Some((Some(user.to_owned()), password.to_owned()));
        let bearer = |token: &str| Some((None, token.to_owned()));
        for (value, expected) in [
            ("Bearer abc", bearer("abc")),
            ("bEARER  abc ", bearer("abc")),
            ("Bearer", None),
            ("Bearer ", bearer("")),
            ("Token abc", None),
            ("Basic dXNlcjpwYXNz", basic("user", "pass")),
            ("basic dXNlcjpwOmFzcw==", basic("user", "p:ass")),
            ("Basic OnBhc3M=", basic("", "pass")),
            ("Basic dXNlcg==", None),
            ("Basic dXNlcjpwYXNz!", None),
            ("BasicdXNlcjpwYXNz", None),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }
}
