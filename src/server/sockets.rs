//! Sockets to listen on: TCP addresses, and paths. `localhost` is two, which clients take it for in
//! turn.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::net::{TcpListener, UnixListener};

use super::{
    listener::{Listener, note_unknown_user},
    socket_file::SocketFile,
};
use crate::{
    config::{Listen, LocalUsers},
    system::{
        inherited::{self, HandedSocket, Inherited},
        telemetry::Throttle,
    },
    watch::Peer,
};

/// The sockets of one listener.
pub(super) struct Sockets {
    pub(super) all: Vec<Arc<Socket>>,
    /// The addresses that were bound, with the port that the system chose.
    pub(super) bound: Listen,
    /// The address that could not be bound.
    pub(super) missing: Option<Missing>,
}

/// A bound socket.
pub(super) struct Socket {
    kind: Kind,
    /// True if the service manager holds it, too.
    pub(super) is_inherited: bool,
    /// True if any other process holds it, too: then whoever waits to be accepted waits for that, and
    /// its path is not ours.
    is_shared: AtomicBool,
}

enum Kind {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// A client's connection, free to move to another thread, and who is at its other end.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    /// The user who connects by TCP, if it is not ours, that is known, and it matters.
    pub(super) user: Option<u32>,
}

pub(super) enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A loopback address of `localhost` that could not be had, although the other could.
#[derive(Debug, Clone, Copy)]
pub struct Missing {
    /// Which.
    pub address: SocketAddr,
    /// True if another program has it; else this machine has no such address.
    pub is_taken: bool,
}

impl Sockets {
    /// Takes those of `held` that are for `listen`, and binds the others, where `users` may connect,
    /// too.
    pub(super) async fn bind(
        listen: &Listen,
        users: &LocalUsers,
        held: &[Arc<Socket>],
    ) -> io::Result<Self> {
        match listen {
            Listen::Unix(path) => {
                let held = held.iter().find(|socket| socket.is_at(path));
                let socket = match held {
                    Some(socket) => socket.clone(),
                    None => {
                        let (listener, file) = SocketFile::bind(path, users).await?;
                        Arc::new(Socket::own(Kind::Unix(listener, file)))
                    }
                };
                Ok(Self {
                    all: vec![socket],
                    bound: listen.clone(),
                    missing: None,
                })
            }
            Listen::Localhost { port, secure } => Self::bind_localhost(*port, *secure, held).await,
            Listen::Tcp(address) | Listen::Https(address) => {
                let socket = Socket::at(*address, held).await?;
                Ok(Self::one(socket, *address, listen.is_https(), None))
            }
        }
    }

