//! A folder of private files.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{self, Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
    process::geteuid,
};

use crate::system::ownership::{self, Foreign};

pub(super) struct Store(PathBuf);

impl Store {
    /// Opens the folder, or creates it.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        make(folder)?;
        let failed = |error| StoreError::new(folder, StoreFault::Folder(error));
        let about = fs::metadata(folder).map_err(failed)?;
        // Whoever may write to it could put another authority there.
        let is_ours = about.uid() == geteuid().as_raw() || about.uid() == 0;
        if !is_ours || about.mode() & 0o022 != 0 {
            let mode = about.mode() & 0o7777;
            return Err(StoreError::new(folder, StoreFault::OpenFolder(mode)));
        }
        Ok(Self(folder.to_owned()))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Keeps other processes out until it is dropped. They need milliseconds, so one that holds it
    /// for seconds is an error.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let path = self.path("lock");
        let fail = |fault| StoreError::new(&path, fault);
        let file = private()
            .truncate(false)
            .open(&path)
            .map_err(|error| fail(StoreFault::Unwritable(error)))?;
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    thread::park_timeout(Duration::from_millis(10));
                }
                Err(Errno::WOULDBLOCK) => return Err(fail(StoreFault::Locked)),
                Err(error) => return Err(fail(StoreFault::Unwritable(error.into()))),
            }
        }
    }

    /// The content of a file, if there is one. If it is `secret`, others must not be able to read
    /// it.
    pub(super) fn read(&self, name: &str, secret: bool) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(name);
        let fail = |fault| Err(StoreError::new(&path, fault));
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return fail(StoreFault::Unreadable(error)),
        };
        let mut bytes = Vec::new();
        let about = match file.metadata() {
            Ok(about) => about,
            Err(error) => return fail(StoreFault::Unreadable(error)),
        };
        let is_ours = about.uid() == geteuid().as_raw() || about.uid() == 0;
        let closed = if secret { 0o077 } else { 0o022 };
        if !is_ours || about.mode() & closed != 0 {
            return fail(StoreFault::Exposed(about.mode() & 0o7777));
        }
        if !about.is_file() {
            return fail(StoreFault::NotRegular);
        }
        match (&mut file).take(LONGEST).read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) => fail(StoreFault::Unreadable(error)),
        }
    }

    /// Writes a file whole or not at all. The lock must be held.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        let draft = self.path(&format!(".{name}.new"));
        let write = || {
            // Left over from a program that was killed, perhaps with another mode.
            remove(&draft)?;
            let mut file = private().create_new(true).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(|error| StoreError::new(&path, StoreFault::Unwritable(error)))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        remove(&path).map_err(|error| StoreError::new(&path, StoreFault::Unwritable(error)))
    }
}

/// Creates the folder, unless somebody else could lead it elsewhere.
pub(super) fn make(folder: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::new(folder, StoreFault::Folder(error));
    // Before anything is put where somebody else leads it.
    let whole = path::absolute(folder).map_err(failed)?;
    let mut way = whole.ancestors();
    if let Some(there) = way.find(|step| step.is_dir())
        && let Some((step, foreign)) = ownership::of_steps_to(there).map_err(failed)?
    {
        return Err(StoreError::new(folder, StoreFault::Way(step, foreign)));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A fault of the folder or of a file in it.
#[derive(Debug, thiserror::Error)]
#[error("{path} {fault}")]
pub struct StoreError {
    path: String,
    fault: StoreFault,
}

#[derive(Debug, thiserror::Error)]
enum StoreFault {
    #[error(
        "cannot be created or read: {0}; set state_dir to a folder for the local certificate authority"
    )]
    Folder(io::Error),
    #[error(
        "belongs to others or can be written by them (mode {0:04o}), so anybody could replace the certificate authority in it; set state_dir to a folder of your own, of mode 700"
    )]
    OpenFolder(u32),
    #[error(
        "is in the folder {} that {}, who could put another one in its place; set state_dir to a folder of your own, of mode 700",
        .0.display(), .1
    )]
    Way(PathBuf, Foreign),
    #[error("cannot be read: {0}; remove it to have a new one created")]
    Unreadable(io::Error),
    #[error(
        "belongs to others or can be read by them (mode {0:04o}): remove it to have a new one created, and let clients trust that (`orgproxy trust`), or run `chmod 600` if nobody can have read it"
    )]
    Exposed(u32),
    #[error("is not a regular file; remove it to have a new one created")]
    NotRegular,
    #[error(
        "has been locked by another process for {} s (`fuser` names it); stop that process, or set state_dir to another folder",
        TIMEOUT.as_secs()
    )]
    Locked,
    #[error("cannot be written: {0}; set state_dir to a writable folder")]
    Unwritable(io::Error),
}

impl StoreError {
    fn new(path: &Path, fault: StoreFault) -> Self {
        Self {
            path: path.display().to_string(),
            fault,
        }
    }
}

/// Time for other processes to finish with the folder.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes: far more than a key and a certificate.
const LONGEST: u64 = 1024 * 1024;
