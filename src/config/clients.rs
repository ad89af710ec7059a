//! The users that may log in to the proxy.

use std::collections::BTreeMap;

use super::ClientKey;

/// The user names that clients may log in to the proxy with, and the password of each. The org
/// knows neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clients(BTreeMap<String, ClientKey>);

impl Clients {
    /// Admits `name` with `password`, of which only a digest is kept.
    pub fn add(&mut self, name: String, password: &[u8]) {
        self.0.insert(name, ClientKey::of(password));
    }

    /// Each name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Each name, and the digest of its password.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, key)| (&**name, key.digest()))
    }

    /// Returns whether `password` is that of `name`.
    pub fn admit(&self, name: &str, password: &[u8]) -> bool {
        self.0.get(name).is_some_and(|key| key.matches(password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pair_is_admitted() {
        let mut clients = Clients::default();
        clients.add("etl@example.com".to_owned(), b"one");
        clients.add("bi@example.com".to_owned(), b"two");
        for (name, password, admitted) in [
            ("etl@example.com", "one", true),
            ("bi@example.com", "two", true),
            ("etl@example.com", "two", false),
            ("etl@example.com", "", false),
            ("ETL@example.com", "one", false),
            ("nobody@example.com", "one", false),
            ("", "", false),
        ] {
            assert_eq!(clients.admit(name, password.as_bytes()), admitted, "{name}");
        }
    }
}
