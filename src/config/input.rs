//! Files that a person names, read within bounds, whatever they are.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};
use zeroize::Zeroizing;

use crate::system::sandbox;

/// An open file.
pub(super) struct Input {
    file: File,
    /// Metadata of the open file, so that it cannot be swapped in between.
    pub(super) about: Metadata,
}

impl Input {
    /// Opens a regular file or a pipe, without waiting for the other end of a named pipe.
    pub(super) fn open(path: &Path) -> Result<Self, InputError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
            .open(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound
                    if path.components().any(|part| part.as_os_str() == "~") =>
                {
                    InputError::Tilde
                }
                io::ErrorKind::NotFound => InputError::Missing,
                _ if sandbox::hides(path, &error) => InputError::Hidden,
                _ => InputError::Unreadable(error),
            })?;
        let about = file.metadata().map_err(InputError::Unreadable)?;
        match about.file_type() {
            kind if kind.is_file() || kind.is_fifo() => Ok(Self { file, about }),
            kind if kind.is_dir() => Err(InputError::Directory),
            _ => Err(InputError::NotRegular),
        }
    }

    /// The same, if it is a regular file.
    pub(super) fn regular(self) -> Result<Self, InputError> {
        if self.about.is_file() {
            Ok(self)
        } else {
            Err(InputError::NotRegular)
        }
    }

    /// The file itself, for questions about its file system.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Reads everything in it, if that is at most `longest` bytes.
    pub(super) fn read(mut self, longest: usize) -> Result<Zeroizing<Vec<u8>>, InputError> {
        // Does not grow for a secret, so that no copy of one stays in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(USUAL));
        let is_pipe = self.about.file_type().is_fifo();
        let deadline = Instant::now() + TIMEOUT;
        let mut piece = Zeroizing::new([0; 16 * 1024]);
        loop {
            if is_pipe {
                self.wait(deadline)?;
            }
            match self.file.read(piece.as_mut_slice()) {
                Ok(0) => return Ok(bytes),
                Ok(length) => bytes.extend(piece.iter().take(length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody else may read from the same pipe.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(InputError::Unreadable(error)),
            }
            if bytes.len() > longest {
                return Err(InputError::TooLong(longest));
            }
        }
    }

    /// Waits until there is something to read, or the end.
    fn wait(&self, deadline: Instant) -> Result<(), InputError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or_default();
            let mut pipe = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut pipe, Some(&left)) {
                Ok(0) => return Err(InputError::Silent),
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(InputError::Unreadable(error.into())),
            }
        }
    }
}

/// Reads a regular file or a pipe, such as a shell makes of `<(program)`.
///
/// # Errors
/// The reason that it cannot be read.
pub(crate) fn read(path: &Path, longest: usize) -> Result<Zeroizing<Vec<u8>>, InputError> {
    Input::open(path)?.read(longest)
}

/// Like [`read`], for text.
///
/// # Errors
/// The reason that it cannot be read, or that it is not text.
pub(crate) fn read_text(path: &Path, longest: usize) -> Result<String, InputError> {
    let bytes = read(path, longest)?;
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(InputError::Unreadable(io::Error::other(error))),
    }
}

/// The reason that a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("does not exist; correct the path")]
    Missing,
    #[error("does not exist: only shells expand `~`; write the full path")]
    Tilde,
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("{}", sandbox::BEYOND)]
    Hidden,
    #[error("is a directory; name the file in it")]
    Directory,
    #[error("is not a regular file; copy it to one, or use a command")]
    NotRegular,
    #[error("is a pipe whose writer did not finish within {} s", TIMEOUT.as_secs())]
    Silent,
    #[error("holds more than {} KiB, so it is the wrong file", .0 / 1024)]
    TooLong(usize),
}

/// Time for a program that writes to a pipe, such as a password manager.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes. A 16,384-bit key with its certificate chain takes a fifth of it.
const USUAL: usize = 128 * 1024 + 64;
