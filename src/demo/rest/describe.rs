//! The objects and their fields.

use serde_json::{Map, Value, json};

use super::RestCall;
use crate::demo::{
    Inner,
    answer::Answer,
    data::{Data, Field, Kind, Object},
    soql::attributes,
};

impl Inner {
    /// `/sobjects`
    pub(super) fn objects(&self, call: &RestCall<'_>) -> Answer {
        let objects: Vec<_> = self
            .data()
            .tables
            .iter()
            .map(|table| summary(table.object, call.version))
            .collect();
        Answer::json(json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}))
    }

    /// `/sobjects/{object}`
    pub(super) fn object(&self, call: &RestCall<'_>, object: &str) -> Result<Answer, Answer> {
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
                json!({"attributes": attributes(call.version, name, id), "Id": id, "Name": record["Name"]})
            })
            .collect();
        Ok(Answer::json(json!({
            "objectDescribe": summary(table.object, call.version),
            "recentItems": recent,
        })))
    }

    /// `/sobjects/{object}/describe`
    pub(super) fn describe(&self, call: &RestCall<'_>, object: &str) -> Result<Answer, Answer> {
        let data = self.data();
        let object = data.table(object).ok_or_else(Answer::not_found)?.object;
        let mut description = summary(object, call.version);
        let whole = json!({
            "actionOverrides": [],
            "childRelationships": children(&data, object),
            "compactLayoutable": true,
            "defaultImplementation": Value::Null,
            "extendedInterfaces": Value::Null,
            "fields": object.fields.iter().map(describe).collect::<Vec<_>>(),
            "implementedBy": Value::Null,
            "implementsInterfaces": Value::Null,
            "listviewable": Value::Null,
            "lookupLayoutable": Value::Null,
            "namedLayoutInfos": [],
            "networkScopeFieldName": Value::Null,
            "recordTypeInfos": [],
            "searchLayoutable": true,
            "sobjectDescribeOption": "FULL",
            "supportedScopes": [{"label": "All records", "name": "everything"}],
        });
        if let (Value::Object(description), Value::Object(whole)) = (&mut description, whole) {
            description.extend(whole);
        }
        Ok(Answer::json(description))
    }
}

/// An object in the list of all, with everything that a strict client looks for.
fn summary(object: &Object, version: &str) -> Value {
    let name = object.name;
    let url = format!("/services/data/{version}/sobjects/{name}");
    json!({
        "activateable": false,
        "associateEntityType": Value::Null,
        "associateParentEntity": Value::Null,
        "createable": true,
        "custom": name.ends_with("__c"),
        "customSetting": false,
        "deepCloneable": false,
        "deletable": true,
        "deprecatedAndHidden": false,
        "feedEnabled": false,
        "hasSubtypes": false,
        "isInterface": false,
        "isSubtype": false,
        "keyPrefix": object.prefix,
        "label": name.trim_end_matches("__c"),
        "labelPlural": object.plural,
        "layoutable": true,
        "mergeable": false,
        "mruEnabled": true,
        "name": name,
        "queryable": true,
        "replicateable": true,
        "retrieveable": true,
        "searchable": true,
        "triggerable": true,
        "undeletable": false,
        "updateable": true,
        "urls": {
            "compactLayouts": format!("{url}/describe/compactLayouts"),
            "rowTemplate": format!("{url}/{{ID}}"),
            "approvalLayouts": format!("{url}/describe/approvalLayouts"),
            "defaultValues": format!("{url}/defaultValues?recordTypeId&fields"),
            "listviews": format!("{url}/listviews"),
            "describe": format!("{url}/describe"),
            "quickActions": format!("{url}/quickActions"),
            "layouts": format!("{url}/describe/layouts"),
            "sobject": url,
        },
    })
}

/// The fields of other objects that refer to `object`. They have no names for queries.
fn children(data: &Data, object: &Object) -> Vec<Value> {
    let mut found = Vec::new();
    for child in data.tables.iter().map(|table| table.object) {
        for field in child.fields {
            if matches!(field.kind, Kind::Reference { to, .. } if to == object.name) {
                found.push(json!({
                    "cascadeDelete": false,
                    "childSObject": child.name,
                    "deprecatedAndHidden": false,
                    "field": field.name,
                    "junctionIdListNames": [],
                    "junctionReferenceTo": [],
                    "relationshipName": Value::Null,
                    "restrictedDelete": false,
                }));
            }
        }
    }
    found
}

fn describe(field: &Field) -> Value {
    let kind = field.kind.describe();
    let (refers_to, relationship) = match field.kind {
        Kind::Reference { to, relationship } => (json!([to]), json!(relationship)),
        _ => (json!([]), Value::Null),
    };
    let is_number = field.kind == Kind::Number;
    let writable = field.is_writable();
    let own = json!({
        "byteLength": kind.bytes,
        "digits": 0,
        "createable": writable,
        "custom": field.name.ends_with("__c"),
        "defaultValue": if field.kind == Kind::Bool { json!(false) } else { Value::Null },
        "defaultedOnCreate": !writable || field.kind == Kind::Bool,
        "groupable": !is_number,
        "idLookup": field.kind == Kind::Id,
        "label": field.name.trim_end_matches("__c"),
        "length": kind.length,
        "name": field.name,
        "nameField": field.name == "Name",
        "picklistValues": [],
        "nillable": writable && !field.required && field.kind != Kind::Bool,
        "permissionable": writable && !field.required,
        "precision": if is_number { 18 } else { 0 },
        "referenceTo": refers_to,
        "relationshipName": relationship,
        "scale": if is_number { 2 } else { 0 },
        "soapType": kind.soap_type,
        "type": kind.name,
        "unique": field.kind == Kind::Id,
        "updateable": writable,
    });
    let usual = USUAL.iter().flat_map(|(value, names)| {
        let value = Value::from(*value);
        names
            .iter()
            .map(move |name| ((*name).to_owned(), value.clone()))
    });
    let mut description: Map<_, _> = usual.collect();
    description.extend(NULL.map(|name| (name.to_owned(), Value::Null)));
    if let Value::Object(own) = own {
        description.extend(own);
    }
    description.into()
}

/// The properties that are the same for every field here.
const USUAL: [(bool, &[&str]); 2] = [
    (true, &["aggregatable", "filterable", "sortable"]),
    (
        false,
        &[
            "aiPredictionField",
            "autoNumber",
            "calculated",
            "cascadeDelete",
            "caseSensitive",
            "dependentPicklist",
            "deprecatedAndHidden",
            "displayLocationInDecimal",
            "encrypted",
            "externalId",
            "formulaTreatNullNumberAsZero",
            "highScaleNumber",
            "htmlFormatted",
            "namePointing",
            "polymorphicForeignKey",
            "queryByDistance",
            "restrictedDelete",
            "restrictedPicklist",
            "searchPrefilterable",
            "writeRequiresMasterRead",
        ],
    ),
];

/// The properties that no field here has.
const NULL: [&str; 12] = [
    "calculatedFormula",
    "compoundFieldName",
    "controllerName",
    "defaultValueFormula",
    "extraTypeInfo",
    "filteredLookupInfo",
    "inlineHelpText",
    "mask",
    "maskType",
    "referenceTargetField",
    "relationshipOrder",
    "defaultValue",
];
