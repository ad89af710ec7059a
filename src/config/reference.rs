//! References in the file to places where keys and passwords are kept. The secrets themselves are
//! never in it.

use std::{
    env,
    fmt::{self, Debug, Formatter},
    path::{Path, PathBuf},
};

use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use super::{
    ClientKey, Clients, PrivateKey,
    document::{Table, Value},
    given,
    key::{self, KeyError},
    problem::Origin,
    secret::{Program, Secret},
    section::Section,
    stamps::Stamp,
    text, value,
};

/// The place of a private key, and of its passphrase.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySource {
    secret: Secret,
    passphrase: Option<Secret>,
    /// The states of both files, just before they were read.
    stamps: [Option<Stamp>; 2],
}

impl KeySource {
    fn new(secret: Secret, passphrase: Option<Secret>) -> Self {
        let stamps = stamps(&secret, passphrase.as_ref());
        Self {
            secret,
            passphrase,
            stamps,
        }
    }

    /// The file that holds the key, if it is in one.
    pub fn file(&self) -> Option<&Path> {
        match &self.secret {
            Secret::File { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The current state of this source, if the files with key and passphrase have changed since
    /// they were read. A key from a command or a variable never counts as changed.
    pub(crate) fn changed(&self) -> Option<Self> {
        let stamps = stamps(&self.secret, self.passphrase.as_ref());
        (stamps != self.stamps).then(|| Self {
            stamps,
            ..self.clone()
        })
    }

    /// Reads the key again.
    ///
    /// # Errors
    /// The reason that it or its passphrase cannot be read, or that it is not a key.
    pub(crate) fn read(&self) -> Result<PrivateKey, String> {
        self.read_as(PrivateKey::parse)
            .map_err(|mistakes| mistakes.join("; "))
    }

    /// Reads the passphrase of the key, if it has one.
    ///
    /// # Errors
    /// The reason that it cannot be read.
    pub(crate) fn passphrase(&self) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        self.passphrase
            .as_ref()
            .map(Secret::read_line)
            .transpose()
            .map_err(|error| format!("passphrase: {error}"))
    }

    /// The error has every mistake.
    fn read_as<T>(
        &self,
        parse: impl FnOnce(&str, &[u8], Option<&[u8]>) -> Result<T, KeyError>,
    ) -> Result<T, Vec<String>> {
        let bytes = self.secret.read().map_err(|error| error.to_string());
        let (passphrase, bytes) = match (self.passphrase(), bytes) {
            (Ok(passphrase), Ok(bytes)) => (passphrase, bytes),
            (passphrase, bytes) => {
                return Err(passphrase.err().into_iter().chain(bytes.err()).collect());
            }
        };
        let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
        parse(&self.secret.to_string(), &bytes, passphrase).map_err(|error| vec![error.to_string()])
    }
}

fn stamps(secret: &Secret, passphrase: Option<&Secret>) -> [Option<Stamp>; 2] {
    let stamp = |secret: &Secret| Stamp::of(&secret.path()?);
    [stamp(secret), passphrase.and_then(stamp)]
}

/// The name in messages: a command's arguments are omitted, because they may hold a secret.
impl Debug for KeySource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.secret)
    }
}

/// The names of variables that hold secrets.
#[derive(Default)]
pub(super) struct Variables {
    pub(super) all: Vec<String>,
    /// Those without secrets that clients must show.
    pub(super) hidden: Vec<String>,
}

impl Variables {
    /// Those to which anything in `document` refers. It is asked before flags take the place of
    /// tables, whose variables hold secrets all the same.
    pub(super) fn of(document: &Table) -> Self {
        let mut variables = Self::default();
        variables.add("", document, true);
        variables
    }

