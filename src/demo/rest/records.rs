//! Creating, reading, changing and deleting records.

use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{RestCall, header_value};
use crate::demo::{
    Inner,
    answer::{Answer, Content},
    data::{Data, Kind, Object, Record, Table},
    soql::attributes,
};

impl Inner {
    pub(super) fn create(&self, call: &RestCall<'_>, object: &str) -> Result<Answer, Answer> {
        let values = call.json()?;
        let mut data = self.data();
        if object.ends_with("__e") {
            data.publish(object, values.as_object().ok_or_else(|| missing("body"))?);
            return Ok(published());
        }
        let (object, id) = insert(&mut data, object, values).map_err(Mistake::into_answer)?;
        let location = format!("/services/data/{}/sobjects/{object}/{id}", call.version);
        let created = json!({"id": id, "success": true, "errors": []});
        Ok(Answer::new(StatusCode::CREATED, Content::Json(created))
            .header(header::LOCATION, header_value(&location)))
    }

    /// Creates several records: `{"allOrNone": …, "records": [{"attributes": {"type": …}, …}]}`
    pub(super) fn create_all(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        let mut asked = call.json()?;
        let Some(Value::Array(records)) = asked.get_mut("records").map(Value::take) else {
            return Err(missing("records"));
        };
        if records.len() > MOST {
            return Err(Answer::error(
                StatusCode::BAD_REQUEST,
                "EXCEEDED_ID_LIMIT",
                format!(
                    "record limit reached. cannot submit more than {MOST} records into this call"
                ),
            ));
        }
        let mut data = self.data();
        let all_or_none = asked["allOrNone"] == json!(true);
        let before = all_or_none.then(|| data.clone());
        let mut results: Vec<_> = records
            .into_iter()
            .map(|values| {
                let object = values["attributes"]["type"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                insert(&mut data, &object, values)
            })
            .collect();
        roll_back(&mut data, before, &mut results);
        let results = results.into_iter().map(|result| match result {
            Ok((_, id)) => json!({"id": id, "success": true, "errors": []}),
            Err(mistake) => json!({"success": false, "errors": [mistake.into_result()]}),
        });
        Ok(Answer::json(results.collect()))
    }

    pub(super) fn retrieve(
        &self,
        call: &RestCall<'_>,
        object: &str,
        id: &str,
    ) -> Result<Answer, Answer> {
        let data = self.data();
        let table = data.table(object).ok_or_else(Answer::not_found)?;
        let record = table.find(id).ok_or_else(|| no_record(id))?;
        let own_id = record["Id"].as_str().unwrap_or_default();
        let mut shown = Record::new();
        shown.insert(
            "attributes".to_owned(),
            attributes(call.version, table.object.name, own_id),
        );
        match call.parameter("fields") {
            None => shown.extend(record.clone()),
            Some(names) => {
                for name in names.split(',').map(str::trim) {
                    let field = table.object.field(name);
                    let field = field.ok_or_else(|| no_field(name, table.object).into_answer())?;
                    shown.insert(field.name.to_owned(), record[field.name].clone());
                }
                shown.entry("Id").or_insert_with(|| own_id.into());
            }
        }
        Ok(Answer::json(Value::Object(shown)))
    }

    pub(super) fn update(
        &self,
        call: &RestCall<'_>,
        object: &str,
        id: &str,
    ) -> Result<Answer, Answer> {
        let values = call.json()?;
        let mut data = self.data();
        let table = data.table_mut(object).ok_or_else(Answer::not_found)?;
        if update(table, id, values).map_err(Mistake::into_answer)? {
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        } else {
            Err(no_record(id))
        }
    }

    pub(super) fn delete(&self, object: &str, id: &str) -> Result<Answer, Answer> {
        let mut data = self.data();
        let table = data.table_mut(object).ok_or_else(Answer::not_found)?;
        if table.delete(id) {
            Ok(Answer::empty(StatusCode::NO_CONTENT))
        } else {
            Err(no_record(id))
        }
    }
}

/// The answer to a platform event, which is not a record.
fn published() -> Answer {
    let enqueued = json!({
        "statusCode": "OPERATION_ENQUEUED",
        "message": "e01d0c4e-6a8b-4f6e-9f43-1b6d2b7f3a55",
        "fields": [],
    });
    let body = json!({"id": "e00xx0000000001AAA", "success": true, "errors": [enqueued]});
    Answer::new(StatusCode::CREATED, Content::Json(body))
}

/// A fault of a record.
#[derive(Debug)]
pub(in crate::demo) struct Mistake {
    pub(in crate::demo) status: StatusCode,
    pub(in crate::demo) code: &'static str,
    pub(in crate::demo) message: String,
    pub(in crate::demo) fields: Vec<&'static str>,
}

impl Mistake {
    /// A mistake of the client.
    pub(in crate::demo) fn new(
        code: &'static str,
        message: impl Into<String>,
        fields: Vec<&'static str>,
    ) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
            fields,
        }
    }

    pub(in crate::demo) fn code(&self) -> &'static str {
        self.code
    }

    pub(in crate::demo) fn message(&self) -> &str {
        &self.message
    }

    pub(in crate::demo) fn fields(&self) -> &[&'static str] {
        &self.fields
    }

    /// The answer to a request for one record.
    fn into_answer(self) -> Answer {
        let mut error = json!({"message": self.message, "errorCode": self.code});
        if !self.fields.is_empty() {
            error["fields"] = self.fields.into();
        }
        Answer::new(self.status, Content::Json(json!([error])))
    }

    /// The result for one record of several.
    fn into_result(self) -> Value {
        json!({"statusCode": self.code, "message": self.message, "fields": self.fields})
    }
}

