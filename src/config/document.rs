//! A TOML document as a tree in which every value knows its origin.

use std::collections::BTreeMap;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::{Origin, Problems};

pub(super) type Table = BTreeMap<String, Node>;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    Text(String),
    Integer(String, u32),
    Fraction(String),
    Flag(bool),
    /// A TOML type that no key accepts.
    Other(&'static str),
    /// From a flag or variable, which have no types.
    Raw(String),
}

/// Reads TOML. Reports all syntax errors, and then returns nothing, because the rest would be
/// guesswork.
pub(super) fn parse(text: &str, problems: &Problems) -> Option<Table> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut lines = Vec::new();
    for error in &errors {
        // The error's own text has the line of the file, which may hold a secret; the places of its
        // odd letters would reveal something, too.
        let offset = error.span().map_or(0, |span| span.start);
        let line = line(text, offset);
        if lines.contains(&line) {
            continue;
        }
        lines.push(line);
        let before = text.as_bytes().get(..offset).unwrap_or_default();
        let column = 1 + before
            .rsplit(|byte| *byte == b'\n')
            .next()
            .map_or(0, <[u8]>::len);
        problems.add_syntax(line, format!("column {column}: {}", error.message()));
    }
    errors.is_empty().then(|| table(text, document.get_ref()))
}

/// Reads as much of TOML as can be read.
pub(super) fn recover(text: &str) -> Table {
    let (document, _) = DeTable::parse_recoverable(text);
    table(text, document.get_ref())
}

impl Value {
    /// The type of the value, for messages of the form "must be …, not …".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::List(_) => "a list",
            Self::Text(_) | Self::Raw(_) => "a string",
            Self::Integer(..) => "an integer",
            Self::Fraction(_) => "a fraction",
            Self::Flag(_) => "a boolean",
            Self::Other(kind) => kind,
        }
    }
}

fn table(text: &str, table: &DeTable<'_>) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let node = node(text, key.span().start, value);
            (key.get_ref().to_string(), node)
        })
        .collect()
}

fn node(text: &str, offset: usize, value: &Spanned<DeValue<'_>>) -> Node {
    let value = match value.get_ref() {
        DeValue::Table(entries) => Value::Table(table(text, entries)),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| node(text, item.span().start, item))
                .collect(),
        ),
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(number.as_str().to_owned(), number.radix()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Float(number) => Value::Fraction(number.as_str().to_owned()),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    let origin = Origin::Line(line(text, offset));
    Node { value, origin }
}

fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
