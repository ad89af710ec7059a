//! The environment that leads a program to the proxy.

use std::{env, path::Path};

use super::Bundle;
use crate::{
    command::{
        CommandError,
        trust::bundle::{self, ADDITION, JAVA_OPTIONS, PHP_FOLDERS, REPLACEMENTS},
    },
    config::{Org, Protocol},
    server::Bound,
};

/// Variables for a program. They replace those of the same name that this process was started with.
pub(super) struct Environment(Vec<(String, String)>);

/// The value of a variable.
#[derive(Clone, Copy)]
enum Value {
    /// The address of the org.
    Url,
    /// Its address with TLS, if it has one.
    SecureUrl,
    /// The placeholder that opens nothing.
    Placeholder,
}

/// The variables, with the programs that read them. jsforce and simple-salesforce read none by
/// themselves.
#[rustfmt::skip]
const TABLE: &[(&str, Value)] = &[
    // Scripts: curl "$ORGPROXY_URL/services/data".
    ("ORGPROXY_URL", Value::Url),
    // Programs that take only https://, such as simple-salesforce's `instance_url`.
    ("ORGPROXY_HTTPS_URL", Value::SecureUrl),
    // Salesforce CLI: every command, for an org that it has never logged in to.
    ("SF_ORG_INSTANCE_URL", Value::Url),
    ("SF_TARGET_ORG", Value::Placeholder),
    // Salesforce CLI: `sf org login access-token --no-prompt`.
    ("SF_ACCESS_TOKEN", Value::Placeholder),
    // A user's own programs, with jsforce, fetch and the like: most of them read these.
    ("SALESFORCE_INSTANCE_URL", Value::Url),
    ("SALESFORCE_ACCESS_TOKEN", Value::Placeholder),
];

impl Environment {
    /// For the org `first`. `ORGPROXY_URL_NAME` has the address of each other org.
    ///
    /// # Errors
    /// When `first` has no address that a URL can express, or the variables of two orgs have one name.
    pub(super) fn new(
        bounds: &[Bound],
        first: &str,
        placeholder: &str,
        bundle: Option<&Bundle>,
    ) -> Result<Self, CommandError> {
        let mut variables = Vec::new();
        let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
        let addresses = Addresses::of(bounds, first);
        let url = addresses.url().ok_or_else(|| {
            CommandError::Other(format!(
                "org {first} listens only on Unix sockets, which a URL cannot name; add an \
                 address to listen, such as 127.0.0.1:0"
            ))
        })?;
        for (name, says) in TABLE {
            match says {
                Value::Url => set(name, url),
                Value::SecureUrl => addresses.secure.iter().for_each(|url| set(name, url)),
                Value::Placeholder => set(name, placeholder),
            }
        }
        let mut named: Vec<(String, &str)> = Vec::new();
        for org in orgs(bounds) {
            let name = format!("ORGPROXY_URL_{}", in_capitals(&org.name));
            // What is for one org must not go to another.
            if let Some((_, other)) = named.iter().find(|(known, _)| *known == name) {
                return Err(CommandError::Other(format!(
                    "orgs {other} and {} have one variable, {name}, for their addresses; rename one of \
                     them",
                    org.name
                )));
            }
            let addresses = Addresses::of(bounds, &org.name);
            if org.name != first
                && let Some(url) = addresses.url()
            {
                set(&name, url);
            }
            named.push((name, &org.name));
        }
        if orgs(bounds).any(|org| org.name == first && org.intercept) {
            for name in ["HTTPS_PROXY", "https_proxy"] {
                set(name, url);
            }
        }
        // A company's proxy cannot reach this one.
        for (name, other) in [("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")] {
            // Programs look at one first, which must not hide what only the other says.
            let mut given = [name, other].map(env::var).into_iter().flatten();
            let before = given.find(|given| !given.is_empty());
            set(name, &without_proxy(before, bounds));
        }
        if let Some(bundle) = bundle {
            set(ADDITION, &text(&bundle.addition));
            for (name, _) in REPLACEMENTS {
                set(name, &text(bundle.whole.path()));
            }
            // An empty one stands for PHP's own.
            let folders = env::var(PHP_FOLDERS).unwrap_or_default();
            set(
                PHP_FOLDERS,
                &format!("{folders}:{}", text(bundle.php.path())),
            );
            if let Some(options) = java_options(env::var(JAVA_OPTIONS).ok(), bundle.java.path()) {
                set(JAVA_OPTIONS, &options);
            }
        }
        Ok(Self(variables))
    }

    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.0
    }
}

/// The addresses of an org.
#[derive(Default)]
struct Addresses {
    plain: Option<String>,
    secure: Option<String>,
}

impl Addresses {
    fn of(bounds: &[Bound], org: &str) -> Self {
        let mut addresses = Self::default();
        for bound in bounds
            .iter()
            .filter(|bound| bound.protocol == Protocol::Api)
        {
            let Some(org) = bound.orgs.iter().find(|known| known.name == org) else {
                continue;
            };
            let Some(address) = bound.listen.address() else {
                continue;
            };
            let authority = format!("{}:{}", bound.host(org), address.port());
            if bound.listen.is_https() {
                addresses
                    .secure
                    .get_or_insert_with(|| format!("https://{authority}"));
            } else {
                addresses
                    .plain
                    .get_or_insert_with(|| format!("http://{authority}"));
            }
        }
        addresses
    }

    /// The address that all programs can use, if there is one.
    fn url(&self) -> Option<&str> {
        self.plain.as_deref().or(self.secure.as_deref())
    }
}

/// Each once.
fn orgs(bounds: &[Bound]) -> impl Iterator<Item = &Org> {
    let all = bounds.iter().flat_map(|bound| &bound.orgs);
    let mut seen: Vec<&str> = Vec::new();
    all.filter(move |org| {
        let is_new = !seen.contains(&org.name.as_str());
        seen.push(&org.name);
        is_new
    })
}

/// `name` in the form of a variable.
fn in_capitals(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

fn without_proxy(before: Option<String>, bounds: &[Bound]) -> String {
    let mut local = "localhost,.localhost,127.0.0.1,::1".to_owned();
    for address in bounds.iter().flat_map(|bound| bound.listen.addresses()) {
        let ip = address.ip().to_string();
        if !address.ip().is_unspecified() && !local.split(',').any(|known| known == ip) {
            local = format!("{local},{ip}");
        }
    }
    match before {
        Some(before) => format!("{before},{local}"),
        None => local,
    }
}

/// The given options, and the trust store unless they name one.
fn java_options(before: Option<String>, store: &Path) -> Option<String> {
    let ours = bundle::java_options(store);
    match before.filter(|before| !before.trim().is_empty()) {
        Some(before) if bundle::names_a_trust_store(&before) => {
            tracing::warn!(
                "{JAVA_OPTIONS} names a trust store, which is left as it is: make it trust the \
                 local authority with `orgproxy trust --java`"
            );
            None
        }
        Some(before) => Some(format!("{before} {ours}")),
        None => Some(ours),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
