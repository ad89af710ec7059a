//! Addresses to listen on.

use std::{
    fmt::{self, Display, Formatter},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use super::given;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// TCP; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// TLS over TCP.
    Https(SocketAddr),
    /// Both loopback addresses, because clients take `localhost` for either. Port 0 is the same
    /// free port on both.
    Localhost {
        /// The port on both.
        port: u16,
        /// If true, clients speak TLS to it.
        secure: bool,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// The protocol that a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The APIs over HTTP, which differ by their paths.
    Api,
    /// The Pub/Sub API, which has a host of its own.
    PubSub,
}

/// An address where clients reach an org.
pub(crate) struct Listener {
    /// The name of the org.
    pub(crate) org: String,
    pub(crate) listen: Listen,
    /// The host that clients call.
    pub(crate) host: String,
    /// If true, it stands in for Salesforce's hosts there.
    pub(crate) intercepts: bool,
}

impl Listen {
    /// Plain HTTP on `localhost`, which no other machine reaches.
    pub fn loopback(port: u16) -> Self {
        Self::Localhost {
            port,
            secure: false,
        }
    }

    /// TLS on `localhost`.
    pub fn loopback_https(port: u16) -> Self {
        Self::Localhost { port, secure: true }
    }

    /// Reads `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`, each with an optional `http://` or
    /// `https://` before it, or `unix:/path`; a relative path starts in `folder`.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = given::place(path, folder)?;
            return match path.as_os_str().len() {
                ..=LONGEST_PATH => Ok(Self::Unix(path)),
                length => Err(format!(
                    "{} has {length} bytes, but a Unix socket's path can have at most \
                     {LONGEST_PATH}",
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
        if let (Some(_), Some(port)) = (rest.strip_prefix("localhost:"), port) {
            return Ok(Self::Localhost { port, secure });
        }
        match (rest.parse().ok(), secure) {
            (Some(address), true) => Ok(Self::Https(address)),
            (Some(address), false) => Ok(Self::Tcp(address)),
            (None, _) => Err(format!(
                "{} is not an address; write one such as \"{}127.0.0.1:{}\", \
                 \"[::1]:8080\" or \"unix:/run/orgproxy.sock\"",
                given::shown(text),
                if secure { "https://" } else { "" },
                port.unwrap_or(if secure { 8443 } else { 8080 })
            )),
        }
    }

    /// The TCP address, if it is one; the first of two.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses().next()
    }

    /// The TCP addresses that it stands for.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let [first, second] = match self {
            Self::Tcp(address) | Self::Https(address) => [Some(*address), None],
            Self::Localhost { port, .. } => [
                Some((Ipv4Addr::LOCALHOST, *port).into()),
                Some((Ipv6Addr::LOCALHOST, *port).into()),
            ],
            Self::Unix(_) => [None, None],
        };
        first.into_iter().chain(second)
    }

    /// The host by which clients on this machine call it in a URL.
    pub(crate) fn host(&self) -> String {
        match self.address().map(|address| address.ip()) {
            Some(IpAddr::V4(ip)) if ip != Ipv4Addr::LOCALHOST && !ip.is_unspecified() => {
                ip.to_string()
            }
            Some(IpAddr::V6(ip)) if !ip.is_unspecified() => format!("[{ip}]"),
            _ => "localhost".to_owned(),
        }
    }

    /// Its addresses, each in the form of a URL; none if it listens on all addresses of this
    /// machine.
    pub(crate) fn named_addresses(&self) -> impl Iterator<Item = String> + use<> {
        self.addresses().filter_map(|address| match address.ip() {
            ip if ip.is_unspecified() => None,
            IpAddr::V4(ip) => Some(ip.to_string()),
            IpAddr::V6(ip) => Some(format!("[{ip}]")),
        })
    }

    /// Returns whether clients speak TLS to it.
    pub fn is_https(&self) -> bool {
        matches!(self, Self::Https(_) | Self::Localhost { secure: true, .. })
    }

    /// Returns whether both need the same address.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.addresses()
            .any(|address| other.addresses().any(|it| it == address))
    }

    /// Returns whether this machine cannot have both bound at a time.
    pub(crate) fn collides(&self, other: &Self) -> bool {
        if let (Self::Unix(one), Self::Unix(other)) = (self, other) {
            return one == other;
        }
        let is_all = |address: &SocketAddr| address.ip().is_unspecified();
        self.addresses().any(|one| {
            one.port() != 0
                && other.addresses().any(|other| {
                    let is_same = one.ip() == other.ip() || is_all(&one) || is_all(&other);
                    one.port() == other.port() && is_same
                })
        })
    }

    pub(super) fn set_port(&mut self, new: u16) {
        match self {
            Self::Tcp(address) | Self::Https(address) => address.set_port(new),
            Self::Localhost { port, .. } => *port = new,
            Self::Unix(_) => {}
        }
    }

    /// Returns whether only programs on this machine can connect.
    pub fn is_local(&self) -> bool {
        self.addresses().all(|address| match address.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.to_canonical().is_loopback(),
        })
    }

    /// Returns whether binding it twice is an error. With port 0, each gets a port of its own.
    pub(crate) fn is_fixed(&self) -> bool {
        self.address().is_none_or(|address| address.port() != 0)
    }
}

