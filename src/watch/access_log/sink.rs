//! Where entries go.

use std::{io, os::fd::AsFd, path::Path};

use super::{
    batch::Batch,
    file::{self, LogFile},
    journal::Journal,
    stream,
};
use crate::config::{self, LogSink};

pub(super) enum Sink {
    Stderr(Stderr),
    File(LogFile),
    Journal(Journal),
}

impl Sink {
    /// Nothing, if the log is off.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn open(place: &LogSink, config: &config::AccessLog) -> io::Result<Option<Self>> {
        let sink = match place {
            LogSink::Off => return Ok(None),
            LogSink::Stderr => Self::Stderr(Stderr::default()),
            LogSink::Journald => Self::Journal(Journal::open().map_err(no_journal)?),
            LogSink::File(path) => {
                let opened = LogFile::open(path, config.bytes, config.keep);
                Self::File(opened.map_err(|error| no_file(path, &error))?)
            }
        };
        Ok(Some(sink))
    }

    /// Writes the entries of `batch`. Returns how many, from the first on, were written whole, and
    /// what kept it from writing more.
    pub(super) fn write(&mut self, batch: &Batch) -> (usize, io::Result<()>) {
        match self {
            Self::Stderr(stderr) => stderr.write(batch),
            Self::File(file) => file.write(batch),
            Self::Journal(journal) => journal.write(batch),
        }
    }
}

/// Tries whether the place can be written to, and creates nothing.
pub(super) fn check(config: &config::AccessLog) -> io::Result<()> {
    match &config.sink {
        None | Some(LogSink::Off | LogSink::Stderr) => Ok(()),
        Some(LogSink::Journald) => Journal::open().map(drop).map_err(no_journal),
        Some(LogSink::File(path)) => file::check(path).map_err(|error| no_file(path, &error)),
    }
}

fn no_journal(error: io::Error) -> io::Error {
    let message = format!(
        "the access log cannot be written to journald: {error}; if this system has none, set \
         access_log to \"stderr\" or to a path"
    );
    io::Error::new(error.kind(), message)
}

fn no_file(path: &Path, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::NotFound => "create the folder, or correct access_log",
        io::ErrorKind::PermissionDenied => {
            "let this user write there, both to the file and in its folder, or choose another path"
        }
        io::ErrorKind::IsADirectory => "access_log must name a file, not a folder",
        _ => "choose another path for access_log",
    };
    let path = path.display();
    let message = format!("the access log cannot be written to {path}: {error}; {advice}");
    io::Error::new(error.kind(), message)
}

/// Standard error, which the log shares.
#[derive(Default)]
pub(super) struct Stderr {
    is_torn: bool,
}

impl Stderr {
    fn write(&mut self, batch: &Batch) -> (usize, io::Result<()>) {
        // Held, so that no line of the log comes in between.
        let stderr = io::stderr().lock();
        let all = 0..batch.len();
        stream::write(stderr.as_fd(), batch, all, &mut self.is_torn)
    }
}
