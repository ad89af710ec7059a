//! `columns=true`: the columns of a query's result in place of the result.

use serde_json::{Value, json};

use crate::demo::{
    data::{Data, Field, Kind, Object},
    soql::Found,
};

pub(super) fn metadata(data: &Data, found: &Found) -> Value {
    let object = data.table(found.object).map(|table| table.object);
    let mut columns: Vec<Value> = Vec::new();
    for path in &found.columns {
        let steps: Vec<_> = path.split('.').collect();
        add(data, object, &steps, &mut columns);
    }
    json!({
        "columnMetadata": columns,
        "entityName": found.object,
        "groupBy": false,
        "idSelected": found.columns.iter().any(|path| path == "Id"),
        "keyPrefix": object.map(|object| object.prefix),
    })
}

/// Adds a column; the fields of a parent are within the parent's, which is there only once.
fn add(data: &Data, object: Option<&Object>, path: &[&str], columns: &mut Vec<Value>) {
    let [name, further @ ..] = path else {
        return;
    };
    if further.is_empty() {
        let field = object.and_then(|object| object.field(name));
        columns.push(field.map_or_else(|| aggregate(name), column));
        return;
    }
    let mut fields = object.into_iter().flat_map(|object| object.fields);
    let to = fields.find_map(|field| match field.kind {
        Kind::Reference { to, relationship } if relationship == *name => Some(to),
        _ => None,
    });
    let at = columns
        .iter()
        .position(|column| column["columnName"] == *name)
        .unwrap_or_else(|| {
            columns.push(plain(name, Value::Null));
            columns.len() - 1
        });
    let parent = to.and_then(|to| data.table(to)).map(|table| table.object);
    if let Some(Value::Array(within)) = columns[at].get_mut("joinColumns") {
        add(data, parent, further, within);
    }
}

fn column(field: &Field) -> Value {
    let apex = match field.kind {
        Kind::Id | Kind::Reference { .. } => "Id",
        Kind::Text => "String",
        Kind::Number => "Double",
        Kind::Bool => "Boolean",
        Kind::Date => "Date",
        Kind::DateTime => "Datetime",
    };
    let mut column = plain(field.name, apex.into());
    column["booleanType"] = (field.kind == Kind::Bool).into();
    column["custom"] = field.name.ends_with("__c").into();
    column["insertable"] = field.is_writable().into();
    column["numberType"] = (field.kind == Kind::Number).into();
    column["textType"] = (field.kind == Kind::Text).into();
    column["updatable"] = field.is_writable().into();
    column
}

/// The column of `COUNT(Id)`, which is `expr0`.
fn aggregate(name: &str) -> Value {
    let mut column = plain(name, "Integer".into());
    column["aggregate"] = true.into();
    column["displayName"] = "count".into();
    column["numberType"] = true.into();
    column
}

fn plain(name: &str, apex_type: Value) -> Value {
    json!({
        "aggregate": false,
        "apexType": apex_type,
        "booleanType": false,
        "columnName": name,
        "custom": false,
        "displayName": name,
        "foreignKeyName": Value::Null,
        "insertable": false,
        "joinColumns": [],
        "numberType": false,
        "textType": false,
        "updatable": false,
    })
}
