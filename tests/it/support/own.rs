//! A server with a certificate of an authority of its own.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivateKeyDer;

/// An authority, and how a server speaks TLS that has a certificate of it.
pub struct Own {
    pub authority: Certificate,
    pub tls: Arc<ServerConfig>,
}

impl Own {
    /// The certificate is for `name`, and valid until the year `until`.
    pub fn make(name: &str, until: i32) -> Self {
        Self::with(name, until, |_| ())
    }

    /// The same, but `change` has had its way with the certificate.
    pub fn with(name: &str, until: i32, change: fn(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);

        let key = KeyPair::generate().unwrap();
        let mut params = of_server(name, until);
        change(&mut params);
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let tls = serving(&leaf, &key);
        Self { authority, tls }
    }

    /// The certificate of the server is signed by itself, and there is no other.
    pub fn of_itself(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = of_server(name, 2099);
        // No authority that is trusted has the name of this one.
        params.distinguished_name.push(DnType::CommonName, "itself");
        let authority = params.self_signed(&key).unwrap();
        let tls = serving(&authority, &key);
        Self { authority, tls }
    }
}

fn of_server(name: &str, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2019, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn serving(leaf: &Certificate, key: &KeyPair) -> Arc<ServerConfig> {
    let tls = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    Arc::new(tls.unwrap())
}
