//! Creating, changing and deleting records. The fault of one of several is in its result.

use serde_json::{Map, Value};

use super::{
    element::Element,
    endpoint::{Api, Endpoint},
    envelope::Envelope,
    fault::SoapFault,
    query::{no_field, no_object},
    xml::Xml,
};
use crate::demo::{
    Inner,
    data::{Data, Kind, Object},
    rest::{Mistake, insert, roll_back, update},
};

/// The id of the record, and whether it is new.
type Saved = Result<(String, bool), Mistake>;

impl Inner {
    /// `create`, `update`, and `upsert`
    pub(super) fn soap_save(
        &self,
        endpoint: &Endpoint,
        envelope: &Envelope,
        xml: &mut Xml,
    ) -> Result<(), SoapFault> {
        let operation = &envelope.operation;
        let mut data = self.data();
        let wanted = operation
            .children("sObjects")
            .map(|element| Wanted::read(endpoint, &data, element))
            .collect::<Result<Vec<_>, _>>()?;
        check_number(wanted.len())?;
        let before = all_or_none(endpoint, envelope).then(|| data.clone());
        let key = operation.text_of("externalIDFieldName");
        let mut results: Vec<_> = wanted
            .into_iter()
            .map(|wanted| match operation.name.as_str() {
                "create" => wanted.create(&mut data),
                "update" => wanted.update(&mut data),
                _ => wanted.upsert(&mut data, key),
            })
            .collect();
        roll_back(&mut data, before, &mut results);
        let upsert = operation.name == "upsert";
        for result in results {
            xml.within("result", |xml| {
                if upsert {
                    let created = matches!(result, Ok((_, true)));
                    xml.bool("created", created);
                }
                write(xml, result.map(|(id, _)| id));
            });
        }
        Ok(())
    }

    pub(super) fn soap_delete(
        &self,
        endpoint: &Endpoint,
        envelope: &Envelope,
        xml: &mut Xml,
    ) -> Result<(), SoapFault> {
        // The WSDL has `ids`. Older clients send `id`, which an org accepts as well.
        let children = envelope.operation.children.iter();
        let ids: Vec<_> = children
            .filter(|child| matches!(child.name.as_str(), "ids" | "id"))
            .collect();
        check_number(ids.len())?;
        let mut data = self.data();
        let before = all_or_none(endpoint, envelope).then(|| data.clone());
        let mut results: Vec<_> = ids
            .into_iter()
            .map(|id| delete(&mut data, id.text.trim()))
            .collect();
        roll_back(&mut data, before, &mut results);
        for result in results {
            xml.within("result", |xml| write(xml, result));
        }
        Ok(())
    }
}

/// A record as the client wants it.
struct Wanted {
    object: &'static Object,
    id: Option<String>,
    values: Map<String, Value>,
    mistake: Option<Mistake>,
}

impl Wanted {
    fn read(endpoint: &Endpoint, data: &Data, element: &Element) -> Result<Self, SoapFault> {
        let name = match endpoint.api {
            Api::Partner => element.text_of("type"),
            _ => element.kind.as_deref().unwrap_or_default(),
        };
        let object = data.table(name).ok_or_else(|| no_object(name))?.object;
        let mut wanted = Self {
            object,
            id: None,
            values: Map::new(),
            mistake: None,
        };
        // The first element is the type, which has no field of that name beside it.
        let children = element
            .children
            .iter()
            .filter(|child| endpoint.api != Api::Partner || child.name != "type");
        for child in children {
            if child.name == "fieldsToNull" {
                let name = child.text.trim();
                let field = object.field(name);
                let field = field.ok_or_else(|| no_field(name, object.name))?;
                wanted.values.insert(field.name.to_owned(), Value::Null);
                continue;
            }
            let field = object.field(&child.name);
            let field = field.ok_or_else(|| no_field(&child.name, object.name))?;
            // An empty element does not change anything.
            if child.nil || child.text.is_empty() {
                continue;
            }
            if field.kind == Kind::Id {
                wanted.id = Some(child.text.trim().to_owned());
                continue;
            }
            match typed(field.kind, &child.text) {
                Some(value) => {
                    wanted.values.insert(field.name.to_owned(), value);
                }
                None => {
                    wanted.mistake = Some(Mistake::new(
                        "INVALID_TYPE_ON_FIELD_IN_RECORD",
                        format!("{}: value not of required type: {}", field.name, child.text),
                        vec![field.name],
                    ));
                }
            }
        }
        Ok(wanted)
    }

