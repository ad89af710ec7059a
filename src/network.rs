//! Connections to a host: through a proxy or not, to an address, over TLS. The same for logins and
//! for requests. And the way to Redis.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::uri::Authority;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

#[cfg(feature = "redis")]
pub(crate) use self::store::Away;
use self::{bar::Bar, exhaustion::is_exhausted, proxies::Scheme, tunnel::TunnelError};
pub(crate) use self::{
    own::{OwnListeners, is_own_mark},
    proxies::{Proxies, Proxy, without_credentials},
    socket::Socket,
    store::Store,
};

mod bar;
mod bypass;
mod distrust;
mod exhaustion;
mod own;
mod proxies;
mod race;
mod socket;
mod socks;
#[cfg_attr(not(feature = "redis"), path = "network/store/absent.rs")]
mod store;
pub(crate) mod tls;
mod tunnel;

/// Opens connections.
pub(crate) struct Dialer {
    proxies: Proxies,
    /// For a proxy that speaks TLS itself.
    tls: TlsConnector,
    /// Time for each step.
    timeout: Duration,
    /// Time for a peer that is alive but accepts no data.
    stall: Duration,
    own: OwnListeners,
}

impl Dialer {
    /// Connects through `proxies`, trusts them as `tls` says, and never connects to `own`. Each
    /// step has `timeout`; a peer that accepts no data is given up after `stall`.
    pub(crate) fn new(
        proxies: Proxies,
        tls: &ClientConfig,
        timeout: Duration,
        stall: Duration,
        own: OwnListeners,
    ) -> Self {
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            proxies,
            tls: TlsConnector::from(Arc::new(tls)),
            timeout,
            stall,
            own,
        }
    }

    /// Connects to the host, with `tls`.
    pub(crate) async fn connect(
        &self,
        authority: &Authority,
        tls: &TlsConnector,
    ) -> Result<TlsStream<Socket>, ConnectError> {
        let fail = |why| ConnectError {
            host: authority.to_string(),
            why,
        };
        let late = |step| ConnectError::late(authority, step, self.timeout);
        let silent = |_| {
            let late = late("connecting");
            let why = match self.proxy(authority) {
                Some(proxy) => late.why.of(proxy),
                None => late.why,
            };
            ConnectError { why, ..late }
        };
        let socket = timeout(self.timeout, self.reach(authority))
            .await
            .map_err(silent)?
            .map_err(fail)?;
        timeout(self.timeout, secure(bare(authority), socket, tls))
            .await
            .map_err(|_| late("the TLS handshake"))?
            .map_err(|error| fail(ConnectFault::Tls(distrust::describe(&error))))
    }

    /// The time limit of each step.
    pub(crate) fn step(&self) -> Duration {
        self.timeout
    }

    /// The longest time that connecting can take.
    pub(crate) fn longest(&self) -> Duration {
        self.timeout * 2
    }

    /// The proxy on the way to the host, if the environment names one for it.
    pub(crate) fn proxy(&self, authority: &Authority) -> Option<&Proxy> {
        self.proxies.to(bare(authority), port(authority))
    }

    /// Connects to the host by TCP, or through a proxy on the way.
    pub(crate) async fn reach(&self, authority: &Authority) -> Result<Socket, ConnectFault> {
        let (host, port) = (bare(authority), port(authority));
        let proxy = self.proxy(authority);
        tracing::debug!(%authority, ?proxy, "connecting");
        match proxy {
            None => Ok(Socket::new(self.tcp(host, port).await?, self.stall)),
            Some(proxy) => {
                BAR.check(proxy).map_err(|why| why.of(proxy))?;
                let reached = self.reach_by(proxy, host, port).await;
                reached.map_err(|why| why.of(proxy))
            }
        }
    }

    async fn reach_by(&self, proxy: &Proxy, host: &str, port: u16) -> Result<Socket, ConnectFault> {
        let tcp = || self.tcp(&proxy.host, proxy.port);
        let mut socket = match proxy.scheme {
            Scheme::Http => Socket::new(tcp().await?, self.stall),
            Scheme::Https => {
                let stream = secure(&proxy.host, tcp().await?, &self.tls).await;
                let stream =
                    stream.map_err(|error| ConnectFault::Tls(distrust::describe(&error)))?;
                Socket::within(stream, self.stall)
            }
            Scheme::Socks5h => {
                let opening = socks::open(tcp().await?, proxy, host, port);
                let stream = BAR.pass(proxy, opening).await?;
                return Ok(Socket::new(stream, self.stall));
            }
            Scheme::Socks5 => {
                let attempt = |address: SocketAddr| async move {
                    let ip = address.ip().to_string();
                    let tcp = self.tcp(&proxy.host, proxy.port).await?;
                    let opening = socks::open(tcp, proxy, &ip, port);
                    BAR.pass(proxy, opening).await
                };
                let addresses = lookup(host, port).await?;
                let stream = race::first(addresses, attempt)
                    .await
                    .unwrap_or_else(nowhere)?;
                return Ok(Socket::new(stream, self.stall));
            }
        };
        let authorization = proxy.authorization.as_ref();
        let opening = async { Ok(tunnel::open(&mut socket, host, port, authorization).await?) };
        BAR.pass(proxy, opening).await?;
        Ok(socket)
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, ConnectFault> {
        let addresses = lookup(host, port).await?;
        let attempt = |address| async move {
            TcpStream::connect(address)
                .await
                .map_err(|error| ConnectFault::of_address(error, address))
        };
        let tcp = race::first(addresses, attempt)
            .await
            .unwrap_or_else(nowhere)?;
        let (peer, local) = (tcp.peer_addr(), tcp.local_addr());
        if let (Ok(peer), Ok(local)) = (peer, local)
            && self.own.contains(peer, local)
        {
            return Err(ConnectFault::Loop(format!(
                "the name resolves to {peer}, where orgproxy itself listens: on this machine, it \
                 must resolve to Salesforce; remove it from /etc/hosts, or correct the name \
                 server's answer"
            )));
        }
        Ok(tcp)
    }
}

