//! Certificate authorities that are trusted besides the system's, or that must have signed the
//! certificates of clients.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;

use super::{certificates, input::Input, ownership};

/// The peers whose certificates the authorities sign.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signed {
    /// The org's hosts, and proxies on the way there.
    Servers,
    /// Programs that call.
    Clients,
}

/// Reads every certificate of a file that nobody else can write, and checks that each can be an
/// authority.
pub(super) fn read(path: &Path, signed: Signed) -> Result<Vec<CertificateDer<'static>>, String> {
    let place = path.display();
    let input = Input::open(path).map_err(|error| format!("{place} {error}"))?;
    let harm = match signed {
        Signed::Servers => "make you trust a server of theirs and read what is sent to the org",
        Signed::Clients => "let themselves in",
    };
    ownership::check(path, &input, harm).map_err(|error| format!("{place} {error}"))?;
    let certificates = certificates::read_open(path, input)?;
    for (index, certificate) in certificates.iter().enumerate() {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| format!("{place}: certificate {} is unusable: {error}", index + 1))?;
    }
    Ok(certificates)
}
