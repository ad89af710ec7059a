//! The permissions of a key.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

/// Owner, group and mode of a key that is in use.
#[derive(Clone, Copy)]
pub(super) struct Access {
    owner: u32,
    group: u32,
    mode: u32,
}

impl Access {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let about = fs::metadata(path)?;
        Ok(Self {
            owner: about.uid(),
            group: about.gid(),
            mode: about.mode() & MOST,
        })
    }

    /// Gives `file` the same, as far as the system permits: without the group, only its owner may
    /// read it.
    pub(super) fn give(&self, file: &File) -> io::Result<()> {
        let is_given = fchown(file, Some(self.owner), Some(self.group)).is_ok()
            || fchown(file, None, Some(self.group)).is_ok();
        let mode = if is_given {
            self.mode
        } else {
            // Members of this user's own group could not read the original.
            self.mode & 0o600
        };
        file.set_permissions(Permissions::from_mode(mode))
    }

    /// The commands for root, if the file at `path` did not get all of that.
    pub(super) fn what_is_missing(&self, path: &Path) -> Option<String> {
        let about = fs::metadata(path).ok()?;
        let is_given = (about.uid(), about.gid()) == (self.owner, self.group);
        let path = crate::system::terminal::quoted_path(path);
        (!is_given).then(|| {
            format!(
                "chown {}:{} {path}\nchmod {:03o} {path}",
                self.owner, self.group, self.mode
            )
        })
    }
}

/// The widest mode that the proxy accepts for a key: its owner, and a group that may read.
const MOST: u32 = 0o640;
