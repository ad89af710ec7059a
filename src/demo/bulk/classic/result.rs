//! The result of a batch, in the format of its job.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    Problem,
    document::{CSV, Format, JSON, XML, document, raw},
    job::{Batch, Done},
};
use crate::demo::{
    answer::Answer,
    bulk::{LF, Outcome, found_as_csv, rows, write_csv, xml},
};

impl Batch {
    /// The outcome of each row; for a query, the list of its results, of which there is one.
    pub(super) fn result(&self, format: Format) -> Result<Answer, Problem> {
        match (&self.done, format) {
            (Err(_), _) => Err(Problem("InvalidBatch", "Batch has no result".to_owned())),
            (Ok(Done::Found(id, _)), Format::Json) => Ok(raw(JSON, json!([id]).to_string())),
            (Ok(Done::Found(id, _)), _) => {
                let mut list = Map::new();
                list.insert("result".to_owned(), id.as_str().into());
                Ok(document(StatusCode::OK, Format::Xml, "result-list", &list))
            }
            (Ok(Done::Loaded(outcomes)), Format::Csv) => {
                let names = ["Id", "Success", "Created", "Error"].map(str::to_owned);
                let lines = outcomes.iter().map(|outcome| {
                    vec![
                        outcome.id.clone(),
                        outcome.mistake.is_none().to_string(),
                        outcome.created.to_string(),
                        outcome.error(),
                    ]
                });
                Ok(raw(
                    CSV,
                    write_csv(LF, [names.to_vec()].into_iter().chain(lines)),
                ))
            }
            (Ok(Done::Loaded(outcomes)), Format::Json) => {
                let results: Vec<_> = outcomes.iter().map(outcome_as_json).collect();
                Ok(raw(JSON, Value::from(results).to_string()))
            }
            (Ok(Done::Loaded(outcomes)), Format::Xml) => Ok(raw(XML, outcomes_as_xml(outcomes))),
        }
    }

    /// The records that a query found.
    pub(super) fn found(&self, format: Format, result: &str) -> Result<Answer, Problem> {
        match &self.done {
            Ok(Done::Found(id, found)) if id == result => Ok(match format {
                Format::Csv if found.records.is_empty() => {
                    raw(CSV, "Records not found for this query")
                }
                Format::Csv => raw(CSV, found_as_csv(LF, found, &found.records)),
                Format::Json => raw(JSON, Value::from(found.records.clone()).to_string()),
                Format::Xml => raw(XML, rows::found_as_xml(found)),
            }),
            _ => {
                let message = format!("Unable to find result: {result}");
                Err(Problem("InvalidBatch", message))
            }
        }
    }
}

fn outcome_as_json(outcome: &Outcome) -> Value {
    let errors: Vec<_> = outcome
        .mistake
        .iter()
        .map(|mistake| {
            json!({
                "message": mistake.message,
                "fields": mistake.fields,
                "statusCode": mistake.code,
                "extendedErrorDetails": null,
            })
        })
        .collect();
    json!({
        "success": outcome.mistake.is_none(),
        "created": outcome.created,
        "id": if outcome.id.is_empty() { Value::Null } else { outcome.id.as_str().into() },
        "errors": errors,
    })
}

fn outcomes_as_xml(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        r#"{}<results xmlns="{}">"#,
        xml::DECLARATION,
        xml::NAMESPACE
    );
    for outcome in outcomes {
        text.push_str("<result>");
        if let Some(mistake) = &outcome.mistake {
            text.push_str("<errors>");
            for field in &mistake.fields {
                xml::write(&mut text, "fields", field);
            }
            xml::write(&mut text, "message", &mistake.message);
            xml::write(&mut text, "statusCode", mistake.code);
            text.push_str("</errors>");
        } else {
            xml::write(&mut text, "id", &outcome.id);
        }
        xml::write(&mut text, "success", &outcome.mistake.is_none().to_string());
        xml::write(&mut text, "created", &outcome.created.to_string());
        text.push_str("</result>");
    }
    text + "</results>"
}
