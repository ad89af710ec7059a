//! What a service manager gives this process, and is told by it.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::sockets::Socket;
use crate::{
    config::Listen,
    system::{
        inherited::{Inherited, Predecessor},
        notify::Notifier,
    },
};

/// The service manager's side. By default there is none.
pub(crate) struct Service {
    pub(crate) manager: Notifier,
    /// Sockets that it has bound, or why they cannot be used.
    pub(crate) inherited: Vec<Result<Inherited, String>>,
    /// The process that this one is to take the place of, which has bound the sockets.
    pub(crate) predecessor: Option<Predecessor>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            manager: Notifier::none(),
            inherited: Vec::new(),
            predecessor: None,
        }
    }
}

/// The sockets that it has bound, with their names. They stay with the process: what another
/// holds cannot be bound anew.
#[derive(Default)]
pub(super) struct InheritedSockets(Vec<(String, Arc<Socket>)>);

impl InheritedSockets {
    /// Those that can be used, and those that become ours alone. Of the others, the log says why.
    pub(super) fn new(inherited: Vec<Result<Inherited, String>>) -> (Self, Vec<Arc<Socket>>) {
        let (mut all, mut own) = (Vec::new(), Vec::new());
        for inherited in inherited {
            let socket = inherited.and_then(|inherited| {
                let name = inherited.name.clone();
                match Socket::inherited(inherited) {
                    Ok(socket) => Ok((name, Arc::new(socket))),
                    Err(error) => Err(format!(
                        "the inherited socket {name} is not used, because {error}"
                    )),
                }
            });
            match socket {
                Ok((_, socket)) if !socket.is_inherited => own.push(socket),
                Ok(socket) => all.push(socket),
                Err(inherited_fault) => tracing::warn!("{inherited_fault}"),
            }
        }
        (Self(all), own)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Socket>> {
        self.0.iter().map(|(_, socket)| socket)
    }

    /// Says which of them are neither `used` nor for the admin listener, and which of those in use
    /// are not from the service manager, although others are.
    pub(super) fn compare_with(&self, used: &[Arc<Socket>], admin: &[Arc<Socket>]) {
        for (name, socket) in &self.0 {
            let mut all = used.iter().chain(admin);
            if !all.any(|used| Arc::ptr_eq(used, socket)) {
                let place = socket.place();
                tracing::warn!(
                    "the inherited socket {name} at {place} is not used, because no listener of \
                     the configuration has that address: who connects there waits in vain; add it \
                     to listen, or remove it from the socket's unit"
                );
            }
        }
        for socket in used.iter().filter(|used| !used.is_inherited) {
            if !self.0.is_empty() {
                let place = socket.place();
                tracing::warn!(
                    "no inherited socket is for {place}, so a restart refuses who connects there; \
                     to have it held open, add ListenStream= for it to the socket's unit"
                );
            }
        }
    }

    /// The name and address of one that keeps `listen` from being bound.
    pub(super) fn in_the_way_of(&self, listen: &Listen) -> Option<(&str, Listen)> {
        let mut all = self.0.iter();
        let found = all.find(|(_, socket)| socket.place().collides(listen));
        found.map(|(name, socket)| (name.as_str(), socket.place()))
    }
}

impl Predecessor {
    /// Has it let go of its sockets, of which `own` are ours from now on.
    pub(super) async fn relieve(self, own: Vec<Arc<Socket>>) -> io::Result<()> {
        self.0.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(self.0)?;
        stream.write_all(&[1]).await?;
        stream.read_exact(&mut [0]).await?;
        for socket in own {
            socket.adopt();
        }
        Ok(())
    }
}
