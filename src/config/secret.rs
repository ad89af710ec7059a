//! Places where secrets are kept, and reading them.

use std::{
    env,
    fmt::{self, Debug, Display, Formatter},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::{
    given,
    input::{Input, InputError},
    ownership::{OwnershipError, check_place},
};
use crate::system::{children, ownership, terminal};

/// The place of a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    File {
        path: PathBuf,
        allow_group_read: bool,
    },
    /// An environment variable that holds the secret itself.
    Variable(String),
    Command(Program),
    /// The name of a systemd credential.
    Credential(String),
}

/// A program that gives a secret. No shell is involved.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Its name and its arguments.
    pub(super) words: Vec<String>,
    /// The variables with other secrets, which are none of its business.
    pub(super) withheld: Arc<[String]>,
}

impl Secret {
    pub(super) fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let secret = match self {
            Self::File {
                path,
                allow_group_read,
            } => from_file(path, *allow_group_read),
            Self::Variable(name) => from_variable(name),
            Self::Command(program) => from_program(program),
            Self::Credential(name) => from_credential(name),
        };
        let fault = match secret {
            Ok(secret) if secret.is_empty() => SecretFault::Empty,
            Ok(secret) if secret.len() > LONGEST => SecretFault::TooLong,
            Ok(secret) => return Ok(secret),
            Err(fault) => fault,
        };
        Err(SecretError {
            secret: self.to_string(),
            fault,
        })
    }

    /// The file that holds it, if it is in one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File { path, .. } => Some(path.clone()),
            Self::Credential(name) => {
                Some(Path::new(&env::var_os("CREDENTIALS_DIRECTORY")?).join(name))
            }
            Self::Variable(_) | Self::Command(_) => None,
        }
    }

    /// The expression that a shell replaces with the secret, within double quotes; nothing for a
    /// command, because its arguments may hold another secret.
    pub(super) fn in_shell(&self) -> Option<String> {
        match self {
            Self::File { path, .. } => {
                let path = terminal::quoted_path(path);
                Some(format!("$(cat {path})"))
            }
            Self::Variable(name) => Some(format!("${{{name}}}")),
            Self::Command(_) | Self::Credential(_) => None,
        }
    }

    /// Reads the secret as one line, such as a passphrase, without the line end that editors and
    /// commands add.
    pub(super) fn read_line(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let mut secret = self.read()?;
        while secret.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            secret.pop();
        }
        if secret.is_empty() {
            return Err(SecretError {
                secret: self.to_string(),
                fault: SecretFault::Empty,
            });
        }
        Ok(secret)
    }
}

/// The name in messages: never the secret, which may be in place of its name, and never a command's
/// arguments, which may hold one.
impl Display for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(&given::variable(name)),
            Self::Command(Program { words, .. }) => {
                f.write_str(&given::program(words.first().map_or("", String::as_str)))
            }
            Self::Credential(name) => f.write_str(&given::credential(name)),
        }
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The reason that a secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{secret} {fault}")]
pub(super) struct SecretError {
    secret: String,
    fault: SecretFault,
}

#[derive(Debug, thiserror::Error)]
enum SecretFault {
    #[error(transparent)]
    File(#[from] InputError),
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("can be read by others (mode {mode:04o}); {way_out}")]
    Exposed { mode: u32, way_out: String },
    #[error("belongs to user {owner}, who could replace it; {way_out}")]
    ForeignOwner { owner: u32, way_out: String },
    #[error(transparent)]
    Place(#[from] OwnershipError),
    #[error("is empty")]
    Empty,
    #[error("holds more than {} KiB, so it is not a key or passphrase", LONGEST / 1024)]
    TooLong,
    #[error("is not set")]
    Unset,
    #[error(
        "cannot be found: CREDENTIALS_DIRECTORY is not set; start with systemd and LoadCredential=NAME:PATH"
    )]
    NoCredentials,
    #[error("cannot be started: {0}")]
    NotStarted(io::Error),
    #[error("failed ({0}); run it by hand to see why")]
    Failed(ExitStatus),
    #[error("did not finish within {} s; it must not ask for input", TIMEOUT.as_secs())]
    TimedOut,
}

