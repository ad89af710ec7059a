//! Keys in the file: never themselves, always a reference to where they are kept.

use std::{
    fmt::{self, Debug, Formatter},
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

use super::{
    ClientKey, Clients, PrivateKey,
    document::{Table, Value},
    given,
    key::{self, KeyError},
    problem::Origin,
    secret::Secret,
    section::Section,
    text, value,
};

/// Where a private key is kept, and how it opens.
#[derive(Clone)]
pub struct KeySource {
    secret: Secret,
    passphrase: Option<Secret>,
    /// Of the files of both, just before they were read.
    stamps: [Option<Stamp>; 2],
}

impl KeySource {
    fn new(secret: Secret, passphrase: Option<Secret>) -> Self {
        let stamps = Stamp::of_both(&secret, passphrase.as_ref());
        Self {
            secret,
            passphrase,
            stamps,
        }
    }

    /// The file that holds it, if one does.
    pub fn file(&self) -> Option<&Path> {
        match &self.secret {
            Secret::File { path, .. } => Some(path),
            _ => None,
        }
    }

    /// This source as it is now, if the files that hold key and passphrase are not those that were
    /// read. What comes from a command or a variable is never taken to have changed.
    pub(crate) fn changed(&self) -> Option<Self> {
        let stamps = Stamp::of_both(&self.secret, self.passphrase.as_ref());
        (stamps != self.stamps).then(|| Self {
            stamps,
            ..self.clone()
        })
    }

    /// The key that is there now.
    ///
    /// # Errors
    /// Why it, or its passphrase, cannot be had, or why it is not a key.
    pub(crate) fn read(&self) -> Result<PrivateKey, String> {
        self.read_as(PrivateKey::parse)
            .map_err(|mistakes| mistakes.join("; "))
    }

    /// The passphrase of the key, if it is encrypted.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub(crate) fn passphrase(&self) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
        self.passphrase
            .as_ref()
            .map(Secret::read_line)
            .transpose()
            .map_err(|error| format!("passphrase: {error}"))
    }

    /// The error is all that is wrong.
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

/// What tells one state of a file from the next. The time is that of the last change to anything
/// about it, its mode included, since a key that others could read is of no use until that is fixed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of_both(secret: &Secret, passphrase: Option<&Secret>) -> [Option<Self>; 2] {
        [Self::of(secret), passphrase.and_then(Self::of)]
    }

    /// The stamp of what is there; nothing if that is not a file or cannot be seen.
    fn of(secret: &Secret) -> Option<Self> {
        let about = fs::metadata(secret.path()?).ok()?;
        Some(Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// As messages name it: a command's arguments may hold a secret.
impl Debug for KeySource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.secret)
    }
}

/// The variables that secrets anywhere in `table` are kept in. What clients have to show is left
/// out: they need it.
pub(super) fn variables(table: &Table) -> Vec<String> {
    let mut variables = Vec::new();
    for (key, node) in table {
        match &node.value {
            Value::Table(_) if key == "client_key" => {}
            Value::Table(inner) => variables.extend(self::variables(inner)),
            Value::Text(name) if key == "env" => variables.push(name.clone()),
            _ => {}
        }
    }
    variables
}

/// The key that signs assertions.
pub(super) fn private_key(
    section: &mut Section<'_>,
    folder: &Path,
) -> Option<(PrivateKey, KeySource)> {
    key(section, folder, PrivateKey::parse)
}

/// The key of a certificate of ours.
pub(super) fn tls_key(section: &mut Section<'_>, folder: &Path) -> Option<PrivateKeyDer<'static>> {
    key(section, folder, key::parse_any).map(|(key, _)| key)
}

/// A path, or a table that says where the key is kept and how it opens.
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
        // Containers are often given the key itself; the environment is no worse a place for it
        // here than as { env = … }.
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

/// The key that clients must show, which is always a table; and how a shell gets it.
pub(super) fn client_key(
    section: &mut Section<'_>,
    folder: &Path,
) -> Option<(ClientKey, Option<String>)> {
    const KEY: &str = "client_key";
    section.get(KEY)?;
    let secret = secret_in(section, KEY, folder)?;
    let key = secret.read_line().map_err(|error| error.to_string());
    key.and_then(|key| ClientKey::new(&key).map_err(|fault| format!("{secret}: {fault}")))
        .map_err(|message| section.problem(KEY, message))
        .ok()
        .map(|key| (key, secret.in_shell()))
}

/// User names, and where the password of each is kept.
pub(super) fn clients(section: Section<'_>, folder: &Path) -> Clients {
    let mut clients = Clients::default();
    for (name, mut table) in section.tables(NOT_HERE) {
        if name.trim() != name || name.is_empty() {
            table.complain("must be a user name without spaces around it");
        }
        if let Some(secret) = secret(&mut table, folder) {
            match secret.read_line() {
                Ok(password) => clients.add(name, &password),
                Err(error) => table.complain(&error.to_string()),
            }
        }
        table.finish();
    }
    clients
}

/// A secret that has no other form than a table.
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

/// The one reference in a table.
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
    let secrets = [
        file.map(|path| Secret::File {
            path,
            allow_group_read,
        }),
        env.map(Secret::Variable),
        command.map(Secret::Command),
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

const NOT_HERE: &str = "; say where it is kept, as in { env = \"NAME\" }, { file = \"PATH\" }, \
    { command = [\"PROGRAM\"] } or { credential = \"NAME\" }";
