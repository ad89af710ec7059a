//! TLS with clients: certificates, and the way to tell who speaks it and who does not.

use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    AlertDescription, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{StartupError, tunnel::Tunnels};
use crate::{
    config::{self, Config, Listen},
    local_ca::{Authority, AuthorityError, Leaf},
    network,
    proxy::connection_state::Alpn,
    system::{clocks, telemetry::Throttle},
};

/// The settings that all listeners share.
#[derive(Default)]
pub(super) struct Tls {
    /// For `https://` listeners.
    pub(super) listener: Option<TlsListener>,
    /// For tunnels.
    pub(super) tunnels: Option<Arc<Tunnels>>,
    /// The certificates to renew.
    pub(super) certificates: Option<Arc<Certificates>>,
}

/// The TLS of an `https://` listener.
#[derive(Clone)]
pub(super) struct TlsListener {
    pub(super) acceptor: TlsAcceptor,
    /// The authorities of clients' certificates. If there are any, every client shows one.
    pub(super) client_ca: Arc<[CertificateDer<'static>]>,
}

impl TlsListener {
    /// Returns whether every client shows a certificate.
    pub(super) fn asks(&self) -> bool {
        !self.client_ca.is_empty()
    }
}

impl Tls {
    pub(super) fn new(config: &Config) -> Result<Self, StartupError> {
        let mut tls = Self::default();
        let authority = match (&config.state_dir, config.needs_local_ca()) {
            (_, false) => None,
            (Some(folder), true) => Some(Arc::new(Authority::open(folder)?)),
            (None, true) => return Err(StartupError::NoStateDir),
        };
        if config.listens_with_tls() {
            let resolver: Arc<dyn ResolvesServerCert> = match (&config.tls.identity, &authority) {
                (Some(identity), _) => Arc::new(SingleCertAndKey::from(identity.clone())),
                (None, Some(authority)) => {
                    let certificates = Certificates::new(authority.clone(), names(config))?;
                    tls.certificates.insert(Arc::new(certificates)).clone()
                }
                (None, None) => return Err(StartupError::NoStateDir),
            };
            let server = server_config(&config.tls, resolver)?;
            tls.listener = Some(TlsListener {
                acceptor: Arc::new(server).into(),
                client_ca: config.tls.client_ca.clone().into(),
            });
        }
        if let Some(authority) = authority
            && config.orgs.iter().any(|org| org.intercept)
        {
            tls.tunnels = Some(Arc::new(Tunnels::new(authority)));
        }
        Ok(tls)
    }
}

/// The names that clients may call us by: this machine's own, those of the configuration, and the
/// orgs' own hosts, for tools that are led here by the system's hosts file.
fn names(config: &Config) -> Vec<String> {
    let mut names: Vec<_> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let of_orgs = config.orgs.iter().flat_map(|org| {
        let own = org.my_domain().map(str::to_owned);
        // Without the brackets that URLs have.
        let addresses = org.listen.iter().flat_map(Listen::named_addresses);
        let addresses = addresses.map(|ip| ip.trim_matches(['[', ']']).to_owned());
        org.hosts.iter().cloned().chain(own).chain(addresses)
    });
    for name in of_orgs {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn server_config(
    tls: &config::Tls,
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<ServerConfig, StartupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_details(provider.clone(), network::tls::clock())
        .with_safe_default_protocol_versions()?;
    let verifier = client_verifier(tls, provider)?;
    let asks = verifier.is_some();
    let mut server = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    }
    .with_cert_resolver(resolver);
    if asks {
        // A resumed session would go on after the end of the certificate, which is shown only at
        // its beginning.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    server.alpn_protocols = alpn();
    Ok(server)
}

fn client_verifier(
    tls: &config::Tls,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, StartupError> {
    if tls.client_ca.is_empty() {
        return Ok(None);
    }
    let failed = |error: String| StartupError::ClientCa(error);
    let mut roots = RootCertStore::empty();
    for authority in &tls.client_ca {
        roots
            .add(authority.clone())
            .map_err(|error| failed(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
        .build()
        .map(Some)
        .map_err(|error| failed(error.to_string()))
}

/// The protocols, as ALPN names them, in order of preference.
pub(super) fn alpn() -> Vec<Vec<u8>> {
    vec![HTTP2.to_vec(), HTTP1.to_vec()]
}

/// The protocol that a handshake agreed on, if any.
pub(super) fn agreed<S>(stream: &TlsStream<S>) -> Alpn {
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP2) => Alpn::Http2,
        Some(_) => Alpn::Http1,
        None => Alpn::Open,
    }
}

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Our certificate by the local authority, as long as it lasts, and the next one after it.
pub(super) struct Certificates {
    authority: Arc<Authority>,
    names: Vec<String>,
    current: ArcSwap<Leaf>,
}

impl Certificates {
    fn new(authority: Arc<Authority>, names: Vec<String>) -> Result<Self, AuthorityError> {
        let leaf = authority.kept_leaf(&names, SystemTime::now())?;
        Ok(Self {
            authority,
            names,
            current: ArcSwap::from_pointee(leaf),
        })
    }

    /// Has the next certificate made, if it is time, or if the clock was wrong when the current one was
    /// made. If that fails, the current one stays, and the next call tries again.
    pub(super) fn renew(&self, now: SystemTime) {
        if self.current.load().lasts.contains(&now) {
            return;
        }
        match self.authority.kept_leaf(&self.names, now) {
            Ok(leaf) => self.current.store(Arc::new(leaf)),
            Err(error) => {
                if RENEWAL.admit().is_some() {
                    tracing::warn!("cannot renew the certificate: {error}");
                }
            }
        }
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.names).finish()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().key.clone())
    }
}

/// Takes the handshake of a client that speaks TLS, and tells one that does not that it should.
/// `None` if there is nothing more to say to it.
pub(super) async fn accept(
    mut stream: TcpStream,
    acceptor: &TlsAcceptor,
) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE => {}
        Ok(1) => {
            if let Some(left_out) = THROTTLE.admit() {
                tracing::warn!(
                    left_out,
                    "refused a client that speaks HTTP to an https:// listener; use https:// for it"
                );
            }
            // It may be gone.
            let _ = tell(&mut stream).await;
            return None;
        }
        // It came and went, as a port scan does.
        _ => return None,
    }
    match acceptor.accept(stream).await {
        Ok(stream) => Some(stream),
        Err(error) => {
            log_failure(&error);
            None
        }
    }
}

/// A client's handshake failed. Most often it does not trust our certificate, and cannot say so to
/// its user in words that help.
pub(super) fn log_failure(error: &io::Error) {
    let Some(left_out) = THROTTLE.admit() else {
        return;
    };
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let hint = match cause {
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown,
        )) => "; it does not trust the proxy's certificate: `orgproxy trust` shows what it needs",
        Some(rustls::Error::NoCertificatesPresented) => {
            "; it must present a certificate of an authority in tls.client_ca"
        }
        _ => "",
    };
    tracing::warn!(left_out, "a client's TLS handshake failed: {error}{hint}");
}

