//! Handing the listeners over to a new process, which may be another version of the program.

use std::{
    env,
    os::fd::OwnedFd,
    path::Path,
    process::{self, Child, Stdio},
    sync::Arc,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{Instant, timeout},
};

use super::{running::Running, sockets::Socket};
use crate::system::{
    children,
    inherited::{HANDED_OVER, HandedOver},
    pid_file::PidFile,
    sandbox,
};

/// A process that serves in place of this one.
pub(super) struct Successor {
    child: Child,
    has_taken_over: bool,
    /// The file of this process, if it has one: the other has put its own there, perhaps.
    pid_file: Option<Arc<PidFile>>,
}

/// Starts the program at `program` anew, with the arguments of this process, and waits until it
/// is ready to serve what `running` does. Returns its number.
///
/// # Errors
/// The reason that it does not. Nothing has changed then.
pub(super) async fn hand_over(
    program: &Path,
    pid_file: Option<&Arc<PidFile>>,
    running: &Running,
) -> Result<u32, String> {
    if process::id() == 1 {
        let reason =
            "a container ends with its first process, which this is; replace the container";
        return Err(reason.to_owned());
    }
    let sockets = running.sockets();
    let (mut ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let mut successor = Successor::start(program, &sockets, theirs, pid_file)?;
    let number = successor.child.id();
    let mut answer = [0];
    match timeout(LONGEST, ours.read_exact(&mut answer)).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => return Err(successor.end().await),
        Err(_) => {
            let seconds = LONGEST.as_secs();
            return Err(format!("process {number} does not serve after {seconds} s"));
        }
    }
    running.manager.is_now(number).await;
    // It waits for that, lest it report before it is known as the main process. A stop comes before
    // or after what follows, and never in between.
    if ours.write_all(&answer).await.is_err() {
        running.manager.is_now(process::id()).await;
        return Err(successor.end().await);
    }
    for socket in &sockets {
        socket.share();
    }
    successor.has_taken_over = true;
    Ok(number)
}

impl Successor {
    fn start(
        program: &Path,
        sockets: &[Arc<Socket>],
        answer: UnixStream,
        pid_file: Option<&Arc<PidFile>>,
    ) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", program.display());
        let handed = HandedOver {
            by: process::id(),
            sockets: sockets.iter().map(|it| it.described()).collect(),
            reach: sandbox::confined().cloned(),
        };
        let handed = serde_json::to_string(&handed).map_err(|error| failed(error.into()))?;
        let mut files = Vec::new();
        for socket in sockets {
            files.push(socket.duplicate().map_err(failed)?);
        }
        let answer = answer.into_std().map_err(failed)?;
        answer.set_nonblocking(false).map_err(failed)?;
        files.push(OwnedFd::from(answer));
        let mut command = children::this_program(program);
        command
            .args(env::args_os().skip(1))
            .env("LISTEN_FDS", files.len().to_string())
            .env(HANDED_OVER, handed)
            .stdin(Stdio::null());
        // It is to go on in the place of this one.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        let mapping = |(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        };
        let mappings = files.into_iter().zip(3..).map(mapping).collect();
        command
            .fd_mappings(mappings)
            .map_err(|error| error.to_string())?;
        let child = command.spawn().map_err(|error| {
            let is_denied = error.kind() == std::io::ErrorKind::PermissionDenied;
            let why = if is_denied && sandbox::confined().is_some() {
                "; the sandbox reaches the program only in the folders where it was at the start: put \
                 the new one there, or restart"
            } else {
                ""
            };
            format!("{}{why}", failed(error))
        })?;
        Ok(Self {
            child,
            has_taken_over: false,
            pid_file: pid_file.cloned(),
        })
    }

    /// Waits until it has ended, which it is about to do. Returns how it did.
    async fn end(&mut self) -> String {
        let number = self.child.id();
        let until = Instant::now() + LAST_WORDS;
        while let Ok(None) = self.child.try_wait()
            && Instant::now() < until
        {
            tokio::time::sleep(PAUSE).await;
        }
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => format!(
                "process {number} ended ({status}) before it served; what it printed says why"
            ),
            Err(error) => format!("process {number} ended before it served: {error}"),
        }
    }
}

/// One that is not in place of this one is not to stay beside it, nor is its pid file, even if this
/// one is stopped meanwhile.
impl Drop for Successor {
    fn drop(&mut self) {
        if self.has_taken_over {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(Err(error)) = self.pid_file.as_deref().map(PidFile::put_back) {
            tracing::warn!("pid_file does not name this process any more: {error}");
        }
    }
}

/// For a new process to serve: it may have to ask for secrets.
const LONGEST: Duration = Duration::from_secs(60);

/// For one that ends to say why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);