    /// Adds those of the table called `name`.
    fn add(&mut self, name: &str, table: &Table, is_hidden: bool) {
        for (key, node) in table {
            match &node.value {
                // An org or a client may be called so, too.
                Value::Table(inner) if name == "guard" && key == "client_key" => {
                    self.add(key, inner, false);
                }
                Value::Table(inner) => self.add(key, inner, is_hidden),
                Value::Text(name) if key == "env" => {
                    self.all.push(name.clone());
                    self.hidden.extend(is_hidden.then(|| name.clone()));
                }
                _ => {}
            }
        }
    }
}

/// Returns whether anything in `table` is a program that gives a secret.
pub(super) fn has_commands(table: &Table) -> bool {
    table.iter().any(|(key, node)| match &node.value {
        Value::Table(inner) => has_commands(inner),
        Value::List(_) => key == "command",
        _ => false,
    })
}

/// The files that anything in `table` names, where paths in it start in `folder`.
pub(super) fn files(table: &Table, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (key, node) in table {
        let (text, folder) = match &node.value {
            Value::Table(inner) => {
                files.extend(self::files(inner, folder));
                continue;
            }
            Value::Text(text) => (text, folder),
            Value::Raw(text) => (text, Path::new("")),
            _ => continue,
        };
        match key.as_str() {
            "credential" => {
                let all = env::var_os("CREDENTIALS_DIRECTORY").unwrap_or_default();
                files.push(Path::new(&all).join(text));
            }
            // Containers often get the key itself.
            key if FILES.contains(&key) && !given::is_content(text, folder) => {
                files.push(folder.join(text));
            }
            _ => {}
        }
    }
    files
}

/// The keys that may name a file to read.
const FILES: [&str; 5] = ["file", "private_key", "certificate", "ca_file", "client_ca"];

/// The key that signs assertions.
pub(super) fn private_key(
    section: &mut Section<'_>,
    folder: &Path,
) -> Option<(PrivateKey, KeySource)> {
    key(section, folder, PrivateKey::parse)
}

