//! The journal of systemd, in its own protocol: a datagram for each entry
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use std::{
    fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
};

use super::batch::Batch;

pub(super) struct Journal {
    socket: UnixDatagram,
    /// Named with each entry, so that a restart of the journal does no harm.
    path: PathBuf,
}

impl Journal {
    /// # Errors
    /// If there is none.
    pub(super) fn open() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path)?;
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            path: path.to_owned(),
        })
    }

    /// Writes as [`super::Sink::write`].
    pub(super) fn write(&self, batch: &Batch) -> (usize, io::Result<()>) {
        for entry in 0..batch.len() {
            if let Err(error) = self.send(batch.part(entry..entry + 1)) {
                return (entry, Err(error));
            }
        }
        (batch.len(), Ok(()))
    }

    fn send(&self, entry: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send_to(entry, &self.path) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent.map(drop),
            }
        }
    }
}

const SOCKET: &str = "/run/systemd/journal/socket";
