//! Rows of a name and a value, for people.

use std::{fmt::Write, iter};

use crate::system::terminal::{self, FAINT, styled};

/// A row for each of `values`, of which only the first has the name.
pub(super) fn under(
    name: &'static str,
    values: impl Iterator<Item = String>,
) -> impl Iterator<Item = (&'static str, String)> {
    iter::once(name).chain(iter::repeat("")).zip(values)
}

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

/// Clients that are shown by name.
pub(super) const MOST_CLIENTS: usize = 5;
