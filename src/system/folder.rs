//! The folder that a file is in, or is to be in.

use std::path::Path;

/// The folder of `path`: the current one where only a name is said.
pub(crate) fn of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new("."))
}
