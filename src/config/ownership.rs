//! The users besides this one that could change a file which the proxy obeys, and whether that can
//! be mended.

use std::{
    fs::{self, Metadata},
    io,
    os::fd::AsFd,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{StatVfsMountFlags, fstatfs, fstatvfs, statvfs},
    process::geteuid,
};

use super::input::{Input, InputError};

/// Refuses a file that anybody but this user and root could write or replace: they could do `harm`.
/// A file that is mounted read-only, as into a container, was put there by whoever runs that.
///
/// # Errors
/// A user who could do that, with what to do about it.
pub(super) fn check(file: &Path, input: &Input, harm: &'static str) -> Result<(), OwnershipError> {
    if is_read_only(input.file()) {
        return Ok(());
    }
    let path = file.to_owned();
    match of_file(&input.about) {
        None => check_place(file, input),
        Some(foreign @ Foreign::Owner(_)) => Err(OwnershipError::Owner {
            foreign,
            harm,
            path,
        }),
        Some(Foreign::Mode(_)) if !has_modes(input.file()) => Err(OwnershipError::NoModes(path)),
        Some(foreign @ Foreign::Mode(_)) => Err(OwnershipError::Mode {
            foreign,
            harm,
            path,
        }),
    }
}

/// Like [`check`], for the folders of the file only.
///
/// # Errors
/// A user who could replace it, with what to do about it.
pub(super) fn check_place(file: &Path, input: &Input) -> Result<(), OwnershipError> {
    // A pipe cannot be replaced.
    if is_read_only(input.file()) || !input.about.is_file() {
        return Ok(());
    }
    let link = file.symlink_metadata().map_err(InputError::Unreadable)?;
    if !is_ours(&link) {
        return Err(OwnershipError::Link);
    }
    let real = file.canonicalize().map_err(InputError::Unreadable)?;
    for folder in [file, &real].into_iter().filter_map(|file| file.parent()) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let foreign = of_folder(folder).map_err(InputError::Unreadable)?;
        if let Some(foreign) = foreign {
            return Err(OwnershipError::Folder(foreign, folder.to_owned()));
        }
    }
    Ok(())
}

/// The reason that a file is not safe from others, as it must be.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnershipError {
    #[error(
        "{foreign}, who could {harm}: check what is in it, and use a copy of your own (in a container, mount {path} read-only)",
        path = .path.display()
    )]
    Owner {
        foreign: Foreign,
        harm: &'static str,
        path: PathBuf,
    },
    #[error(
        "{foreign}, who could {harm}; run `chmod go-w {path}` (in a container, mount it read-only)",
        path = .path.display()
    )]
    Mode {
        foreign: Foreign,
        harm: &'static str,
        path: PathBuf,
    },
    #[error(
        "can be written by others, because its file system has no owners and modes, like a Windows drive under WSL; copy it to another file system, such as your home: `install -m 600 {path} ~`",
        path = .0.display()
    )]
    NoModes(PathBuf),
    #[error(
        "is a link that belongs to another user, who could point it elsewhere; name the file itself"
    )]
    Link,
    #[error(
        "is in the folder {folder}, which {0}, who could put another file in its place; run `chmod go-w {folder}`, or move the file to a folder of your own",
        folder = .1.display()
    )]
    Folder(Foreign, PathBuf),
    #[error(transparent)]
    Unreadable(#[from] InputError),
}

/// The way in which somebody else could write a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foreign {
    /// It belongs to somebody else.
    #[error("belongs to user {0}")]
    Owner(u32),
    /// Others may write it.
    #[error("can be written by others (mode {0:04o})")]
    Mode(u32),
}

/// The way in which anybody but this user and root could write a file, if there is one.
pub(crate) fn of_file(about: &Metadata) -> Option<Foreign> {
    let mode = about.mode() & 0o7777;
    if !is_ours(about) {
        Some(Foreign::Owner(about.uid()))
    } else if mode & ALL_WRITE != 0 || (mode & GROUP_WRITES != 0 && !is_of_one(about)) {
        Some(Foreign::Mode(mode))
    } else {
        None
    }
}

/// The way in which somebody else could replace files in a folder, if there is one. In a sticky
/// folder, such as /tmp, users can move only their own files.
pub(crate) fn of_folder(folder: &Path) -> io::Result<Option<Foreign>> {
    if is_read_only_at(folder) {
        return Ok(None);
    }
    let about = folder.metadata()?;
    Ok(of_file(&about)
        .filter(|foreign| matches!(foreign, Foreign::Owner(_)) || about.mode() & STICKY == 0))
}

/// Returns whether anybody may put a file of their own into a folder, sticky or not.
pub(crate) fn is_shared(folder: &Path) -> bool {
    folder
        .metadata()
        .is_ok_and(|about| about.mode() & ALL_WRITE != 0)
}

/// Returns whether a file belongs to this user or root. As in Git's `safe.directory`, root also
/// trusts the user who called `sudo`.
pub(crate) fn is_ours(about: &Metadata) -> bool {
    let me = geteuid().as_raw();
    let caller = || std::env::var("SUDO_UID").ok()?.parse().ok();
    about.uid() == me || about.uid() == 0 || (me == 0 && caller() == Some(about.uid()))
}

/// Returns whether the owner of a file is alone in its group. Where each user has such a group, as
/// on Ubuntu and Fedora, it can write all files that they create.
fn is_of_one(about: &Metadata) -> bool {
    let is_private = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let is_it = fields.nth(1).and_then(|gid| gid.parse().ok()) == Some(about.gid());
        is_it
            && fields
                .next()
                .is_some_and(|members| members.is_empty() || members == name)
    };
    let groups = || fs::read_to_string("/etc/group").unwrap_or_default();
    about.uid() != 0 && about.uid() == about.gid() && groups().lines().any(is_private)
}

/// Returns whether nobody here can write a file, whatever its mode, as in a container that it is
/// mounted into.
pub(crate) fn is_read_only(file: impl AsFd) -> bool {
    fstatvfs(file).is_ok_and(|about| about.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn is_read_only_at(folder: &Path) -> bool {
    statvfs(folder).is_ok_and(|about| about.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Returns whether the file system has modes that the owner of a file can change.
pub(crate) fn has_modes(file: impl AsFd) -> bool {
    let is_foreign = fstatfs(file).is_ok_and(|about| {
        // Their magic numbers have 32 bits, however wide the field is.
        FOREIGN.contains(&(about.f_type as u32))
    });
    !is_foreign
}

/// File systems that often have no modes of their own: 9p (drives of Windows under WSL), FUSE,
/// SMB, CIFS, FAT, exFAT, NTFS (statfs(2)).
const FOREIGN: [u32; 8] = [
    0x0102_1997,
    0x6573_5546,
    0xfe53_4d42,
    0xff53_4d42,
    0x4d44,
    0x2011_bab0,
    0x5346_544e,
    0x7366_746e,
];

const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
