//! The types of values that keys take.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{document::Value, given};
use crate::system::telemetry::read_filter;

pub(super) fn text(value: &Value) -> Result<&str, String> {
    match value {
        Value::Text(text) | Value::Raw(text) => Ok(text),
        other => Err(format!("must be a string, not {}", other.kind())),
    }
}

pub(super) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Flag(flag) => Ok(*flag),
        Value::Raw(text) => match text.as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(format!(
                "must be true or false, not {}",
                given::shown(other)
            )),
        },
        other => Err(format!("must be true or false, not {}", other.kind())),
    }
}

pub(super) fn whole<T: TryFrom<u64>>(value: &Value) -> Result<T, String> {
    let (digits, radix) = match value {
        Value::Integer(digits, radix) => (digits, *radix),
        Value::Raw(text) => (text, 10),
        other => return Err(format!("must be a whole number, not {}", other.kind())),
    };
    u64::from_str_radix(digits, radix)
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| {
            let digits = given::word(digits);
            format!("must be a whole number, neither negative nor huge, but is {digits}")
        })
}

/// A user of this machine, by name or uid; `None` for all of them.
pub(super) fn user(value: &Value) -> Result<Option<u32>, String> {
    let name = match value {
        Value::Text(name) => name,
        Value::Raw(name) if name.parse::<u32>().is_err() => name,
        number => return whole(number).map(Some),
    };
    if name == "*" {
        return Ok(None);
    }
    let name = given::word(name);
    match nix::unistd::User::from_name(&name) {
        Ok(Some(user)) => Ok(Some(user.uid.as_raw())),
        Ok(None) => Err(format!(
            "this machine has no user {name}; write a name, a uid, or \"*\" for all"
        )),
        Err(error) => Err(format!(
            "cannot look up the user {name}: {error}; write its uid"
        )),
    }
}

pub(super) fn count(value: &Value) -> Result<usize, String> {
    at_most(MOST, positive(whole(value)?)?, |most| most.to_string())
}

/// A number of header lines, for each of which memory is reserved.
pub(super) fn lines(value: &Value) -> Result<usize, String> {
    at_most(MOST_LINES, count(value)?, |most| most.to_string())
}

/// A share, from 0 to 1.
pub(super) fn fraction(value: &Value) -> Result<f64, String> {
    let digits = match value {
        Value::Fraction(digits) | Value::Integer(digits, 10) | Value::Raw(digits) => digits,
        other => {
            return Err(format!(
                "must be a number from 0 to 1, not {}",
                other.kind()
            ));
        }
    };
    let number = digits.parse().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| {
            let digits = given::word(digits);
            format!("must be a number from 0 to 1, but is {digits}")
        })
}

