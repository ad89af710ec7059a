//! Rows as they come in and go out: CSV, JSON, XML.

use csv::{QuoteStyle, Terminator};
use serde_json::Value;

use super::xml::{self, Element};
use crate::demo::{data::Record, soql::Found};

/// The rows that a client uploads.
#[derive(Default)]
pub(in crate::demo) struct Rows {
    /// The names in the order of the first line; CSV only.
    pub(in crate::demo) columns: Vec<String>,
    pub(in crate::demo) records: Vec<Record>,
}

/// Reads CSV. The error says what is wrong with the text.
pub(in crate::demo) fn csv_rows(text: &[u8]) -> Result<Rows, String> {
    let mut reader = csv::Reader::from_reader(text);
    let columns: Vec<String> = match reader.headers() {
        Ok(names) => names.iter().map(str::to_owned).collect(),
        Err(error) => return Err(error.to_string()),
    };
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| error.to_string())?;
        let values = row.iter().map(Value::from);
        records.push(columns.iter().cloned().zip(values).collect());
    }
    Ok(Rows { columns, records })
}

/// Reads an array of objects.
pub(super) fn json_rows(text: &[u8]) -> Result<Rows, String> {
    let records = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(Rows {
        columns: Vec::new(),
        records,
    })
}

/// `<sObjects><sObject><Name>…`
pub(super) fn xml_rows(text: &[u8]) -> Result<Rows, String> {
    let root = xml::parse(text)?;
    let value = |field: &Element| {
        if field.nil {
            Value::Null
        } else {
            Value::from(field.text.as_str())
        }
    };
    let records = root.children.iter().map(|record| {
        let fields = record.children.iter();
        fields
            .map(|field| (field.name.clone(), value(field)))
            .collect()
    });
    Ok(Rows {
        columns: Vec::new(),
        records: records.collect(),
    })
}

pub(in crate::demo) const LF: Terminator = Terminator::Any(b'\n');

pub(in crate::demo) const CRLF: Terminator = Terminator::CRLF;

/// Writes CSV with every value in quotes, as the org does.
pub(in crate::demo) fn write_csv<S: AsRef<[u8]>>(
    end: Terminator,
    lines: impl IntoIterator<Item = Vec<S>>,
) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .quote_style(QuoteStyle::Always)
        .terminator(end)
        .from_writer(Vec::new());
    for line in lines {
        // Writing to a Vec cannot fail, and all lines have the same number of values.
        let _ = writer.write_record(line);
    }
    writer.into_inner().unwrap_or_default()
}

/// Some records that a query found, below the names of the selected fields.
pub(in crate::demo) fn found_as_csv(end: Terminator, found: &Found, records: &[Value]) -> Vec<u8> {
    let line = |record: &Value| {
        found
            .columns
            .iter()
            .map(|path| shown(record, path))
            .collect()
    };
    let lines = records.iter().map(line);
    write_csv(end, [found.columns.clone()].into_iter().chain(lines))
}

/// The value that a path such as `Account.Name` leads to, as text.
fn shown(record: &Value, path: &str) -> String {
    let mut value = record;
    for name in path.split('.') {
        value = &value[name];
    }
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `<queryResult><records xsi:type="sObject">…`: always the type first, then the id.
pub(super) fn found_as_xml(found: &Found) -> String {
    let mut text = format!(
        r#"{}<queryResult xmlns="{}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#,
        xml::DECLARATION,
        xml::NAMESPACE
    );
    for record in &found.records {
        text.push_str(r#"<records xsi:type="sObject">"#);
        fields_as_xml(&mut text, record);
        text.push_str("</records>");
    }
    text + "</queryResult>"
}

fn fields_as_xml(text: &mut String, record: &Value) {
    let kind = record["attributes"]["type"].as_str().unwrap_or_default();
    xml::write(text, "type", kind);
    for (name, value) in record.as_object().into_iter().flatten() {
        if name == "attributes" {
            continue;
        }
        match value {
            Value::Null => text.push_str(&format!(r#"<{name} xsi:nil="true"/>"#)),
            Value::Object(_) => {
                text.push_str(&format!(r#"<{name} xsi:type="sObject">"#));
                fields_as_xml(text, value);
                text.push_str(&format!("</{name}>"));
            }
            Value::String(value) => xml::write(text, name, value),
            other => xml::write(text, name, &other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_three_formats_say_the_same() {
        let csv = csv_rows(b"Name,Website\r\n\"A \"\"&\"\" B\",\r\n").unwrap();
        assert_eq!(csv.columns, ["Name", "Website"]);
        let json = json_rows(br#"[{"Name": "A \"&\" B", "Website": ""}]"#).unwrap();
        let xml = xml_rows(
            b"<sObjects xmlns='x'><sObject><Name>A &quot;<![CDATA[&]]>&#34; B</Name><Website/></sObject></sObjects>",
        )
        .unwrap();
        assert_eq!(csv.records, json.records);
        assert_eq!(xml.records, json.records);
    }

    #[test]
    fn what_is_found_has_the_columns_that_were_selected() {
        let found = Found {
            object: "Contact",
            total: 2,
            columns: vec!["Id".to_owned(), "Account.Name".to_owned()],
            records: vec![
                json!({"attributes": {"type": "Contact"}, "Id": "003", "Account": {"Name": "a,b"}}),
                json!({"attributes": {"type": "Contact"}, "Id": "004", "Account": null}),
            ],
        };
        let csv = found_as_csv(LF, &found, &found.records);
        let expected = "\"Id\",\"Account.Name\"\n\"003\",\"a,b\"\n\"004\",\"\"\n";
        assert_eq!(String::from_utf8(csv).unwrap(), expected);
    }
}
