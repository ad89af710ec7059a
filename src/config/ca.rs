//! Certificate authorities that are trusted besides the system's.

use std::{fs, path::Path};

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// Reads every certificate of a PEM file, and checks that each can be one of an authority.
pub(super) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let place = path.display();
    let pem = fs::read(path).map_err(|error| format!("{place} cannot be read: {error}"))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{place} is damaged: {error}"))?;
    if certificates.is_empty() {
        return Err(format!(
            "{place} holds no certificate; it must be PEM (from DER: `openssl x509 -inform der \
             -in FILE -out ca.pem`)"
        ));
    }
    for (index, certificate) in certificates.iter().enumerate() {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| format!("{place}: certificate {} is unusable: {error}", index + 1))?;
    }
    Ok(certificates)
}
