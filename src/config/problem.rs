//! Mistakes in a configuration, collected so that one run reports them all.

use std::{
    cell::RefCell,
    error::Error,
    fmt::{self, Display, Formatter},
};

/// All mistakes in a configuration, a line each.
#[derive(Debug)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// The same, as what keeps one from finding the proxy that runs.
    pub(super) fn hides_the_proxy(self) -> Self {
        let reason = "cannot tell where the proxy is, since the configuration cannot be read";
        format!("{reason}: {self}").into()
    }

    /// Each mistake.
    pub(crate) fn mistakes(&self) -> &[String] {
        &self.0
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error for ConfigError {}

impl From<String> for ConfigError {
    fn from(problem: String) -> Self {
        Self(vec![problem])
    }
}

/// The origin of a value. Problems are reported in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The file, without a line: something is missing.
    File,
    Line(usize),
    Flag(&'static str),
    Variable(&'static str),
}

pub(super) struct Problems {
    file: String,
    found: RefCell<Vec<(Origin, String)>>,
}

impl Problems {
    pub(super) fn new(file: impl Display) -> Self {
        Self {
            file: file.to_string(),
            found: RefCell::default(),
        }
    }

    /// Adds a mistake. `key` is the full path; flags and variables have only their own names.
    pub(super) fn add(&self, origin: Origin, key: &str, message: impl Display) {
        let file = &self.file;
        let problem = match origin {
            Origin::File => format!("{file}: {key}: {message}"),
            Origin::Line(line) => format!("{file}:{line}: {key}: {message}"),
            Origin::Flag(name) | Origin::Variable(name) => format!("{name}: {message}"),
        };
        self.found.borrow_mut().push((origin, problem));
    }

    /// Adds a syntax error, where there is no key to name.
    pub(super) fn add_syntax(&self, line: usize, message: impl Display) {
        let problem = format!("{}:{line}: {message}", self.file);
        self.found.borrow_mut().push((Origin::Line(line), problem));
    }

    pub(super) fn into_result<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        let mut found = self.found.into_inner();
        match value {
            Some(value) if found.is_empty() => Ok(value),
            _ => {
                found.sort_by_key(|(origin, _)| *origin);
                Err(ConfigError(
                    found.into_iter().map(|(_, problem)| problem).collect(),
                ))
            }
        }
    }
}
