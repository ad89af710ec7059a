//! Checking that a running proxy is healthy.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::{
    connection::{self, Connection},
    verifier::Verifier,
};
use crate::config::Listen;

/// Sends OPTIONS to each listener. Any response that an orgproxy has marked will do, a refusal too:
/// the state of the org does not matter here. A listener that asks for certificates, of which there
/// are none here, need not answer.
///
/// # Errors
/// The first unhealthy listener, and why.
pub(crate) async fn check(listeners: &[Listen]) -> Result<(), (Listen, String)> {
    for listen in listeners {
        let reason = match is_orgproxy(listen, true).await {
            Ok(true) => continue,
            Ok(false) => "something else answers there".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err((listen.clone(), reason));
    }
    Ok(())
}

/// Returns whether an orgproxy answers there; whoever asks for certificates counts as one if
/// `may_ask`. One of several addresses is enough: another program may have the others.
///
/// # Errors
/// When nobody answers, or the response is not HTTP.
pub(crate) async fn is_orgproxy(listen: &Listen, may_ask: bool) -> io::Result<bool> {
    if let Listen::Unix(path) = listen {
        return in_time(async { ask(UnixStream::connect(path).await?).await }).await;
    }
    let mut found = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in listen.addresses() {
        let outcome = in_time(probe(address, listen.is_https(), may_ask)).await;
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

async fn probe(address: SocketAddr, is_https: bool, may_ask: bool) -> io::Result<bool> {
    let stream = TcpStream::connect(address).await?;
    if !is_https {
        return ask(stream).await;
    }
    let asked = Arc::new(Asked::default());
    let verifier = Arc::new(Verifier::looking_on());
    let mut config = verifier.client_config().map_err(io::Error::other)?;
    config.client_auth_cert_resolver = asked.clone();
    let localhost = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    match connector.connect(localhost, stream).await {
        _ if asked.0.load(Relaxed) => Ok(may_ask),
        stream => ask(stream?).await,
    }
}

/// Remembers whether the server asked for a certificate, and has none.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
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

/// The time that a listener on this machine has to respond.
const TIMEOUT: Duration = Duration::from_secs(5);
