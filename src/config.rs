//! The parsed, runtime truth: what the program runs on once every file, variable and flag is read.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rustls_pki_types::CertificateDer;
use url::Url;

pub use key::PrivateKey;

mod file;
mod key;

/// Everything the program needs to run. No field is optional that must be there at run time.
#[derive(Debug, Clone)]
pub struct Config {
    /// At least one.
    pub orgs: Vec<Org>,
    /// How many threads carry requests.
    pub threads: usize,
    /// How long a stop waits for what is in flight.
    pub grace: Duration,
    /// A `tracing` filter, such as `info` or `orgproxy=debug`.
    pub log: String,
    /// Bounds on what one process takes on.
    pub limits: Limits,
}

/// One Salesforce org as one user: where to log in, as whom, how to reach it.
#[derive(Debug, Clone)]
pub struct Org {
    /// The name of its table in the file; appears in logs.
    pub name: String,
    /// Where clients reach it. At least one.
    pub listen: Vec<Listen>,
    /// Further names that clients may use in `Host`, lower case, without port.
    pub hosts: Vec<String>,
    /// Origin of the token endpoint, without path but for Experience Cloud sites.
    pub login_url: Url,
    /// The `aud` claim (S§1.2).
    pub audience: String,
    /// The consumer key: the `iss` claim.
    pub client_id: String,
    /// The `sub` claim.
    pub username: String,
    /// Signs the assertion.
    pub private_key: PrivateKey,
    /// Hosts besides Salesforce's own that an `instance_url` may name: `host` or `host:port`.
    pub trusted_hosts: Vec<String>,
    /// Certificate authorities trusted besides the system's.
    pub ca: Vec<CertificateDer<'static>>,
    /// Offer HTTP/2 to the org by ALPN.
    pub http2: bool,
    /// How long an unused session is taken to live when nothing better is known.
    pub session_timeout: Duration,
    /// Who may call, and what they may ask.
    pub guard: Guard,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Listen {
    /// TCP; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Who may call, and what they may ask.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Listen on addresses that other machines reach. Needs `client_key`.
    pub allow_remote: bool,
    /// What a client must show, if anything.
    pub client_key: Option<ClientKey>,
    /// Web origins that may call, such as `http://localhost:5173`.
    pub allow_origins: Vec<String>,
    /// Paths that are refused by default and allowed here, lower case, without trailing slash.
    pub allow_paths: Vec<String>,
    /// Users that may connect to a Unix socket besides our own and root.
    pub allow_uids: Vec<u32>,
}

/// A secret that clients show: printable ASCII, compared in constant time, never printed.
#[derive(Clone)]
pub struct ClientKey(Arc<zeroize::Zeroizing<String>>);

/// Bounds on what one process takes on.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open client connections. Beyond it new ones get a 503.
    pub connections: usize,
    /// Requests in flight. Beyond it new ones get a 503.
    pub requests: usize,
    /// Time for a client to send the head of a request, idle keep-alive included.
    pub header_read: Duration,
    /// Bytes in the head of a request.
    pub header_bytes: usize,
    /// Header lines in a request.
    pub headers: usize,
    /// Time to connect to the org: name, TCP and TLS, each.
    pub connect: Duration,
    /// Time for the org to answer.
    pub answer: Duration,
    /// Time between two pieces of a body.
    pub idle_body: Duration,
    /// Bytes of a request's body kept to send it once more.
    pub replay_bytes: usize,
}
