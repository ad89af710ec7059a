//! A Redis server, a real one.

use std::{path::PathBuf, process::Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, Command},
};

use super::in_time;

/// A server on a Unix socket, which keeps nothing. Dropped, it is killed.
pub(crate) struct RedisServer {
    folder: TempDir,
    child: Child,
}

impl RedisServer {
    /// None if there is no such program.
    pub(crate) async fn start() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let child = spawn(&folder)?;
        let server = Self { folder, child };
        server.is_there().await;
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) {
        in_time(self.child.kill()).await.unwrap();
    }

    /// Starts it again, with nothing in it.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.folder).unwrap();
        self.is_there().await;
    }

    /// Has it stand still, with its socket open, or go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.id().unwrap().cast_signed();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// What it answers to an inline command, whole if it is short.
    pub(crate) async fn ask(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        // It answers all, and closes the connection.
        let wire = format!("{command}\r\nQUIT\r\n");
        stream.write_all(wire.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        in_time(stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let answer = answer.strip_suffix("+OK\r\n").unwrap_or(&answer);
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        answer.to_owned()
    }

    /// All that it holds, as it would be on a disk.
    pub(crate) async fn dump(&self) -> Vec<u8> {
        self.ask("SAVE").await;
        std::fs::read(self.folder.path().join("dump.rdb")).unwrap()
    }

    async fn is_there(&self) {
        let there = async {
            while UnixStream::connect(self.socket()).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        in_time(there).await;
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

fn spawn(folder: &TempDir) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--unixsocket"]);
    command.arg(folder.path().join("redis.sock"));
    command.args(["--save", "", "--appendonly", "no", "--rdbcompression", "no"]);
    command.arg("--dir").arg(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.kill_on_drop(true).spawn().ok()
}