/// One for all, since the environment of a process names the same proxies to all.
static BAR: Bar = Bar::new();

async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectFault> {
    match lookup_host((host, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        // Without a free file descriptor, the name is reported as unknown.
        Err(error) if is_exhausted(&error) || exhaustion::is_now() => {
            Err(ConnectFault::Exhausted(error))
        }
        // Where there is no /etc/hosts, as in a small container (RFC 6761 section 6.3).
        Err(_) if is_localhost(host) => Ok(LOOPBACK.map(|ip| (ip, port).into()).to_vec()),
        Err(error) => Err(ConnectFault::Tcp(format!(
            "{host} does not resolve: {error}"
        ))),
    }
}

fn is_localhost(host: &str) -> bool {
    let last = host.rsplit('.').next();
    last.is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

fn nowhere<T>() -> Result<T, ConnectFault> {
    Err(ConnectFault::Tcp("its name has no address".to_owned()))
}

async fn secure<S>(host: &str, stream: S, tls: &TlsConnector) -> io::Result<TlsStream<S>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    tls.connect(name, stream).await
}

/// The host without the brackets of an IPv6 address.
pub(crate) fn bare(authority: &Authority) -> &str {
    let host = authority.host();
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The port, or that of HTTPS.
pub(crate) fn port(authority: &Authority) -> u16 {
    authority.port_u16().unwrap_or(443)
}

/// The reason that there is no connection to a host.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {host}: {why}")]
pub(crate) struct ConnectError {
    pub(crate) host: String,
    pub(crate) why: ConnectFault,
}

impl ConnectError {
    pub(crate) fn late(authority: &Authority, step: &'static str, limit: Duration) -> Self {
        Self {
            host: authority.to_string(),
            why: ConnectFault::TimedOut { step, limit },
        }
    }
}

/// The fault in connecting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFault {
    #[error("{0}")]
    Tcp(String),
    #[error("through the proxy {host} of {variable}, port {port}: {fault}")]
    Proxy {
        host: String,
        port: u16,
        variable: &'static str,
        fault: String,
        /// If true, sending it again might lock its user out.
        wrong_password: bool,
    },
    #[error("its TLS cannot be trusted: {0}")]
    Tls(String),
    #[error("{step} took longer than {}s (limits.connect)", .limit.as_secs())]
    TimedOut { step: &'static str, limit: Duration },
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// A SOCKS proxy refuses the credentials.
    #[error("{0}")]
    Credentials(String),
    /// A proxy has refused them lately, and was not asked now.
    #[error("{0}")]
    Barred(String),
    /// Not a fault of the host or the network.
    #[error(
        "orgproxy has run out of resources for connections ({0}): raise its limit of open files (ulimit -n, LimitNOFILE= of systemd), or lower limits.connections"
    )]
    Exhausted(io::Error),
    /// The proxy would connect to itself: how, and what to do.
    #[error("{0}")]
    Loop(String),
}

impl ConnectFault {
    fn of_address(error: io::Error, address: SocketAddr) -> Self {
        // With IPv6 it also means that the machine has no such address.
        let is_out_of_ports = error.kind() == io::ErrorKind::AddrNotAvailable && address.is_ipv4();
        if is_exhausted(&error) || is_out_of_ports {
            Self::Exhausted(error)
        } else {
            Self::Tcp(format!("{address}: {error}"))
        }
    }

    /// The same fault, if it happened at `proxy` or before it.
    fn of(self, proxy: &Proxy) -> Self {
        let refuses = match &self {
            Self::Credentials(_) | Self::Barred(_) => true,
            Self::Tunnel(fault) => fault.is_unauthorized(),
            _ => false,
        };
        let fault = match self {
            Self::Exhausted(error) => return Self::Exhausted(error),
            Self::Loop(_) | Self::Tunnel(TunnelError::Orgproxy) => {
                let variable = proxy.variable;
                return Self::Loop(format!(
                    "{variable} points to {proxy}, where an orgproxy listens: unset it where \
                     orgproxy is started, and set it only for the tools"
                ));
            }
            Self::Tunnel(error) => error.advise(proxy),
            other => other.to_string(),
        };
        Self::Proxy {
            host: proxy.host.clone(),
            port: proxy.port,
            variable: proxy.variable,
            fault,
            wrong_password: refuses && proxy.credentials.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_here_whatever_the_system_knows() {
        for name in [
            "localhost",
            "nobody.knows.localhost",
            "nobody-knows.LOCALHOST",
        ] {
            let addresses = lookup(name, 7).await.unwrap();
            assert!(!addresses.is_empty());
            for address in addresses {
                assert!(
                    address.ip().is_loopback() && address.port() == 7,
                    "{address}"
                );
            }
        }
        assert!(lookup("localhost.invalid", 7).await.is_err());
    }
}
