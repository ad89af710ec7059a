//! Sockets that another process has bound and passed on: the service manager (sd_listen_fds(3)), or
//! the process that this one is to take the place of.

use std::{
    env, io,
    net::TcpListener,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            net::{UnixListener, UnixStream},
            process::parent_id,
        },
    },
    path::PathBuf,
    process,
};

use listenfd::ListenFd;
use serde::{Deserialize, Serialize};

use super::sandbox::{self, Reach};

/// A socket to listen on, which another process holds, too.
pub(crate) struct Inherited {
    /// What the service manager calls it: the name of its unit, unless that names it.
    pub(crate) name: String,
    pub(crate) listener: Listener,
    /// Where it is, if that is not where it was bound.
    pub(crate) path: Option<PathBuf>,
    /// True if it becomes this process's alone.
    pub(crate) is_own: bool,
}

/// The process that this one is to take the place of: it waits for a byte that says so, and returns
/// it when it has let go.
pub(crate) struct Predecessor(pub(crate) UnixStream);

/// What a process passes on to the one in its place, besides the sockets.
#[derive(Serialize, Deserialize)]
pub(crate) struct HandedOver {
    /// The number of the process, which is the parent of the other.
    pub(crate) by: u32,
    pub(crate) sockets: Vec<HandedSocket>,
    /// What that is confined to, and so this one is.
    #[serde(default)]
    pub(crate) reach: Option<Reach>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct HandedSocket {
    pub(crate) path: Option<PathBuf>,
    pub(crate) is_own: bool,
}

pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Takes the sockets that were passed to this process. To be called once, before there are other
/// files. Those that cannot be listened on are left alone, and the errors say why.
pub(crate) fn take() -> (Vec<Result<Inherited, String>>, Option<Predecessor>) {
    match handed_over() {
        Some((sockets, predecessor)) => (sockets, Some(predecessor)),
        None => (take_from_manager(), None),
    }
}

/// Those of the parent, and the way to answer it.
fn handed_over() -> Option<(Vec<Result<Inherited, String>>, Predecessor)> {
    let handed: HandedOver = serde_json::from_str(&env::var(HANDED_OVER).ok()?).ok()?;
    if handed.by != parent_id() {
        return None;
    }
    if let Some(reach) = handed.reach {
        sandbox::inherit(reach);
    }
    let mut all = ListenFd::from_env();
    let last = handed.sockets.len();
    let answer = all.take_unix_listener(last).ok()??;
    let each = handed.sockets.into_iter().enumerate();
    let sockets = each.map(|(at, HandedSocket { path, is_own })| {
        let name = "of the process before".to_owned();
        let listener = take_one(&mut all, at).map_err(|error| fault(&name, at, &error))?;
        Ok(Inherited {
            name,
            listener,
            path,
            is_own,
        })
    });
    let sockets = sockets.collect();
    Some((sockets, Predecessor(OwnedFd::from(answer).into())))
}

fn fault(name: &str, at: usize, error: &str) -> String {
    let number = at + 3;
    format!(
        "the inherited socket {name} (file descriptor {number}) is not used, because it {error}"
    )
}

fn take_from_manager() -> Vec<Result<Inherited, String>> {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    // Those of a process that did not take them are not for its children.
    if number("LISTEN_PID") != Some(process::id()) {
        return Vec::new();
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(str::to_owned);
    match number("LISTEN_FDS") {
        Some(count @ ..=MOST) => {
            let mut all = ListenFd::from_env();
            let each = (0..count as usize).map(|at| {
                let name = names.next().filter(|name| !name.is_empty());
                let name = name.unwrap_or_else(|| "unknown".to_owned());
                let taken = take_one(&mut all, at);
                let listener = taken.map_err(|error| fault(&name, at, &error))?;
                Ok(Inherited {
                    name,
                    listener,
                    path: None,
                    is_own: false,
                })
            });
            each.collect()
        }
        _ => vec![Err(
            "LISTEN_FDS is not a number of sockets; none is taken".to_owned()
        )],
    }
}

fn take_one(all: &mut ListenFd, at: usize) -> Result<Listener, String> {
    const NEITHER: &str = "is not a stream socket of TCP or a path; set ListenStream= in its unit";
    let listener = match all.take_tcp_listener(at) {
        Ok(Some(listener)) => Listener::Tcp(listener),
        _ => match all.take_unix_listener(at) {
            Ok(Some(listener)) => Listener::Unix(listener),
            _ => return Err(NEITHER.to_owned()),
        },
    };
    match listener.prepare() {
        Ok(true) => Ok(listener),
        Ok(false) => Err("does not listen; set Accept=no in its unit".to_owned()),
        Err(error) => Err(format!("cannot be used: {error}")),
    }
}

impl Listener {
    /// Makes it one to wait for without blocking. Returns whether it listens.
    fn prepare(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true)?,
            Self::Unix(listener) => listener.set_nonblocking(true)?,
        }
        let listener = match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        };
        // Apple's systems do not tell.
        #[cfg(target_vendor = "apple")]
        let listens = rustix::io::fcntl_getfd(listener).map(|_| true);
        #[cfg(not(target_vendor = "apple"))]
        let listens = rustix::net::sockopt::socket_acceptconn(listener);
        Ok(listens?)
    }
}

/// The variable that says whose sockets these are, with [`HandedOver`].
pub(crate) const HANDED_OVER: &str = "ORGPROXY_HANDED_OVER";

/// More than any unit has.
const MOST: u32 = 1024;
