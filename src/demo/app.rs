//! The app that lets clients log in, as its owner has set it up in the org.

use jsonwebtoken::DecodingKey;
use rustls_pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

/// What an org knows of an app and of the user that it is for.
#[derive(Debug, Clone)]
pub struct App {
    /// The consumer key.
    pub client_id: String,
    /// The user that it may log in as.
    pub username: String,
    /// The certificate that its owner has uploaded.
    pub certificate: CertificateDer<'static>,
}

impl App {
    /// What checks the signature of an assertion; nothing if the certificate is none, or is out of
    /// its time at `now`, in seconds of Unix time.
    pub(super) fn verify(&self, now: u64) -> Option<DecodingKey> {
        let (_, certificate) = parse_x509_certificate(&self.certificate).ok()?;
        let now = i64::try_from(now).ok()?;
        let validity = certificate.validity();
        let is_valid =
            validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp();
        let key = &certificate.public_key().subject_public_key.data;
        is_valid.then(|| DecodingKey::from_rsa_der(key))
    }
}
