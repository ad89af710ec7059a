//! The certificate of a private key, which is uploaded to Salesforce. It lies beside the key. Commands
//! read it, and the admin listener reports when it expires; no login needs it.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustls_pki_types::CertificateDer;

use super::{Org, certificates, input};

/// A certificate file.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) path: PathBuf,
    /// Bytes of the file.
    pub(crate) size: usize,
    pub(crate) der: CertificateDer<'static>,
}

impl Certificate {
    /// Reads the certificate beside the key of `org`: `server.crt`, `.cer` or `.pem` for
    /// `server.key`.
    ///
    /// # Errors
    /// If there is none, or it is not a certificate.
    pub(crate) fn of(org: &Org) -> Result<Self, String> {
        let Some(key) = org.credential.key_file() else {
            if org.demo.is_some() {
                return Err(format!(
                    "org.{}.demo: the built-in org needs the certificate beside the key: keep the \
                     key in a file, or take demo out",
                    org.name
                ));
            }
            return Err(format!(
                "the key of {} is not kept in a file, so there is no certificate beside it",
                org.name
            ));
        };
        let Some(path) = beside(key) else {
            return Err(format!(
                "there is no certificate {} beside the key",
                key.with_extension("crt").display()
            ));
        };
        Self::read(&path)
    }

    /// The path of the certificate beside the key of `org`, if there is one.
    pub(crate) fn path(org: &Org) -> Option<PathBuf> {
        beside(org.credential.key_file()?)
    }

    /// When it expires.
    pub(crate) fn ends(&self) -> Option<SystemTime> {
        certificates::end(&self.der)
    }

    fn read(path: &Path) -> Result<Self, String> {
        let place = path.display();
        let bytes = input::read(path, LONGEST).map_err(|error| format!("{place} {error}"))?;
        let none = || {
            format!(
                "{place} is not a certificate in PEM or DER; replace it with the one that belongs \
                 to the key, or move the file away"
            )
        };
        let der = certificates::parse(&bytes).map_err(|_| none())?;
        let der = der.into_iter().next().ok_or_else(none)?;
        x509_parser::parse_x509_certificate(&der).map_err(|_| none())?;
        Ok(Self {
            path: path.to_owned(),
            size: bytes.len(),
            der,
        })
    }
}

fn beside(key: &Path) -> Option<PathBuf> {
    ["crt", "cer", "pem"]
        .iter()
        .map(|extension| key.with_extension(extension))
        .find(|path| path != key && path.exists())
}

/// Bytes: enough for a certificate with its chain.
const LONGEST: usize = 1024 * 1024;
