//! A file with the number of the process, for those who signal it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::{fs::OFlags, io::Errno, process::geteuid};
use tempfile::{NamedTempFile, PersistError};

use super::{
    folder,
    ownership::{self, Foreign},
};

/// The file of this process, which is locked as long as that lives: so nobody takes a number that
/// has become another program's for ours. Only this user can open it, since whoever can open a file
/// can lock it, too. Dropped, it is removed, if it still is ours.
pub(crate) struct PidFile {
    path: PathBuf,
    file: Mutex<File>,
}

/// The process that has such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) process: u32,
    /// The owner of the file.
    pub(crate) user: u32,
}

/// A reason that there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    #[error(
        "pid_file {path} is that of process {holder}, which runs; stop it, or choose another path",
        path = .0.display(), holder = .1
    )]
    /// Another process has it.
    Held(PathBuf, u32),
    #[error(
        "pid_file {path} is a file of something else than orgproxy; choose another path",
        path = .0.display()
    )]
    Foreign(PathBuf),
    #[error(
        "pid_file {path} {foreign}, who could write any number there; remove it, or choose another path",
        path = .0.display(), foreign = .1
    )]
    Owned(PathBuf, Foreign),
    #[error(
        "pid_file {path}: its folder {folder} {foreign}, who could put a file of their own there; choose a folder that only this user can write to, such as /run/orgproxy",
        path = .0.display(), folder = .1.display(), foreign = .2
    )]
    Folder(PathBuf, PathBuf, Foreign),
    #[error("cannot use pid_file {path}: {error}{way_out}", path = .0.display(), error = .1, way_out = way_out(.1))]
    Io(PathBuf, #[source] io::Error),
}

impl PidFile {
    /// Checks that no living process has that at `path`, but the one `before`, if there is one, and
    /// that no other user can put one there.
    ///
    /// # Errors
    /// If one has or can, or something else is there.
    pub(crate) fn check(path: &Path, before: Option<u32>) -> Result<(), PidFileError> {
        let foreign = of_way_to(folder::of(path));
        let foreign = foreign.map_err(|error| PidFileError::Io(path.to_owned(), error))?;
        if let Some((folder, foreign)) = foreign {
            return Err(PidFileError::Folder(path.to_owned(), folder, foreign));
        }
        let holder = look(path, false)?.filter(|holder| Some(holder.process) != before);
        match holder {
            Some(holder) => Err(PidFileError::Held(path.to_owned(), holder.process)),
            None => Ok(()),
        }
    }

