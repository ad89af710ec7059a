//! The Tooling API: queries, and running Apex.

use http::StatusCode;
use serde_json::{Value, json};

use super::RestCall;
use crate::demo::{Inner, answer::Answer};

impl Inner {
    /// `/tooling/executeAnonymous`: any code succeeds.
    pub(super) fn execute_anonymous(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        if call.parameter("anonymousBody").is_none_or(str::is_empty) {
            return Err(Answer::error(
                StatusCode::BAD_REQUEST,
                "MALFORMED_QUERY",
                "anonymousBody has to be specified",
            ));
        }
        Ok(Answer::json(json!({
            "line": -1,
            "column": -1,
            "compiled": true,
            "success": true,
            "compileProblem": Value::Null,
            "exceptionStackTrace": Value::Null,
            "exceptionMessage": Value::Null,
        })))
    }
}
