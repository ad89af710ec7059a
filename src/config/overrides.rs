//! Flags and environment variables, which override the file.

#[cfg(feature = "demo")]
use std::env;
use std::{
    collections::BTreeMap,
    fmt::{self, Debug, Formatter},
};

pub use self::keys::KEYS;
use super::{
    document::{Node, Table, Value},
    given,
    problem::{Origin, Problems},
};

mod keys;

/// Values from flags and environment variables, not yet parsed.
#[derive(Clone, Default)]
pub struct Overrides(BTreeMap<&'static str, (&'static Key, Origin, String)>);

/// A key that can be given as a flag and as an environment variable.
#[derive(Debug)]
pub struct Key {
    /// The name in the file, with `tls_`, `admin_`, `traces_` or `redis_` before it for those of `[tls]`,
    /// `[admin]`, `[traces]` and `[redis]`.
    pub name: &'static str,
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// The table in the file.
    pub scope: Scope,
    /// The description for `--help`.
    pub help: &'static str,
}

/// The table that a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// No table: the top of the file.
    Process,
    /// `[org.NAME]`
    Org,
    /// `[tls]`
    Tls,
    /// `[admin]`
    Admin,
    /// `[traces]`
    Traces,
    /// `[redis]`
    Redis,
    /// `[limits]`
    Limits,
}

impl Key {
    /// The name in its table.
    pub fn in_file(&self) -> &'static str {
        match self.scope {
            Scope::Tls => self.name.trim_start_matches("tls_"),
            Scope::Admin => self.name.trim_start_matches("admin_"),
            Scope::Traces => self.name.trim_start_matches("traces_"),
            Scope::Redis => self.name.trim_start_matches("redis_"),
            _ => self.name,
        }
    }
}

impl Overrides {
    /// Sets a value from a flag, which overrides one from the environment.
    pub fn set_flag(&mut self, key: &'static Key, value: String) {
        let origin = Origin::Flag(key.flag);
        self.0.insert(key.name, (key, origin, value));
    }

    /// Sets a value from an environment variable. An empty one counts as unset.
    pub fn set_variable(&mut self, key: &'static Key, value: String) {
        if !value.is_empty() {
            let origin = Origin::Variable(key.variable);
            self.0.entry(key.name).or_insert((key, origin, value));
        }
    }

    /// The entries of the table `scope` that variables of the environment set.
    #[cfg(feature = "demo")]
    pub(super) fn variables(scope: Scope) -> Table {
        let keys = KEYS.iter().filter(|key| key.scope == scope);
        let entry = |key: &'static Key| {
            let value = env::var_os(key.variable).filter(|value| !value.is_empty())?;
            let value = Value::Raw(value.to_string_lossy().into_owned());
            let origin = Origin::Variable(key.variable);
            Some((key.in_file().to_owned(), Node { value, origin }))
        };
        keys.filter_map(entry).collect()
    }

    /// Returns whether they describe an org, at least in part, so that the file may be missing.
    pub(crate) fn name_an_org(&self) -> bool {
        ["client_id", "username", "private_key"]
            .iter()
            .any(|name| self.0.contains_key(name))
    }

    /// As `apply`, for what `[admin]` has.
    pub(super) fn apply_to_admin(&self, document: &mut Table) {
        for (key, origin, value) in self.0.values() {
            if key.scope == Scope::Admin
                && let Some(admin) = table(document, "admin")
            {
                let value = Value::Raw(value.clone());
                let origin = *origin;
                admin.insert(key.in_file().to_owned(), Node { value, origin });
            }
        }
    }

    /// Like `apply`, for the keys at the top of the file.
    pub(super) fn apply_to_process(&self, document: &mut Table) {
        for (key, origin, value) in self.0.values() {
            if key.scope == Scope::Process {
                let value = Value::Raw(value.clone());
                let origin = *origin;
                document.insert(key.name.to_owned(), Node { value, origin });
            }
        }
    }

    /// Puts every value into its place in the document.
    pub(super) fn apply(&self, document: &mut Table, problems: &Problems) {
        for (key, origin, value) in self.0.values() {
            let home = match key.scope {
                Scope::Process => Some(&mut *document),
                Scope::Limits => table(document, "limits"),
                Scope::Tls => table(document, "tls"),
                Scope::Admin => table(document, "admin"),
                Scope::Traces => table(document, "traces"),
                Scope::Redis => table(document, "redis"),
                Scope::Org => match only_org(document) {
                    Ok(org) => org,
                    Err(message) => {
                        problems.add(*origin, key.name, message);
                        None
                    }
                },
            };
            // If the file has something else there, reading it reports that.
            if let Some(home) = home {
                let value = Value::Raw(value.clone());
                let origin = *origin;
                home.insert(key.in_file().to_owned(), Node { value, origin });
            }
        }
    }
}

/// Omits the values: a private key may be among them.
impl Debug for Overrides {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// The key of this name, if it can be overridden.
pub(super) fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.in_file() == name)
}

fn only_org(document: &mut Table) -> Result<Option<&mut Table>, String> {
    let Some(orgs) = table(document, "org") else {
        return Ok(None);
    };
    if orgs.len() > 1 {
        let names: Vec<_> = orgs.keys().map(|name| given::word(name)).collect();
        return Err(format!(
            "is for a single org, but the file has {}; change it in the file",
            names.join(", ")
        ));
    }
    let name = orgs
        .keys()
        .next()
        .map_or("default", String::as_str)
        .to_owned();
    Ok(table(orgs, &name))
}

/// The table of this name, created if there is none.
fn table<'a>(parent: &'a mut Table, name: &str) -> Option<&'a mut Table> {
    let node = parent.entry(name.to_owned()).or_insert_with(|| Node {
        value: Value::Table(Table::new()),
        origin: Origin::File,
    });
    match &mut node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_same_name_in_all_three_places() {
        for key in KEYS {
            assert_eq!(key.flag, format!("--{}", key.name.replace('_', "-")));
            let variable = format!("ORGPROXY_{}", key.name.to_uppercase());
            assert_eq!(key.variable, variable);
        }
    }

    #[test]
    fn values_are_not_in_the_debug_output() {
        let mut overrides = Overrides::default();
        overrides.set_variable(&KEYS[2], "-----BEGIN".to_owned());
        assert_eq!(format!("{overrides:?}"), r#"["private_key"]"#);
    }
}
