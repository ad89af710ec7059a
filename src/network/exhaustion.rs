//! Whether this process has run out of what connections need.

use std::{fs::File, io};

use rustix::io::Errno;

/// Whether a system call failed for want of file descriptors or memory.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    const SHORTAGES: [Errno; 5] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        // Of what epoll may watch.
        Errno::NOSPC,
    ];
    Errno::from_io_error(error).is_some_and(|error| SHORTAGES.contains(&error))
}

/// Whether there is no file descriptor left.
pub(super) fn is_now() -> bool {
    File::open("/").is_err_and(|error| is_exhausted(&error))
}
