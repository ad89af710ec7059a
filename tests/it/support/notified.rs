//! A service manager that is told how a service is.

use std::time::Duration;

use tempfile::TempDir;
use tokio::{net::UnixDatagram, process::Command, time::timeout};

use super::in_time;

/// The socket that messages come to.
pub(crate) struct Notified {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Notified {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { socket, folder }
    }

    /// Has a program report here.
    pub(crate) fn listens_to(&self, command: &mut Command) {
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
    }

    /// The next message.
    pub(crate) async fn next(&self) -> String {
        let mut message = [0; 4096];
        let length = in_time(self.socket.recv(&mut message)).await.unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// The next message with `text`, and those before it.
    pub(crate) async fn hears(&self, text: &str) -> Vec<String> {
        let mut all = vec![self.next().await];
        while !all.iter().any(|message| message.contains(text)) {
            assert!(all.len() < 1000, "{all:?}");
            all.push(self.next().await);
        }
        all
    }

    /// Takes all that is there, and returns whether another message comes within `time`.
    pub(crate) async fn hears_more_within(&self, time: Duration) -> bool {
        let mut message = [0; 4096];
        while self.socket.try_recv(&mut message).is_ok() {}
        timeout(time, self.socket.recv(&mut message)).await.is_ok()
    }
}