    /// Writes that of this process, whole from the first moment that it is there.
    ///
    /// # Errors
    /// Those of [`Self::check`], or the folder cannot be written to.
    pub(crate) fn write(path: &Path, before: Option<u32>) -> Result<Self, PidFileError> {
        let failed = |error| PidFileError::Io(path.to_owned(), error);
        let made = |file: File| Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        };
        let mut file = draft(path).map_err(failed)?;
        for _ in 0..TRIES {
            Self::check(path, before)?;
            // It lives on until this one serves.
            if before.is_some() {
                let file = file.persist(path).map_err(|error| failed(error.error))?;
                return Ok(made(file));
            }
            match file.persist_noclobber(path) {
                Ok(file) => return Ok(made(file)),
                // Left over from a process that was killed.
                Err(PersistError { error, file: again })
                    if error.kind() == io::ErrorKind::AlreadyExists =>
                {
                    file = again;
                    Self::check(path, before)?;
                    fs::remove_file(path).map_err(failed)?;
                }
                Err(PersistError { error, .. }) => return Err(failed(error)),
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// Puts the file of this process back, if one that was to take its place has left another, or
    /// none.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(crate) fn put_back(&self) -> Result<(), PidFileError> {
        if self.is_ours().unwrap_or_default() {
            return Ok(());
        }
        Self::check(&self.path, None)?;
        let failed = |error| PidFileError::Io(self.path.clone(), error);
        let file = draft(&self.path).map_err(failed)?;
        let file = file.persist(&self.path);
        *self.file() = file.map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// The living process whose file is at `path`, if there is one.
    ///
    /// # Errors
    /// If something else is there, or a file of another user, unless it is root who asks.
    pub(crate) fn holder(path: &Path) -> Result<Option<Holder>, PidFileError> {
        look(path, geteuid().is_root())
    }

    fn is_ours(&self) -> io::Result<bool> {
        let (there, ours) = (self.path.symlink_metadata()?, self.file().metadata()?);
        Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino()))
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holder {
    /// Returns whether the process is one of the user whose file it is, who alone, besides root, can
    /// have written its number and can keep the file locked: so nobody gets another's process
    /// signalled. Where the system does not say whose it is, that is taken for granted.
    pub(crate) fn is_of_its_user(self) -> bool {
        // The folder has the effective user, even of a process that nobody may look into.
        match fs::metadata(format!("/proc/{}", self.process)) {
            Ok(about) => about.uid() == self.user,
            Err(_) => fs::metadata("/proc/self").is_err(),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.is_ours().unwrap_or_default() {
            // Nothing is lost if it is gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Looks for the process whose file is at `path`, whoever owns that, or one that this user or root
/// does.
fn look(path: &Path, any: bool) -> Result<Option<Holder>, PidFileError> {
    let failed = |error| PidFileError::Io(path.to_owned(), error);
    // A pipe must not be waited for.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(PidFileError::Foreign(path.to_owned()));
        }
        opened => opened.map_err(failed)?,
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(PidFileError::Foreign(path.to_owned()));
    }
    let is_taken = |foreign: &Foreign| any && matches!(foreign, Foreign::Owner(_));
    if let Some(foreign) = ownership::of_file(&about).filter(|it| !is_taken(it)) {
        return Err(PidFileError::Owned(path.to_owned(), foreign));
    }
    let mut text = String::new();
    let read = (&file).take(LONGEST).read_to_string(&mut text);
    let holder = text.trim_end().parse().ok().filter(|pid| *pid > 0);
    let (Ok(_), Some(holder)) = (read, holder) else {
        return Err(PidFileError::Foreign(path.to_owned()));
    };
    // One that others can open is not ours, and they can have locked it.
    if about.mode() & 0o077 != 0 {
        return Ok(None);
    }
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Ok(Some(Holder {
            process: holder,
            user: about.uid(),
        })),
        Err(TryLockError::Error(error)) => Err(failed(error)),
        Ok(()) => Ok(None),
    }
}

/// A file with the number of this process, locked, beside `path`.
fn draft(path: &Path) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder::of(path))?;
    writeln!(file, "{}", process::id())?;
    file.as_file().lock()?;
    Ok(file)
}

/// The way in which somebody else could put a file there, even if they could replace none.
fn of_way_to(folder: &Path) -> io::Result<Option<(PathBuf, Foreign)>> {
    let foreign = ownership::of_way_to(folder)?;
    let shared = || {
        let mode = folder.metadata().ok()?.mode() & 0o7777;
        ownership::is_shared(folder).then(|| (folder.to_owned(), Foreign::Mode(mode)))
    };
    Ok(foreign.or_else(shared))
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; create its folder, or correct pid_file",
        io::ErrorKind::PermissionDenied => {
            "; let this user write to its folder, or choose another path"
        }
        _ => "",
    }
}

/// Of those who start at the same moment, one is too many.
const TRIES: u32 = 3;

