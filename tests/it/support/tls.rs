//! A client that speaks TLS.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, ConfigBuilder, DEFAULT_VERSIONS, RootCertStore, SupportedProtocolVersion,
    client::WantsClientCert, crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{PATIENCE, answer::Answer};

/// A client for what curl does not do.
pub(crate) struct Client(ClientConfig);

impl Client {
    /// Makes a client that trusts the authority in a file, and no other.
    pub(crate) fn trusting(ca_file: &str) -> Self {
        Self(client_config(ca_file).with_no_client_auth())
    }

    /// Sends the certificate and key of a file from now on.
    pub(crate) fn shows(&mut self, file: &Path) {
        let ca = file.with_file_name("state/ca.pem");
        self.0 = with_certificate(client_config(&ca.display().to_string()), file);
    }

    /// Makes a client that speaks one version of TLS, and shows the certificate and key of `file`, if
    /// there is one.
    pub(crate) fn speaking(
        version: &'static SupportedProtocolVersion,
        ca_file: &str,
        file: Option<&Path>,
    ) -> Self {
        let config = client_config_of(&[version], ca_file);
        Self(match file {
            Some(file) => with_certificate(config, file),
            None => config.with_no_client_auth(),
        })
    }

    /// Offers nothing but this by ALPN from now on.
    pub(crate) fn agree_on(&mut self, protocol: &[u8]) {
        self.0.alpn_protocols = vec![protocol.to_vec()];
    }

    /// Connects to a port of this machine.
    pub(crate) async fn connect(&self, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        self.greet(stream, "localhost").await
    }

    /// Speaks TLS with `name` over a connection that is there.
    pub(crate) async fn greet(
        &self,
        stream: TcpStream,
        name: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(self.0.clone()))
            .connect(name, stream)
            .await
    }

    /// The answers to `request`, none if it is not let in.
    pub(crate) async fn ask(&self, port: u16, request: &str) -> Vec<Answer> {
        let Ok(mut stream) = self.connect(port).await else {
            return Vec::new();
        };
        // Refused for its certificate, it may learn so only now.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut heard = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        Answer::all(&heard)
    }
}

/// Adds the certificate and key of a file.
fn with_certificate(
    config: ConfigBuilder<ClientConfig, WantsClientCert>,
    file: &Path,
) -> ClientConfig {
    let chain = vec![CertificateDer::from_pem_file(file).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file).unwrap();
    config.with_client_auth_cert(chain, key).unwrap()
}

fn client_config(ca_file: &str) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    client_config_of(DEFAULT_VERSIONS, ca_file)
}

fn client_config_of(
    versions: &[&'static SupportedProtocolVersion],
    ca_file: &str,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca_file).unwrap())
        .unwrap();
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}
