//! A part of SOQL: one object and its parents, conditions, order, and bounds.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};

use super::{answer::Answer, data::Data};

pub(super) use self::run::like;

mod lexer;
mod parser;
mod run;

/// The result of a query.
pub(super) struct Found {
    /// The object's name.
    pub(super) object: &'static str,
    pub(super) total: usize,
    pub(super) records: Vec<Value>,
    /// The paths of the selected fields, such as `Account.Name`.
    pub(super) columns: Vec<String>,
}

/// Runs `query` against `data`. URLs of records have `version` in them.
pub(super) fn run(data: &Data, version: &str, query: &str) -> Result<Found, Error> {
    let parsed = parser::parse(query)?;
    run::run(data, version, &parsed).map_err(|error| error.shown_in(query))
}

/// The reason that a query does not run, and its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Error {
    code: &'static str,
    message: String,
    /// In bytes from the start of the query.
    at: usize,
    /// Row and column, counted from 1, once they are known.
    place: Option<(usize, usize)>,
}

impl Error {
    fn malformed(at: usize, message: impl Into<String>) -> Self {
        Self {
            code: "MALFORMED_QUERY",
            message: message.into(),
            at,
            place: None,
        }
    }

    pub(super) fn malformed_search(message: impl Into<String>) -> Self {
        Self {
            code: "MALFORMED_SEARCH",
            ..Self::malformed(0, message)
        }
    }

    pub(super) fn no_field(at: usize, field: &str, object: &str) -> Self {
        Self {
            code: "INVALID_FIELD",
            message: format!(
                "No such column '{field}' on entity '{object}'. If you are attempting to use a \
                 custom field, be sure to append the '__c' after the custom field name. Please \
                 reference your WSDL or the describe call for the appropriate names."
            ),
            at,
            place: None,
        }
    }

    fn no_relationship(at: usize, name: &str, object: &str) -> Self {
        Self {
            code: "INVALID_FIELD",
            message: format!(
                "Didn't understand relationship '{name}' in field path. If you are attempting to \
                 use a custom relationship, be sure to append the '__r' after the custom \
                 relationship name. Please reference your WSDL or the describe call for the \
                 appropriate names. (entity '{object}')"
            ),
            at,
            place: None,
        }
    }

    fn wrong_type(at: usize, field: &str, kind: &str) -> Self {
        Self {
            code: "INVALID_FIELD",
            message: format!(
                "value of filter criterion for field '{field}' must be of type {kind}"
            ),
            at,
            place: None,
        }
    }

    pub(super) fn no_object(at: usize, object: &str) -> Self {
        Self {
            code: "INVALID_TYPE",
            message: format!(
                "sObject type '{object}' is not supported. If you are attempting to use a custom \
                 object, be sure to append the '__c' after the entity name. Please reference your \
                 WSDL or the describe call for the appropriate names."
            ),
            at,
            place: None,
        }
    }

    /// Row and column in the query, counted from 1.
    pub(super) fn place(&self) -> Option<(usize, usize)> {
        self.place
    }

    /// Code and message.
    pub(super) fn into_parts(self) -> (&'static str, String) {
        (self.code, self.message)
    }

    /// Puts the place before the message, as the org does.
    fn shown_in(mut self, query: &str) -> Self {
        let before = query.get(..self.at).unwrap_or(query);
        let row = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        let line = query.lines().nth(row - 1).unwrap_or_default();
        self.place = Some((row, column));
        self.message = format!(
            "\n{line}\n{:>column$}\nERROR at Row:{row}:Column:{column}\n{}",
            '^', self.message
        );
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Self::error(StatusCode::BAD_REQUEST, error.code, error.message)
    }
}

/// The `attributes` of a record: its object and its URL.
pub(super) fn attributes(version: &str, object: &str, id: &str) -> Value {
    json!({"type": object, "url": format!("/services/data/{version}/sobjects/{object}/{id}")})
}
