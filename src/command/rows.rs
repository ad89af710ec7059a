//! Rows of a name and a value, for people.

use std::fmt::Write;

use crate::system::terminal::{self, FAINT, styled};

/// Adds the rows, aligned; what is longer than a line of the terminal goes on below itself.
pub(super) fn add_rows(text: &mut String, rows: &[(&str, String)]) {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = 2 + width + 2;
    for (name, value) in rows {
        let value = terminal::wrap(value, indent);
        let name = styled(FAINT, &format!("{name:width$}"));
        let _ = writeln!(text, "  {name}  {}", value.trim_start());
    }
}
