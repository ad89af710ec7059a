//! `[org.NAME.client_names]`: who calls, by the listener that it comes in by.

use std::{path::Path, sync::Arc};

use super::{
    Listen, Org,
    document::Value,
    problem::{Origin, Problems},
    section::Section,
    value,
};
use crate::system::escape;

/// The name of the clients of each listener that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientNames(Vec<ClientName>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct ClientName {
    listen: Listen,
    name: Arc<str>,
    origin: Origin,
}

impl ClientNames {
    /// Calls the clients that come in by `listen` by `name`.
    pub fn add(&mut self, listen: Listen, name: &str) {
        self.0.push(ClientName {
            listen,
            name: name.into(),
            origin: Origin::File,
        });
    }

    /// The name of the clients that come in by `listen`.
    pub(crate) fn of(&self, listen: &Listen) -> Option<&Arc<str>> {
        self.entry(listen).map(|entry| &entry.name)
    }

    /// All names.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| &*entry.name)
    }

    fn entry(&self, listen: &Listen) -> Option<&ClientName> {
        self.0.iter().find(|entry| entry.names(listen))
    }
}

impl ClientName {
    /// Returns whether it is for `listen`, which may be more than the address that was written:
    /// `localhost` includes 127.0.0.1.
    fn names(&self, listen: &Listen) -> bool {
        self.listen == *listen || listen.is_fixed() && self.listen.meets(listen)
    }
}

/// Reads the section of an org that listens on `all`.
pub(super) fn read(section: Section<'_>, all: &[Listen], folder: &Path) -> ClientNames {
    let named = section.values(|key, value| {
        let listen = Listen::parse(key, folder)?;
        if !all.contains(&listen) {
            let all: Vec<_> = all.iter().map(|listen| format!("\"{listen}\"")).collect();
            return Err(format!(
                "the org does not listen there; name one of the addresses in listen, {}, or add \
                 this one to it",
                all.join(", ")
            ));
        }
        if matches!(listen, Listen::Unix(_)) {
            return Err("clients of a Unix socket are named by their user; remove this".to_owned());
        }
        Ok((listen, name(value)?))
    });
    let entry = |((listen, name), origin): ((_, String), _)| ClientName {
        listen,
        name: name.into(),
        origin,
    };
    ClientNames(named.into_iter().map(entry).collect())
}

/// Reports names that differ for one listener, which orgs may share: who comes in by it is one client.
pub(super) fn check(orgs: &[Org], problems: &Problems) {
    let mut known: Vec<(&Listen, &str, &ClientName)> = Vec::new();
    for org in orgs {
        for entry in &org.client_names.0 {
            for listen in org.listens().filter(|listen| entry.names(listen)) {
                let mut others = known.iter().filter(|(other, ..)| *other == listen);
                if let Some((_, org_name, _)) = others.find(|(.., other)| other.name != entry.name)
                {
                    let key = format!("org.{}.client_names", org.name);
                    problems.add(entry.origin, &key, format!(
                        "the clients of {listen} have another name in org.{org_name}; give them one, \
                         or give each org a listener of its own"
                    ));
                }
                known.push((listen, &org.name, entry));
            }
        }
    }
}

fn name(value: &Value) -> Result<String, String> {
    let name = value::text(value)?;
    if name.trim().is_empty() {
        return Err("must not be empty; write a name such as \"nightly-load\"".to_owned());
    }
    if let Some(odd) = name.chars().find(|c| escape::is_tricky(*c)) {
        return Err(format!(
            "must not contain control or invisible characters, but has {}; write a name such as \
             \"nightly-load\"",
            odd.escape_unicode()
        ));
    }
    if name.len() > LONGEST {
        return Err(format!(
            "must have at most {LONGEST} bytes, but has {}",
            name.len()
        ));
    }
    Ok(name.to_owned())
}

/// Bytes.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_for_its_listener_and_for_what_that_is_a_part_of() {
        let mut names = ClientNames::default();
        let parse = |text: &str| Listen::parse(text, Path::new("")).unwrap();
        names.add(parse("127.0.0.1:8081"), "load");
        names.add(parse("localhost:0"), "any");
        let of = |text: &str| names.of(&parse(text)).map(|name| &**name);
        assert_eq!(of("127.0.0.1:8081"), Some("load"));
        assert_eq!(of("localhost:8081"), Some("load"));
        assert_eq!(of("localhost:0"), Some("any"));
        for other in ["[::1]:8081", "127.0.0.1:8080", "127.0.0.1:0", "unix:/x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
