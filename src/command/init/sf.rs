//! The Salesforce CLI's knowledge of an org that it logs in to by key (its library, sfdx-core).
//!
//! Its files hold tokens too. They are encrypted, and nothing here looks at them.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    config::{
        check,
        input::{self, InputError},
    },
    system::terminal::quoted,
};

/// An org as the Salesforce CLI knows it.
pub(super) struct Known {
    pub(super) username: String,
    pub(super) client_id: String,
    pub(super) private_key: PathBuf,
    pub(super) login_url: Option<String>,
}

impl Known {
    /// Looks up an alias or a username.
    ///
    /// # Errors
    /// The reason that it cannot be taken over.
    pub(super) fn find(alias: &str) -> Result<Self, String> {
        let home = env::var_os("HOME").filter(|home| !home.is_empty());
        let home = home.ok_or("HOME is not set, and the Salesforce CLI keeps its files there")?;
        Self::find_in(&Path::new(&home).join(".sfdx"), alias)
    }

    fn find_in(folder: &Path, alias: &str) -> Result<Self, String> {
        let aliases: Aliases = read(&folder.join("alias.json"))?.unwrap_or_default();
        let username = aliases.orgs.get(alias).map_or(alias, String::as_str);
        let path = folder.join(format!("{username}.json"));
        // A name with a slash would lead to another folder.
        let auth = if username.contains('/') {
            None
        } else {
            read::<Auth>(&path)?
        };
        let Some(auth) = auth else {
            let known: Vec<_> = aliases.orgs.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "it has no aliases".to_owned()
            } else {
                format!("its aliases are {}", known.join(", "))
            };
            return Err(format!(
                "the Salesforce CLI does not know an org {alias:?}: there is no {}; {known}",
                path.display()
            ));
        };
        let Some(private_key) = auth.private_key else {
            return Err(format!(
                "the Salesforce CLI was logged in to {username} in a browser, so it has no key to \
                 take over; create one with `orgproxy init --username {}`",
                quoted(username)
            ));
        };
        let client_id = auth
            .client_id
            .ok_or_else(|| format!("{} has no clientId", path.display()))?;
        Ok(Self {
            username: auth.username.unwrap_or_else(|| username.to_owned()),
            client_id,
            private_key: private_key.into(),
            login_url: login_url(auth.login_url, auth.instance_url),
        })
    }
}

/// The My Domain, unless its usual audience differs from the one that the CLI logs in with.
fn login_url(login_url: Option<String>, instance_url: Option<String>) -> Option<String> {
    let Some(login_url) = login_url else {
        return instance_url;
    };
    let parsed = check::login_url(&login_url).ok();
    let instance = instance_url.as_deref().map(check::login_url);
    match (parsed, instance) {
        (Some(login), Some(Ok(instance)))
            if instance.as_str().contains(".my.")
                && check::audience(&instance) == check::audience(&login) =>
        {
            Some(instance.as_str().trim_end_matches('/').to_owned())
        }
        _ => Some(login_url.trim_end_matches('/').to_owned()),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let place = path.display();
    let text = match input::read_text(path, LONGEST) {
        Ok(text) => text,
        Err(InputError::Missing) => return Ok(None),
        Err(error) => return Err(format!("{place}: {error}")),
    };
    // serde's message could show the value.
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| format!("{place}: not a file as the Salesforce CLI writes it"))
}

#[derive(Deserialize, Default)]
struct Aliases {
    #[serde(default)]
    orgs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    username: Option<String>,
    client_id: Option<String>,
    /// The full path of its file.
    private_key: Option<String>,
    instance_url: Option<String>,
    login_url: Option<String>,
}

/// Bytes: far more than any of its files has.
const LONGEST: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    #[test_case(
        "https://login.salesforce.com",
        "https://acme.my.salesforce.com",
        "https://acme.my.salesforce.com"
    )]
    #[test_case(
        "https://test.salesforce.com",
        "https://acme--dev.sandbox.my.salesforce.com",
        "https://acme--dev.sandbox.my.salesforce.com"
    )]
    #[test_case("https://test.salesforce.com", "https://acme--dev.my.salesforce.com", "https://test.salesforce.com"; "a sandbox that does not show")]
    #[test_case("https://login.salesforce.com", "https://na139.salesforce.com", "https://login.salesforce.com"; "an instance")]
    #[test_case("https://acme.my.salesforce.com/", "https://login.salesforce.com", "https://acme.my.salesforce.com"; "no instance known")]
    fn where_it_logs_in(login_url: &str, instance_url: &str, expected: &str) {
        let found = super::login_url(Some(login_url.to_owned()), Some(instance_url.to_owned()));
        assert_eq!(found.as_deref(), Some(expected));
    }
}
