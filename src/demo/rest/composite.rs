//! `/composite`: several requests in one, each of which may use the results of those before.

use std::collections::HashMap;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{RestCall, parameters, records::missing};
use crate::demo::{
    Inner,
    answer::{Answer, Content},
};

impl Inner {
    pub(super) fn composite(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        let mut asked = call.json()?;
        let requests = asked.get_mut("compositeRequest").map(Value::take);
        let Some(Value::Array(requests)) = requests else {
            return Err(missing("compositeRequest"));
        };
        check_number(requests.len())?;
        let all_or_none = asked["allOrNone"] == json!(true);
        let before = all_or_none.then(|| self.data().clone());

        let mut results = HashMap::new();
        let mut responses: Vec<Part> = Vec::new();
        let mut failed = false;
        for request in requests {
            let name = request["referenceId"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let answer = if failed && all_or_none {
                halted(
                    "The transaction was rolled back since another operation in the same transaction failed.",
                )
            } else {
                self.part(call, request, &results)
            };
            let part = Part::new(name, answer);
            failed |= !part.status.is_success();
            if part.status.is_success() {
                results.insert(part.name.clone(), part.body.clone());
            }
            responses.push(part);
        }
        if let Some(before) = before
            && failed
        {
            *self.data() = before;
            for part in responses.iter_mut().filter(|part| part.status.is_success()) {
                let halted = halted(
                    "The transaction was rolled back since another operation in the same transaction failed.",
                );
                *part = Part::new(std::mem::take(&mut part.name), halted);
            }
        }
        let responses: Vec<_> = responses.into_iter().map(Part::into_json).collect();
        Ok(Answer::json(json!({"compositeResponse": responses})))
    }

    fn part(
        &self,
        call: &RestCall<'_>,
        mut request: Value,
        results: &HashMap<String, Value>,
    ) -> Answer {
        if let Err(reference) = resolve(&mut request, results) {
            return halted(&format!(
                "Invalid reference specified. No value for {reference} found"
            ));
        }
        self.subrequest(
            call,
            request["method"].as_str().unwrap_or_default(),
            request["url"].as_str().unwrap_or_default(),
            &request["body"],
        )
    }

    /// Carries out one request of several.
    pub(super) fn subrequest(
        &self,
        call: &RestCall<'_>,
        method: &str,
        url: &str,
        body: &Value,
    ) -> Answer {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (url, None),
        };
        let segments: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let ["services", "data", version, path @ ..] = &segments[..] else {
            return Answer::not_found();
        };
        if let Some(answer) = self.unsupported(version) {
            return answer;
        }
        // Composite requests within each other could go on without end.
        if matches!(path, ["composite"] | ["composite", "batch"]) {
            return Answer::not_found();
        }
        let Ok(method) = method.parse::<Method>() else {
            return Answer::not_found();
        };
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.resource(&RestCall {
            method: &method,
            version,
            path,
            parameters: parameters(query),
            body: body.as_bytes(),
            batch_size: call.batch_size,
            identity: call.identity.clone(),
        })
    }
}

/// The answer to one of the requests.
struct Part {
    name: String,
    status: StatusCode,
    headers: Map<String, Value>,
    body: Value,
}

impl Part {
    fn new(name: String, answer: Answer) -> Self {
        let headers = answer.headers.iter().filter_map(|(name, value)| {
            let name = match name.as_str() {
                "location" => "Location",
                _ => return None,
            };
            Some((name.to_owned(), value.to_str().ok()?.into()))
        });
        Self {
            name,
            status: answer.status,
            headers: headers.collect(),
            body: match answer.content {
                Content::Json(body) => body,
                _ => Value::Null,
            },
        }
    }

    fn into_json(self) -> Value {
        json!({
            "body": self.body,
            "httpHeaders": self.headers,
            "httpStatusCode": self.status.as_u16(),
            "referenceId": self.name,
        })
    }
}

/// Replaces every `@{name.field}` in the strings within `value`. The error is the first reference
/// that cannot be resolved.
fn resolve(value: &mut Value, results: &HashMap<String, Value>) -> Result<(), String> {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .try_for_each(|value| resolve(value, results)),
        Value::Object(values) => values
            .values_mut()
            .try_for_each(|value| resolve(value, results)),
        Value::String(text) => {
            let mut resolved = String::new();
            let mut rest = text.as_str();
            while let Some((before, from)) = rest.split_once("@{") {
                let (reference, after) = from.split_once('}').ok_or(from)?;
                resolved.push_str(before);
                resolved.push_str(&referred(reference, results).ok_or(reference)?);
                rest = after;
            }
            resolved.push_str(rest);
            *text = resolved;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The value of a reference such as `name.records[0].Id`.
fn referred(reference: &str, results: &HashMap<String, Value>) -> Option<String> {
    let (name, path) = reference.split_once('.')?;
    let mut value = results.get(name)?;
    for step in path.split(['.', '[']) {
        value = match step.strip_suffix(']') {
            Some(index) => value.get(index.parse::<usize>().ok()?)?,
            None => value.get(step)?,
        };
    }
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

/// Refuses more requests in one than an org accepts.
pub(super) fn check_number(requests: usize) -> Result<(), Answer> {
    if requests <= MOST {
        return Ok(());
    }
    Err(Answer::error(
        StatusCode::BAD_REQUEST,
        "LIMIT_EXCEEDED",
        format!("The request can't contain more than {MOST} operations."),
    ))
}

fn halted(message: &str) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "PROCESSING_HALTED", message)
}

/// Requests in one.
const MOST: usize = 25;
