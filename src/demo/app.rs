//! The app that lets clients log in, as its owner has set it up in the org.

use std::sync::{Mutex, PoisonError};

use jsonwebtoken::DecodingKey;
use rustls_pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// An app, and the user that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The consumer key.
    pub client_id: String,
    /// The user that it may log in as.
    pub username: String,
    /// The certificate that its owner has uploaded.
    pub certificate: CertificateDer<'static>,
}

/// An app in a running org.
pub(super) struct Installed {
    pub(super) client_id: String,
    pub(super) username: String,
    certificate: Mutex<CertificateDer<'static>>,
}

impl From<App> for Installed {
    fn from(app: App) -> Self {
        Self {
            client_id: app.client_id,
            username: app.username,
            certificate: Mutex::new(app.certificate),
        }
    }
}

impl Installed {
    pub(super) fn replace_certificate(&self, certificate: CertificateDer<'static>) {
        *self
            .certificate
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// The key that verifies assertions; nothing if the certificate is invalid, or not valid at
    /// `now`, in seconds of Unix time.
    pub(super) fn verify(&self, now: u64) -> Option<DecodingKey> {
        let certificate = self
            .certificate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (_, certificate) = parse_x509_certificate(&certificate).ok()?;
        let now = i64::try_from(now).ok()?;
        let validity = certificate.validity();
        let is_valid =
            validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp();
        let key = &certificate.public_key().subject_public_key.data;
        is_valid.then(|| DecodingKey::from_rsa_der(key))
    }
}
