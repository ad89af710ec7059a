//! Documents in XML or in JSON.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::demo::{
    answer::{Answer, Content},
    bulk::xml,
};

/// The format of a document, or of a job's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
    Xml,
}

impl Format {
    pub(super) fn of(content_type: &str) -> Self {
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        match content_type.to_ascii_lowercase().as_str() {
            JSON => Self::Json,
            CSV => Self::Csv,
            _ => Self::Xml,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => CSV,
            Self::Json => JSON,
            Self::Xml => XML,
        }
    }

    /// The name in a job.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Xml => "XML",
        }
    }
}

/// A document. XML omits null values.
pub(super) fn document(
    status: StatusCode,
    format: Format,
    root: &str,
    fields: &Map<String, Value>,
) -> Answer {
    let mut answer = if format == Format::Json {
        raw(JSON, Value::Object(fields.clone()).to_string())
    } else {
        let mut text = format!(r#"{}<{root} xmlns="{}">"#, xml::DECLARATION, xml::NAMESPACE);
        write_fields(&mut text, fields);
        raw(XML, format!("{text}</{root}>"))
    };
    answer.status = status;
    answer
}

pub(super) fn write_fields(text: &mut String, fields: &Map<String, Value>) {
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::String(value) => xml::write(text, name, value),
            other => xml::write(text, name, &other.to_string()),
        }
    }
}

/// An answer without a charset, because clients compare the content type.
pub(super) fn raw(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    Answer::new(StatusCode::OK, Content::Bytes(body.into()))
        .header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
}

pub(super) const CSV: &str = "text/csv";
pub(super) const JSON: &str = "application/json";
pub(super) const XML: &str = "application/xml";