/// Creates a record, and returns its object and its id.
pub(in crate::demo) fn insert(
    data: &mut Data,
    object: &str,
    values: Value,
) -> Result<(&'static str, String), Mistake> {
    let table = data.table_mut(object).ok_or_else(|| Mistake {
        status: StatusCode::NOT_FOUND,
        code: "NOT_FOUND",
        message: "The requested resource does not exist".to_owned(),
        fields: Vec::new(),
    })?;
    let object = table.object;
    let values = known(values, object)?;
    let fields: Vec<_> = object
        .fields
        .iter()
        .filter(|field| field.required && values.get(field.name).is_none_or(Value::is_null))
        .map(|field| field.name)
        .collect();
    if !fields.is_empty() {
        return Err(Mistake {
            status: StatusCode::BAD_REQUEST,
            code: "REQUIRED_FIELD_MISSING",
            message: format!("Required fields are missing: [{}]", fields.join(", ")),
            fields,
        });
    }
    let id = table.insert(values);
    if let Some(record) = table.records.last().cloned() {
        data.created(object.name, &record);
    }
    Ok((object.name, id))
}

/// Changes a record. Returns false if none has this id.
pub(in crate::demo) fn update(table: &mut Table, id: &str, values: Value) -> Result<bool, Mistake> {
    let values = known(values, table.object)?;
    Ok(table.update(id, values))
}

/// Restores `data` to `before` if the request was all or none and a record failed. The results of
/// the other records then say so.
pub(in crate::demo) fn roll_back<T>(
    data: &mut Data,
    before: Option<Data>,
    results: &mut [Result<T, Mistake>],
) {
    let Some(before) = before else {
        return;
    };
    if results.iter().all(Result::is_ok) {
        return;
    }
    *data = before;
    for result in results.iter_mut().filter(|result| result.is_ok()) {
        *result = Err(Mistake::new(
            "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "Record rolled back because not all records were valid and the request was using \
             AllOrNone header",
            Vec::new(),
        ));
    }
}

/// The values under the real names of the object's fields.
pub(in crate::demo) fn known(values: Value, object: &'static Object) -> Result<Record, Mistake> {
    let mut known = Record::new();
    let Value::Object(values) = values else {
        return Err(Mistake {
            status: StatusCode::BAD_REQUEST,
            code: "JSON_PARSER_ERROR",
            message: "The HTTP entity body is required, but this request has no entity body."
                .to_owned(),
            fields: Vec::new(),
        });
    };
    for (name, value) in values {
        if name == "attributes" {
            continue;
        }
        let field = object.field(&name).ok_or_else(|| no_field(&name, object))?;
        if field.kind == Kind::Id || field.kind == Kind::DateTime {
            return Err(Mistake {
                status: StatusCode::BAD_REQUEST,
                code: "INVALID_FIELD_FOR_INSERT_UPDATE",
                message: format!(
                    "Unable to create/update fields: {}. Please check the security settings of \
                     this field and verify that it is read/write for your profile or permission set.",
                    field.name
                ),
                fields: vec![field.name],
            });
        }
        known.insert(field.name.to_owned(), value);
    }
    Ok(known)
}

fn no_field(name: &str, object: &Object) -> Mistake {
    Mistake {
        status: StatusCode::BAD_REQUEST,
        code: "INVALID_FIELD",
        message: format!("No such column '{name}' on sobject of type {}", object.name),
        fields: Vec::new(),
    }
}

fn no_record(id: &str) -> Answer {
    if id.len() == 15 || id.len() == 18 {
        return Answer::not_found();
    }
    Answer::error(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        format!("Provided external ID field does not exist or is not accessible: {id}"),
    )
}

pub(super) fn missing(property: &str) -> Answer {
    Answer::error(
        StatusCode::BAD_REQUEST,
        "JSON_PARSER_ERROR",
        format!("Missing required property: {property}"),
    )
}

/// Records in one call.
const MOST: usize = 200;
