//! Certificate authorities that are trusted besides the system's.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use super::certificates;

/// Reads every certificate of a file, and checks that each can be one of an authority.
pub(super) fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let place = path.display();
    let certificates = certificates::read(path)?;
    for (index, certificate) in certificates.iter().enumerate() {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| format!("{place}: certificate {} is unusable: {error}", index + 1))?;
    }
    Ok(certificates)
}
