//! The keys and certificates of a demo org.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use jsonwebtoken::EncodingKey;
use pkcs8::PrivateKeyInfoRef;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The keys and certificates that all demo orgs of this process share.
pub(super) struct Certificates {
    pub(super) ca_pem: String,
    pub(super) ca_der: CertificateDer<'static>,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) private_key_pem: String,
    pub(super) certificate_pem: String,
    pub(super) certificate_der: CertificateDer<'static>,
    /// Signs the org's own JWT-format access tokens.
    pub(super) sign: EncodingKey,
}

impl Certificates {
    /// Created once per process: an RSA key takes a tenth of a second, and every test starts an
    /// org.
    pub(super) fn shared() -> io::Result<Arc<Self>> {
        static SHARED: OnceLock<Arc<Certificates>> = OnceLock::new();

        if let Some(shared) = SHARED.get() {
            return Ok(shared.clone());
        }
        let made = Arc::new(Self::make().map_err(io::Error::other)?);
        Ok(SHARED.get_or_init(|| made).clone())
    }

    fn make() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "orgproxy demo CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca = params.self_signed(&ca_key)?;
        let issuer = Issuer::new(params, ca_key);

        let leaf_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(NAMES.map(String::from))?;
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&leaf_key, &issuer)?;

        let app_key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "orgproxy demo app");
        let app = params.self_signed(&app_key)?;
        let pkcs1 = PrivateKeyInfoRef::try_from(app_key.serialized_der())?
            .private_key
            .as_bytes();

        let mut tls = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone(), ca.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der())),
            )?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

        Ok(Self {
            ca_pem: ca.pem(),
            ca_der: ca.der().clone(),
            tls: Arc::new(tls),
            sign: EncodingKey::from_rsa_der(pkcs1),
            private_key_pem: app_key.serialize_pem(),
            certificate_pem: app.pem(),
            certificate_der: app.der().clone(),
        })
    }
}

/// `demo.my.salesforce.com` is for tests that resolve it to this address.
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "demo.my.salesforce.com"];
