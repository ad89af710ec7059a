//! Queries, and records as XML.

use serde_json::{Map, Value};

use super::{
    element::Element,
    endpoint::{Api, Endpoint},
    envelope::Envelope,
    fault::SoapFault,
    xml::Xml,
};
use crate::demo::{Inner, rest::Cursor, soql, sosl::Search};

impl Inner {
    /// `query` and `queryAll`
    pub(super) fn soap_query(
        &self,
        endpoint: &Endpoint,
        envelope: &Envelope,
        xml: &mut Xml,
    ) -> Result<(), SoapFault> {
        let query = envelope.operation.text_of("queryString");
        let found = soql::run(&self.data(), "", query)?;
        let size = self.soap_batch_size(endpoint, envelope);
        if found.records.len() <= size {
            write(endpoint, xml, &found.records, None, found.total);
        } else {
            write_batch(endpoint, xml, &self.cursors.open(found.records), 0, size);
        }
        Ok(())
    }

    pub(super) fn soap_query_more(
        &self,
        endpoint: &Endpoint,
        envelope: &Envelope,
        xml: &mut Xml,
    ) -> Result<(), SoapFault> {
        let locator = envelope.operation.text_of("queryLocator");
        let (cursor, from) = self
            .cursors
            .at(locator)
            .ok_or_else(|| SoapFault::new("INVALID_QUERY_LOCATOR", "invalid query locator"))?;
        let size = self.soap_batch_size(endpoint, envelope);
        write_batch(endpoint, xml, &cursor, from, size);
        Ok(())
    }

    /// `search`
    pub(super) fn soap_search(
        &self,
        endpoint: &Endpoint,
        operation: &Element,
        xml: &mut Xml,
    ) -> Result<(), SoapFault> {
        let data = self.data();
        let search = Search::parse(operation.text_of("searchString"))?;
        let found = search.run(&data, "")?;
        xml.within("result", |xml| {
            xml.text("queryId", "demo");
            for value in &found {
                xml.within("searchRecords", |xml| {
                    record(endpoint, xml, "record", value)
                });
            }
        });
        Ok(())
    }

    /// The batch size from `QueryOptions`. A real org requires at least 200; this one has too few
    /// records for that.
    fn soap_batch_size(&self, endpoint: &Endpoint, envelope: &Envelope) -> usize {
        envelope
            .header(&endpoint.namespace, "QueryOptions")
            .and_then(|options| options.text_of("batchSize").parse().ok())
            .map_or_else(
                || self.knobs().batch_size,
                |size: usize| size.clamp(1, 2000),
            )
    }

    /// The records of these ids, each as a `result`.
    pub(super) fn soap_retrieve(
        &self,
        endpoint: &Endpoint,
        operation: &Element,
        xml: &mut Xml,
    ) -> Result<(), SoapFault> {
        let data = self.data();
        let name = operation.text_of("sObjectType");
        let table = data.table(name).ok_or_else(|| no_object(name))?;
        let fields = operation
            .text_of("fieldList")
            .split(',')
            .map(str::trim)
            .map(|name| {
                let field = table.object.field(name);
                field.ok_or_else(|| no_field(name, table.object.name))
            })
            .collect::<Result<Vec<_>, _>>()?;
        for id in operation.children("ids") {
            let Some(found) = table.find(id.text.trim()) else {
                xml.nil("result");
                continue;
            };
            let mut shown = Map::new();
            shown.insert(
                "attributes".to_owned(),
                serde_json::json!({"type": table.object.name}),
            );
            shown.insert("Id".to_owned(), found["Id"].clone());
            for field in &fields {
                shown.insert(field.name.to_owned(), found[field.name].clone());
            }
            record(endpoint, xml, "result", &Value::Object(shown));
        }
        Ok(())
    }
}

pub(super) fn no_object(name: &str) -> SoapFault {
    SoapFault::from(soql::Error::no_object(0, name))
}

pub(super) fn no_field(name: &str, object: &str) -> SoapFault {
    SoapFault::from(soql::Error::no_field(0, name, object))
}

fn write_batch(endpoint: &Endpoint, xml: &mut Xml, cursor: &Cursor, from: usize, size: usize) {
    let total = cursor.records.len();
    let to = total.min(from + size);
    let locator = (to < total).then(|| format!("{}-{to}", cursor.id));
    write(endpoint, xml, &cursor.records[from..to], locator, total);
}

fn write(
    endpoint: &Endpoint,
    xml: &mut Xml,
    records: &[Value],
    locator: Option<String>,
    total: usize,
) {
    xml.within(r#"result xsi:type="QueryResult""#, |xml| {
        xml.bool("done", locator.is_none());
        match locator {
            Some(locator) => xml.text("queryLocator", &locator),
            None => xml.nil("queryLocator"),
        }
        for value in records {
            record(endpoint, xml, "records", value);
        }
        xml.text("size", &total.to_string());
    });
}

/// A record, or a parent within it, as an element `tag`.
fn record(endpoint: &Endpoint, xml: &mut Xml, tag: &str, record: &Value) {
    let kind = record["attributes"]["type"].as_str().unwrap_or_default();
    let mut values: Vec<_> = record
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "attributes" && *name != "Id")
        .collect();
    let id = &record["Id"];
    if endpoint.api == Api::Partner {
        xml.within(&format!(r#"{tag} xsi:type="sf:sObject""#), |xml| {
            xml.text("sf:type", kind);
            // Always there, selected or not.
            value(endpoint, xml, "Id", id);
            for (name, one) in values {
                value(endpoint, xml, name, one);
            }
        });
    } else {
        // The order of a WSDL that knows the fields.
        values.sort_by_key(|(name, _)| *name);
        xml.within(&format!(r#"{tag} xsi:type="sf:{kind}""#), |xml| {
            if !id.is_null() {
                value(endpoint, xml, "Id", id);
            }
            for (name, one) in values {
                value(endpoint, xml, name, one);
            }
        });
    }
}

fn value(endpoint: &Endpoint, xml: &mut Xml, name: &str, value: &Value) {
    let tag = format!("sf:{name}");
    match value {
        Value::Null => xml.nil(&tag),
        Value::Object(_) => record(endpoint, xml, &tag, value),
        Value::String(text) => xml.text(&tag, &as_date_time(text)),
        // Clients have no other way to know the type.
        Value::Number(number) if name.starts_with("expr") => {
            xml.text(&format!(r#"{tag} xsi:type="xsd:int""#), &number.to_string());
        }
        other => xml.text(&tag, &other.to_string()),
    }
}

/// Times are `…Z` in SOAP, and `…+0000` in REST.
fn as_date_time(text: &str) -> String {
    match text.strip_suffix("+0000") {
        Some(time) if time.len() == 23 && time.as_bytes()[10] == b'T' => format!("{time}Z"),
        _ => text.to_owned(),
    }
}