/// The form in the file.
impl Display for Listen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Localhost { port, secure: true } => write!(f, "https://localhost:{port}"),
            Self::Localhost { port, .. } => write!(f, "localhost:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Turns an address that `localhost` includes, in this list or in another of `all`, into
/// `localhost`: each is bound only once.
pub(super) fn unite(list: &mut Vec<Listen>, all: &[Listen]) {
    let whole = |part: &Listen| {
        all.iter().find(|listen| {
            let is_localhost = matches!(listen, Listen::Localhost { .. });
            is_localhost && listen.meets(part) && listen.is_https() == part.is_https()
        })
    };
    let before = list.clone();
    // Naming both addresses is not naming one of them twice.
    list.retain(|listen| match (listen.address(), whole(listen)) {
        (Some(SocketAddr::V6(_)), Some(whole)) => !before
            .iter()
            .any(|other| other != listen && whole.meets(other)),
        _ => true,
    });
    for listen in list {
        if let Some(whole) = whole(listen) {
            *listen = whole.clone();
        }
    }
}

/// `sun_path` on Linux, without its final zero.
const LONGEST_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1:8080", "127.0.0.1:8080", true)]
    #[test_case("localhost:0", "localhost:0", true)]
    #[test_case("localhost:8080", "localhost:8080", true)]
    #[test_case("http://localhost:8080", "localhost:8080", true)]
    #[test_case("[::1]:8080", "[::1]:8080", true)]
    #[test_case("[::ffff:127.0.0.1]:8080", "[::ffff:127.0.0.1]:8080", true)]
    #[test_case("0.0.0.0:8080", "0.0.0.0:8080", false)]
    #[test_case("[::]:8080", "[::]:8080", false)]
    #[test_case("http://127.0.0.1:8080", "127.0.0.1:8080", true)]
    #[test_case("https://127.0.0.1:8443", "https://127.0.0.1:8443", true)]
    #[test_case("https://localhost:8443", "https://localhost:8443", true)]
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

    #[test_case("localhost:1", "127.0.0.1:1 [::1]:1"; "localhost")]
    #[test_case("https://localhost:1", "127.0.0.1:1 [::1]:1"; "localhost by TLS")]
    #[test_case("127.0.0.1:1", "127.0.0.1:1"; "one")]
    #[test_case("[::1]:1", "[::1]:1"; "the other")]
    #[test_case("unix:/run/x.sock", ""; "a socket")]
    fn has_addresses(text: &str, expected: &str) {
        let listen = Listen::parse(text, Path::new("/etc")).unwrap();
        let addresses: Vec<_> = listen.addresses().map(|it| it.to_string()).collect();
        assert_eq!(addresses.join(" "), expected);
        assert_eq!(listen.address(), listen.addresses().next());
    }

    #[test_case("127.0.0.1:1", "127.0.0.1:1", true; "the same")]
    #[test_case("127.0.0.1:1", "https://localhost:1", true; "one of two")]
    #[test_case("127.0.0.1:1", "0.0.0.0:1", true; "one of all")]
    #[test_case("[::1]:1", "[::]:1", true; "one of all of the other family")]
    #[test_case("127.0.0.1:1", "127.0.0.2:1", false; "another address")]
    #[test_case("127.0.0.1:1", "127.0.0.1:2", false; "another port")]
    #[test_case("127.0.0.1:0", "127.0.0.1:0", false; "any port")]
    #[test_case("unix:/x", "unix:/x", true; "the same socket")]
    #[test_case("unix:/x", "unix:/y", false; "another socket")]
    #[test_case("unix:/x", "127.0.0.1:1", false; "a socket and a port")]
    fn cannot_be_had_twice(one: &str, other: &str, collides: bool) {
        let parse = |text| Listen::parse(text, Path::new("/")).unwrap();
        assert_eq!(parse(one).collides(&parse(other)), collides);
        assert_eq!(parse(other).collides(&parse(one)), collides);
    }

    #[test_case("localhost:1,127.0.0.1:1", "", "localhost:1 localhost:1"; "given twice")]
    #[test_case("localhost:1,[::1]:1", "", "localhost:1"; "both by hand")]
    #[test_case("[::1]:1,localhost:1", "", "localhost:1"; "both by hand in the other order")]
    #[test_case("127.0.0.1:1", "localhost:1", "localhost:1"; "another has both")]
    #[test_case("[::1]:1", "localhost:1", "localhost:1"; "another has both, and this one the second")]
    #[test_case("127.0.0.1:1,[::1]:1", "localhost:1", "localhost:1"; "another has both, and this one, too")]
    #[test_case("127.0.0.1:1,[::1]:1", "localhost:2", "127.0.0.1:1 [::1]:1"; "another port")]
    #[test_case("127.0.0.1:1", "https://localhost:1", "127.0.0.1:1"; "another protocol")]
    #[test_case("https://[::1]:1", "https://localhost:1", "https://localhost:1"; "by TLS")]
    #[test_case("0.0.0.0:1", "localhost:1", "0.0.0.0:1"; "all addresses")]
    fn is_united(list: &str, others: &str, expected: &str) {
        let parse = |list: &str| -> Vec<_> {
            let parts = list.split(',').filter(|part| !part.is_empty());
            parts
                .map(|part| Listen::parse(part, Path::new("/")).unwrap())
                .collect()
        };
        let mut list = parse(list);
        let all = [list.clone(), parse(others)].concat();
        unite(&mut list, &all);
        let united: Vec<_> = list.iter().map(ToString::to_string).collect();
        assert_eq!(united.join(" "), expected);
    }
}
