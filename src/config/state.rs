//! The folder for files that the program creates for itself.

use std::{env, path::PathBuf};

/// The folder from systemd (`StateDirectory=`), else the one in the user's home (XDG Base Directory
/// Specification).
pub(super) fn default_dir() -> Option<PathBuf> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    // Several are separated by colons; any of them will do.
    let given = variable("STATE_DIRECTORY")
        .and_then(|list| list.split(':').next().map(PathBuf::from))
        .or_else(|| Some(absolute(variable("XDG_STATE_HOME"))?.join(NAME)));
    given.or_else(|| Some(absolute(variable("HOME"))?.join(".local/state").join(NAME)))
}

/// The specification requires relative paths to be ignored.
fn absolute(path: Option<String>) -> Option<PathBuf> {
    path.map(PathBuf::from).filter(|path| path.is_absolute())
}

const NAME: &str = "orgproxy";

/// The message if there is none.
pub(super) const MISSING: &str = "missing, and none of STATE_DIRECTORY, XDG_STATE_HOME and HOME \
    is set; add state_dir = \"/var/lib/orgproxy\", the folder for the local certificate authority";
