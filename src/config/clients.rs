//! The users that may log in to the proxy.

use std::collections::BTreeMap;

use super::ClientKey;

/// The user names that clients may log in to the proxy with, and the password of each. The org
/// knows neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clients(BTreeMap<String, Option<ClientKey>>);

impl Clients {
    /// Admits `name` with `password`, of which only a digest is kept.
    pub fn add(&mut self, name: String, password: &[u8]) {
        self.0.insert(name, Some(ClientKey::of(password)));
    }

    /// Knows `name`, whose password cannot be read, and admits nobody by it.
    pub(super) fn add_locked(&mut self, name: String) {
        self.0.insert(name, None);
    }

    /// Each name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Each name, and the digest of its password.
    pub(crate) fn digests(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let all = self.0.iter();
        all.filter_map(|(name, key)| Some((&**name, key.as_ref()?.digest())))
    }

    /// Returns whether `password` is that of `name`.
    pub fn admit(&self, name: &str, password: &[u8]) -> bool {
        let key = self.0.get(name).and_then(Option::as_ref);
        key.is_some_and(|key| key.matches(password))
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
        clients.add_locked("locked@example.com".to_owned());
        for (name, password, admitted) in [
            ("etl@example.com", "one", true),
            ("bi@example.com", "two", true),
            ("etl@example.com", "two", false),
            ("etl@example.com", "", false),
            ("ETL@example.com", "one", false),
            ("nobody@example.com", "one", false),
            ("locked@example.com", "", false),
            ("", "", false),
        ] {
            assert_eq!(clients.admit(name, password.as_bytes()), admitted, "{name}");
        }
    }
}
