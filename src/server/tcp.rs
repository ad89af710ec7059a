//! TCP addresses to listen on. `localhost` is two, which clients take it for in turn.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::{TcpListener, TcpStream};

use crate::config::Listen;

/// One bound address, or two.
pub(super) struct TcpSockets {
    first: TcpListener,
    second: Option<TcpListener>,
    /// The addresses that were bound, with the port that the system chose.
    pub(super) bound: Listen,
    /// The address that could not be bound.
    pub(super) missing: Option<Missing>,
}

/// A loopback address of `localhost` that could not be had, although the other could.
#[derive(Debug, Clone, Copy)]
pub struct Missing {
    /// Which.
    pub address: SocketAddr,
    /// True if another program has it; else this machine has no such address.
    pub is_taken: bool,
}

impl TcpSockets {
    pub(super) async fn bind(listen: &Listen) -> io::Result<Self> {
        if let Listen::Localhost { port, secure } = *listen {
            return Self::bind_localhost(port, secure).await;
        }
        let address = listen.address().ok_or(io::ErrorKind::InvalidInput)?;
        let listener = TcpListener::bind(address).await?;
        Self::one(listener, listen.is_https(), None)
    }

    /// Both, on the same port; or what there is of them.
    async fn bind_localhost(port: u16, secure: bool) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            let port_of_both = match &first {
                Ok(first) => first.local_addr()?.port(),
                Err(_) => port,
            };
            let addresses: [SocketAddr; 2] = [
                (Ipv4Addr::LOCALHOST, port_of_both).into(),
                (Ipv6Addr::LOCALHOST, port_of_both).into(),
            ];
            let second = TcpListener::bind(addresses[1]).await;
            tries += 1;
            return match (first, second) {
                (Ok(first), Ok(second)) => Ok(Self {
                    first,
                    second: Some(second),
                    bound: Listen::Localhost {
                        port: port_of_both,
                        secure,
                    },
                    missing: None,
                }),
                // Any port will do, and the next may be free on both.
                (Ok(_), Err(error)) if port == 0 && is_taken(&error) && tries < TRIES => continue,
                (Ok(one), Err(error)) => Self::one(one, secure, missing(addresses[1], &error)),
                (Err(error), Ok(one)) => Self::one(one, secure, missing(addresses[0], &error)),
                (Err(error), Err(_)) => Err(error),
            };
        }
    }

    fn one(first: TcpListener, secure: bool, missing: Option<Missing>) -> io::Result<Self> {
        let address = first.local_addr()?;
        Ok(Self {
            first,
            second: None,
            bound: if secure {
                Listen::Https(address)
            } else {
                Listen::Tcp(address)
            },
            missing,
        })
    }

    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.second {
            None => self.first.accept().await,
            Some(second) => tokio::select! {
                accepted = self.first.accept() => accepted,
                accepted = second.accept() => accepted,
            },
        }
    }
}

/// For a person, with what to do.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        if self.is_taken {
            write!(
                f,
                "not on {address}, which another program has: localhost may lead clients there"
            )
        } else {
            write!(
                f,
                "not on {address}, because this machine has no {}",
                address.ip()
            )
        }
    }
}

fn missing(address: SocketAddr, error: &io::Error) -> Option<Missing> {
    Some(Missing {
        address,
        is_taken: is_taken(error),
    })
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// For a port that is free on both addresses.
const TRIES: u32 = 16;
