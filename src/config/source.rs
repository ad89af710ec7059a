//! The file with the configuration.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use super::{
    given,
    input::{Input, InputError},
    ownership::{self, Foreign},
    unwrap::as_utf8,
};

/// Its text, if nobody but us and root can have written that, or nothing if none is named and there is none in the current folder.
///
/// # Errors
/// Why it cannot be had.
pub(super) fn read(path: Option<&Path>) -> Result<Option<String>, String> {
    let file = path.unwrap_or_else(|| Path::new(super::DEFAULT_PATH));
    if path.is_some() {
        given::file(&file.to_string_lossy(), Path::new(""))
            .map_err(|error| format!("the configuration {error}"))?;
    }
    let failed = |error: &dyn Display| format!("{}: {error}", file.display());
    let input = match Input::open(file) {
        Err(InputError::Missing) if path.is_none() => return Ok(None),
        input => input.map_err(|error| failed(&error))?,
    };
    check(file, &input).map_err(|fault| failed(&fault))?;
    let bytes = input.read(LONGEST).map_err(|error| failed(&error))?;
    let bytes = as_utf8(&bytes);
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(failed(&"is not text in UTF-8, which TOML is written in")),
    }
}

/// A configuration has programs run and keys used as us, so it must be our own or root's. One that
/// is mounted read-only, as into a container, was put there by who runs that.
fn check(file: &Path, input: &Input) -> Result<(), SourceFault> {
    if ownership::is_read_only(input.file()) {
        return Ok(());
    }
    let path = || file.to_owned();
    if let Some(foreign) = ownership::of_file(&input.about) {
        return Err(match foreign {
            Foreign::Owner(_) => SourceFault::Owner(foreign, path()),
            Foreign::Mode(_) if !ownership::has_modes(input.file()) => SourceFault::NoModes(path()),
            Foreign::Mode(_) => SourceFault::Mode(foreign, path()),
        });
    }
    // A pipe has no place where another could stand.
    if !input.about.is_file() {
        return Ok(());
    }
    let link = file.symlink_metadata().map_err(InputError::Unreadable)?;
    if !ownership::is_ours(&link) {
        return Err(SourceFault::Link);
    }
    let real = file.canonicalize().map_err(InputError::Unreadable)?;
    for folder in [file, &real].into_iter().filter_map(|file| file.parent()) {
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let foreign = ownership::of_folder(folder).map_err(InputError::Unreadable)?;
        if let Some(foreign) = foreign {
            return Err(SourceFault::Folder(foreign, folder.to_owned()));
        }
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
enum SourceFault {
    #[error(
        "{0}, who could have it run programs as you: look at what is in it, and use a copy of your own (in a container, mount {path} read-only)",
        path = .1.display()
    )]
    Owner(Foreign, PathBuf),
    #[error(
        "{0}, who could have it run programs as you; run `chmod go-w {path}` (in a container, mount it read-only)",
        path = .1.display()
    )]
    Mode(Foreign, PathBuf),
    #[error(
        "can be written by others, since its file system has no owners and modes, as a drive of Windows under WSL; copy it to another, such as your home: `install -m 600 {path} ~`",
        path = .0.display()
    )]
    NoModes(PathBuf),
    #[error(
        "is a link that belongs to another user, who could lead it elsewhere; name the file itself"
    )]
    Link,
    #[error(
        "its folder {folder} {0}, who could put another file in its place; run `chmod go-w {folder}`, or move the file to a folder of your own",
        folder = .1.display()
    )]
    Folder(Foreign, PathBuf),
    #[error(transparent)]
    Unreadable(#[from] InputError),
}

/// Thousands of orgs.
const LONGEST: usize = 1024 * 1024;
