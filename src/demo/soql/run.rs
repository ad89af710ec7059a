//! A query's result.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::{
    Error, Found, attributes,
    parser::{Comparison, Condition, Literal, Name, Order, Query, Select},
};
use crate::demo::data::{Data, Field, Kind, Record, Table};

pub(super) fn run(data: &Data, version: &str, query: &Query) -> Result<Found, Error> {
    let object = &query.object;
    let table = data
        .table(&object.text)
        .ok_or_else(|| Error::no_object(object.at, &object.text))?;
    let scope = Scope {
        data,
        table,
        version,
    };

    // Before any record is read, so that mistakes show even without records.
    let columns = match &query.select {
        Select::Fields(names) => names
            .iter()
            .map(|name| scope.column(name))
            .collect::<Result<Vec<_>, _>>()?,
        Select::CountField(name) => vec![scope.column(name)?],
        Select::Count => Vec::new(),
    };
    let order = query
        .order
        .iter()
        .map(|order| Ok((scope.column(&order.field)?, order)))
        .collect::<Result<Vec<_>, _>>()?;
    let test = match &query.condition {
        Some(condition) => scope.test(condition)?,
        None => Box::new(|_: &Record| true),
    };
    if query.offset > FARTHEST {
        return Err(Error {
            code: "NUMBER_OUTSIDE_VALID_RANGE",
            message: format!("Maximum SOQL offset allowed is {FARTHEST}"),
            at: 0,
            place: None,
        });
    }

    let mut records: Vec<_> = table.records.iter().filter(|record| test(record)).collect();
    records.sort_by(|a, b| scope.compare(&order, a, b));
    let records = records
        .into_iter()
        .skip(query.offset)
        .take(query.limit.unwrap_or(usize::MAX));

    let records: Vec<Value> = match &query.select {
        Select::Fields(_) => records
            .map(|record| scope.shown(record, &columns))
            .collect(),
        Select::Count => {
            return Ok(Found {
                object: table.object.name,
                total: records.count(),
                records: Vec::new(),
                columns: Vec::new(),
            });
        }
        Select::CountField(_) => {
            let count = records
                .filter(|record| columns[0].value(scope.data, record) != Value::Null)
                .count();
            vec![json!({"attributes": {"type": "AggregateResult"}, "expr0": count})]
        }
    };
    let columns = match &query.select {
        Select::CountField(_) => vec!["expr0".to_owned()],
        _ => columns.iter().map(Column::path).collect(),
    };
    Ok(Found {
        object: table.object.name,
        total: records.len(),
        records,
        columns,
    })
}

/// The meaning of names in a query.
struct Scope<'a> {
    data: &'a Data,
    table: &'a Table,
    version: &'a str,
}

/// A condition on records.
type Test<'a> = Box<dyn Fn(&Record) -> bool + 'a>;

