//! Records in columns that fit the terminal.

use comfy_table::{Cell, ColumnConstraint, LineStyle, Row, Table as Grid, TableStyle, Width};
use textwrap::core::display_width;

use crate::{
    command::output::Output,
    system::{
        escape,
        terminal::{STRONG, styled},
    },
};

/// The names of the columns, and their layout, which the first records decide.
pub(super) struct Table {
    names: Vec<String>,
    layout: Layout,
}

enum Layout {
    /// A line for each record, in columns of these widths.
    Lines(Vec<usize>),
    /// A line for each field, because they do not fit on one line.
    Blocks,
}

impl Table {
    pub(super) fn new(names: &[String], rows: &[Vec<String>], output: &Output) -> Self {
        let room = if output.is_terminal() {
            terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into())
        } else {
            usize::MAX
        };
        Self::fit(names, rows, room)
    }

    fn fit(names: &[String], rows: &[Vec<String>], room: usize) -> Self {
        // The org chose the names, too.
        let names: Vec<_> = names.iter().map(|name| on_one_line(name)).collect();
        let mut widths: Vec<_> = names.iter().map(|name| display_width(name)).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = display_width(&on_one_line(cell)).clamp(*width, WIDEST.max(*width));
            }
        }
        Self {
            names,
            layout: match shrink(widths, room) {
                Some(widths) => Layout::Lines(widths),
                None => Layout::Blocks,
            },
        }
    }

    /// The rows, below the names of their columns if they are the first.
    pub(super) fn show(&self, rows: Vec<Vec<String>>, is_first: bool) -> String {
        let rows = rows
            .into_iter()
            .map(|row| row.iter().map(|cell| on_one_line(cell)).collect());
        match &self.layout {
            Layout::Lines(widths) => self.lines(widths, rows, is_first),
            Layout::Blocks => rows.map(|row| self.block(&row)).collect(),
        }
    }

    fn lines(
        &self,
        widths: &[usize],
        rows: impl Iterator<Item = Vec<String>>,
        is_first: bool,
    ) -> String {
        let mut grid = Grid::new();
        grid.load_style(STYLE);
        // Words are cut, too: so more of them is visible.
        grid.set_delimiter('\n');
        if is_first {
            grid.set_header(one_line(self.names.clone()));
        }
        for row in rows {
            grid.add_row(one_line(row));
        }
        let last = widths.len().saturating_sub(1);
        for (index, (column, width)) in grid.column_iter_mut().zip(widths).enumerate() {
            let gap = if index == last { 0 } else { GAP };
            column.set_padding((0, gap as u16));
            let width = u16::try_from(width + gap).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
        let mut text = String::new();
        for (index, line) in grid.lines().enumerate() {
            let line = if is_first && index == 0 {
                styled(STRONG, line.trim_end())
            } else {
                line.trim_end().to_owned()
            };
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn block(&self, row: &[String]) -> String {
        let widths = self.names.iter().map(|name| display_width(name));
        let width = widths.max().unwrap_or_default();
        let mut text = String::new();
        for (name, cell) in self.names.iter().zip(row) {
            let blanks = " ".repeat(width - display_width(name) + GAP);
            text.push_str(format!("{}{blanks}{cell}", styled(STRONG, name)).trim_end());
            text.push('\n');
        }
        text + "\n"
    }
}

fn one_line(cells: Vec<String>) -> Row {
    let mut row = Row::from(cells.into_iter().map(Cell::new).collect::<Vec<_>>());
    row.max_height(1);
    row
}

fn on_one_line(cell: &str) -> String {
    escape::line(cell).into_owned()
}

/// The widths, with the widest narrowed to one width so that all fit into `room`. None if they would
/// be too narrow to read.
fn shrink(mut widths: Vec<usize>, room: usize) -> Option<Vec<usize>> {
    let gaps = GAP * widths.len().saturating_sub(1);
    let room = room.checked_sub(gaps)?;
    let fits = |most: usize| widths.iter().map(|width| width.min(&most)).sum::<usize>() <= room;
    let widest = widths.iter().copied().max().unwrap_or_default();
    if !fits(widest) {
        let most = (NARROWEST..widest).rev().find(|most| fits(*most))?;
        for width in &mut widths {
            *width = most.min(*width);
        }
    }
    Some(widths)
}

/// Blanks between columns.
const GAP: usize = 2;

/// Columns. Anything narrower is hard to read.
const NARROWEST: usize = 8;

/// Columns. Anything wider is not a table any more, terminal or not.
const WIDEST: usize = 256;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&[3, 5], 10, Some(&[3, 5]); "what fits stays")]
    #[test_case(&[3, 30, 20], 34, Some(&[3, 13, 13]); "the widest are narrowed alike")]
    #[test_case(&[10, 100], 30, Some(&[10, 18]); "and others are not")]
    #[test_case(&[10, 10], 18, Some(&[8, 8]); "to the narrowest")]
    #[test_case(&[10, 10], 17, None; "and no further")]
    #[test_case(&[1, 1], 1, None; "no room for gaps")]
    #[test_case(&[], 80, Some(&[]); "no columns")]
    fn widths_fit(widths: &[usize], room: usize, expected: Option<&[usize]>) {
        assert_eq!(shrink(widths.to_vec(), room).as_deref(), expected);
    }

    #[test]
    fn what_follows_is_cut_to_the_widths_of_the_first() {
        let names = ["Id".to_owned(), "Name".to_owned()];
        let row = |cells: [&str; 2]| vec![cells.map(str::to_owned).to_vec()];
        let first = row(["1", "Zürich"]);
        let table = Table::fit(&names, &first, 80);
        assert!(
            table
                .show(first, true)
                .ends_with("\n──────────\n1   Zürich\n")
        );
        let next = row(["22", "two words, 東京"]);
        assert_eq!(table.show(next, false), "22  two w…\n");
        let wide = row(["333", "東京東京"]);
        assert_eq!(table.show(wide, false), "3…  東京…\n");
    }
}
