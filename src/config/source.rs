//! The configuration file.

use std::{fmt::Display, fs, os::unix::fs::FileTypeExt, path::Path};

use super::{
    Config, ConfigError, Overrides, given,
    input::{Input, InputError},
    ownership,
    unwrap::as_utf8,
};

/// Reads its text; nothing if none is named and there is none in the current folder. The file
/// decides which programs run and which keys are used, so it must belong to this user or root.
///
/// # Errors
/// The reason that it cannot be read.
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

impl Config {
    /// Returns whether there is a file with a text in it, or a pipe.
    pub(crate) fn has_text(path: Option<&Path>) -> bool {
        let file = path.unwrap_or_else(|| Path::new(super::DEFAULT_PATH));
        let is_pipe = fs::metadata(file).is_ok_and(|about| about.file_type().is_fifo());
        is_pipe || !peek(path).trim().is_empty()
    }

    /// Like `load`, where the file had a text before: that is what rules who may do what.
    pub(crate) fn load_again(
        path: Option<&Path>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let file = path.unwrap_or_else(|| Path::new(super::DEFAULT_PATH));
        let text = read(path)?.unwrap_or_default();
        if text.trim().is_empty() {
            let file = file.display();
            return Err(format!(
                "{file}: there is nothing in it any more; put it back, or restart orgproxy, as is \
                 needed where it comes by a pipe"
            )
            .into());
        }
        Self::from_toml(&text, file, overrides)
    }
}

/// The text of the file as far as it can be read, whoever could write it; no more than addresses may
/// be taken from it.
pub(super) fn peek(path: Option<&Path>) -> String {
    let file = path.unwrap_or_else(|| Path::new(super::DEFAULT_PATH));
    let bytes = Input::open(file).and_then(|input| input.read(LONGEST));
    String::from_utf8_lossy(&as_utf8(&bytes.unwrap_or_default())).into_owned()
}

/// The harm that somebody who writes it could do.
const HARM: &str = "make it run programs as you";

/// Bytes: enough for thousands of orgs.
const LONGEST: usize = 1024 * 1024;
