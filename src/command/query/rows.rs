//! Records, printed as they arrive.

use std::io;

use super::{
    columns::{ATTRIBUTES, Columns},
    table::Table,
};
use crate::{
    cli::Format,
    command::{json::Json, output::Output},
};

/// The state of what has been printed so far.
pub(super) struct Rows<'a> {
    soql: &'a str,
    format: Format,
    output: &'a Output,
    /// Known once there are records.
    columns: Option<Columns>,
    table: Option<Table>,
    count: u64,
    has_cut_children: bool,
    has_lost_values: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn new(soql: &'a str, format: Format, output: &'a Output) -> Self {
        Self {
            soql,
            format,
            output,
            columns: None,
            table: None,
            count: 0,
            has_cut_children: false,
            has_lost_values: false,
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether some record came with only the first of its children.
    pub(super) fn has_cut_children(&self) -> bool {
        self.has_cut_children
    }

    /// Returns whether some record had a value that no column is for.
    pub(super) fn has_lost_values(&self) -> bool {
        self.has_lost_values
    }

    /// Prints the records of one response.
    pub(super) fn print(&mut self, records: Vec<Json<'_>>) -> io::Result<()> {
        let is_first = self.columns.is_none();
        let columns = self
            .columns
            .get_or_insert_with(|| Columns::new(self.soql, &records));
        self.has_cut_children |= records.iter().any(is_cut);
        self.has_lost_values |=
            self.format != Format::Json && records.iter().any(|record| columns.miss(record));
        let count = records.len() as u64;
        let records = records.into_iter().map(without_attributes);
        match self.format {
            Format::Json => self.output.write(&json(records, self.count == 0)?)?,
            Format::Csv => {
                let rows = records.map(|record| columns.cells(&record));
                let names = Some(columns.names().to_vec());
                let names = names.filter(|names| is_first && !names.is_empty());
                self.output.write(&csv(names.into_iter().chain(rows))?)?;
            }
            Format::Table => {
                let rows: Vec<_> = records.map(|record| columns.cells(&record)).collect();
                let table = self
                    .table
                    .get_or_insert_with(|| Table::new(columns.names(), &rows, self.output));
                self.output.write_styled(&table.show(rows, is_first))?;
            }
        }
        self.count += count;
        Ok(())
    }

    /// Prints the end of the output.
    pub(super) fn end(&self) -> io::Result<()> {
        match (self.format, self.count) {
            (Format::Json, 0) => self.output.write(b"[]\n"),
            (Format::Json, _) => self.output.write(b"\n]\n"),
            _ => Ok(()),
        }
    }
}

/// A part of an array, a record on each line.
fn json<'a>(records: impl Iterator<Item = Json<'a>>, is_first: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (index, record) in records.enumerate() {
        bytes.extend(if is_first && index == 0 {
            b"[\n"
        } else {
            b",\n"
        });
        serde_json::to_writer(&mut bytes, &record)?;
    }
    Ok(bytes)
}

fn csv(rows: impl Iterator<Item = Vec<String>>) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| error.into_error())
}

fn without_attributes(json: Json<'_>) -> Json<'_> {
    match json {
        Json::Object(entries) => {
            let entries = entries.into_iter().filter(|(key, _)| key != ATTRIBUTES);
            Json::Object(
                entries
                    .map(|(key, value)| (key, without_attributes(value)))
                    .collect(),
            )
        }
        Json::List(items) => Json::List(items.into_iter().map(without_attributes).collect()),
        leaf => leaf,
    }
}

/// Returns whether the result of a subquery in it continues elsewhere.
fn is_cut(record: &Json<'_>) -> bool {
    let Json::Object(entries) = record else {
        return false;
    };
    entries.iter().any(|(_, value)| {
        let further = value.get("nextRecordsUrl");
        further.is_some_and(|url| !url.is_null()) || is_cut(value)
    })
}