impl<'a> Scope<'a> {
    fn column(&self, name: &Name) -> Result<Column, Error> {
        let mut parents = Vec::new();
        let mut object = self.table.object;
        let mut parts = name.text.split('.').peekable();
        // A path may begin with the object itself.
        if name.text.contains('.')
            && let Some(first) = parts.next_if(|part| part.eq_ignore_ascii_case(object.name))
            && object.fields.iter().any(|field| field.is_parent(first))
        {
            parts = name.text.split('.').peekable();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                let field = object
                    .field(part)
                    .ok_or_else(|| Error::no_field(name.at, part, object.name))?;
                return Ok(Column { parents, field });
            }
            let unknown = || Error::no_relationship(name.at, part, object.name);
            let mut fields = object.fields.iter();
            let field = fields
                .find(|field| field.is_parent(part))
                .ok_or_else(unknown)?;
            let Kind::Reference { to, relationship } = field.kind else {
                return Err(unknown());
            };
            object = self.data.table(to).ok_or_else(unknown)?.object;
            parents.push(Parent {
                field: field.name,
                to,
                relationship,
            });
        }
        Err(Error::no_field(name.at, &name.text, object.name))
    }

    fn test(&self, condition: &'a Condition) -> Result<Test<'a>, Error> {
        Ok(match condition {
            Condition::All(terms) => {
                let tests = self.tests(terms)?;
                Box::new(move |record| tests.iter().all(|test| test(record)))
            }
            Condition::Any(terms) => {
                let tests = self.tests(terms)?;
                Box::new(move |record| tests.iter().any(|test| test(record)))
            }
            Condition::Not(term) => {
                let test = self.test(term)?;
                Box::new(move |record| !test(record))
            }
            Condition::In(name, literals) => {
                let column = self.column(name)?;
                for literal in literals {
                    column.accepts(name, literal)?;
                }
                let data = self.data;
                Box::new(move |record| {
                    let value = column.value(data, record);
                    let mut literals = literals.iter();
                    literals.any(|literal| column.holds(&value, Comparison::Equal, &literal.value))
                })
            }
            Condition::Compare(name, comparison, literal) => {
                let column = self.column(name)?;
                column.accepts(name, literal)?;
                let data = self.data;
                Box::new(move |record| {
                    column.holds(&column.value(data, record), *comparison, &literal.value)
                })
            }
        })
    }

    fn tests(&self, terms: &'a [Condition]) -> Result<Vec<Test<'a>>, Error> {
        terms.iter().map(|term| self.test(term)).collect()
    }

    fn compare(&self, order: &[(Column, &Order)], a: &Record, b: &Record) -> Ordering {
        let orderings = order.iter().map(|(column, order)| {
            let (a, b) = (column.value(self.data, a), column.value(self.data, b));
            match (a.is_null(), b.is_null()) {
                (false, false) if order.descending => ordering(&b, &a),
                (false, false) => ordering(&a, &b),
                (a, b) if order.nulls_last => a.cmp(&b),
                (a, b) => b.cmp(&a),
            }
        });
        orderings.fold(Ordering::Equal, Ordering::then)
    }

    /// The record in the form of a response, with parents in it.
    fn shown(&self, record: &Record, columns: &[Column]) -> Value {
        let mut shown = Map::new();
        shown.insert(
            "attributes".to_owned(),
            attributes(self.version, self.table.object.name, text(&record["Id"])),
        );
        for column in columns {
            self.show(&mut shown, record, &column.parents, column.field.name);
        }
        Value::Object(shown)
    }

    fn show(&self, shown: &mut Record, record: &Record, parents: &[Parent], field: &str) {
        let Some((parent, further)) = parents.split_first() else {
            shown.insert(field.to_owned(), record[field].clone());
            return;
        };
        let within = shown
            .entry(parent.relationship.to_owned())
            .or_insert_with(|| match parent.of(self.data, record) {
                Some(record) => {
                    let id = text(&record["Id"]);
                    json!({"attributes": attributes(self.version, parent.to, id)})
                }
                None => Value::Null,
            });
        if let (Value::Object(within), Some(record)) = (within, parent.of(self.data, record)) {
            self.show(within, record, further, field);
        }
    }
}

/// A field, and the way to it.
struct Column {
    parents: Vec<Parent>,
    field: &'static Field,
}

impl Column {
    fn path(&self) -> String {
        let mut path = String::new();
        for parent in &self.parents {
            path.push_str(parent.relationship);
            path.push('.');
        }
        path + self.field.name
    }

    fn value(&self, data: &Data, record: &Record) -> Value {
        let mut record = record;
        for parent in &self.parents {
            match parent.of(data, record) {
                Some(parent) => record = parent,
                None => return Value::Null,
            }
        }
        record.get(self.field.name).cloned().unwrap_or_default()
    }

    /// Checks that the literal's type is that of the field.
    fn accepts(&self, name: &Name, literal: &Literal) -> Result<(), Error> {
        let is_text = literal.value.is_string() && !literal.is_date;
        let (right, kind) = match self.field.kind {
            Kind::Id | Kind::Text | Kind::Reference { .. } => {
                (is_text, "string and should be enclosed in quotes")
            }
            Kind::Number => (
                literal.value.is_number(),
                "double and should not be enclosed in quotes",
            ),
            Kind::Bool => (
                literal.value.is_boolean(),
                "boolean and should not be enclosed in quotes",
            ),
            Kind::Date => (literal.is_date, "date and should not be enclosed in quotes"),
            Kind::DateTime => (
                literal.is_date,
                "dateTime and should not be enclosed in quotes",
            ),
        };
        if right || literal.value.is_null() {
            Ok(())
        } else {
            Err(Error::wrong_type(literal.at, &name.text, kind))
        }
    }

    fn holds(&self, value: &Value, comparison: Comparison, literal: &Value) -> bool {
        if let Comparison::Like = comparison {
            let (value, pattern) = (text(value).to_lowercase(), text(literal).to_lowercase());
            return like(&value, &pattern);
        }
        let plain;
        let literal = match literal {
            Value::String(text) => {
                plain = Value::from(
                    text.replace("\\%", "%")
                        .replace("\\_", "_")
                        .replace("\\\\", "\\"),
                );
                &plain
            }
            other => other,
        };
        let is_id = matches!(self.field.kind, Kind::Id | Kind::Reference { .. });
        let equal = match (value, literal) {
            (Value::String(a), Value::String(b)) if is_id => crate::demo::id::same_id(a, b),
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (a, b) => ordering(a, b).is_eq(),
        };
        let either_null = value.is_null() || literal.is_null();
        match comparison {
            Comparison::Equal => equal,
            Comparison::NotEqual => !equal,
            _ if either_null => false,
            Comparison::Less => ordering(value, literal).is_lt(),
            Comparison::LessOrEqual => ordering(value, literal).is_le(),
            Comparison::Greater => ordering(value, literal).is_gt(),
            Comparison::GreaterOrEqual => ordering(value, literal).is_ge(),
            Comparison::Like => false,
        }
    }
}

/// A step from a record to the one that it refers to.
struct Parent {
    field: &'static str,
    to: &'static str,
    relationship: &'static str,
}

impl Parent {
    fn of<'a>(&self, data: &'a Data, record: &Record) -> Option<&'a Record> {
        data.table(self.to)?.find(record.get(self.field)?.as_str()?)
    }
}

impl Field {
    fn is_parent(&self, name: &str) -> bool {
        matches!(self.kind, Kind::Reference { relationship, .. } if relationship.eq_ignore_ascii_case(name))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Strings compare without case.
fn ordering(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64(), b.as_f64());
            a.partial_cmp(&b).unwrap_or(Ordering::Equal)
        }
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// Returns whether `text` is like `pattern`: `%` stands for anything, `_` for one character.
///
/// Backtracks to the last `%` only, which is enough, so that no pattern takes exponential time.
pub(in crate::demo) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Exactly(chars.next().unwrap_or('\\')),
            c => Part::Exactly(c),
        });
    }

    let (mut at, mut part) = (0, 0);
    let mut last_any = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                last_any = Some((part, at));
                part += 1;
            }
            Some(Part::One) => (at, part) = (at + 1, part + 1),
            Some(Part::Exactly(c)) if *c == text[at] => (at, part) = (at + 1, part + 1),
            _ => {
                let Some((any, from)) = last_any else {
                    return false;
                };
                last_any = Some((any, from + 1));
                (at, part) = (from + 1, any + 1);
            }
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

enum Part {
    Any,
    One,
    Exactly(char),
}

/// The largest OFFSET.
const FARTHEST: usize = 2000;
