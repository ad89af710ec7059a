//! The response of a token endpoint (RFC 6749 sections 5.1 and 5.2), as far as it can be read.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

/// The fields of it. None is required: those that are there decide what it is. A field that has
/// another type than it should is left out, since most are of little use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TokenResponse {
    pub(super) access_token: Option<String>,
    pub(super) instance_url: Option<String>,
    pub(super) id: Option<String>,
    /// Separated by blanks.
    pub(super) scope: Option<String>,
    /// Salesforce does not send it today.
    pub(super) expires_in: Option<Duration>,
    pub(super) error: Option<String>,
    pub(super) error_description: Option<String>,
}

impl TokenResponse {
    /// Reads a JSON object; `None` if `bytes` are anything else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut fields: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let expires_in = fields.remove("expires_in").as_ref().and_then(seconds);
        let scope = fields.remove("scope").and_then(scopes);
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let filled = |text: &String| !text.is_empty();
        Some(Self {
            // An empty one is a fault of its own.
            access_token: text("access_token"),
            instance_url: text("instance_url").filter(filled),
            id: text("id"),
            scope,
            expires_in: expires_in.map(Duration::from_secs),
            error: text("error").filter(filled),
            error_description: text("error_description"),
        })
    }
}

/// The time until the `exp` of a token in JWT format, if it is one and that is ahead. One in the
/// past shows a clock that is wrong, here or there: the org's refusal is the last word.
pub(super) fn jwt_lifetime(token: &str, now: SystemTime) -> Option<Duration> {
    if !token.starts_with("eyJ") {
        return None;
    }
    let jwt = jsonwebtoken::dangerous::insecure_decode::<Map<String, Value>>(token).ok()?;
    let end = seconds(jwt.claims.get("exp")?)?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let left = end.checked_sub(now.as_secs())?;
    (left > 0).then(|| Duration::from_secs(left))
}

