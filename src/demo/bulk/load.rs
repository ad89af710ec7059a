//! Carrying out a job for its rows.

use http::StatusCode;
use serde_json::Value;

use crate::demo::{
    data::{Data, Kind, Object, Record},
    rest::{Mistake, insert, known},
};

/// A job's operation, and its object.
#[derive(Debug, Clone)]
pub(in crate::demo) struct Load {
    pub(in crate::demo) operation: Operation,
    pub(in crate::demo) object: String,
    /// The field by which an upsert finds a record: any text field, or `Id`.
    pub(in crate::demo) external_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) enum Operation {
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
    Query,
    QueryAll,
}

impl Operation {
    pub(in crate::demo) fn parse(name: &str) -> Option<Self> {
        let mut all = NAMES.into_iter();
        all.find(|(_, own)| *own == name)
            .map(|(operation, _)| operation)
    }

    pub(in crate::demo) fn name(self) -> &'static str {
        let mut all = NAMES.into_iter();
        all.find(|(operation, _)| *operation == self)
            .map_or("", |(_, name)| name)
    }

    pub(in crate::demo) fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::QueryAll)
    }
}

const NAMES: [(Operation, &str); 7] = [
    (Operation::Insert, "insert"),
    (Operation::Update, "update"),
    (Operation::Upsert, "upsert"),
    (Operation::Delete, "delete"),
    (Operation::HardDelete, "hardDelete"),
    (Operation::Query, "query"),
    (Operation::QueryAll, "queryAll"),
];

/// The outcome for a row.
pub(in crate::demo) struct Outcome {
    pub(in crate::demo) id: String,
    pub(in crate::demo) created: bool,
    pub(in crate::demo) mistake: Option<Mistake>,
}

impl Outcome {
    /// The error in the CSV of a result: `CODE:message:fields --`. Empty if there is none.
    pub(in crate::demo) fn error(&self) -> String {
        self.mistake.as_ref().map_or_else(String::new, |mistake| {
            let fields = mistake.fields.join(", ");
            format!("{}:{}:{fields} --", mistake.code, mistake.message)
        })
    }
}

/// Carries out `load` for each row.
pub(in crate::demo) fn load(data: &mut Data, load: &Load, rows: &[Record]) -> Vec<Outcome> {
    rows.iter()
        .map(|row| match one(data, load, row.clone()) {
            Ok((id, created)) => Outcome {
                id,
                created,
                mistake: None,
            },
            Err(mistake) => Outcome {
                id: String::new(),
                created: false,
                mistake: Some(mistake),
            },
        })
        .collect()
}

/// The record's id, and whether it is new.
fn one(data: &mut Data, load: &Load, mut row: Record) -> Result<(String, bool), Mistake> {
    let table = data.table_mut(&load.object).ok_or_else(|| {
        let message = format!("sObject type '{}' is not supported.", load.object);
        mistake("INVALID_TYPE", message, &[])
    })?;
    let object = table.object;
    match load.operation {
        Operation::Update => {
            let id = own_id(&mut row, "update")?;
            update(data, object, &id, row)
        }
        Operation::Upsert => {
            let name = load.external_id.as_deref().unwrap_or("Id");
            let field = object.field(name).ok_or_else(|| {
                let message =
                    format!("Field name provided, {name} is not an External ID or indexed field");
                mistake("INVALID_FIELD", message, &[])
            })?;
            let value = take(&mut row, field.name).and_then(|value| match value {
                Value::String(text) if text.is_empty() => None,
                value => Some(value),
            });
            let found = value.as_ref().and_then(|value| {
                let mut records = table.records.iter();
                records.find(|record| match (&record[field.name], value) {
                    (Value::String(own), Value::String(id)) if field.kind == Kind::Id => {
                        crate::demo::id::same_id(own, id)
                    }
                    (own, value) => own == value,
                })
            });
            let found = found.map(|record| record["Id"].as_str().unwrap_or_default().to_owned());
            match (found, value) {
                (Some(id), _) => update(data, object, &id, row),
                (None, Some(_)) if field.kind == Kind::Id => Err(no_record()),
                (None, value) => {
                    take(&mut row, "Id");
                    row.extend(value.map(|value| (field.name.to_owned(), value)));
                    create(data, object, row)
                }
            }
        }
        Operation::Delete | Operation::HardDelete => {
            let id = own_id(&mut row, "delete")?;
            if table.delete(&id) {
                Ok((id, false))
            } else {
                Err(mistake("ENTITY_IS_DELETED", "entity is deleted", &[]))
            }
        }
        // A query has no rows.
        Operation::Insert | Operation::Query | Operation::QueryAll => create(data, object, row),
    }
}

fn create(data: &mut Data, object: &Object, row: Record) -> Result<(String, bool), Mistake> {
    let values = typed(row, object)?;
    let (_, id) = insert(data, object.name, values)?;
    Ok((id, true))
}

fn update(
    data: &mut Data,
    object: &'static Object,
    id: &str,
    row: Record,
) -> Result<(String, bool), Mistake> {
    let values = known(typed(row, object)?, object)?;
    let table = data.table_mut(object.name);
    if table.is_some_and(|table| table.update(id, values)) {
        Ok((id.to_owned(), false))
    } else {
        Err(no_record())
    }
}

/// The row's values with the types of the object's fields. Empty values leave a field as it is;
/// `#N/A` empties it.
fn typed(row: Record, object: &Object) -> Result<Value, Mistake> {
    let mut values = Record::new();
    for (name, value) in row {
        // The object of a record, in JSON and in XML.
        if name == "attributes" || name == "type" {
            continue;
        }
        let value = match (object.field(&name), value) {
            (_, Value::String(text)) if text.is_empty() => continue,
            (_, Value::String(text)) if text == "#N/A" => Value::Null,
            (Some(field), Value::String(text)) => {
                let wrong = || {
                    let message = format!("{}: value not of required type: {text}", field.name);
                    mistake("INVALID_TYPE_ON_FIELD_IN_RECORD", message, &[field.name])
                };
                match field.kind {
                    Kind::Number => {
                        let number = text.parse::<serde_json::Number>();
                        Value::Number(number.map_err(|_| wrong())?)
                    }
                    Kind::Bool => match text.to_ascii_lowercase().as_str() {
                        "true" | "1" => Value::Bool(true),
                        "false" | "0" => Value::Bool(false),
                        _ => return Err(wrong()),
                    },
                    _ => Value::String(text),
                }
            }
            (_, value) => value,
        };
        values.insert(name, value);
    }
    Ok(Value::Object(values))
}

fn own_id(row: &mut Record, call: &str) -> Result<String, Mistake> {
    match take(row, "Id") {
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => {
            let message = format!("Id not specified in an {call} call");
            Err(mistake("MISSING_ARGUMENT", message, &["Id"]))
        }
    }
}

/// Takes a value by the name of its field, whatever the case.
fn take(row: &mut Record, name: &str) -> Option<Value> {
    let own = row.keys().find(|own| own.eq_ignore_ascii_case(name))?;
    let own = own.clone();
    row.shift_remove(&own)
}

fn no_record() -> Mistake {
    mistake(
        "INVALID_CROSS_REFERENCE_ID",
        "invalid cross reference id",
        &[],
    )
}

fn mistake(code: &'static str, message: impl Into<String>, fields: &[&'static str]) -> Mistake {
    Mistake {
        status: StatusCode::BAD_REQUEST,
        code,
        message: message.into(),
        fields: fields.to_vec(),
    }
}
