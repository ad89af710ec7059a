//! What tells that a connection has led to orgproxy, and not to an org.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;

/// The TCP addresses of a server's listeners, once they are bound.
#[derive(Clone, Default)]
pub(crate) struct OwnListeners(Arc<ArcSwap<Vec<SocketAddr>>>);

impl OwnListeners {
    /// Sets the addresses, before the first connection is opened, and whenever they change.
    pub(crate) fn set(&self, addresses: impl Iterator<Item = SocketAddr>) {
        self.0.store(Arc::new(addresses.map(canonical).collect()));
    }

    /// Returns whether a connection from `local` to `peer` leads to one of them.
    pub(super) fn contains(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        let (peer, local) = (canonical(peer), canonical(local));
        // A machine reaches itself from its own address.
        let is_here = peer.ip() == local.ip() || peer.ip().is_loopback();
        self.0.load().iter().any(|own| {
            own.port() == peer.port()
                && (own.ip() == peer.ip() || own.ip().is_unspecified() && is_here)
        })
    }
}

/// Returns whether this value of `Proxy-Status` says that the response is of an orgproxy (RFC 9209).
pub(crate) fn is_own_mark(proxy_status: &[u8]) -> bool {
    proxy_status.starts_with(b"orgproxy")
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1:443", "127.0.0.1:443", "127.0.0.1:5000", true; "the very address")]
    #[test_case("127.0.0.1:443", "127.0.0.1:8443", "127.0.0.1:5000", false; "another port")]
    #[test_case("127.0.0.1:443", "127.0.0.2:443", "127.0.0.1:5000", false; "another address")]
    #[test_case("[::1]:443", "[::1]:443", "[::1]:5000", true; "of version 6")]
    #[test_case("127.0.0.1:443", "[::ffff:127.0.0.1]:443", "[::ffff:127.0.0.1]:5000", true; "mapped into version 6")]
    #[test_case("0.0.0.0:443", "127.0.0.9:443", "127.0.0.1:5000", true; "any address, by loopback")]
    #[test_case("[::]:443", "10.0.0.5:443", "10.0.0.5:5000", true; "any address, by the machine's own")]
    #[test_case("0.0.0.0:443", "10.0.0.6:443", "10.0.0.5:5000", false; "another machine")]
    fn knows_itself(own: &str, peer: &str, local: &str, is_own: bool) {
        let listeners = OwnListeners::default();
        listeners.set([own.parse().unwrap()].into_iter());
        let (peer, local) = (peer.parse().unwrap(), local.parse().unwrap());
        assert_eq!(listeners.contains(peer, local), is_own);
    }
}
