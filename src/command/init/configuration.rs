//! `proxy.toml`, and a table in it for one more org.

use std::{
    collections::BTreeSet,
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use super::files::Files;
use crate::{
    config::{
        Config, Overrides,
        input::{self, InputError},
    },
    system::terminal,
};

/// The file as it is.
pub(super) struct Configuration {
    pub(super) path: PathBuf,
    before: Before,
}

enum Before {
    Nothing,
    /// A file that `init` has written and nobody has changed.
    Example,
    Text(String),
}

/// The table of an org.
pub(super) struct Table<'a> {
    pub(super) name: &'a str,
    pub(super) client_id: &'a str,
    pub(super) username: &'a str,
    pub(super) private_key: PathBuf,
    /// If true, the key is created together with the table.
    pub(super) new_key: bool,
    pub(super) passphrase: Option<Reference>,
    pub(super) login_url: Option<&'a str>,
    pub(super) demo: bool,
}

/// The place of a passphrase.
pub(super) enum Reference {
    File(PathBuf),
    Variable(&'static str),
}

impl Configuration {
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn read(path: PathBuf) -> Result<Self, String> {
        let before = match input::read_text(&path, LONGEST) {
            Ok(text) if text == EXAMPLE => Before::Example,
            Ok(text) => Before::Text(text),
            Err(InputError::Missing) if !path.is_symlink() => Before::Nothing,
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        Ok(Self { path, before })
    }

    /// Returns whether there is an org of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.orgs().is_some_and(|orgs| orgs.contains_key(name))
    }

    /// The change to the file, in words.
    pub(super) fn change(&self) -> &'static str {
        match self.before {
            Before::Nothing => "the configuration",
            Before::Example => "the example, filled in",
            Before::Text(_) => "one table added",
        }
    }

    /// The names of its orgs.
    pub(super) fn names(&self) -> Vec<String> {
        self.orgs().unwrap_or_default().keys().cloned().collect()
    }

    /// Adds the file with `table` in it to `files`, if the result is a valid configuration, and
    /// returns that. Existing text stays as it is.
    ///
    /// # Errors
    /// Everything that is wrong with the result.
    pub(super) fn add(&self, table: &Table<'_>, files: &mut Files) -> Result<Config, String> {
        if let Before::Text(text) = &self.before
            && text.parse::<toml::Table>().is_err()
        {
            let path = self.path.display();
            return Err(format!(
                "{path} is not valid TOML, and nothing was written; `orgproxy check --config {}` \
                 shows where",
                terminal::quoted(&path.to_string())
            ));
        }
        let text = self.with(table)?;
        let config = if table.new_key {
            // The key does not exist yet, so a throwaway key stands in for it.
            let key = throwaway_key().map_err(|error| error.to_string())?;
            self.check(&Table {
                private_key: key.path().to_owned(),
                passphrase: None,
                ..*table
            })?
        } else {
            self.check(table)?
        };
        let before = match &self.before {
            Before::Nothing => None,
            Before::Example => Some(EXAMPLE.to_owned()),
            Before::Text(text) => Some(text.clone()),
        };
        files.change(self.path.clone(), before, text);
        Ok(config)
    }

    fn check(&self, table: &Table<'_>) -> Result<Config, String> {
        let checked = Config::from_toml(&self.with(table)?, &self.path, &Overrides::default());
        checked.map_err(|error| {
            let path = self.path.display();
            format!("{path} would be invalid with this org:\n{error}\nnothing was written")
        })
    }

    fn with(&self, table: &Table<'_>) -> Result<String, String> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        Ok(match &self.before {
            Before::Nothing => format!("{INTRODUCTION}{}", table.text(folder, None)?),
            Before::Example => table.fill_in(folder)?,
            Before::Text(text) => {
                let end = if text.is_empty() || text.ends_with('\n') {
                    ""
                } else {
                    "\n"
                };
                format!("{text}{end}\n{}", table.text(folder, self.port())?)
            }
        })
    }

    /// The first port from 8080 up that no org has; nothing if that is 8080 itself.
    fn port(&self) -> Option<u16> {
        let taken = self.ports();
        (DEFAULT_PORT..u16::MAX)
            .find(|port| !taken.contains(port))
            .filter(|port| *port != DEFAULT_PORT)
    }

    fn ports(&self) -> BTreeSet<u16> {
        let mut ports = BTreeSet::new();
        for org in self.orgs().unwrap_or_default().values() {
            let pubsub = org.get("pubsub").and_then(|pubsub| pubsub.get("listen"));
            let listens = [org.get("listen"), pubsub];
            if listens[0].is_none() {
                ports.insert(DEFAULT_PORT);
            }
            for listen in listens.into_iter().flatten() {
                let addresses = match listen {
                    toml::Value::Array(addresses) => addresses.as_slice(),
                    address => std::slice::from_ref(address),
                };
                let port = |address: &toml::Value| {
                    address.as_str()?.rsplit(':').next()?.parse::<u16>().ok()
                };
                ports.extend(addresses.iter().filter_map(port));
            }
        }
        ports
    }

    /// The tables of the orgs, if the file is TOML at all.
    fn orgs(&self) -> Option<toml::Table> {
        let Before::Text(text) = &self.before else {
            return None;
        };
        let document: toml::Table = text.parse().ok()?;
        document.get("org")?.as_table().cloned()
    }
}

