//! The answer to a login: whatever it is, it is read as any reader of JSON reads it.

use base64ct::{Base64UrlUnpadded, Encoding};

use super::*;
use crate::fuzz::property;

#[test]
fn an_answer_to_a_login_is_read_as_json_says() {
    property!("token_response", WORDS, 96, holds);
}

const WORDS: [&str; 36] = [
    "{",
    "}",
    "{\"access_token\":\"",
    "\"access_token\":",
    "\"instance_url\":",
    "\"expires_in\":",
    "\"scope\":",
    "\"id\":",
    "\"error\":",
    "\"error_description\":",
    "\"exp\":",
    "\"x\"",
    "\"\"",
    "\"https://acme.my.salesforce.com\"",
    "\"invalid_grant\"",
    "\"7200\"",
    "7200",
    "-1",
    "0",
    "1e300",
    "1e-300",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "null",
    "true",
    "[",
    "]",
    ",",
    ",",
    ":",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\"NaN\"",
    "\"inf\"",
];

fn holds(bytes: &[u8]) {
    let response = TokenResponse::read(bytes);
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let other: Option<Value> = serde_json::from_slice(text).ok();
    let other = other.filter(Value::is_object);
    assert_eq!(response.is_some(), other.is_some());
    if let (Some(response), Some(other)) = (response, other) {
        assert_eq!(
            response.access_token.as_deref(),
            other["access_token"].as_str()
        );
        assert_eq!(
            response.error.as_deref().unwrap_or_default(),
            other["error"].as_str().unwrap_or_default()
        );
        let url = other["instance_url"].as_str().filter(|url| !url.is_empty());
        assert_eq!(response.instance_url.as_deref(), url);
        assert_ne!(response.expires_in, Some(Duration::ZERO));
    }
    // The claims of a token say as little that harms.
    let claims = Base64UrlUnpadded::encode_string(text);
    let token = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.x");
    for now in [SystemTime::UNIX_EPOCH, SystemTime::now()] {
        assert_ne!(jwt_lifetime(&token, now), Some(Duration::ZERO));
    }
    jwt_lifetime(&String::from_utf8_lossy(text), SystemTime::now());
}
