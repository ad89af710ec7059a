//! `/composite/batch`: several independent requests in one.

use http::StatusCode;
use serde_json::{Value, json};

use super::{RestCall, composite, records::missing};
use crate::demo::{
    Inner,
    answer::{Answer, Content},
};

impl Inner {
    pub(super) fn batch(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        let asked = call.json()?;
        let requests = asked["batchRequests"]
            .as_array()
            .ok_or_else(|| missing("batchRequests"))?;
        composite::check_number(requests.len())?;
        let halt = asked["haltOnError"] == json!(true);
        let mut has_errors = false;
        let mut results = Vec::new();
        for request in requests {
            let answer = if has_errors && halt {
                halted()
            } else {
                self.subrequest(
                    call,
                    request["method"].as_str().unwrap_or_default(),
                    &full(request["url"].as_str().unwrap_or_default()),
                    &request["richInput"],
                )
            };
            has_errors |= !answer.status.is_success();
            let result = match answer.content {
                Content::Json(result) => result,
                _ => Value::Null,
            };
            results.push(json!({"statusCode": answer.status.as_u16(), "result": result}));
        }
        Ok(Answer::json(
            json!({"hasErrors": has_errors, "results": results}),
        ))
    }
}

/// A URL of a batch begins with the version.
fn full(url: &str) -> String {
    let url = url.trim_start_matches('/');
    if url.starts_with("services/data/") {
        format!("/{url}")
    } else {
        format!("/services/data/{url}")
    }
}

fn halted() -> Answer {
    Answer::error(
        StatusCode::PRECONDITION_FAILED,
        "BATCH_PROCESSING_HALTED",
        "Batch processing halted per request",
    )
}