/// The key of the proxy's own certificate.
pub(super) fn tls_key(section: &mut Section<'_>, folder: &Path) -> Option<PrivateKeyDer<'static>> {
    key(section, folder, key::parse_any).map(|(key, _)| key)
}

/// Reads a key from a path, or from a table that names its place and its passphrase.
fn key<T>(
    section: &mut Section<'_>,
    folder: &Path,
    parse: impl FnOnce(&str, &[u8], Option<&[u8]>) -> Result<T, KeyError>,
) -> Option<(T, KeySource)> {
    const KEY: &str = "private_key";
    let (secret, passphrase_secret) = match section.get(KEY).map(|node| (&node.value, node.origin))
    {
        Some((Value::Table(_), _)) => {
            let mut table = section.child(KEY);
            let has_passphrase = table.get("passphrase").is_some();
            let passphrase = secret_in(&mut table, "passphrase", folder);
            let secret = secret(&mut table, folder);
            table.finish();
            if has_passphrase && passphrase.is_none() {
                return None;
            }
            (secret?, passphrase)
        }
        // Containers often get the key itself. It is as safe in this variable as in { env = … }.
        Some((Value::Raw(text), Origin::Variable(name)))
            if given::is_content(text, Path::new("")) =>
        {
            (Secret::Variable(name.to_owned()), None)
        }
        _ => {
            let path = section.require(KEY, "\"server.key\", its file", |path| {
                value::file(path, folder)
            })?;
            let allow_group_read = false;
            (
                Secret::File {
                    path,
                    allow_group_read,
                },
                None,
            )
        }
    };
    let source = KeySource::new(secret, passphrase_secret);
    let key = source
        .read_as(parse)
        .map_err(|mistakes| {
            for mistake in mistakes {
                section.problem(KEY, mistake);
            }
        })
        .ok()?;
    Some((key, source))
}

/// The key that clients must show, which is always a table, and the expression by which a shell
/// gets it.
pub(super) fn client_key(
    section: &mut Section<'_>,
    folder: &Path,
) -> Option<(ClientKey, Option<String>)> {
    let (key, secret) = line(section, "client_key", folder, ClientKey::new)?;
    Some((key, secret.in_shell()))
}

/// A secret in a line of text, as `parse` reads it.
pub(super) fn text_line<T>(
    section: &mut Section<'_>,
    key: &'static str,
    folder: &Path,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let read = |line: &[u8]| parse(str::from_utf8(line).map_err(|_| "must be UTF-8")?);
    let (value, _) = line(section, key, folder, read)?;
    Some(value)
}

/// What `parse` makes of the secret of `key`, which is one line, and the secret's place.
fn line<T>(
    section: &mut Section<'_>,
    key: &'static str,
    folder: &Path,
    parse: impl Fn(&[u8]) -> Result<T, String>,
) -> Option<(T, Secret)> {
    section.get(key)?;
    let secret = secret_in(section, key, folder)?;
    let line = secret.read_line().map_err(|error| error.to_string());
    line.and_then(|line| parse(&line).map_err(|fault| format!("{secret}: {fault}")))
        .map_err(|message| section.problem(key, message))
        .ok()
        .map(|value| (value, secret))
}

/// The user names of clients, with their passwords.
pub(super) fn clients(section: Section<'_>, folder: &Path) -> Clients {
    let mut clients = Clients::default();
    for (name, mut table) in section.tables(NOT_HERE) {
        if name.trim() != name || name.is_empty() {
            table.complain("must be a user name without spaces around it");
        }
        match secret(&mut table, folder).map(|secret| secret.read_line()) {
            Some(Ok(password)) if password.len() >= SHORTEST_PASSWORD => {
                clients.add(name, &password);
            }
            failed => {
                // What names this user elsewhere is right all the same.
                clients.add_locked(name);
                match failed {
                    Some(Ok(_)) => table.complain(TOO_SHORT),
                    Some(Err(error)) => table.complain(&error.to_string()),
                    None => {}
                }
            }
        }
        table.finish();
    }
    clients
}

/// A secret that must be given as a table.
fn secret_in(section: &mut Section<'_>, key: &'static str, folder: &Path) -> Option<Secret> {
    if !matches!(section.get(key)?.value, Value::Table(_)) {
        section.problem(key, format!("must not be written here itself{NOT_HERE}"));
        return None;
    }
    let mut table = section.child(key);
    let secret = secret(&mut table, folder);
    table.finish();
    secret
}

/// The only reference in a table.
fn secret(table: &mut Section<'_>, folder: &Path) -> Option<Secret> {
    let allow_group_read = table
        .read("allow_group_read", value::flag)
        .unwrap_or_default();
    let file = table.read("file", |path| value::file(path, folder));
    let env = table.read("env", |name| text::token(name, ""));
    let command = table.list("command", |word| value::text(word).map(str::to_owned));
    let credential = table.read("credential", |name| match text::token(name, "")? {
        name if name.contains('/') => Err("must be a name, not a path".to_owned()),
        name => Ok(name),
    });
    let program = |words| {
        let withheld = table.withheld.clone();
        Secret::Command(Program { words, withheld })
    };
    let secrets = [
        file.map(|path| Secret::File {
            path,
            allow_group_read,
        }),
        env.map(Secret::Variable),
        command.map(program),
        credential.map(Secret::Credential),
    ];
    let places = ["file", "env", "command", "credential"];
    if places
        .into_iter()
        .filter(|key| table.get(key).is_some())
        .count()
        != 1
    {
        table.complain("must have exactly one of file, env, command and credential");
        return None;
    }
    secrets.into_iter().flatten().next()
}

/// Characters of a client's password: some legacy tools take no more.
const SHORTEST_PASSWORD: usize = 8;

const TOO_SHORT: &str = "the password must have at least 8 characters, or others would guess it; create \
     one with `openssl rand -hex 12`";

const NOT_HERE: &str = "; say where it is kept, as in { env = \"NAME\" }, { file = \"PATH\" }, \
    { command = [\"PROGRAM\"] } or { credential = \"NAME\" }";
