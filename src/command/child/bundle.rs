//! Certificates for programs that take a file of authorities in place of the system's.

use std::{
    env, fs,
    io::{self, Write},
    path::PathBuf,
};

use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::{NamedTempFile, TempDir};

use crate::{
    command::{
        CommandError,
        trust::bundle::{self, ADDITION},
    },
    config::Config,
    local_ca::Authority,
};

/// The local authority, alone and with all others.
pub(super) struct Bundle {
    /// For programs that trust it in addition to others.
    pub(super) addition: PathBuf,
    /// In PEM. Removed when this is dropped, like the next two.
    pub(super) whole: NamedTempFile,
    /// A Java trust store.
    pub(super) java: NamedTempFile,
    /// A folder with PHP settings, because PHP's cURL reads no variable.
    pub(super) php: TempDir,
}

impl Bundle {
    /// The one of `config`, if clients need the local authority at all. It must have been made.
    ///
    /// # Errors
    /// When there is no room for a file.
    pub(super) fn of(config: &Config) -> Result<Option<Self>, CommandError> {
        let Some(folder) = config
            .state_dir
            .as_deref()
            .filter(|_| config.needs_local_ca())
        else {
            return Ok(None);
        };
        let own = std::path::absolute(Authority::path(folder))?;
        let certificate = CertificateDer::from_pem_file(&own).map_err(io::Error::other)?;
        let whole = file(".pem", &bundle::pem(&certificate))?;
        let java = file(".p12", &bundle::trust_store(&certificate))?;
        let php = tempfile::Builder::new().prefix("orgproxy-").tempdir()?;
        let settings = bundle::php_settings(whole.path());
        fs::write(php.path().join("orgproxy.ini"), settings)?;
        // An addition that was there before is kept.
        let addition = match env::var_os(ADDITION) {
            Some(_) => whole.path().to_owned(),
            None => own,
        };
        Ok(Some(Self {
            addition,
            whole,
            java,
            php,
        }))
    }
}

fn file(suffix: &str, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("orgproxy-")
        .suffix(suffix)
        .tempfile()?;
    file.write_all(content)?;
    file.flush()?;
    Ok(file)
}
