//! The refusal of a login.

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::answer::{Answer, Content};
use crate::salesforce::{Refusal, RefusalBody};

/// The answer of the token endpoint that refuses a login by `refusal`.
pub(super) fn answer(refusal: &Refusal) -> Answer {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let page = || "<html><head><title>Salesforce</title></head><body></body></html>".to_owned();
    match *refusal.body() {
        RefusalBody::Error(error, "") => {
            Answer::new(status, Content::Json(json!({"error": error})))
        }
        RefusalBody::Error(error, description) => {
            let body = json!({"error": error, "error_description": description});
            Answer::new(status, Content::Json(body))
        }
        RefusalBody::Page => Answer::text(status, HTML, page()),
        RefusalBody::Redirect(location) => Answer::text(status, HTML, String::new())
            .header(header::LOCATION, HeaderValue::from_static(location)),
        RefusalBody::Nothing => Answer::empty(status),
    }
}

const HTML: &str = "text/html; charset=UTF-8";
