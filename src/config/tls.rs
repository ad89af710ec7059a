//! `[tls]`: the proxy's own certificate, and the authorities of clients.

use std::{path::Path, sync::Arc, time::SystemTime};

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::CertificateDer;
use x509_parser::{parse_x509_certificate, time::ASN1Time};

use super::{ca, certificates, reference, section::Section, value};

/// The certificate of `https://` listeners, and the authorities for clients.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// A certificate with its chain and its key; without it, the local authority makes one.
    pub identity: Option<Arc<CertifiedKey>>,
    /// Authorities of client certificates. If there are any, a client must show one.
    pub client_ca: Vec<CertificateDer<'static>>,
    /// If true, `client_ca` was given, valid or not: its mistakes are reported once.
    pub(super) asks_for_certificate: bool,
}

impl Tls {
    /// When the certificate of `identity` expires.
    pub(crate) fn ends(&self) -> Option<SystemTime> {
        certificates::end(self.identity.as_ref()?.cert.first()?)
    }
}

pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Tls {
    let client_ca = section.read("client_ca", |path| {
        ca::read(&value::file(path, folder)?, ca::Signed::Clients)
    });
    let asks_for_certificate = section.get("client_ca").is_some();
    let certificate = section.get("certificate").is_some();
    let private_key = section.get("private_key").is_some();
    let identity = match (certificate, private_key) {
        (false, false) => None,
        (true, false) => {
            section.problem(
                "private_key",
                "missing; add the private key that certificate belongs \
                                            to",
            );
            None
        }
        (false, true) => {
            section.problem(
                "certificate",
                "missing; add the certificate that belongs to \
                                            private_key",
            );
            None
        }
        (true, true) => identity(&mut section, folder),
    };
    section.finish();
    Tls {
        identity,
        client_ca: client_ca.unwrap_or_default(),
        asks_for_certificate,
    }
}

fn identity(section: &mut Section<'_>, folder: &Path) -> Option<Arc<CertifiedKey>> {
    let chain = section.read("certificate", |path| chain(&value::file(path, folder)?));
    let key = reference::tls_key(section, folder);
    let (chain, key) = (chain?, key?);
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(identity) => Some(Arc::new(identity)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            section.problem(
                "private_key",
                "does not belong to the first certificate of tls.certificate; use the key of that \
                 certificate",
            );
            None
        }
        Err(error) => {
            section.problem("certificate", format!("cannot be used: {error}"));
            None
        }
    }
}

/// Reads a certificate with its chain.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let place = path.display();
    let chain = certificates::read(path)?;
    let first = chain
        .first()
        .ok_or_else(|| format!("{place} holds no certificate"))?;
    let (_, first) = parse_x509_certificate(first)
        .map_err(|_| format!("{place} is damaged: its first certificate cannot be read"))?;
    let end = first.validity().not_after;
    if end < ASN1Time::now() {
        Err(format!("{place} expired on {end}; renew it"))
    } else {
        Ok(chain)
    }
}
