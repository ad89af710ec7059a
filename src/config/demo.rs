//! `demo`: the demo org in place of a real one.

use super::document::Value;

/// That an org is the demo org, which is started in the same process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demo {
    /// The name of the refusal with which it answers every login.
    pub refusal: Option<String>,
}

/// `true`, or the name of a refusal.
pub(super) fn parse(value: &Value) -> Result<Option<Demo>, String> {
    match value {
        Value::Raw(_) | Value::Text(_) => Ok(Some(Demo {
            refusal: Some(super::value::text(value)?.to_owned()),
        })),
        _ => Ok(super::value::flag(value)?.then(Demo::default)),
    }
}

/// Where it is before it is started: a name that is nobody's (RFC 6761 section 6.4).
pub(super) const NOWHERE: &str = "https://demo.invalid";
