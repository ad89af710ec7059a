//! What objects there are, and what fields they have.

use serde_json::{Value, json};

use super::Ask;
use crate::demo::{
    Inner,
    answer::Answer,
    data::{Field, Kind, Object},
    soql::attributes,
};

impl Inner {
    /// `/sobjects`
    pub(super) fn objects(&self, ask: &Ask<'_>) -> Answer {
        let objects: Vec<_> = self
            .data()
            .tables
            .iter()
            .map(|table| summary(table.object, ask.version))
            .collect();
        Answer::json(json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}))
    }

    /// `/sobjects/{object}`
    pub(super) fn object(&self, ask: &Ask<'_>, object: &str) -> Result<Answer, Answer> {
        let data = self.data();
        let table = data.table(object).ok_or_else(Answer::not_found)?;
        let name = table.object.name;
        let recent: Vec<_> = table
            .records
            .iter()
            .rev()
            .take(5)
            .map(|record| {
                let id = record["Id"].as_str().unwrap_or_default();
                json!({"attributes": attributes(ask.version, name, id), "Id": id, "Name": record["Name"]})
            })
            .collect();
        Ok(Answer::json(json!({
            "objectDescribe": summary(table.object, ask.version),
            "recentItems": recent,
        })))
    }

    /// `/sobjects/{object}/describe`
    pub(super) fn describe(&self, ask: &Ask<'_>, object: &str) -> Result<Answer, Answer> {
        let data = self.data();
        let object = data.table(object).ok_or_else(Answer::not_found)?.object;
        let mut description = summary(object, ask.version);
        description["fields"] = object.fields.iter().map(describe).collect();
        description["childRelationships"] = json!([]);
        description["recordTypeInfos"] = json!([]);
        Ok(Answer::json(description))
    }
}

fn summary(object: &Object, version: &str) -> Value {
    let name = object.name;
    let url = format!("/services/data/{version}/sobjects/{name}");
    json!({
        "name": name,
        "label": name.trim_end_matches("__c"),
        "labelPlural": object.plural,
        "keyPrefix": object.prefix,
        "custom": name.ends_with("__c"),
        "createable": true,
        "deletable": true,
        "queryable": true,
        "retrieveable": true,
        "updateable": true,
        "urls": {
            "sobject": url,
            "describe": format!("{url}/describe"),
            "rowTemplate": format!("{url}/{{ID}}"),
        },
    })
}

fn describe(field: &Field) -> Value {
    let (kind, length) = match field.kind {
        Kind::Id => ("id", 18),
        Kind::Text => ("string", 255),
        Kind::Number => ("double", 0),
        Kind::Bool => ("boolean", 0),
        Kind::Date => ("date", 0),
        Kind::DateTime => ("datetime", 0),
        Kind::Reference { .. } => ("reference", 18),
    };
    let (refers_to, relationship) = match field.kind {
        Kind::Reference { to, relationship } => (json!([to]), json!(relationship)),
        _ => (json!([]), Value::Null),
    };
    let writable = !matches!(field.kind, Kind::Id | Kind::DateTime);
    json!({
        "name": field.name,
        "label": field.name.trim_end_matches("__c"),
        "type": kind,
        "length": length,
        "nillable": writable && !field.required && field.kind != Kind::Bool,
        "createable": writable,
        "updateable": writable,
        "custom": field.name.ends_with("__c"),
        "referenceTo": refers_to,
        "relationshipName": relationship,
    })
}
