//! Detects that this process has run out of resources for connections.

use std::{fs::File, io};

use rustix::io::Errno;

/// Returns whether a system call failed for lack of file descriptors or memory.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    const SHORTAGES: [Errno; 5] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        // The limit of what epoll may watch.
        Errno::NOSPC,
    ];
    Errno::from_io_error(error).is_some_and(|error| SHORTAGES.contains(&error))
}

/// Returns whether no file descriptor is left.
pub(super) fn is_now() -> bool {
    File::open("/").is_err_and(|error| is_exhausted(&error))
}