    /// Both, on the same port; or what there is of them.
    async fn bind_localhost(port: u16, secure: bool, held: &[Arc<Socket>]) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let first = Socket::at((Ipv4Addr::LOCALHOST, port).into(), held).await;
            let bound = first.as_ref().ok().and_then(|first| first.address());
            let port_of_both = bound.map_or(port, |bound| bound.port());
            let addresses: [SocketAddr; 2] = [
                (Ipv4Addr::LOCALHOST, port_of_both).into(),
                (Ipv6Addr::LOCALHOST, port_of_both).into(),
            ];
            let second = Socket::at(addresses[1], held).await;
            tries += 1;
            return match (first, second) {
                (Ok(first), Ok(second)) => Ok(Self {
                    all: vec![first, second],
                    bound: Listen::Localhost {
                        port: port_of_both,
                        secure,
                    },
                    missing: None,
                }),
                // Any port will do, and the next may be free on both.
                (Ok(_), Err(error)) if port == 0 && is_taken(&error) && tries < TRIES => continue,
                (Ok(one), Err(error)) => {
                    let missing = missing(addresses[1], &error);
                    Ok(Self::one(one, addresses[0], secure, missing))
                }
                (Err(error), Ok(one)) => {
                    let missing = missing(addresses[0], &error);
                    Ok(Self::one(one, addresses[1], secure, missing))
                }
                (Err(error), Err(_)) => Err(error),
            };
        }
    }

    fn one(socket: Arc<Socket>, asked: SocketAddr, secure: bool, missing: Option<Missing>) -> Self {
        let address = socket.address().unwrap_or(asked);
        Self {
            all: vec![socket],
            bound: if secure {
                Listen::Https(address)
            } else {
                Listen::Tcp(address)
            },
            missing,
        }
    }

    /// The next client that may connect to `listener`, whatever it takes.
    pub(super) async fn next(&self, listener: &Listener) -> Accepted {
        let next = self
            .all
            .iter()
            .map(|socket| Box::pin(socket.next(listener)));
        futures_util::future::select_all(next).await.0
    }

    /// Returns whether it is a Unix socket.
    pub(super) fn is_unix(&self) -> bool {
        matches!(self.bound, Listen::Unix(_))
    }

    /// Returns whether both are the very same sockets.
    pub(super) fn are_those_of(&self, other: &Self) -> bool {
        let mut pairs = self.all.iter().zip(&other.all);
        self.all.len() == other.all.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

impl Socket {
    fn own(kind: Kind) -> Self {
        Self {
            kind,
            is_inherited: false,
            is_shared: false.into(),
        }
    }

    /// One that another process has bound.
    ///
    /// # Errors
    /// If it has no address, or the system refuses to wait for it.
    pub(super) fn inherited(inherited: Inherited) -> io::Result<Self> {
        let kind = match inherited.listener {
            inherited::Listener::Tcp(listener) => {
                let address = listener.local_addr()?;
                Kind::Tcp(TcpListener::from_std(listener)?, address)
            }
            inherited::Listener::Unix(listener) => {
                let address = listener.local_addr()?;
                let bound = address.as_pathname().map(PathBuf::from);
                let path = inherited.path.or(bound);
                let path = path.ok_or_else(|| io::Error::other("it has no path"))?;
                let file = SocketFile::of_another(path);
                Kind::Unix(UnixListener::from_std(listener)?, file)
            }
        };
        Ok(Self {
            kind,
            is_inherited: !inherited.is_own,
            is_shared: true.into(),
        })
    }

    /// Returns whether another process holds it, too.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared.load(Relaxed)
    }

    /// Notes that another process has it from now on.
    pub(super) fn share(&self) {
        self.is_shared.store(true, Relaxed);
        if let Kind::Unix(_, file) = &self.kind {
            file.is_ours_now(false);
        }
    }

    /// Notes that it is this process's alone from now on.
    pub(super) fn adopt(&self) {
        self.is_shared.store(false, Relaxed);
        if let Kind::Unix(_, file) = &self.kind {
            file.is_ours_now(true);
        }
    }

    /// A descriptor for another process.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        match &self.kind {
            Kind::Tcp(listener, _) => listener.as_fd().try_clone_to_owned(),
            Kind::Unix(listener, _) => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// What another process needs to know of it.
    pub(super) fn described(&self) -> HandedSocket {
        let path = match &self.kind {
            Kind::Tcp(..) => None,
            Kind::Unix(_, file) => Some(file.path().to_owned()),
        };
        HandedSocket {
            path,
            is_own: !self.is_inherited,
        }
    }

    /// That of `held` for this address; else one that is bound to it now.
    async fn at(address: SocketAddr, held: &[Arc<Self>]) -> io::Result<Arc<Self>> {
        if let Some(socket) = held.iter().find(|it| it.address() == Some(address)) {
            return Ok(socket.clone());
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Arc::new(Self::own(Kind::Tcp(listener, address))))
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(_, address) => Some(*address),
            Kind::Unix(..) => None,
        }
    }

    /// Where it is bound.
    pub(super) fn place(&self) -> Listen {
        match &self.kind {
            Kind::Tcp(_, address) => Listen::Tcp(*address),
            Kind::Unix(_, file) => Listen::Unix(file.path().to_owned()),
        }
    }

    /// Returns whether it is bound to `path`, however that is spelled.
    fn is_at(&self, path: &Path) -> bool {
        let Kind::Unix(_, file) = &self.kind else {
            return false;
        };
        let is_same = || {
            let (own, other) = (file.path().canonicalize(), path.canonicalize());
            own.is_ok_and(|own| other.is_ok_and(|other| own == other))
        };
        file.path() == path || is_same()
    }

    /// Lets nobody find it any more, if that can be done without closing it.
    pub(super) fn withdraw(&self) {
        if let Kind::Unix(_, file) = &self.kind {
            file.remove();
        }
    }

    /// Lets those connect that `listener` admits.
    pub(super) fn admit_those_of(&self, listener: &Listener) {
        if let Kind::Unix(_, file) = &self.kind {
            file.admit(&listener.users);
        }
    }

    /// The next client, whatever it takes.
    pub(super) async fn next(&self, listener: &Listener) -> Accepted {
        let mut pause = SHORTEST_PAUSE;
        loop {
            match self.accept(listener).await {
                Ok(accepted) => return accepted,
                // Out of file descriptors, most likely: some come back as connections end.
                Err(error) => {
                    if let Some(left_out) = THROTTLE.admit() {
                        let listener = &*listener.address;
                        tracing::warn!(%listener, ?pause, left_out, "cannot accept: {error}");
                    }
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    /// Accepts the next client that may connect at all. What it may ask is the guard's business.
    async fn accept(&self, admitting: &Listener) -> io::Result<Accepted> {
        loop {
            match &self.kind {
                Kind::Tcp(listener, _) => {
                    let (stream, peer) = listener.accept().await?;
                    if !admitting.admits(peer.ip()) {
                        continue;
                    }
                    let user = match admitting.user_at(peer, stream.local_addr()?) {
                        Ok(user) => user,
                        Err(error) => {
                            note_unknown_user(&error);
                            continue;
                        }
                    };
                    // The addresses of one that its client has reset are free for another user, whom the
                    // system would have named: what it sent can still be read.
                    if stream.peer_addr().is_err() {
                        continue;
                    }
                    // Small answers must not wait for more of them.
                    stream.set_nodelay(true)?;
                    return Ok(Accepted {
                        stream: Stream::Tcp(stream.into_std()?),
                        peer: Peer::Address(peer.ip().to_canonical()),
                        user,
                    });
                }
                Kind::Unix(listener, _) => {
                    let (stream, _) = listener.accept().await?;
                    if let Some(uid) = admitting.known_peer(&stream) {
                        return Ok(Accepted {
                            stream: Stream::Unix(stream.into_std()?),
                            peer: Peer::Uid(uid),
                            user: None,
                        });
                    }
                }
            }
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

static THROTTLE: Throttle = Throttle::new();

/// For a port that is free on both addresses.
const TRIES: u32 = 16;

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
