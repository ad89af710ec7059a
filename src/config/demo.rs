//! `demo`: the demo org in place of a real one.

use super::{document::Value, given};
use crate::salesforce::Refusal;

/// The demo org in place of a real one, in the same process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demo {
    /// The refusal that every login gets, if any.
    pub refusal: Option<&'static Refusal>,
}

/// Reads `true`, or the name of a refusal.
pub(super) fn parse(value: &Value) -> Result<Option<Demo>, String> {
    let demo = read(value)?;
    if demo.is_some() && !cfg!(feature = "demo") {
        Err("this build of orgproxy has no demo org; remove it".to_owned())
    } else {
        Ok(demo)
    }
}

fn read(value: &Value) -> Result<Option<Demo>, String> {
    match value {
        Value::Raw(_) | Value::Text(_) => {
            let name = super::value::text(value)?;
            let refusal = Refusal::named(name).ok_or_else(|| {
                let names: Vec<_> = Refusal::names().collect();
                format!(
                    "{} is not a refusal; write true, or one of {}",
                    given::shown(name),
                    names.join(", ")
                )
            })?;
            Ok(Some(Demo {
                refusal: Some(refusal),
            }))
        }
        _ => Ok(super::value::flag(value)?.then(Demo::default)),
    }
}

/// The login URL before the demo org has started: a name that nobody can have (RFC 6761 section
/// 6.4).
pub(super) const NOWHERE: &str = "https://demo.invalid";