impl Table<'_> {
    fn text(&self, folder: &Path, port: Option<u16>) -> Result<String, String> {
        let mut text = format!("[org.{}]\n", self.name);
        for (key, value, comment) in self.entries(folder)? {
            let line = format!("{key} = {value}");
            // Writing to a string cannot fail.
            let _ = match comment {
                "" => writeln!(text, "{line}"),
                _ if line.len() > COMMENTS => writeln!(text, "{line}"),
                _ => writeln!(text, "{line:COMMENTS$}  # {comment}"),
            };
        }
        let _ = match port {
            Some(port) => writeln!(text, "listen = \"localhost:{port}\""),
            None => writeln!(text, "# listen = \"localhost:{DEFAULT_PORT}\""),
        };
        Ok(text)
    }

    /// The example with this org in place of the one in it.
    fn fill_in(&self, folder: &Path) -> Result<String, String> {
        let mut text = EXAMPLE
            .replace("[org.main", &format!("[org.{}", self.name))
            .replace("here \"main\"", &format!("here \"{}\"", self.name));
        for (key, value, _) in self.entries(folder)? {
            if let Some((_, example)) = EXAMPLE_VALUES.iter().find(|(name, _)| *name == key) {
                text = text.replacen(example, &format!("\n{key} = {value}"), 1);
            }
        }
        Ok(text)
    }

    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, String> {
        let mut entries = vec![
            ("client_id", quoted(self.client_id), ""),
            (
                "username",
                quoted(self.username),
                "the user that every request acts as",
            ),
            (
                "private_key",
                self.key(folder)?,
                "belongs to the app's certificate",
            ),
        ];
        if let Some(login_url) = self.login_url {
            entries.push(("login_url", quoted(login_url), ""));
        }
        if self.demo {
            entries.push(("demo", "true".to_owned(), "the built-in org"));
        }
        Ok(entries)
    }

    fn key(&self, folder: &Path) -> Result<String, String> {
        let path = quoted_path(&self.private_key, folder)?;
        Ok(match &self.passphrase {
            None => path,
            Some(Reference::File(passphrase)) => format!(
                "{{ file = {path}, passphrase = {{ file = {} }} }}",
                quoted_path(passphrase, folder)?
            ),
            Some(Reference::Variable(name)) => {
                format!("{{ file = {path}, passphrase = {{ env = \"{name}\" }} }}")
            }
        })
    }
}

/// A key, its value, and a comment.
type Entry = (&'static str, String, &'static str);

/// Relative to `folder` if it is inside, else in full.
fn quoted_path(path: &Path, folder: &Path) -> Result<String, String> {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = if folder == Path::new("") {
        std::env::current_dir().unwrap_or_default()
    } else {
        std::path::absolute(folder).unwrap_or_default()
    };
    let path = full.strip_prefix(&folder).unwrap_or(&full);
    let text = path.to_str().ok_or_else(|| {
        format!(
            "{} is not UTF-8, which proxy.toml must be, and nothing was written; choose another \
             path",
            path.display()
        )
    })?;
    Ok(quoted(text))
}

fn throwaway_key() -> Result<tempfile::NamedTempFile, Box<dyn std::error::Error>> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut file = tempfile::NamedTempFile::new()?;
    io::Write::write_all(&mut file, key.serialize_pem().as_bytes())?;
    Ok(file)
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

const INTRODUCTION: &str = "\
# For orgproxy: run `orgproxy check` after each change. `orgproxy run --help` lists what else can be
# set here: --login-url there is login_url here.

";

/// The example that comes with the source.
const EXAMPLE: &str = include_str!("../../../proxy.toml");

/// The placeholders in it for values.
const EXAMPLE_VALUES: [(&str, &str); 5] = [
    ("client_id", "\nclient_id = \"3MVG9-REPLACE-ME\""),
    ("username", "\nusername = \"replace.me@example.com\""),
    ("private_key", "\nprivate_key = \"server.key\""),
    (
        "login_url",
        "\n# login_url = \"https://login.salesforce.com\"",
    ),
    ("demo", "\n# demo = false"),
];

/// Columns before a comment.
const COMMENTS: usize = 40;

/// The port of an org that does not set `listen`.
const DEFAULT_PORT: u16 = 8080;

/// Bytes: enough for thousands of orgs.
const LONGEST: usize = 1024 * 1024;
