//! The program itself, in a process of its own, seen from outside.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::watch,
};

use super::{LONGEST, chmod, in_time};

/// The path of the program.
pub const ORGPROXY: &str = env!("CARGO_BIN_EXE_orgproxy");

/// Copies the program to `path`, by another process: what is open for writing here, tests beside this
/// one may pass on to the programs that they start, and then it cannot be run.
pub fn copy_program(path: &Path) {
    let copied = std::process::Command::new("cp")
        .arg(ORGPROXY)
        .arg(path)
        .status();
    assert!(copied.unwrap().success());
}

/// A running `orgproxy`. Dropped, it is killed.
pub struct Binary {
    child: Child,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
    /// For what it would otherwise leave in the system's folder when it is killed.
    _temporary: Option<TempDir>,
}

/// The status and the output of a program that has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Binary {
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(Self::command(arguments))
    }

    /// One whose environment, say, can still be changed. It begins with nothing that could matter.
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(ORGPROXY);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    pub fn spawn(mut command: Command) -> Self {
        let temporary = TempDir::new().unwrap();
        // Some run as another user.
        chmod(temporary.path(), 0o1777);
        command.env("TMPDIR", temporary.path());
        Self {
            _temporary: Some(temporary),
            ..Self::spawn_as_it_is(command)
        }
    }

    /// Spawns it with the folder for temporary files that the command names.
    pub fn spawn_as_it_is(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            stdout: follow(child.stdout.take().unwrap()),
            stderr: follow(child.stderr.take().unwrap()),
            child,
            _temporary: None,
        }
    }

    /// Where it listens, as its first line says.
    pub async fn address(&self) -> SocketAddr {
        let line = self.print("listening on http://").await;
        let (_, address) = line.split_once("http://").unwrap();
        let (address, _) = address.split_once(' ').unwrap();
        address.parse().unwrap()
    }

    /// The port of its first `https://` listener.
    pub async fn secure_port(&self) -> u16 {
        let line = self.print("listening on https://").await;
        let (_, address) = line.split_once("https://").unwrap();
        let (address, _) = address.split_once(' ').unwrap();
        address.parse::<SocketAddr>().unwrap().port()
    }

    /// Returns a URL for a client.
    pub async fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address().await)
    }

    /// The first line with `text` on its standard output, waited for.
    pub async fn print(&self, text: &str) -> String {
        self.line(&self.stdout, text).await
    }

    /// The first line with `text` in its log, waited for.
    pub async fn log(&self, text: &str) -> String {
        self.line(&self.stderr, text).await
    }

    async fn line(&self, stream: &watch::Receiver<String>, text: &str) -> String {
        // What follows the last line end is not a line yet.
        let find = |said: &String| {
            let (lines, _) = said.rsplit_once('\n')?;
            lines
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        };
        let mut stream = stream.clone();
        let said = stream.wait_for(|said| find(said).is_some());
        let said = tokio::time::timeout(LONGEST, said);
        match said
            .await
            .unwrap_or_else(|_| panic!("it does not say {text:?}:\n{}", self.said()))
        {
            Ok(said) => find(&said).unwrap(),
            Err(_) => panic!("it ended without {text:?}:\n{}", self.said()),
        }
    }

    /// Everything that it said so far.
    pub fn said(&self) -> String {
        format!("{}{}", *self.stdout.borrow(), *self.stderr.borrow())
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// A file of `/proc/PID`.
    pub fn proc(&self, name: &str) -> PathBuf {
        format!("/proc/{}/{name}", self.id()).into()
    }

    /// Asserts that it may open as many files as the system lets it have.
    pub fn assert_most_files(&self) {
        let limits = std::fs::read_to_string(self.proc("limits")).unwrap();
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"))
            .unwrap();
        let mut files = files.split_whitespace().skip(3);
        assert_eq!(files.next(), files.next(), "{limits}");
    }

    /// The most memory that it ever had, in bytes, as the kernel estimates it: a later figure can be a
    /// little lower.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.id().cast_signed()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits for its end, and for the end of what it says.
    pub async fn end(mut self) -> Ended {
        let status = in_time(self.child.wait()).await.unwrap();
        for stream in [&mut self.stdout, &mut self.stderr] {
            in_time(async { while stream.changed().await.is_ok() {} }).await;
        }
        Ended {
            status,
            stdout: self.stdout.borrow().clone(),
            stderr: self.stderr.borrow().clone(),
        }
    }

    /// Waits until it has ended or serves, and stops it then. Returns all that it said.
    pub async fn end_or_serve(mut self) -> String {
        let mut stdout = self.stdout.clone();
        let serves = stdout.wait_for(|said| said.contains("listening on"));
        let ended = in_time(async {
            tokio::select! {
                _ = self.child.wait() => true,
                serves = serves => serves.is_err(),
            }
        })
        .await;
        let ended = if ended {
            self.end().await
        } else {
            self.stop().await
        };
        ended.stdout + &ended.stderr
    }

    /// Asks it to stop, and waits for that.
    pub async fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.end().await
    }
}

/// Runs to the end.
pub async fn run(arguments: &[&str]) -> Ended {
    Binary::start(arguments).end().await
}

impl Ended {
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{self:?}"))
    }
}

fn follow(mut stream: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes[..length]);
            sender.send_modify(|said| said.push_str(&text));
        }
    });
    receiver
}
