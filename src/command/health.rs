//! Checking that a running proxy is healthy.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::{
    connection::{self, Connection},
    verifier::Verifier,
};
use crate::{
    config::{Config, Listen},
    local_ca::Authority,
    network,
};

/// Sends OPTIONS to each listener. Any response that an orgproxy has marked will do, a refusal too:
/// the state of the org does not matter here.
///
/// # Errors
/// The first unhealthy listener, and why.
pub(crate) async fn check(config: &Config) -> Result<(), (Listen, String)> {
    for listen in config.orgs.iter().flat_map(|org| &org.listen) {
        let reason = match is_orgproxy(listen, config).await {
            Ok(true) => continue,
            Ok(false) => "something else answers there".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err((listen.clone(), reason));
    }
    Ok(())
}

/// Returns whether an orgproxy answers there. One of several addresses is enough: another program
/// may have the others.
///
/// # Errors
/// When nobody answers, or the response is not HTTP.
pub(crate) async fn is_orgproxy(listen: &Listen, config: &Config) -> io::Result<bool> {
    if let Listen::Unix(path) = listen {
        return in_time(async { ask(UnixStream::connect(path).await?).await }).await;
    }
    let mut found = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in listen.addresses() {
        let outcome = in_time(probe(address, listen.is_https(), config)).await;
        if matches!(outcome, Ok(true)) {
            return outcome;
        }
        // A response at one address says more than silence at another.
        if found.is_err() {
            found = outcome;
        }
    }
    found
}

async fn in_time(probe: impl Future<Output = io::Result<bool>>) -> io::Result<bool> {
    let late = || io::Error::other(format!("no answer within {}s", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, probe)
        .await
        .map_err(|_| late())?
}

async fn probe(address: SocketAddr, is_https: bool, config: &Config) -> io::Result<bool> {
    let stream = TcpStream::connect(address).await?;
    if !is_https {
        return ask(stream).await;
    }
    let tls = TlsConnector::from(Arc::new(client_config(config)?));
    let localhost = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let stream = tls.connect(localhost, stream).await?;
    // A listener that asks for certificates has shown its own, and there is none to show it in
    // return.
    if config.tls.client_ca.is_empty() {
        ask(stream).await
    } else {
        Ok(true)
    }
}

async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<bool> {
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("*")
        .body(Empty::<Bytes>::new().map_err(|never| match never {}))
        .map_err(io::Error::other)?;
    let mut connection = Connection::new(stream).await.map_err(io::Error::other)?;
    let response = connection.send(request.map(BodyExt::boxed_unsync)).await;
    let response = response.map_err(io::Error::other)?;
    Ok(connection::is_from_orgproxy(response.headers()))
}

/// Trusts the local authority, or exactly the certificate of the configuration.
fn client_config(config: &Config) -> io::Result<ClientConfig> {
    if let Some(identity) = &config.tls.identity {
        let own = identity.cert.first().cloned();
        let own = own.ok_or_else(|| io::Error::other("tls.certificate is empty"))?;
        let verifier = Arc::new(Verifier::exactly(own));
        return verifier.client_config().map_err(io::Error::other);
    }
    let folder = config.state_dir.clone().unwrap_or_default();
    let path = Authority::path(&folder);
    let authority = CertificateDer::from_pem_file(&path)
        // The error may show what is in the file.
        .map_err(|_| io::Error::other(format!("{} is not a certificate", path.display())))?;
    network::tls::client_config(RootCertStore::empty(), &[authority]).map_err(io::Error::other)
}

/// The time that a listener on this machine has to respond.
const TIMEOUT: Duration = Duration::from_secs(5);
