//! Keys in the file: never themselves, always a reference to where they are kept.

use std::{
    fmt::{self, Debug, Formatter},
    path::Path,
};

use rustls_pki_types::PrivateKeyDer;

use super::{
    ClientKey, Clients, PrivateKey,
    document::Value,
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
}

impl KeySource {
    /// The file that holds it, if one does.
    pub fn file(&self) -> Option<&Path> {
        match &self.secret {
            Secret::File { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The environment variables that hold it, or what opens it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        [Some(&self.secret), self.passphrase.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|secret| match secret {
                Secret::Variable(name) => Some(name.as_str()),
                _ => None,
            })
    }
}

/// As messages name it: a command's arguments may hold a secret.
impl Debug for KeySource {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.secret)
    }
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
        Some((Value::Raw(text), Origin::Variable(name))) if is_pem(text) => {
            (Secret::Variable(name.to_owned()), None)
        }
        _ => {
            let path = section.require(KEY, "\"server.key\", its file", |path| {
                match is_pem(value::text(path)?) {
                    true => Err(
                        "must not be the key itself; write it to a file and give its path"
                            .to_owned(),
                    ),
                    false => value::path(path, folder),
                }
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
    let report = |message: String| section.problem(KEY, message);
    let passphrase = passphrase_secret
        .as_ref()
        .map(Secret::read_line)
        .transpose()
        .map_err(|error| report(format!("passphrase: {error}")));
    let bytes = secret.read().map_err(|error| report(error.to_string()));
    let (passphrase, bytes) = (passphrase.ok()?, bytes.ok()?);
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    let key = parse(&secret.to_string(), &bytes, passphrase)
        .map_err(|error| report(error.to_string()))
        .ok()?;
    let source = KeySource {
        secret,
        passphrase: passphrase_secret,
    };
    Some((key, source))
}

/// What clients must show, which has no other form than a table.
pub(super) fn client_key(section: &mut Section<'_>, folder: &Path) -> Option<ClientKey> {
    const KEY: &str = "client_key";
    section.get(KEY)?;
    let secret = secret_in(section, KEY, folder)?;
    let key = secret.read_line().map_err(|error| error.to_string());
    key.and_then(|key| ClientKey::new(&key).map_err(|fault| format!("{secret}: {fault}")))
        .map_err(|message| section.problem(KEY, message))
        .ok()
}

/// User names, and where the password of each is kept.
pub(super) fn clients(section: Section<'_>, folder: &Path) -> Clients {
    let mut clients = Clients::default();
    for (name, mut table) in section.tables(NOT_HERE) {
        if name.trim() != name || name.is_empty() {
            table.complain("must be a user name, without space around it");
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
        section.problem(key, format!("must not stand here itself{NOT_HERE}"));
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
    let file = table.read("file", |path| value::path(path, folder));
    let env = table.read("env", |name| text::token(name, ""));
    let command = table.list("command", |word| value::text(word).map(str::to_owned));
    let credential = table.read("credential", |name| match text::token(name, "")? {
        name if name.contains('/') => Err("must be a name, not a path".to_owned()),
        name => Ok(name),
    });
    let mut given = [
        file.map(|path| Secret::File {
            path,
            allow_group_read,
        }),
        env.map(Secret::Variable),
        command.map(Secret::Command),
        credential.map(Secret::Credential),
    ]
    .into_iter()
    .flatten();
    match (given.next(), given.next()) {
        (Some(secret), None) => Some(secret),
        _ => {
            table.complain("must have one of file, env, command and credential");
            None
        }
    }
}

const NOT_HERE: &str = "; say where it is kept, as in { env = \"NAME\" }, { file = \"PATH\" }, \
    { command = [\"PROGRAM\"] } or { credential = \"NAME\" }";

fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN")
}
