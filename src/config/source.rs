//! The file with the configuration.

use std::{fmt::Display, path::Path};

use super::{
    given,
    input::{Input, InputError},
    ownership,
    unwrap::as_utf8,
};

/// Its text, or nothing if none is named and there is none in the current folder. It has programs run
/// and keys used as us, so it must be our own or root's.
///
/// # Errors
/// Why it cannot be had.
pub(super) fn read(path: Option<&Path>) -> Result<Option<String>, String> {
    let file = path.unwrap_or_else(|| Path::new(super::DEFAULT_PATH));
    if path.is_some() {
        given::file(&file.to_string_lossy(), Path::new(""))
            .map_err(|error| format!("the configuration {error}"))?;
    }
    let failed = |error: &dyn Display| format!("{}: {error}", file.display());
    let input = match Input::open(file) {
        Err(InputError::Missing) if path.is_none() => return Ok(None),
        input => input.map_err(|error| failed(&error))?,
    };
    ownership::check(file, &input, HARM).map_err(|error| failed(&error))?;
    let bytes = input.read(LONGEST).map_err(|error| failed(&error))?;
    let bytes = as_utf8(&bytes);
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(failed(&"is not UTF-8 text, which TOML must be")),
    }
}

/// The harm that somebody could do who writes it.
const HARM: &str = "make it run programs as you";

/// Thousands of orgs.
const LONGEST: usize = 1024 * 1024;
