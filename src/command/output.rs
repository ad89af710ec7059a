//! What a command prints of an answer: bytes as they are to a pipe or a file, and nothing that a
//! terminal would obey to a terminal.

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

    /// Writes at once, so that whoever reads has what is there.
    ///
    /// # Errors
    /// When nobody reads any more, and whatever else the system says.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.is_terminal {
            stdout.write_all(escape(&String::from_utf8_lossy(bytes)).as_bytes())?;
        } else {
            stdout.write_all(bytes)?;
        }
        stdout.flush()
    }

    /// As [`Output::write`], with colours if they are wanted, of what has been made safe by [`escape`].
    pub(super) fn write_styled(&self, text: &str) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}
