//! Trust and TLS settings, the same for logins and for requests.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, time_provider::TimeProvider};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Verified TLS 1.2 and 1.3 that trusts `roots` and `extra`.
///
/// # Errors
/// When an authority in `extra` is not a certificate that can sign others.
pub(crate) fn client_config(
    mut roots: RootCertStore,
    extra: &[CertificateDer<'static>],
) -> Result<ClientConfig, rustls::Error> {
    for authority in extra {
        roots.add(authority.clone())?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_details(provider, clock())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The time for certificates and tickets, by the machine's clock. rustls' own panics if that shows a
/// time before 1970, as one does whose battery is empty.
pub(crate) fn clock() -> Arc<dyn TimeProvider> {
    Arc::new(Clock)
}

#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // So that a certificate is not valid yet.
        let age = age.unwrap_or(Duration::ZERO);
        Some(UnixTime::since_unix_epoch(age))
    }
}

/// The system's authorities, or Mozilla's where the system has none, as in an empty container. To
/// be read once, not for each org.
pub(crate) fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