/// A size such as `64KiB`.
pub(super) fn bytes(value: &Value) -> Result<usize, String> {
    let text = match value {
        Value::Text(text) | Value::Raw(text) => text,
        Value::Integer(..) => return positive(whole(value)?).and_then(within_memory),
        other => {
            return Err(format!(
                "must be a size such as \"64KiB\", not {}",
                other.kind()
            ));
        }
    };
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let factor = match unit.trim() {
        "" | "B" => Some(1),
        "kB" => Some(1000),
        "KiB" => Some(1 << 10),
        "MB" => Some(1_000_000),
        "MiB" => Some(1 << 20),
        "GB" => Some(1_000_000_000),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let number = text
        .strip_suffix(unit)
        .and_then(|digits| digits.parse().ok());
    factor
        .zip(number)
        .and_then(|(factor, number): (usize, usize)| number.checked_mul(factor))
        .ok_or_else(|| {
            let text = given::shown(text);
            format!("{text} is not a size; write one such as \"64KiB\" or \"1MiB\"")
        })
        .and_then(positive)
        .and_then(within_memory)
}

/// A size of at least `least` bytes, which is a multiple of 1 KiB.
pub(super) fn bytes_from(least: usize) -> impl Fn(&Value) -> Result<usize, String> {
    move |value| match bytes(value)? {
        size if size < least => Err(format!("must be at least \"{}KiB\"", least >> 10)),
        size => Ok(size),
    }
}

/// A time such as `30s`, which may be zero.
pub(super) fn wait(value: &Value) -> Result<Duration, String> {
    let text = match value {
        Value::Text(text) | Value::Raw(text) => text.as_str(),
        Value::Integer(digits, _) => {
            return Err(format!("needs a unit; write \"{digits}s\" for seconds"));
        }
        other => {
            return Err(format!(
                "must be a time such as \"30s\", not {}",
                other.kind()
            ));
        }
    };
    let time = humantime::parse_duration(text).map_err(|_| {
        let text = given::shown(text);
        format!("{text} is not a time; write one such as \"500ms\", \"30s\", \"11min\" or \"2h\"")
    })?;
    at_most(LONGEST, time, |_| "3650days".to_owned())
}

fn within_memory(bytes: usize) -> Result<usize, String> {
    at_most(MOST_BYTES, bytes, |_| "1024GiB".to_owned())
}

fn at_most<T: PartialOrd>(most: T, value: T, show: fn(&T) -> String) -> Result<T, String> {
    if value > most {
        return Err(format!("must be at most {}", show(&most)));
    }
    Ok(value)
}

pub(super) fn time(value: &Value) -> Result<Duration, String> {
    positive(wait(value)?)
}

/// A `tracing` filter. A single word that is not a level would count as the name of a module, and
/// nothing would be logged.
pub(super) fn log(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    // The library takes what is in front of a directive for part of it, and panics where that ends
    // within a character.
    let filter = text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    let is_word = filter.chars().all(|c| c.is_ascii_alphanumeric());
    let is_level = LEVELS.contains(&filter.to_lowercase().as_str());
    if (is_word && !is_level) || read_filter(&filter).is_err() {
        return Err(format!(
            "{} is not a log filter; write one of {}, or such as \"info,orgproxy=debug\"",
            given::shown(text),
            LEVELS.join(", ")
        ));
    }
    Ok(filter)
}

/// The path of a file that must exist; see `folder` for where it starts.
pub(super) fn file(value: &Value, beside: &Path) -> Result<PathBuf, String> {
    given::file(text(value)?, &folder(value, beside))
}

/// The path of something that exists or can be created.
pub(super) fn place(value: &Value, beside: &Path) -> Result<PathBuf, String> {
    given::place(text(value)?, &folder(value, beside))
}

/// The folder where paths in a value start: that of the file, or the current one for the command
/// line.
pub(super) fn folder(value: &Value, beside: &Path) -> PathBuf {
    match value {
        Value::Raw(_) => PathBuf::new(),
        _ => beside.to_owned(),
    }
}

fn positive<T: Default + PartialEq>(value: T) -> Result<T, String> {
    if value == T::default() {
        Err("must be more than zero".to_owned())
    } else {
        Ok(value)
    }
}

/// More than any machine has, and far from an overflow.
const MOST: usize = 1_000_000_000;
const MOST_BYTES: usize = 1 << 40;

/// `http::HeaderMap` holds 32,768.
const MOST_LINES: usize = 10_000;

/// Ten years: no clock or timer overflows.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_is_read_with_blanks_around_its_directives() {
        for (given, read) in [
            ("info", Some("info")),
            (" INFO ", Some("INFO")),
            ("info,orgproxy=debug", Some("info,orgproxy=debug")),
            ("info, orgproxy=debug", Some("info,orgproxy=debug")),
            ("\n warn ,\torgproxy = debug", None),
            (
                "\u{a0}orgproxy[a{b=\"c\"}]=trace",
                Some("orgproxy[a{b=\"c\"}]=trace"),
            ),
            // Not read as a pattern: a short one can take minutes.
            ("[{a=(}]=info", Some("[{a=(}]=info")),
            ("loud", None),
            (" loud", None),
            (" h\u{202e}[", None),
            ("\u{2003}é=debug, \u{2003}é[é{é}]=é", None),
        ] {
            let value = Value::Text(given.to_owned());
            assert_eq!(log(&value).ok().as_deref(), read, "{given:?}");
        }
    }
}
