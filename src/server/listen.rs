//! Listening, on what only this machine reaches unless the configuration says otherwise.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::net::{UnixListener, UnixStream};

use super::{
    StartupError,
    listener::Listener,
    org_runtime::OrgRuntime,
    socket_file::SocketFile,
    tcp::{Missing, TcpSockets},
    tls::Tls,
};
use crate::{
    config::{self, Admin, Config, Listen, Protocol},
    local_ca::Authority,
    system::telemetry::Throttle,
    watch::Peer,
};

/// A bound listener.
pub(super) struct BoundListener {
    /// The address, as configured.
    listen: Listen,
    /// The sockets there.
    socket: Socket,
    /// True if other machines may connect.
    remote: bool,
    /// Users that may connect to a Unix socket besides our own and root.
    uids: Vec<u32>,
    /// The orgs behind it.
    orgs: Vec<Arc<OrgRuntime>>,
    protocol: Protocol,
}

enum Socket {
    Tcp(TcpSockets),
    Unix(UnixListener, SocketFile),
}

/// A client's connection, free to move to another thread, and who is at its other end.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
}

pub(super) enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Socket {
    async fn bind(listen: &Listen, uids: &[u32]) -> io::Result<Self> {
        if let Listen::Unix(path) = listen {
            let (listener, file) = SocketFile::bind(path, uids).await?;
            Ok(Self::Unix(listener, file))
        } else {
            Ok(Self::Tcp(TcpSockets::bind(listen).await?))
        }
    }
}

impl BoundListener {
    pub(super) async fn bind(
        listen: &Listen,
        protocol: Protocol,
        org: Arc<OrgRuntime>,
    ) -> Result<Self, StartupError> {
        let guard = &org.org.guard;
        if matches!(listen, Listen::Tcp(_)) && !listen.is_local() {
            tracing::warn!(
                "what clients send to http://{listen}, including keys, crosses the network \
                 unencrypted; use https://{listen} in listen, unless something in front of it \
                 terminates TLS"
            );
        }
        let socket = Socket::bind(listen, &guard.allow_uids).await;
        let socket = socket.map_err(|error| StartupError::Bind(listen.clone(), error))?;
        Ok(Self {
            listen: listen.clone(),
            socket,
            remote: guard.allow_remote,
            uids: guard.allow_uids.clone(),
            orgs: vec![org],
            protocol,
        })
    }

    /// Binds the admin listener, which has no org behind it; `None` if it can be done without.
    pub(super) async fn bind_admin(admin: &Admin) -> Result<Option<Self>, StartupError> {
        let listen = &admin.listen;
        let socket = match Socket::bind(listen, &[]).await {
            Ok(socket) => socket,
            Err(error) if admin.is_optional && error.kind() == io::ErrorKind::AddrInUse => {
                tracing::info!(
                    "no admin listener, because another program has {listen}; to have one, choose \
                     another address (--admin-listen)"
                );
                return Ok(None);
            }
            Err(error) => return Err(StartupError::BindAdmin(listen.clone(), error)),
        };
        Ok(Some(Self {
            listen: listen.clone(),
            socket,
            remote: false,
            uids: Vec::new(),
            orgs: Vec::new(),
            protocol: Protocol::Api,
        }))
    }

    /// Puts another org behind it. Who may connect reaches both, so it must be allowed by both.
    pub(super) fn share(&mut self, org: Arc<OrgRuntime>) {
        let guard = &org.org.guard;
        self.remote &= guard.allow_remote;
        self.uids.retain(|uid| guard.allow_uids.contains(uid));
        self.orgs.push(org);
    }

    /// Returns whether it was bound for `listen`. Port 0 is another port each time.
    pub(super) fn is(&self, listen: &Listen) -> bool {
        self.listen == *listen && listen.is_fixed()
    }