fn from_file(path: &Path, allow_group_read: bool) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    let file = Input::open(path)?.regular()?;
    let about = &file.about;
    let (me, owner) = (geteuid().as_raw(), about.uid());
    if owner != me && owner != 0 {
        let order = format!("run `chown {me} {}`", path.display());
        let way_out = way_out(&file, me == 0, order, path);
        return Err(SecretFault::ForeignOwner { owner, way_out });
    }
    let (refused, group) = if allow_group_read {
        (0o037, "")
    } else if about.mode() & 0o037 == 0 {
        (0o077, ", or set allow_group_read = true")
    } else {
        (0o077, "")
    };
    if about.mode() & refused != 0 {
        let mode = about.mode() & 0o7777;
        let order = format!("run `chmod 600 {}`{group}", path.display());
        let way_out = way_out(&file, me == 0 || owner == me, order, path);
        return Err(SecretFault::Exposed { mode, way_out });
    }
    // Whoever can replace the file decides who gets in.
    check_place(path, &file)?;
    Ok(file.read(LONGEST)?)
}

/// The advice about the owner or the mode of a file: `order` if that works, else what does.
fn way_out(file: &Input, may_change: bool, order: String, path: &Path) -> String {
    if may_change && !ownership::is_read_only(file.file()) && ownership::has_modes(file.file()) {
        return order;
    }
    let me = geteuid().as_raw();
    format!(
        "this cannot be changed from here, so give it owner {me} and mode 0400 where it comes \
         from, or a group of this user, mode 0440 and allow_group_read = true; or keep the secret \
         in {{ env = … }} or {{ credential = … }} instead of the file; or use a copy: `install -m \
         600 {} COPY`",
        path.display()
    )
}

/// Reads a credential without checking its mode: systemd shares credentials by access lists, which
/// show as group bits.
fn from_credential(name: &str) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    let folder = env::var_os("CREDENTIALS_DIRECTORY").ok_or(SecretFault::NoCredentials)?;
    Ok(Input::open(&Path::new(&folder).join(name))?
        .regular()?
        .read(LONGEST)?)
}

fn from_variable(name: &str) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    use std::os::unix::ffi::OsStringExt;
    // No variable has a zero byte or an equals sign in its name, and asking for one would panic.
    let secret = Some(name)
        .filter(|name| !name.contains(['=', '\0']))
        .and_then(env::var_os)
        .ok_or(SecretFault::Unset)?;
    Ok(Zeroizing::new(secret.into_vec()))
}

fn from_program(program: &Program) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    let deadline = Instant::now() + TIMEOUT;
    let (name, arguments) = program.words.split_first().ok_or(SecretFault::Empty)?;
    let mut child = children::command(name, &program.withheld)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(SecretFault::NotStarted)?;
    let outcome = output(&mut child, deadline);
    if outcome.is_err() {
        // If it has ended by itself, there is nothing left to stop.
        child.kill().ok();
        child.wait().ok();
    }
    outcome
}

fn output(child: &mut Child, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, SecretFault> {
    let stdout: ChildStdout = child.stdout.take().ok_or(SecretFault::Empty)?;
    let (sender, receiver) = mpsc::channel();
    // Not joined: a process that the command started may hold the pipe open forever.
    thread::spawn(move || sender.send(read(stdout)));
    let left = deadline.saturating_duration_since(Instant::now());
    let secret = receiver
        .recv_timeout(left)
        .map_err(|_| SecretFault::TimedOut)?
        .map_err(SecretFault::Unreadable)?;
    loop {
        match child.try_wait().map_err(SecretFault::Unreadable)? {
            Some(status) if status.success() => return Ok(secret),
            Some(status) => return Err(SecretFault::Failed(status)),
            None if Instant::now() >= deadline => return Err(SecretFault::TimedOut),
            None => thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

/// Reads at most one byte more than allowed into a buffer that never moves, so that no copy of the
/// secret stays in memory.
fn read(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut secret = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    source.take(LONGEST as u64 + 1).read_to_end(&mut secret)?;
    Ok(secret)
}

/// Bytes. A 16,384-bit key with its certificate chain takes a fifth of it.
const LONGEST: usize = 128 * 1024;

/// Time for a password manager to respond; a start must not hang on one that asks for input.
const TIMEOUT: Duration = Duration::from_secs(10);