async fn tell(stream: &mut TcpStream) -> io::Result<()> {
    let date = clocks::http_date(SystemTime::now());
    let answer = NEEDS_HTTPS.replacen("Date: \r\n", &format!("Date: {date}\r\n"), 1);
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // To close before all is read would reset the connection, and the answer with it.
    let mut rest = stream.take(MOST_READ);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// The type of a TLS record that carries a handshake (RFC 8446 section 5.1): how every connection
/// by TLS begins, and none by HTTP.
pub(super) const HANDSHAKE: u8 = 22;

/// In plain text, since nothing is known of the client.
const NEEDS_HTTPS: &str = "HTTP/1.1 400 Bad Request\r\n\
    Date: \r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 58\r\n\
    Cache-Control: no-store\r\n\
    Proxy-Status: orgproxy; error=http_request_error; details=\"NEEDS_HTTPS\"\r\n\
    Connection: close\r\n\
    \r\n\
    orgproxy: this listener speaks HTTPS; use https:// for it\n";

/// Bytes that are read of what a client goes on sending though it was told to stop.
const MOST_READ: u64 = 1024 * 1024;

static THROTTLE: Throttle = Throttle::new();

/// For what is tried over and over.
static RENEWAL: Throttle = Throttle::to(1, Duration::from_secs(60 * 60));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_renewed_while_it_is_in_use() {
        let folder = tempfile::TempDir::new().unwrap();
        let authority = Arc::new(Authority::open(folder.path()).unwrap());
        let certificates = Certificates::new(authority, vec!["localhost".to_owned()]).unwrap();
        let shown = || certificates.current.load().key.cert.clone();
        let first = shown();
        let now = SystemTime::now();
        certificates.renew(now);
        assert_eq!(shown(), first);
        certificates.renew(now + Duration::from_secs(300 * 24 * 60 * 60));
        let second = shown();
        assert_ne!(second, first);
        // The clock was ahead.
        certificates.renew(now);
        assert_ne!(shown(), second);
    }

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let (head, body) = NEEDS_HTTPS.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