    /// The next client, whatever it takes.
    pub(super) async fn next(&self) -> Accepted {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.accept().await {
                Ok(accepted) => return accepted,
                // Out of file descriptors, most likely: some come back as connections end.
                Err(error) => {
                    if let Some(left_out) = THROTTLE.admit() {
                        let listener = &self.listen;
                        tracing::warn!(%listener, ?pause, left_out, "cannot accept: {error}");
                    }
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    /// Accepts the next client that may connect at all. What it may ask is the guard's business.
    async fn accept(&self) -> io::Result<Accepted> {
        loop {
            match &self.socket {
                Socket::Tcp(sockets) => {
                    let (stream, peer) = sockets.accept().await?;
                    // A host that routes loopback addresses in from outside lets others reach
                    // what is bound to loopback only (CVE-2020-8558).
                    if !self.remote && !peer.ip().to_canonical().is_loopback() {
                        if let Some(left_out) = THROTTLE.admit() {
                            tracing::warn!(
                                %peer,
                                left_out,
                                "refused a connection from another machine"
                            );
                        }
                        continue;
                    }
                    // Small answers must not wait for more of them.
                    stream.set_nodelay(true)?;
                    return Ok(Accepted {
                        stream: Stream::Tcp(stream.into_std()?),
                        peer: Peer::Address(peer.ip().to_canonical()),
                    });
                }
                Socket::Unix(listener, _) => {
                    let (stream, _) = listener.accept().await?;
                    if let Some(uid) = self.known_peer(&stream) {
                        return Ok(Accepted {
                            stream: Stream::Unix(stream.into_std()?),
                            peer: Peer::Uid(uid),
                        });
                    }
                }
            }
        }
    }

    /// Where it is bound, with the port that the system chose.
    pub(super) fn address(&self) -> Listen {
        match &self.socket {
            Socket::Tcp(sockets) => sockets.bound.clone(),
            Socket::Unix(_, file) => Listen::Unix(file.path().to_owned()),
        }
    }

    /// Returns whether it is a Unix socket.
    pub(super) fn is_unix(&self) -> bool {
        matches!(self.socket, Socket::Unix(..))
    }

    /// Where it is bound, if not to a path.
    pub(super) fn tcp_addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let bound = match &self.socket {
            Socket::Tcp(sockets) => Some(&sockets.bound),
            Socket::Unix(..) => None,
        };
        bound.map(Listen::addresses).into_iter().flatten()
    }

    /// Returns whether clients speak TLS to it.
    pub(super) fn is_https(&self) -> bool {
        self.listen.is_https()
    }

    /// The user at the other end, if it may connect.
    fn known_peer(&self, stream: &UnixStream) -> Option<u32> {
        let uid = match stream.peer_cred() {
            Ok(peer) => peer.uid(),
            Err(error) => {
                if let Some(left_out) = THROTTLE.admit() {
                    tracing::warn!(
                        left_out,
                        "refused a client whose user cannot be determined: {error}"
                    );
                }
                return None;
            }
        };
        let own = rustix::process::geteuid().as_raw();
        let known = uid == own || uid == 0 || self.uids.contains(&uid);
        // Those of the admin listener are nobody else's.
        let advice = if self.orgs.is_empty() {
            "the admin listener is for the user of the proxy and root"
        } else {
            "to let it in, add it to guard.allow_uids"
        };
        if !known && let Some(left_out) = THROTTLE.admit() {
            tracing::warn!(uid, left_out, "refused another user; {advice}");
        }
        known.then_some(uid)
    }

    /// The facts for its connections, of which `tls` has those that all listeners share.
    ///
    /// # Errors
    /// If it is for TLS and there are no certificates: in plain it would be open to everybody.
    pub(super) fn listener(&self, tls: &Tls) -> Result<Listener, StartupError> {
        let tls = match (&tls.listener, self.is_https()) {
            (Some(tls), true) => Some(tls.clone()),
            (None, true) => return Err(StartupError::NoStateDir),
            (_, false) => None,
        };
        let mut orgs = self.orgs.iter();
        let client_name = orgs.find_map(|runtime| runtime.org.client_names.of(&self.listen));
        Ok(Listener {
            address: self.listen.to_string().into(),
            client_name: client_name.cloned(),
            orgs: self.orgs.clone(),
            protocol: self.protocol,
            tls,
        })
    }

    pub(super) fn bound(&self, config: &Config) -> Bound {
        Bound {
            listen: self.address(),
            missing: match &self.socket {
                Socket::Tcp(sockets) => sockets.missing,
                Socket::Unix(..) => None,
            },
            protocol: self.protocol,
            ca_file: config
                .state_dir
                .as_deref()
                .filter(|_| self.is_https() && config.tls.identity.is_none())
                .map(Authority::path),
            orgs: self
                .orgs
                .iter()
                .map(|runtime| runtime.org.as_ref().clone())
                .collect(),
        }
    }
}

static THROTTLE: Throttle = Throttle::new();

/// Where a server listens, and for which orgs.
#[derive(Debug, Clone)]
pub struct Bound {
    /// With the port that the system chose, if it was left to it.
    pub listen: Listen,
    /// The address of `localhost` that could not be bound.
    pub missing: Option<Missing>,
    /// The protocol that it is for.
    pub protocol: Protocol,
    /// The certificate of the local authority, if clients have to trust that.
    pub ca_file: Option<PathBuf>,
    /// More than one where they are told apart by Host.
    pub orgs: Vec<config::Org>,
}

impl Bound {
    /// The arguments for curl, without the path.
    pub fn url(&self) -> String {
        self.url_of(&self.own_host())
    }

    /// By what clients of `org` call it in a URL.
    pub(crate) fn host(&self, org: &config::Org) -> String {
        // Only where several share a listener does the name matter, or where a certificate of the
        // operator's own will hardly be for localhost.
        let is_own = self.listen.is_https() && self.ca_file.is_none();
        match org.hosts.first() {
            Some(host) if self.orgs.len() > 1 || is_own => host.clone(),
            _ => self.own_host(),
        }
    }

    /// `localhost` only if that leads nowhere else.
    fn own_host(&self) -> String {
        match self.listen.address().map(|address| address.ip()) {
            Some(IpAddr::V4(ip)) if self.missing.is_some() => ip.to_string(),
            _ => self.listen.host(),
        }
    }

    fn url_of(&self, host: &str) -> String {
        let scheme = if self.listen.is_https() {
            "https"
        } else {
            "http"
        };
        let url = match (&self.listen, self.listen.address()) {
            (Listen::Unix(path), _) => {
                return format!("--unix-socket {} http://{host}", path.display());
            }
            (_, Some(address)) => format!("{scheme}://{host}:{}", address.port()),
            (_, None) => format!("{scheme}://{host}"),
        };
        match &self.ca_file {
            Some(path) => format!("--cacert {} {url}", path.display()),
            None => url,
        }
    }

    /// The first of its addresses, which programs can read.
    fn place(&self) -> String {
        match self.listen.address() {
            Some(address) if self.listen.is_https() => format!("https://{address}"),
            Some(address) => format!("http://{address}"),
            None => self.listen.to_string(),
        }
    }

    fn fmt_pubsub(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orgs: Vec<_> = self.orgs.iter().map(|org| org.name.as_str()).collect();
        let has_key = self.orgs.iter().any(|org| org.guard.client_key.is_some());
        write!(
            f,
            "listening on {} for the Pub/Sub API of org {}: gRPC, any accesstoken{}",
            self.place(),
            orgs.join(", "),
            if has_key {
                ", the client key as x-orgproxy-key"
            } else {
                ""
            },
        )?;
        self.fmt_missing(f)
    }

    fn fmt_missing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.missing {
            Some(missing) => write!(f, "\n  {missing}"),
            None => Ok(()),
        }
    }
}

/// The first thing a person wants to know: a line that programs can read too, and one to try.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocol == Protocol::PubSub {
            return self.fmt_pubsub(f);
        }
        let mut line_break = "";
        for org in &self.orgs {
            write!(
                f,
                "{line_break}listening on {} for org {}: {} as {}",
                self.place(),
                org.name,
                org.login_url.as_str().trim_end_matches('/'),
                org.username,
            )?;
            self.fmt_missing(f)?;
            let key = key_for_curl(org);
            write!(
                f,
                "\n  try: curl {key}{}{TRY}",
                self.url_of(&self.host(org))
            )?;
            line_break = "\n";
        }
        Ok(())
    }
}

/// The argument by which curl shows the client key, but never the key: the variable or the file
/// that it is in.
fn key_for_curl(org: &config::Org) -> String {
    let Some(_) = &org.guard.client_key else {
        return String::new();
    };
    let key = org.guard.client_key_in_shell.as_deref();
    format!("-u \"client:{}\" ", key.unwrap_or("CLIENT_KEY"))
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Cheap, allowed to everybody with API access, and plain to see.
const TRY: &str = "/services/data/v62.0/limits";
