//! `minimum_api_version`.

use std::time::SystemTime;

use time::OffsetDateTime;

use super::{document::Value, given};
use crate::salesforce::ApiVersion;

/// Reads `"41.0"`, and whatever else can mean nothing but that: `41`, `"v41.0"`.
pub(super) fn minimum(value: &Value) -> Result<ApiVersion, String> {
    let text = match value {
        Value::Text(text) | Value::Raw(text) | Value::Fraction(text) | Value::Integer(text, 10) => {
            text
        }
        other => {
            return Err(format!(
                "must be an API version such as \"41.0\", not {}",
                other.kind()
            ));
        }
    };
    let is_usual = |version: &ApiVersion| {
        let text = text.trim_start_matches(['v', 'V']);
        text == version.to_string() || text == version.number().to_string()
    };
    let version = ApiVersion::parse(text.as_bytes()).filter(is_usual);
    let version = version.ok_or_else(|| {
        let text = given::shown(text);
        format!("{text} is not an API version; write one such as \"41.0\"")
    })?;
    let newest = ApiVersion::newest(OffsetDateTime::from(SystemTime::now()).date());
    if version < OLDEST {
        Err(format!(
            "{version} is retired in every org; write the least version that yours still serves, at \
             least {OLDEST}"
        ))
    } else if version > newest {
        Err(format!(
            "there is no API version {version} yet; the newest is {newest}"
        ))
    } else {
        Ok(version)
    }
}

/// The oldest version that any org serves ([`crate::salesforce::facts::timeline`]).
const OLDEST: ApiVersion = ApiVersion::new(31);

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&Value::Text("41.0".to_owned()); "as Salesforce writes it")]
    #[test_case(&Value::Raw("41.0".to_owned()); "in a flag")]
    #[test_case(&Value::Text("v41.0".to_owned()); "as REST has it")]
    #[test_case(&Value::Text("41".to_owned()); "without the point")]
    #[test_case(&Value::Integer("41".to_owned(), 10); "a number")]
    #[test_case(&Value::Fraction("41.0".to_owned()); "a fraction")]
    fn what_can_mean_one_version_only_is_that(value: &Value) {
        assert_eq!(minimum(value), Ok(ApiVersion::new(41)));
    }

    #[test]
    fn a_version_that_does_not_exist_yet_is_a_slip() {
        let message = minimum(&Value::Text("401.0".to_owned())).unwrap_err();
        let start = "there is no API version 401.0 yet; the newest is ";
        assert!(message.starts_with(start), "{message}");
    }
}
