//! Refusing a file which the proxy obeys and others could change, and what to do about it.

use std::path::{Path, PathBuf};

use super::input::{Input, InputError};
use crate::system::{
    folder,
    ownership::{Foreign, has_modes, is_ours, is_read_only, of_file, of_way_to},
};

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
    for file in [file, &real] {
        let foreign = of_way_to(folder::of(file)).map_err(InputError::Unreadable)?;
        if let Some((folder, foreign)) = foreign {
            return Err(OwnershipError::Folder(foreign, folder));
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
