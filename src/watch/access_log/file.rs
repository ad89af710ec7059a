//! A file that is rotated by size: `access.log`, before it `access.log.1`, and so on.
//!
//! Our own, since what crates there are panic, or drop what they are given, when a folder vanishes.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{Access, OFlags, access};

use super::{batch::Batch, place::Place, stream};
use crate::system::{folder, telemetry::Throttle};

pub(super) struct LogFile {
    path: PathBuf,
    /// In one file, unless a single line has more.
    bytes: usize,
    /// Older files.
    keep: u8,
    /// Nothing, if it is gone and could not be opened again.
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Device and inode.
    id: (u64, u64),
    length: u64,
    /// False for devices and pipes: they are written to, and that is all.
    is_file: bool,
    is_torn: bool,
}

impl LogFile {
    /// Opens or creates it.
    ///
    /// # Errors
    /// If that cannot be, or if it could not be rotated.
    pub(super) fn open(path: &Path, bytes: usize, keep: u8) -> io::Result<Self> {
        check(path)?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            keep,
            open: Some(Open::at(path)?),
        })
    }

    /// Writes as [`super::Sink::write`], each line into a file that has room for it.
    pub(super) fn write(&mut self, batch: &Batch) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < batch.len() {
            let (more, outcome) = match self.write_some(batch, written) {
                Ok(done) => done,
                Err(error) => (0, Err(error)),
            };
            written += more;
            if outcome.is_err() {
                return (written, outcome);
            }
        }
        (written, Ok(()))
    }

    /// Writes as much of the entries from `first` on as belongs into one file.
    fn write_some(&mut self, batch: &Batch, first: usize) -> io::Result<(usize, io::Result<()>)> {
        let most = self.bytes;
        let mut open = self.opened()?;
        let mut fitting = batch.fitting(first, open.room(most));
        if fitting == 0 && open.length > 0 {
            let rotated = self.rotate();
            open = self.opened()?;
            fitting = batch.fitting(first, open.room(most));
            // A file that is too long is better than lines that are lost.
            if let Err(error) = rotated {
                fitting = batch.len() - first;
                if let Some(left_out) = THROTTLE.admit() {
                    tracing::warn!(left_out, "cannot rotate the access log: {error}");
                }
            }
        }
        Ok(open.append(batch, first, fitting.max(1)))
    }

    /// The file at `path`: if somebody has moved or removed the one that was open, another.
    fn opened(&mut self) -> io::Result<&mut Open> {
        let is_there = match &mut self.open {
            Some(open) => open.is_at(&self.path),
            None => false,
        };
        let open = match self.open.take() {
            Some(open) if is_there => open,
            _ => Open::at(&self.path)?,
        };
        Ok(self.open.insert(open))
    }

    /// Moves every file on by one, and begins the next with the permissions of the last.
    fn rotate(&mut self) -> io::Result<()> {
        let mode = fs::metadata(&self.path)?.mode();
        for number in (1..self.keep).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        match self.keep {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, self.numbered(1))?,
        }
        let open = self.open.insert(Open::at(&self.path)?);
        open.file.set_permissions(Permissions::from_mode(mode))
    }

    fn numbered(&self, number: u8) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(format!(".{number}"));
        path.into()
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let place = Place::of(path)?;
        let file = options(&place).create(true).open(path)?;
        let about = file.metadata()?;
        place.check(&about)?;
        Ok(Self {
            file,
            id: (about.dev(), about.ino()),
            length: about.len(),
            is_file: about.is_file(),
            is_torn: false,
        })
    }

    /// Returns whether it is still what is at `path`; notes its length, which others may change.
    fn is_at(&mut self, path: &Path) -> bool {
        if !self.is_file {
            return true;
        }
        fs::metadata(path).is_ok_and(|about| {
            self.length = about.len();
            (about.dev(), about.ino()) == self.id
        })
    }

    fn room(&self, most: usize) -> usize {
        if self.is_file {
            let length = usize::try_from(self.length).unwrap_or(usize::MAX);
            most.saturating_sub(length)
        } else {
            usize::MAX
        }
    }

    fn append(&mut self, batch: &Batch, first: usize, count: usize) -> (usize, io::Result<()>) {
        let entries = first..first + count;
        let (whole, outcome) = stream::write(self.file.as_fd(), batch, entries, &mut self.is_torn);
        let end = self.length + batch.part(first..first + whole).len() as u64;
        // A disk that is full takes a piece of a line.
        if self.is_torn && self.is_file {
            let line = batch.part(first + whole..first + whole + 1).len() as u64;
            self.is_torn = !self.cut_off(end, line);
        }
        self.length = end;
        (whole, outcome)
    }

    /// Takes off what is behind `end`, unless others have written there, too. Returns whether it did.
    fn cut_off(&self, end: u64, most: u64) -> bool {
        let length = self.file.metadata().map_or(0, |about| about.len());
        (end..end + most).contains(&length) && self.file.set_len(end).is_ok()
    }
}

static THROTTLE: Throttle = Throttle::to(1, Duration::from_mins(1));

/// Tries whether it could be written and rotated, and creates nothing.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let place = Place::of(path)?;
    match fs::metadata(path) {
        // Not opened for nothing: whoever reads a pipe would see it end.
        Ok(about) if !about.is_file() && !about.is_dir() => return place.check(&about),
        Ok(_) => place.check(&options(&place).open(path)?.metadata()?)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(access(
        folder::of(path),
        Access::WRITE_OK | Access::EXEC_OK,
    )?)
}

/// For what is there. Not even a pipe that nobody reads holds it up.
fn options(place: &Place) -> OpenOptions {
    let mut flags = OFlags::NONBLOCK;
    flags.set(OFlags::NOFOLLOW, !place.is_link());
    let mut options = OpenOptions::new();
    options
        .append(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed());
    options
}
