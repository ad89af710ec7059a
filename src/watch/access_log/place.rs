//! The place of a file, in a folder where another user may not lead us to a file of our own.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::system::{
    folder,
    ownership::{self, Foreign},
};

/// A path that is safe to write to.
#[derive(Debug)]
pub(super) struct Place {
    /// It leads to the file, and only this user or root can change where.
    is_link: bool,
    /// Others can put files there, as in /tmp.
    is_shared: bool,
}

impl Place {
    /// That of `path`, and of what it leads to.
    ///
    /// # Errors
    /// If another user could lead it elsewhere, with the reason.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut path = PathBuf::from(path);
        let mut place = Self {
            is_link: false,
            is_shared: false,
        };
        for _ in 0..MOST_LINKS {
            let folder = folder::of(&path);
            // A file that is open already, such as standard output.
            if OPEN.iter().any(|open| folder.starts_with(open)) {
                return Ok(place);
            }
            let foreign = match ownership::of_folder(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
                foreign => foreign?,
            };
            place.is_shared |= foreign.is_some() || ownership::is_shared(folder);
            let link = match path.symlink_metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                about => Some(about?).filter(Metadata::is_symlink),
            };
            // The group of a system's folder, as of /var/log on Ubuntu, adds files of its own, which
            // are not taken. But it could lead a link elsewhere at any time.
            let foreign = foreign.filter(|foreign| match foreign {
                Foreign::Owner(_) => true,
                Foreign::Mode(mode) => mode & 0o002 != 0 || link.is_some(),
            });
            let folder_itself = foreign.map(|foreign| (folder.to_owned(), foreign));
            let led_by = match folder_itself {
                None => ownership::of_steps_to(folder)?,
                found => found,
            };
            if let Some((step, foreign)) = led_by {
                let what = format!("its folder {}", step.display());
                return Err(led_elsewhere(&what, foreign));
            }
            let Some(link) = link else {
                return Ok(place);
            };
            if !ownership::is_ours(&link) {
                let what = format!("the link {}", path.display());
                return Err(led_elsewhere(&what, Foreign::Owner(link.uid())));
            }
            place.is_link = true;
            path = folder.join(fs::read_link(&path)?);
        }
        // Opening it says so, too.
        Err(rustix::io::Errno::LOOP.into())
    }

    /// Returns whether it leads elsewhere. Nothing else may become a link meanwhile.
    pub(super) fn is_link(&self) -> bool {
        self.is_link
    }

    /// Refuses a file or a pipe that somebody else has put there.
    ///
    /// # Errors
    /// If it is one, with the reason.
    pub(super) fn check(&self, about: &Metadata) -> io::Result<()> {
        if !self.is_shared {
            return Ok(());
        }
        if !ownership::is_ours(about) {
            return Err(led_elsewhere("the file", Foreign::Owner(about.uid())));
        }
        if about.is_file() && about.nlink() > 1 {
            return Err(io::Error::other(
                "it has another name, too, in a folder where others can put one",
            ));
        }
        Ok(())
    }
}

fn led_elsewhere(what: &str, foreign: Foreign) -> io::Error {
    io::Error::other(format!(
        "{what} {foreign}, who could have it written elsewhere"
    ))
}

/// Folders with the files that a process has open.
const OPEN: [&str; 3] = ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];

/// As many as Linux follows.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        os::unix::fs::{PermissionsExt, chown, lchown, symlink},
    };

    use rustix::{
        fs::{CWD, FileType, Mode, mknodat},
        process::geteuid,
    };
    use tempfile::TempDir;
    use test_case::test_case;

    use super::*;

    const STRANGER: u32 = 12_345;

    #[test_case(0o755, true, true)]
    #[test_case(0o700, true, true)]
    #[test_case(0o775, true, false; "as var log on Ubuntu")]
    #[test_case(0o1777, true, true; "as tmp")]
    #[test_case(0o777, false, false)]
    #[test_case(0o757, false, false)]
    fn a_folder_where_others_can_replace_it_is_refused(mode: u32, takes: bool, takes_links: bool) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("access.log");
        chmod(folder.path(), mode);
        assert_eq!(Place::of(&path).is_ok(), takes);
        File::create(&path).unwrap();
        assert_eq!(Place::of(&path).is_ok(), takes);
        let link = folder.path().join("link.log");
        symlink(&path, &link).unwrap();
        let place = Place::of(&link);
        assert_eq!(place.is_ok(), takes_links);
        if let Ok(place) = place {
            assert!(place.is_link());
        } else {
            let error = place.unwrap_err().to_string();
            let reason = format!("can be written by others (mode {mode:04o})");
            assert!(error.contains(&reason), "{error}");
        }
    }

    #[test_case("/dev/stdout")]
    #[test_case("/dev/stderr")]
    #[test_case("/proc/self/fd/1")]
    #[test_case("/dev/null")]
    fn what_the_system_has_is_taken(path: &str) {
        Place::of(Path::new(path)).unwrap();
        let folder = TempDir::new().unwrap();
        let link = folder.path().join("access.log");
        symlink(path, &link).unwrap();
        Place::of(&link).unwrap();
    }

    #[test]
    fn what_another_user_has_put_there_is_refused() {
        if !geteuid().is_root() {
            return;
        }
        let folder = TempDir::new().unwrap();
        chmod(folder.path(), 0o1777);
        let path = |name: &str| folder.path().join(name);
        let taken = |path: &Path| {
            let place = Place::of(path)?;
            path.metadata().and_then(|about| place.check(&about))
        };
        File::create(path("own")).unwrap();
        taken(&path("own")).unwrap();
        symlink(path("own"), path("link")).unwrap();
        taken(&path("link")).unwrap();

        lchown(path("link"), Some(STRANGER), None).unwrap();
        let error = taken(&path("link")).unwrap_err().to_string();
        assert!(error.contains("belongs to user 12345"), "{error}");
        fs::hard_link(path("own"), path("again")).unwrap();
        assert!(taken(&path("again")).is_err());
        fs::remove_file(path("again")).unwrap();
        chown(path("own"), Some(STRANGER), None).unwrap();
        assert!(taken(&path("own")).is_err());

        // Whoever reads a pipe has what is written to it.
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, path("pipe"), FileType::Fifo, mode, 0).unwrap();
        taken(&path("pipe")).unwrap();
        lchown(path("pipe"), Some(STRANGER), None).unwrap();
        assert!(taken(&path("pipe")).is_err());

        // Where nobody else can put one, a file is as its administrator wants it.
        chmod(folder.path(), 0o755);
        taken(&path("own")).unwrap();
        // A link into the folder of another.
        let theirs = TempDir::new().unwrap();
        chown(theirs.path(), Some(STRANGER), None).unwrap();
        symlink(theirs.path().join("log"), path("lead")).unwrap();
        let error = Place::of(&path("lead")).unwrap_err().to_string();
        let expected = format!(
            "its folder {} belongs to user 12345",
            theirs.path().display()
        );
        assert!(error.contains(&expected), "{error}");
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
}
