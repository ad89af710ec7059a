//! Addresses to listen on.

use std::{
    fmt::{self, Display, Formatter},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// TCP; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// TLS over TCP.
    Https(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// TCP on 127.0.0.1, which no other machine reaches.
    pub fn loopback(port: u16) -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Reads `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`, each with `http://` or `https://`
    /// before it if need be, or `unix:/path`; a path that is not absolute starts in `folder`.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = folder.join(path);
            return match path.as_os_str().len() {
                ..=LONGEST_PATH => Ok(Self::Unix(path)),
                length => Err(format!(
                    "{} has {length} bytes, but a Unix socket's path can have {LONGEST_PATH} only",
                    path.display()
                )),
            };
        }
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => (false, text),
        };
        let port = rest.rsplit(':').next().and_then(|port| port.parse().ok());
        let address = match (rest.strip_prefix("localhost:"), port) {
            (Some(_), Some(port)) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            _ => rest.parse().ok(),
        };
        match (address, secure) {
            (Some(address), true) => Ok(Self::Https(address)),
            (Some(address), false) => Ok(Self::Tcp(address)),
            (None, _) => Err(format!(
                "{text:?} is not an address; write one such as \"{}127.0.0.1:{}\", \
                 \"[::1]:8080\" or \"unix:/run/orgproxy.sock\"",
                if secure { "https://" } else { "" },
                port.unwrap_or(if secure { 8443 } else { 8080 })
            )),
        }
    }

    /// The TCP address, if it is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) | Self::Https(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn set_port(&mut self, port: u16) {
        if let Self::Tcp(address) | Self::Https(address) = self {
            address.set_port(port);
        }
    }

    /// Whether only programs on this machine can connect.
    pub fn is_local(&self) -> bool {
        self.address().is_none_or(|address| match address.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.to_canonical().is_loopback(),
        })
    }

    /// Whether binding it twice is an error. With port 0, each gets a port of its own.
    pub(crate) fn is_fixed(&self) -> bool {
        self.address().is_none_or(|address| address.port() != 0)
    }
}

/// As it is written in the file.
impl Display for Listen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `sun_path` on Linux, less its final zero.
const LONGEST_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1:8080", "127.0.0.1:8080", true)]
    #[test_case("localhost:0", "127.0.0.1:0", true)]
    #[test_case("[::1]:8080", "[::1]:8080", true)]
    #[test_case("[::ffff:127.0.0.1]:8080", "[::ffff:127.0.0.1]:8080", true)]
    #[test_case("0.0.0.0:8080", "0.0.0.0:8080", false)]
    #[test_case("[::]:8080", "[::]:8080", false)]
    #[test_case("http://127.0.0.1:8080", "127.0.0.1:8080", true)]
    #[test_case("https://127.0.0.1:8443", "https://127.0.0.1:8443", true)]
    #[test_case("https://localhost:8443", "https://127.0.0.1:8443", true)]
    #[test_case("https://[::1]:8443", "https://[::1]:8443", true)]
    #[test_case("https://0.0.0.0:8443", "https://0.0.0.0:8443", false)]
    #[test_case("unix:/run/x.sock", "unix:/run/x.sock", true)]
    #[test_case("unix:x.sock", "unix:/etc/x.sock", true)]
    fn an_address(text: &str, expected: &str, is_local: bool) {
        let listen = Listen::parse(text, Path::new("/etc")).unwrap();
        assert_eq!(listen.to_string(), expected);
        assert_eq!(listen.is_local(), is_local);
    }

    #[test_case("8081", "127.0.0.1:8081")]
    #[test_case(":8081", "127.0.0.1:8081")]
    #[test_case("http://:8081", "\"127.0.0.1:8081\"")]
    #[test_case("https://:8444", "\"https://127.0.0.1:8444\"")]
    #[test_case("https://localhost", "\"https://127.0.0.1:8443\"")]
    #[test_case("https://127.0.0.1:8443/", "\"https://127.0.0.1:8443\""; "with a slash")]
    #[test_case("localhost", "127.0.0.1:8080")]
    #[test_case("localhost:70000", "127.0.0.1:8080")]
    fn not_an_address(text: &str, suggestion: &str) {
        let error = Listen::parse(text, Path::new("/etc")).unwrap_err();
        assert!(error.contains(suggestion), "{error}");
    }
}
