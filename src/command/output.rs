//! What a command prints of an answer: bytes as they are to a pipe or a file, and nothing that a
//! terminal would obey to a terminal.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use crate::terminal;

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
        match self.is_terminal {
            true => stdout.write_all(visible(&String::from_utf8_lossy(bytes)).as_bytes())?,
            false => stdout.write_all(bytes)?,
        }
        stdout.flush()
    }

    /// As [`Output::write`], with colours if they are wanted, of what has been made [`visible`].
    pub(super) fn write_styled(&self, text: &str) -> io::Result<()> {
        let mut stdout = anstream::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

/// `text` with control characters spelled out as JSON does it, but for the end of a line.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_fine = |c: char| !c.is_control() || c == '\n';
    if text.chars().all(is_fine) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if is_fine(c) => shown.push(c),
            // Writing to a String cannot fail.
            c => {
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left() {
        for (text, expected) in [
            ("Zürich\n", "Zürich\n"),
            ("a\tb\r\n", "a\\tb\\r\n"),
            ("\u{1b}[2Jx\u{7f}\0", "\\u001b[2Jx\\u007f\\u0000"),
            ("\u{9b}31m", "\\u009b31m"),
        ] {
            assert_eq!(visible(text), expected);
        }
    }
}
