//! Tunnels that lead to us: what a client asks for by `CONNECT`, if the org has `intercept`.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{ServerConfig, crypto::aws_lc_rs, sign::SingleCertAndKey};
use tokio_rustls::TlsAcceptor;

use super::tls;
use crate::{
    local_ca::{Authority, AuthorityError},
    network,
};

/// Certificates for the hosts that we stand in for, made when they are asked for.
pub(super) struct Tunnels {
    authority: Arc<Authority>,
    made: Mutex<HashMap<String, Made>>,
}

struct Made {
    acceptor: TlsAcceptor,
    lasts: Range<SystemTime>,
}

impl Tunnels {
    pub(super) fn new(authority: Arc<Authority>) -> Self {
        Self {
            authority,
            made: Mutex::default(),
        }
    }

    /// The acceptor that stands in for `host`, in lower case.
    pub(super) fn acceptor(&self, host: &str) -> Result<TlsAcceptor, AuthorityError> {
        let now = SystemTime::now();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.get(host).filter(|made| made.lasts.contains(&now)) {
            return Ok(made.acceptor.clone());
        }
        // Anybody may ask for any name below Salesforce's domains.
        if made.len() >= MOST_HOSTS {
            made.clear();
        }
        // An IPv6 address has brackets here, and none in a certificate.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let leaf = self.authority.leaf(&[name.to_owned()], now)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_details(provider, network::tls::clock())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(leaf.key)));
        server.alpn_protocols = tls::alpn();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        made.insert(
            host.to_owned(),
            Made {
                acceptor: acceptor.clone(),
                lasts: leaf.lasts,
            },
        );
        Ok(acceptor)
    }
}

/// Whose certificates are kept at once.
const MOST_HOSTS: usize = 64;
