//! Processes that end when this one does, however it ends.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, io, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, pidfd_open, set_parent_process_death_signal,
};

use crate::cpu::{self, Tree};
use crate::folder::Folder;

/// The launcher's arguments.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    core: Option<usize>,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Becomes `args.command`: pinned, and to be stopped should the benchmark die. Both must be done
/// between fork and exec, which only a process of our own may do without `unsafe`.
pub(crate) fn launch(args: &Args) -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if let Some(core) = args.core {
        cpu::pin(core)?;
    }
    let program = &args.command[0];
    let error = Command::new(program).args(&args.command[1..]).exec();
    Err(format!("cannot run {program}: {error}").into())
}

/// A command to be started by [`launch`].
pub(crate) fn pinned(
    core: Option<usize>,
    program: impl AsRef<Path>,
) -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("launch");
    if let Some(core) = core {
        command.args(["--core", &core.to_string()]);
    }
    command.arg("--").arg(program.as_ref());
    // A variable meant for the orgproxy in use here must not change the one that is measured.
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("ORGPROXY_")) {
        command.env_remove(name);
    }
    Ok(command)
}

/// This program in another role, to be started by [`launch`].
pub(crate) fn role(core: Option<usize>, role: &str) -> Result<Command, Box<dyn Error>> {
    let mut command = pinned(core, env::current_exe()?)?;
    command.arg(role);
    Ok(command)
}

/// A server that was started and is stopped on drop, with all its children.
pub(crate) struct Running {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Running {
    /// Starts `command`. What it says on stderr is kept in a file, for [`Self::blame`].
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        folder: &Folder,
    ) -> Result<Self, Box<dyn Error>> {
        let log = folder.path(&format!("{name}.log"));
        let child = command
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self { child, name, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first `http://ADDRESS` that it prints on stdout.
    pub(crate) fn address(&mut self) -> Result<SocketAddr, Box<dyn Error>> {
        let stdout = self.child.stdout.take().ok_or("stdout is not a pipe")?;
        let (tell, told) = mpsc::channel();
        // Goes on to read what is printed later, lest the pipe fill up and block the program.
        thread::spawn(move || read_addresses(stdout, &tell));
        told.recv_timeout(START)
            .map_err(|_| self.blame("printed no http://ADDRESS").into())
    }

    /// Says that it did `what`, and what it had to say about that itself.
    pub(crate) fn blame(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        let said = lines.into_iter().rev().collect::<Vec<_>>().join("\n  ");
        format!("{} {what}; its log ends:\n  {said}", self.name)
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) else {
            return Ok(());
        };
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        let tree = Tree::of([self.child.id()])?;
        kill_process(pid, Signal::TERM)?;
        let limit = Timespec {
            tv_sec: STOP.as_secs().cast_signed(),
            tv_nsec: 0,
        };
        if poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&limit))? == 0 {
            for pid in tree.pids() {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{}: could not be stopped: {error}", self.name);
        }
    }
}

fn read_addresses(stdout: ChildStdout, tell: &mpsc::Sender<SocketAddr>) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { return };
        let Some((_, rest)) = line.split_once("http://") else {
            continue;
        };
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '.' | ':'))
            .unwrap_or(rest.len());
        if let Ok(address) = rest[..end].parse() {
            let _ = tell.send(address);
        }
    }
}

/// Where `program` is, after installing `package` with apt-get if it is missing and that is
/// possible.
pub(crate) fn installed(program: &str, package: &str) -> Result<PathBuf, String> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let how = format!("{program} is not installed: `apt-get install {package}`");
    if !rustix::process::geteuid().is_root() || find("apt-get").is_none() {
        return Err(how);
    }
    eprintln!("installing {package}");
    for arguments in [
        &["update", "-qq"][..],
        &["install", "-y", "-qq", "--no-install-recommends", package],
    ] {
        let done = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        if !done.is_ok_and(|status| status.success()) {
            return Err(format!("{how} failed"));
        }
    }
    find(program).ok_or(how)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Servers live in sbin, which is not on everyone's path.
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The time that a program may take to say where it listens. Under callgrind it takes seconds.
const START: Duration = Duration::from_secs(60);

/// The time that a program may take to stop once nothing is connected to it any more.
const STOP: Duration = Duration::from_secs(10);
