//! Checks of single values, the same as for the file, for commands that ask a person.

use std::path::Path;

use url::Url;
use zeroize::Zeroizing;

use super::{document::Value, given, login_url, secret::Secret, text};

/// Checks the name of an org.
///
/// # Errors
/// If it is malformed, with what is wrong.
pub(crate) fn name(name: &str) -> Result<(), String> {
    if text::is_name(name) {
        Ok(())
    } else {
        Err("must consist of letters, digits, - and _".to_owned())
    }
}

/// Checks a user name or a consumer key.
///
/// # Errors
/// If it is malformed, with what is wrong.
pub(crate) fn word(word: &str) -> Result<(), String> {
    text::token(&Value::Text(word.to_owned()), "").map(drop)
}

/// Reads the URL where an org logs in.
///
/// # Errors
/// If it is malformed, with what is wrong.
pub(crate) fn login_url(url: &str) -> Result<Url, String> {
    login_url::parse(&Value::Text(url.to_owned()), &[])
}

/// The usual audience for a login URL.
pub(crate) fn audience(login_url: &Url) -> String {
    login_url::audience(login_url)
}

/// Reads a passphrase from a file.
///
/// # Errors
/// The reason that it cannot be read.
pub(crate) fn passphrase_in(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let secret = Secret::File {
        path: given::file(&path.display().to_string(), Path::new(""))?,
        allow_group_read: false,
    };
    secret.read_line().map_err(|error| error.to_string())
}