/// Any number, and a line end.
const LONGEST: u64 = 32;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use test_case::test_case;

    use super::*;

    #[test]
    fn it_is_there_as_long_as_its_process_and_one_that_was_killed_is_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orgproxy.pid");
        let own = process::id();
        // A number that is in use, but not by one that holds the file.
        fs::write(&path, "1\n").unwrap();
        assert_eq!(PidFile::holder(&path).unwrap(), None);
        let file = PidFile::write(&path, None).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{own}\n"));
        let holder = PidFile::holder(&path).unwrap().unwrap();
        assert_eq!(holder.process, own);
        assert!(holder.is_of_its_user());
        // Nobody else can open it, and so keep it locked.
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(
            matches!(PidFile::write(&path, None), Err(PidFileError::Held(_, pid)) if pid == own)
        );
        drop(file);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_has_become_anothers_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orgproxy.pid");
        let first = PidFile::write(&path, None).unwrap();
        fs::remove_file(&path).unwrap();
        let second = PidFile::write(&path, None).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_not_a_pid_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "do not lose me").unwrap();
        let inner = folder.path().join("folder");
        fs::create_dir(&inner).unwrap();
        for path in [&path, &inner] {
            assert!(matches!(
                PidFile::write(path, None),
                Err(PidFileError::Foreign(_))
            ));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "do not lose me");
    }

    #[test]
    fn one_that_others_can_keep_locked_is_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orgproxy.pid");
        fs::write(&path, "1\n").unwrap();
        let reader = File::open(&path).unwrap();
        reader.lock().unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(PidFile::holder(&path).unwrap(), None);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let holder = PidFile::holder(&path).unwrap().unwrap();
        assert_eq!(holder.process, 1);
        // Whose process that is, is another matter.
        assert_eq!(holder.is_of_its_user(), geteuid().is_root());
    }

    #[test_case(0o755, true)]
    #[test_case(0o700, true)]
    #[test_case(0o777, false)]
    #[test_case(0o757, false)]
    #[test_case(0o1777, false; "as tmp is")]
    fn it_is_where_nobody_else_can_put_one(mode: u32, is_written: bool) {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(mode)).unwrap();
        let written = PidFile::write(&folder.path().join("orgproxy.pid"), None);
        match written {
            Ok(_) => assert!(is_written),
            Err(error) => {
                let reason = format!("can be written by others (mode {mode:04o})");
                assert!(
                    !is_written && error.to_string().contains(&reason),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn neither_anothers_file_nor_a_link_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orgproxy.pid");
        let real = folder.path().join("real");
        fs::write(&real, "1\n").unwrap();
        symlink(&real, &path).unwrap();
        let found = PidFile::holder(&path);
        assert!(matches!(found, Err(PidFileError::Foreign(_))), "{found:?}");
        fs::remove_file(&path).unwrap();
        fs::rename(&real, &path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        let found = PidFile::holder(&path);
        assert!(matches!(found, Err(PidFileError::Owned(..))), "{found:?}");
        if !geteuid().is_root() {
            // Not by `eprintln!`, of which nothing is seen when a test passes.
            let _ = writeln!(
                io::stderr(),
                "skipped: another user's pid file: only root gives files away"
            );
            return;
        }
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        chown(&path, Some(12_345), None).unwrap();
        let reader = File::open(&path).unwrap();
        reader.lock().unwrap();
        // Root may signal the processes of other users, but for each only that user's own.
        let holder = PidFile::holder(&path).unwrap().unwrap();
        assert_eq!((holder.process, holder.user), (1, 12_345));
        assert!(!holder.is_of_its_user());
    }

    #[test]
    fn it_comes_back_if_the_next_process_has_left_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orgproxy.pid");
        let own = format!("{}\n", process::id());
        let file = PidFile::write(&path, None).unwrap();
        for next in [Some("4711\n"), None] {
            fs::remove_file(&path).unwrap();
            if let Some(next) = next {
                fs::write(&path, next).unwrap();
            }
            file.put_back().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), own);
            assert!(PidFile::holder(&path).unwrap().is_some());
        }
        // But not over one that lives.
        fs::remove_file(&path).unwrap();
        let another = PidFile::write(&path, None).unwrap();
        assert!(matches!(file.put_back(), Err(PidFileError::Held(..))));
        drop(another);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
