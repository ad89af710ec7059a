//! The certificates that a server shows to a command.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::network;

/// Verifies what a server shows, and keeps it.
#[derive(Debug)]
pub(super) struct Verifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Vec<CertificateDer<'static>>>,
}

#[derive(Debug)]
enum Rule {
    /// A certificate for the host's name by a trusted authority.
    Trusted(Arc<WebPkiServerVerifier>),
    /// Any.
    None,
}

impl Verifier {
    /// Verifies as logins and requests do.
    ///
    /// # Errors
    /// When `roots` is empty.
    pub(super) fn trusting(roots: RootCertStore) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self::new(Rule::Trusted(verifier)))
    }

    /// Takes whatever a listener of this machine shows, to which nothing is told. It may be another
    /// certificate than that of the configuration: of before or after a renewal.
    pub(super) fn looking_on() -> Self {
        Self::new(Rule::None)
    }

    fn new(rule: Rule) -> Self {
        Self {
            rule,
            algorithms: aws_lc_rs::default_provider().signature_verification_algorithms,
            seen: Mutex::default(),
        }
    }

    /// TLS that asks this verifier.
    pub(super) fn client_config(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(
            ClientConfig::builder_with_details(provider, network::tls::clock())
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(self.clone())
                .with_no_client_auth(),
        )
    }

    /// The chain that was shown, the host's own certificate first.
    pub(super) fn seen(&self) -> Vec<CertificateDer<'static>> {
        let seen = self.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = [end_entity].into_iter().chain(intermediates);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = shown.map(|shown| shown.clone().into_owned()).collect();
        match &self.rule {
            Rule::Trusted(verifier) => {
                verifier.verify_server_cert(end_entity, intermediates, name, ocsp, now)
            }
            Rule::None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
