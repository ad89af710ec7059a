//! Where a program may keep what it makes for itself.

use std::{env, path::PathBuf};

/// The folder that systemd made for us (`StateDirectory=`), else the place in the user's home that
/// is for such things (XDG Base Directory Specification).
pub(super) fn default_dir() -> Option<PathBuf> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    // Several are separated by colons; the first is as good as any.
    let given = variable("STATE_DIRECTORY")
        .and_then(|list| list.split(':').next().map(PathBuf::from))
        .or_else(|| Some(absolute(variable("XDG_STATE_HOME"))?.join(NAME)));
    given.or_else(|| Some(absolute(variable("HOME"))?.join(".local/state").join(NAME)))
}

/// One that is not absolute must be ignored, says the specification.
fn absolute(path: Option<String>) -> Option<PathBuf> {
    path.map(PathBuf::from).filter(|path| path.is_absolute())
}

const NAME: &str = "orgproxy";

/// The message if there is none.
pub(super) const MISSING: &str = "missing, and none of STATE_DIRECTORY, XDG_STATE_HOME and HOME \
    is set; add state_dir = \"/var/lib/orgproxy\", the folder for the local certificate authority";