    fn create(mut self, data: &mut Data) -> Saved {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        if self.id.is_some() {
            let message = "cannot specify Id in an insert call";
            return Err(Mistake::new(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                message,
                vec!["Id"],
            ));
        }
        let (_, id) = insert(data, self.object.name, Value::Object(self.values))?;
        Ok((id, true))
    }

    fn update(mut self, data: &mut Data) -> Saved {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        let id = self.id.ok_or_else(|| {
            let message = "Id not specified in an update call";
            Mistake::new("MISSING_ARGUMENT", message, vec!["Id"])
        })?;
        if id.len() != 15 && id.len() != 18 {
            return Err(malformed_id(&id));
        }
        let values = Value::Object(self.values);
        let changed = match data.table_mut(self.object.name) {
            Some(table) => update(table, &id, values)?,
            None => false,
        };
        if changed {
            Ok((id, false))
        } else {
            Err(Mistake::new(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
                Vec::new(),
            ))
        }
    }

    /// Updates the record whose field `key` has this value, or creates one.
    fn upsert(mut self, data: &mut Data, key: &str) -> Saved {
        if key.is_empty() || key.eq_ignore_ascii_case("Id") {
            return match self.id {
                Some(_) => self.update(data),
                None => self.create(data),
            };
        }
        let Some(field) = self.object.field(key) else {
            let message = format!("Field name provided, {key} does not match an External ID");
            return Err(Mistake::new("INVALID_FIELD", message, Vec::new()));
        };
        let Some(value) = self.values.get(field.name).filter(|value| !value.is_null()) else {
            let message = format!("{} not specified", field.name);
            return Err(Mistake::new("MISSING_ARGUMENT", message, Vec::new()));
        };
        let table = data.table(self.object.name);
        let found: Vec<_> = table
            .into_iter()
            .flat_map(|table| &table.records)
            .filter(|record| record.get(field.name) == Some(value))
            .filter_map(|record| record["Id"].as_str())
            .collect();
        match found[..] {
            [] => self.create(data),
            [id] => {
                self.id = Some(id.to_owned());
                self.update(data)
            }
            _ => {
                let ids = found.join(", ");
                let message = format!(
                    "{}: more than one record found for external id field: [{ids}]",
                    field.name
                );
                Err(Mistake::new("DUPLICATE_EXTERNAL_ID", message, Vec::new()))
            }
        }
    }
}

fn delete(data: &mut Data, id: &str) -> Result<String, Mistake> {
    if id.len() != 15 && id.len() != 18 {
        return Err(malformed_id(id));
    }
    let mut tables = data.tables.iter_mut();
    if tables.any(|table| table.delete(id)) {
        Ok(id.to_owned())
    } else {
        Err(Mistake::new(
            "ENTITY_IS_DELETED",
            "entity is deleted",
            Vec::new(),
        ))
    }
}

/// A field's value from its text.
fn typed(kind: Kind, text: &str) -> Option<Value> {
    let trimmed = text.trim();
    match kind {
        Kind::Bool => match trimmed {
            "true" | "1" => Some(true.into()),
            "false" | "0" => Some(false.into()),
            _ => None,
        },
        Kind::Number => match trimmed.parse::<i64>() {
            Ok(number) => Some(number.into()),
            Err(_) => trimmed.parse::<f64>().ok().map(Value::from),
        },
        _ => Some(text.into()),
    }
}

fn write(xml: &mut Xml, result: Result<String, Mistake>) {
    let success = result.is_ok();
    match result {
        Ok(id) => xml.text("id", &id),
        Err(mistake) => {
            xml.within("errors", |xml| {
                for field in mistake.fields() {
                    xml.text("fields", field);
                }
                xml.text("message", mistake.message());
                xml.text("statusCode", mistake.code());
            });
            xml.nil("id");
        }
    }
    xml.bool("success", success);
}

fn all_or_none(endpoint: &Endpoint, envelope: &Envelope) -> bool {
    envelope
        .header(&endpoint.namespace, "AllOrNoneHeader")
        .is_some_and(|header| matches!(header.text_of("allOrNone"), "true" | "1"))
}

fn check_number(number: usize) -> Result<(), SoapFault> {
    if number > MOST {
        Err(SoapFault::new(
            "EXCEEDED_ID_LIMIT",
            format!("record limit reached. cannot submit more than {MOST} records into this call"),
        ))
    } else {
        Ok(())
    }
}

fn malformed_id(id: &str) -> Mistake {
    Mistake::new("MALFORMED_ID", format!("bad id {id}"), vec!["Id"])
}

/// Records in one call.
const MOST: usize = 200;
