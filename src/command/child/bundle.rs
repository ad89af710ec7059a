//! Certificates for programs that take a file of authorities in place of the system's.

use std::{env, fs, io::Write, path::PathBuf};

use tempfile::NamedTempFile;

use crate::{
    authority::{self, Authority},
    command::CommandError,
    config::Config,
};

/// The local authority, alone and with all others.
pub(super) struct Bundle {
    pub(super) own: PathBuf,
    /// Gone when this is dropped.
    pub(super) whole: NamedTempFile,
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
        let mut whole = tempfile::Builder::new()
            .prefix("orgproxy-")
            .suffix(".pem")
            .tempfile()?;
        // Those that we take for the system's heed SSL_CERT_FILE, but not what only others read.
        for certificate in rustls_native_certs::load_native_certs().certs {
            whole.write_all(authority::pem_of(&certificate).as_bytes())?;
        }
        let given = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
            .into_iter()
            .filter_map(env::var_os);
        for path in given.map(PathBuf::from).chain([own.clone()]) {
            // One that cannot be read is of no use to the program either.
            let _ = whole.write_all(&fs::read(path).unwrap_or_default());
            // Not every file ends with one, and two certificates on a line are none.
            whole.write_all(b"\n")?;
        }
        whole.flush()?;
        Ok(Some(Self { own, whole }))
    }
}