/// A number of seconds, which some servers write as a string. Zero and less says nothing.
fn seconds(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().map(whole)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().map(whole))
        }
        _ => None,
    };
    number.filter(|number| *number > 0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, as it should"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A string, or a list of strings as some servers have it.
fn scopes(value: Value) -> Option<String> {
    let scopes = match value {
        Value::String(scopes) => scopes,
        Value::Array(list) => list
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        _ => return None,
    };
    (!scopes.trim().is_empty()).then_some(scopes)
}

#[cfg(test)]
#[path = "../../tests/fuzz/token_response.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    fn read(response: &str) -> TokenResponse {
        TokenResponse::read(response.as_bytes()).unwrap()
    }

    #[test_case("7200", Some(7200); "a number")]
    #[test_case("\"7200\"", Some(7200); "a string")]
    #[test_case("\" 7200 \"", Some(7200); "a string with blanks")]
    #[test_case("7200.5", Some(7200); "a fraction")]
    #[test_case("\"7200.5\"", Some(7200); "a fraction in a string")]
    #[test_case("7.2e3", Some(7200); "an exponent")]
    #[test_case("9223372036854775807", Some(i64::MAX.unsigned_abs()); "just below 2 to the 63")]
    #[test_case("9223372036854775808", Some(1 << 63); "2 to the 63")]
    #[test_case("18446744073709551615", Some(u64::MAX); "just below 2 to the 64")]
    #[test_case("18446744073709551616", Some(u64::MAX); "2 to the 64")]
    #[test_case("\"99999999999999999999999\"", Some(u64::MAX); "many digits in a string")]
    #[test_case("1e300", Some(u64::MAX); "huge")]
    #[test_case("0", None; "zero")]
    #[test_case("-1", None; "negative")]
    #[test_case("-9223372036854775808", None; "most negative")]
    #[test_case("-1e300", None; "hugely negative")]
    #[test_case("\"-7200\"", None; "negative in a string")]
    #[test_case("\"NaN\"", None; "not a number")]
    #[test_case("\"\"", None; "empty")]
    #[test_case("\"soon\"", None; "words")]
    #[test_case("null", None; "null")]
    #[test_case("true", None; "true")]
    #[test_case("[7200]", None; "a list")]
    #[test_case("{\"seconds\":7200}", None; "an object")]
    fn expires_in_is_read_whatever_its_type(value: &str, seconds: Option<u64>) {
        let response = read(&format!(
            "{{\"access_token\":\"x\",\"expires_in\":{value}}}"
        ));
        assert_eq!(response.expires_in, seconds.map(Duration::from_secs));
        assert_eq!(response.access_token.as_deref(), Some("x"));
    }

    #[test_case("\"api web\"", Some("api web"); "a string")]
    #[test_case("[\"api\",\"web\"]", Some("api web"); "a list")]
    #[test_case("[\"api\",1,null]", Some("api"); "a list of several types")]
    #[test_case("[]", None; "an empty list")]
    #[test_case("\"\"", None; "empty")]
    #[test_case("null", None; "null")]
    #[test_case("7", None; "a number")]
    #[test_case("{}", None; "an object")]
    fn scope_is_read_whatever_its_type(value: &str, scope: Option<&str>) {
        let response = read(&format!("{{\"access_token\":\"x\",\"scope\":{value}}}"));
        assert_eq!(response.scope.as_deref(), scope);
        assert_eq!(response.access_token.as_deref(), Some("x"));
    }

    #[test]
    fn what_is_of_little_use_may_have_any_type() {
        let odd = [json!(null), json!(7), json!(true), json!([]), json!({})];
        for (value, name) in odd.iter().flat_map(|value| {
            let names = [
                "id",
                "error",
                "error_description",
                "issued_at",
                "token_type",
            ];
            names.map(|name| (value, name))
        }) {
            let mut response = json!({"access_token": "x", "instance_url": "https://a.example"});
            response[name] = value.clone();
            let expected = TokenResponse {
                access_token: Some("x".to_owned()),
                instance_url: Some("https://a.example".to_owned()),
                ..TokenResponse::default()
            };
            assert_eq!(read(&response.to_string()), expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_field_that_comes_twice_and_a_byte_order_mark_do_no_harm() {
        let response = read("\u{feff}{\"scope\":\"a\",\"scope\":\"b\",\"access_token\":\"x\"}");
        assert_eq!(response.access_token.as_deref(), Some("x"));
    }

    #[test_case(""; "nothing")]
    #[test_case("<html></html>"; "a page")]
    #[test_case("{\"access_token\":\"x\""; "cut")]
    #[test_case("[]"; "a list")]
    #[test_case("\"x\""; "a string")]
    #[test_case("null"; "null")]
    fn anything_but_an_object_is_malformed(response: &str) {
        assert_eq!(TokenResponse::read(response.as_bytes()), None);
    }

    #[test_case(json!(4000), Some(1000); "ahead")]
    #[test_case(json!("4000"), Some(1000); "a string")]
    #[test_case(json!(4000.9), Some(1000); "a fraction")]
    #[test_case(json!(u64::MAX), Some(u64::MAX - 3000); "just below 2 to the 64")]
    #[test_case(json!(1e300), Some(u64::MAX - 3000); "huge")]
    #[test_case(json!(3000), None; "now")]
    #[test_case(json!(1), None; "past")]
    #[test_case(json!(-1), None; "negative")]
    #[test_case(json!(i64::MIN), None; "most negative")]
    #[test_case(json!(null), None; "null")]
    #[test_case(json!([4000]), None; "a list")]
    fn the_end_of_a_jwt_is_read_whatever_its_type(exp: Value, left: Option<u64>) {
        let token = jwt(&json!({ "exp": exp }));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(3000);
        assert_eq!(jwt_lifetime(&token, now), left.map(Duration::from_secs));
    }

    #[test]
    fn a_clock_before_1970_knows_no_end() {
        let now = SystemTime::UNIX_EPOCH - Duration::from_secs(1_000_000);
        assert_eq!(jwt_lifetime(&jwt(&json!({ "exp": 4000 })), now), None);
    }

    #[test]
    fn what_only_looks_like_a_jwt_has_no_end() {
        for token in ["eyJ", "eyJ.eyJ.x", "00Dxx!x"] {
            assert_eq!(jwt_lifetime(token, SystemTime::now()), None);
        }
    }

    fn jwt(claims: &Value) -> String {
        let key = EncodingKey::from_secret(b"anything");
        jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
    }
}
