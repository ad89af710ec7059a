//! Opening connections to the org: the way there, then HTTP on it.

use std::{sync::Arc, time::Duration};

use http::uri::Authority;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    connection::{Connection, MOST_STREAMS, Protocol},
    connections::Connections,
    http1::Http1,
};
use crate::{
    config::Limits,
    network::{ConnectError, Dialer, Socket},
};

/// Opens connections to one org.
pub(crate) struct Connector {
    dialer: Arc<Dialer>,
    tls: TlsConnector,
    /// The tick of the deadlines of connections.
    tick: Duration,
    /// The time between two questions whether an HTTP/2 peer is alive.
    ping: Option<Duration>,
    connections: Arc<Connections>,
}

impl Connector {
    pub(crate) fn new(
        dialer: Arc<Dialer>,
        mut tls: ClientConfig,
        http2: bool,
        limits: &Limits,
    ) -> Self {
        let protocols: &[&[u8]] = if http2 { &[H2, HTTP_1] } else { &[HTTP_1] };
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Self {
            dialer,
            tls: TlsConnector::from(Arc::new(tls)),
            tick: limits.idle_body.min(limits.answer),
            ping: Some(PING),
            connections: Arc::default(),
        }
    }

    /// The same, for connections that carry calls: HTTP/2 and nothing else. A gRPC server ends one
    /// on which it is asked too often whether it lives, so it is not asked.
    pub(crate) fn for_calls(&self) -> Self {
        let mut tls = ClientConfig::clone(self.tls.config());
        tls.alpn_protocols = vec![H2.to_vec()];
        Self {
            dialer: self.dialer.clone(),
            tls: TlsConnector::from(Arc::new(tls)),
            tick: self.tick,
            ping: None,
            connections: self.connections.clone(),
        }
    }

    /// Returns whether the org may choose HTTP/2.
    pub(super) fn offers_http2(&self) -> bool {
        let protocols = &self.tls.config().alpn_protocols;
        protocols.iter().any(|name| name == H2)
    }

    /// The connections that it has opened.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// The longest time that [`Self::connect`] takes.
    pub(super) fn longest(&self) -> Duration {
        self.dialer.longest()
    }

    pub(super) async fn connect(
        &self,
        authority: &Authority,
    ) -> Result<Box<Connection>, ConnectError> {
        let tls = self.dialer.connect(authority, &self.tls).await?;
        self.speak(authority, tls)
            .await
            .map_err(|error| ConnectError {
                host: authority.to_string(),
                why: error.into(),
            })
    }

    async fn speak(
        &self,
        authority: &Authority,
        tls: TlsStream<Socket>,
    ) -> hyper::Result<Box<Connection>> {
        let open = self.connections.begin();
        let (protocol, open) = match tls.get_ref().1.alpn_protocol() {
            Some(H2) => {
                let (sender, driver) = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(self.ping)
                    .initial_stream_window_size(WINDOW)
                    .initial_connection_window_size(WINDOW * MOST_STREAMS as u32)
                    .handshake(TokioIo::new(tls))
                    .await?;
                tokio::spawn(async move {
                    let _ended = driver.await;
                    drop(open);
                });
                (Protocol::Http2(sender), None)
            }
            _ => (Protocol::Http1(Http1::new(tls)), Some(open)),
        };
        let authority = authority.clone();
        Ok(Connection::new(authority, protocol, open, self.tick))
    }
}

/// Bytes of an answer that wait for a client which does not take them. All answers on a connection have
/// room for as many, so that one that is not taken holds up no other.
const WINDOW: u32 = 128 * 1024;

const H2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Finds dead peers, and keeps state alive in firewalls on the way.
const PING: Duration = Duration::from_secs(30);
