//! Writing lines to a file descriptor.

use std::{io, ops::Range, os::fd::BorrowedFd};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, write as write_some},
};

use super::batch::Batch;

/// Writes the entries of these numbers, and waits for as long as that takes. Returns how many were
/// written whole, and what kept it from writing more. `is_torn` is true if what was written last
/// ends within a line, which the next call then ends.
pub(super) fn write(
    out: BorrowedFd<'_>,
    batch: &Batch,
    entries: Range<usize>,
    is_torn: &mut bool,
) -> (usize, io::Result<()>) {
    if *is_torn {
        match write_all(out, b"\n") {
            (_, Ok(())) => *is_torn = false,
            (_, failed) => return (0, failed),
        }
    }
    let first = entries.start;
    let (bytes, outcome) = write_all(out, batch.part(entries));
    let whole = batch.fitting(first, bytes);
    *is_torn = batch.part(first..first + whole).len() < bytes;
    (whole, outcome)
}

/// Returns how many bytes were written, too.
fn write_all(out: BorrowedFd<'_>, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match write_some(out, &bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(some) => written += some,
            Err(Errno::INTR) => {}
            // Who shares it may have set it not to block. What poll has to say, write says better.
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&out, PollFlags::OUT)], None);
            }
            Err(error) => return (written, Err(error.into())),
        }
    }
    (written, Ok(()))
}
