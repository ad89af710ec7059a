//! The file with the configuration.

use std::path::Path;

use super::{
    given,
    input::{self, InputError},
    unwrap::as_utf8,
};

/// Its text, or nothing if none is named and there is none in the current folder.
///
/// # Errors
/// Why it cannot be had.
pub(super) fn read(path: Option<&Path>) -> Result<Option<String>, String> {
    let file = path.unwrap_or_else(|| Path::new(super::DEFAULT_PATH));
    if path.is_some() {
        given::file(&file.to_string_lossy(), Path::new(""))
            .map_err(|error| format!("the configuration {error}"))?;
    }
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = match input::read(file, LONGEST) {
        Err(InputError::Missing) if path.is_none() => return Ok(None),
        bytes => as_utf8(&bytes.map_err(|error| failed(&error))?),
    };
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(failed(&"is not text in UTF-8, which TOML is written in")),
    }
}

/// Thousands of orgs.
const LONGEST: usize = 1024 * 1024;
