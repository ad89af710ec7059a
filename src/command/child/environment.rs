//! The environment that leads a program here.

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

/// Variables for a program. They go before those of the same name that we were started with: to
/// lead it here is what they are for.
pub(super) struct Environment(Vec<(String, String)>);

/// The value of a variable.
#[derive(Clone, Copy)]
enum Says {
    /// Where the org is.
    Url,
    /// Where it is by TLS, if it is there.
    SecureUrl,
    /// The placeholder that opens nothing.
    Placeholder,
}

/// Which programs read which. jsforce and simple-salesforce by themselves read none.
#[rustfmt::skip]
const TABLE: &[(&str, Says)] = &[
    // Scripts: curl "$ORGPROXY_URL/services/data".
    ("ORGPROXY_URL", Says::Url),
    // Those that take nothing but https://, such as simple-salesforce's `instance_url`.
    ("ORGPROXY_HTTPS_URL", Says::SecureUrl),
    // Salesforce CLI: every command, for an org that it has never logged in to.
    ("SF_ORG_INSTANCE_URL", Says::Url),
    ("SF_TARGET_ORG", Says::Placeholder),
    // Salesforce CLI: `sf org login access-token --no-prompt`.
    ("SF_ACCESS_TOKEN", Says::Placeholder),
    // Programs of one's own, by jsforce, fetch and the like: what most of them read.
    ("SALESFORCE_INSTANCE_URL", Says::Url),
    ("SALESFORCE_ACCESS_TOKEN", Says::Placeholder),
];

impl Environment {
    /// For the org `first`; where the others are, `ORGPROXY_URL_NAME` says.
    ///
    /// # Errors
    /// When `first` is nowhere that a URL can say.
    pub(super) fn new(
        bounds: &[Bound],
        first: &str,
        placeholder: &str,
        bundle: Option<&Bundle>,
    ) -> Result<Self, CommandError> {
        let mut variables = Vec::new();
        let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
        let places = Places::of(bounds, first);
        let url = places.url().ok_or_else(|| {
            CommandError::Other(format!(
                "org {first} listens only on Unix sockets, which a URL cannot name; add an \
                 address to listen, such as 127.0.0.1:0"
            ))
        })?;
        for (name, says) in TABLE {
            match says {
                Says::Url => set(name, url),
                Says::SecureUrl => places.secure.iter().for_each(|url| set(name, url)),
                Says::Placeholder => set(name, placeholder),
            }
        }
        for org in orgs(bounds) {
            let places = Places::of(bounds, &org.name);
            if org.name != first
                && let Some(url) = places.url()
            {
                set(&format!("ORGPROXY_URL_{}", in_capitals(&org.name)), url);
            }
        }
        if orgs(bounds).any(|org| org.name == first && org.intercept) {
            for name in ["HTTPS_PROXY", "https_proxy"] {
                set(name, url);
            }
        }
        // A company's proxy cannot reach us.
        for name in ["NO_PROXY", "no_proxy"] {
            set(name, &without_proxy(env::var(name).ok(), bounds));
        }
        if let Some(bundle) = bundle {
            set(ADDITION, &text(&bundle.addition));
            for (name, _) in REPLACEMENTS {
                set(name, &text(bundle.whole.path()));
            }
            // One that is empty stands for PHP's own.
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

/// Where an org is.
#[derive(Default)]
struct Places {
    plain: Option<String>,
    secure: Option<String>,
}

impl Places {
    fn of(bounds: &[Bound], org: &str) -> Self {
        let mut places = Self::default();
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
                places
                    .secure
                    .get_or_insert_with(|| format!("https://{authority}"));
            } else {
                places
                    .plain
                    .get_or_insert_with(|| format!("http://{authority}"));
            }
        }
        places
    }

    /// What all programs can do with, if it is there.
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

/// As variables are written.
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
    match before.filter(|before| !before.is_empty()) {
        Some(before) => format!("{before},{local}"),
        None => local,
    }
}

/// Those given, and the trust store, unless they name one.
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
