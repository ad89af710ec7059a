//! Opening connections to the org: name, TCP, proxy on the way, TLS, HTTP.

use std::{sync::Arc, time::Duration};

use http::{Uri, uri::Authority};
use hyper::client::conn::http2;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::Matcher,
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::ServiceExt;

use super::{
    connection::{Connection, Protocol},
    http1::Http1,
    socket::Socket,
};
use crate::config::Limits;

/// Opens connections to one org.
pub(crate) struct Connector {
    tcp: HttpConnector,
    /// `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, as they were at start.
    proxies: Matcher,
    tls: TlsConnector,
    /// For each step.
    patience: Duration,
    /// For the deadlines of connections.
    tick: Duration,
    /// Between two questions whether an HTTP/2 peer is alive.
    ping: Option<Duration>,
}

impl Connector {
    /// Opens connections that carry calls: HTTP/2 and nothing else. A gRPC server ends one on which
    /// it is asked too often whether it lives, so it is not asked.
    pub(crate) fn for_calls(tls: ClientConfig, limits: &Limits) -> Self {
        Self {
            ping: None,
            ..Self::offering(&[H2], tls, limits)
        }
    }

    pub(crate) fn new(tls: ClientConfig, http2: bool, limits: &Limits) -> Self {
        match http2 {
            true => Self::offering(&[H2, HTTP_1], tls, limits),
            false => Self::offering(&[HTTP_1], tls, limits),
        }
    }

    /// The same, but never by a proxy of the environment.
    pub(crate) fn directly(self) -> Self {
        Self {
            proxies: Matcher::builder().build(),
            ..self
        }
    }

    fn offering(protocols: &[&[u8]], mut tls: ClientConfig, limits: &Limits) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self {
            tcp,
            proxies: Matcher::from_env(),
            tls: TlsConnector::from(Arc::new(tls)),
            patience: limits.connect,
            tick: limits.idle_body.min(limits.answer),
            ping: Some(KEEPALIVE),
        }
    }

    pub(super) async fn connect(
        &self,
        authority: &Authority,
    ) -> Result<Box<Connection>, ConnectError> {
        let fail = |why| ConnectError {
            host: authority.to_string(),
            why,
        };
        let step = |what| {
            move |_| {
                fail(Why::TimedOut {
                    what,
                    limit: self.patience,
                })
            }
        };

        let tcp = timeout(self.patience, self.reach(authority))
            .await
            .map_err(step("connecting"))?
            .map_err(fail)?;
        let tls = timeout(self.patience, self.secure(authority, tcp))
            .await
            .map_err(step("the TLS handshake"))?
            .map_err(fail)?;
        self.speak(authority, tls)
            .await
            .map_err(|error| fail(Why::Http(error)))
    }

    /// The proxy on the way to the host, if the environment names one for it: host and port.
    pub(crate) fn proxy(&self, authority: &Authority) -> Option<String> {
        let proxy = self.proxies.intercept(&target(authority).ok()?)?;
        // Not all of it: there may be a password.
        let host = proxy.uri().host()?.to_owned();
        Some(match proxy.uri().port_u16() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        })
    }

    /// TCP to the host, or a tunnel to it through the proxy that the environment names.
    ///
    /// # Errors
    /// In words, without the host.
    pub(crate) async fn reach(&self, authority: &Authority) -> Result<TcpStream, Why> {
        let target = target(authority).map_err(|error| Why::Tcp(error.to_string()))?;
        let stream = match self.proxies.intercept(&target) {
            None => self
                .tcp
                .clone()
                .oneshot(target)
                .await
                .map_err(|error| Why::Tcp(crate::error::causes(&error)))?,
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                let host = proxy.uri().host().unwrap_or_default().to_owned();
                tunnel
                    .oneshot(target)
                    .await
                    .map_err(|error| Why::Proxy(host, crate::error::causes(&error)))?
            }
        };
        Ok(stream.into_inner())
    }

    async fn secure(
        &self,
        authority: &Authority,
        tcp: TcpStream,
    ) -> Result<TlsStream<Socket>, Why> {
        let name = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let name =
            ServerName::try_from(name.to_owned()).map_err(|error| Why::Tls(error.to_string()))?;
        self.tls
            .connect(name, Socket::new(tcp))
            .await
            .map_err(|error| Why::Tls(crate::error::causes(&error)))
    }

    async fn speak(
        &self,
        authority: &Authority,
        tls: TlsStream<Socket>,
    ) -> hyper::Result<Box<Connection>> {
        let protocol = match tls.get_ref().1.alpn_protocol() {
            Some(H2) => {
                let (sender, driver) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(self.ping)
                    .handshake(TokioIo::new(tls))
                    .await?;
                tokio::spawn(driver);
                Protocol::Http2(sender)
            }
            _ => Protocol::Http1(Http1::new(tls)),
        };
        Ok(Connection::new(authority.clone(), protocol, self.tick))
    }
}

fn target(authority: &Authority) -> Result<Uri, http::Error> {
    Uri::builder()
        .scheme("https")
        .authority(authority.as_str())
        .path_and_query("/")
        .build()
}

/// Why the org cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {host}: {why}")]
pub(crate) struct ConnectError {
    host: String,
    why: Why,
}

/// What went wrong on the way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Why {
    #[error("{0}")]
    Tcp(String),
    #[error("by the proxy {0} of HTTPS_PROXY: {1}")]
    Proxy(String, String),
    #[error(
        "its TLS cannot be trusted: {0}; if a proxy on the way inspects TLS, name its certificate in ca_file"
    )]
    Tls(String),
    #[error("{what} took longer than {}s (limits.connect)", .limit.as_secs())]
    TimedOut { what: &'static str, limit: Duration },
    #[error("{0}")]
    Http(hyper::Error),
}

const H2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Finds dead peers, and keeps state alive in firewalls on the way.
const KEEPALIVE: Duration = Duration::from_secs(30);
