//! JSON in answers.

use reqwest::Response;
use serde_json::Value;

/// Returns the body of an answer.
pub(crate) async fn json_of(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}
