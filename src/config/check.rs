//! Single values, checked as the file checks them, for whoever asks a person for them.

use std::path::Path;

use url::Url;
use zeroize::Zeroizing;

use super::{document::Value, given, login_url, secret::Secret, text};

/// The name of an org.
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

/// A user name or a consumer key.
///
/// # Errors
/// If it is malformed, with what is wrong.
pub(crate) fn word(word: &str) -> Result<(), String> {
    text::token(&Value::Text(word.to_owned()), "").map(drop)
}

/// Where an org logs in.
///
/// # Errors
/// If it is malformed, with what is wrong.
pub(crate) fn login_url(url: &str) -> Result<Url, String> {
    login_url::parse(&Value::Text(url.to_owned()), &[])
}

/// The audience that follows from where an org logs in.
pub(crate) fn audience(login_url: &Url) -> String {
    login_url::audience(login_url)
}

/// A passphrase that is kept in a file.
///
/// # Errors
/// Why it cannot be had.
pub(crate) fn passphrase_in(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let secret = Secret::File {
        path: given::file(&path.display().to_string(), Path::new(""))?,
        allow_group_read: false,
    };
    secret.read_line().map_err(|error| error.to_string())
}
