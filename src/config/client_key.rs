//! The secret that clients present.

use std::fmt::{self, Debug, Formatter};

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// A secret that clients present: printable ASCII, compared in constant time, never printed. Only
/// its digest is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey([u8; 32]);

impl ClientKey {
    /// Takes printable ASCII, because a header must carry it, of at least 16 characters, so that
    /// nobody guesses it.
    pub fn new(key: &[u8]) -> Result<Self, String> {
        if !key.iter().all(u8::is_ascii_graphic) {
            return Err("must be printable ASCII without spaces".to_owned());
        }
        if key.len() < SHORTEST {
            return Err(format!(
                "must have at least {SHORTEST} characters; create one with `openssl rand -hex 32`"
            ));
        }
        Ok(Self(sha256(key)))
    }

    /// Takes a secret that someone else chose, such as a password.
    pub(super) fn of(secret: &[u8]) -> Self {
        Self(sha256(secret))
    }

    /// The digest of the key, from which the key cannot be computed.
    pub(crate) fn digest(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether a client has shown this key.
    pub fn matches(&self, shown: &[u8]) -> bool {
        // All digests have the same length, so not even the key's length shows in the time that
        // this takes.
        self.0.ct_eq(&sha256(shown)).into()
    }
}

impl Debug for ClientKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn sha256(text: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text).as_ref());
    bytes
}

const SHORTEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_matches() {
        let key = ClientKey::new(b"correct-horse-battery").unwrap();
        assert!(key.matches(b"correct-horse-battery"));
        assert!(!key.matches(b"correct-horse-batterx"));
        assert!(!key.matches(b"correct-horse-batter"));
        assert!(!key.matches(b""));
    }

    #[test]
    fn it_never_shows_itself() {
        let key = ClientKey::new(b"correct-horse-battery").unwrap();
        assert_eq!(format!("{key:?}"), "[redacted]");
    }

    #[test]
    fn what_is_short_or_no_header_value_is_refused() {
        assert!(ClientKey::new(b"fifteen-letters").is_err());
        assert!(ClientKey::new(b"sixteen letters!").is_err());
        assert!(ClientKey::new("sechzehn-zeichen-ä".as_bytes()).is_err());
    }
}
