//! Printing a response: bytes as they are to a pipe or a file, and without control characters to a
//! terminal.

use std::io::{self, Write};

pub(super) use crate::system::escape::lines as escape;
use crate::system::terminal;

/// Standard output.
pub(super) struct Output {
    is_terminal: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            is_terminal: terminal::is_read_by_a_person(),
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes at once, so that the reader has everything that has arrived.
    ///
    /// # Errors
    /// When nobody reads any more, or writing fails otherwise.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.is_terminal {
            stdout.write_all(escape(&String::from_utf8_lossy(bytes)).as_bytes())?;
        } else {
            stdout.write_all(bytes)?;
        }
        stdout.flush()
    }

    /// Like [`Output::write`], for text that [`escape`] has made safe, in colours if they are
    /// wanted.
    pub(super) fn write_styled(&self, text: &str) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}
