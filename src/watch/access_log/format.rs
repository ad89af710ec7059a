//! How a request becomes a line, or a message for the journal.

use std::{
    cell::RefCell,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    super::Record,
    fields::{self, Value},
    shown::{number, quote},
    text,
};
use crate::{
    config::{self, LogFormat, LogSink},
    system::{clocks, escape},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
    /// Fields for the journal, and a message that is written so.
    Journal(LogFormat),
}

impl Format {
    pub(super) fn of(config: &config::AccessLog) -> Self {
        match (&config.sink, config.format) {
            (Some(LogSink::Journald), format) => Self::Journal(format),
            (_, LogFormat::Text) => Self::Text,
            (_, LogFormat::Json) => Self::Json,
        }
    }

    pub(super) fn write(self, record: &Record, out: &mut Vec<u8>) {
        match self {
            Self::Text => {
                write_time(record.began, out);
                out.push(b' ');
                text::write(record, out);
                out.push(b'\n');
            }
            Self::Json => {
                write_object(record, out);
                out.push(b'\n');
            }
            Self::Journal(format) => {
                begin_message(INFO, out);
                match format {
                    LogFormat::Text => text::write(record, out),
                    LogFormat::Json => write_object(record, out),
                }
                out.push(b'\n');
                fields::each(record, |name, value| write_field(name, &value, out));
            }
        }
    }

    /// Writes that `lines` lines before this one are missing, and why.
    pub(super) fn write_loss(self, lines: u64, reason: &str, now: SystemTime, out: &mut Vec<u8>) {
        let message = format!("{lines} lines lost: {}", escape::line(reason));
        match self {
            Self::Text => {
                write_time(now, out);
                let _ = writeln!(out, " {message}");
            }
            Self::Json => {
                out.extend_from_slice(b"{\"time\":\"");
                write_time(now, out);
                let _ = write!(out, "\",\"lost\":{lines},\"message\":");
                quote(&message, out);
                out.extend_from_slice(b"}\n");
            }
            Self::Journal(_) => {
                begin_message(WARNING, out);
                let _ = writeln!(out, "{message}\nORGPROXY_LOST={lines}");
            }
        }
    }
}

fn write_object(record: &Record, out: &mut Vec<u8>) {
    let mut separator = b'{';
    fields::each(record, |name, value| {
        out.push(separator);
        separator = b',';
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            Value::Text(text) => quote(&text, out),
            Value::Number(value) => number(value, out),
            Value::Flag(flag) => {
                let _ = write!(out, "{flag}");
            }
            Value::Time(time) => {
                out.push(b'"');
                write_time(time, out);
                out.push(b'"');
            }
            Value::Milliseconds(time) => write_milliseconds(time, out),
        }
    });
    out.push(b'}');
}

/// `ORGPROXY_STATUS=200`. A value has no line end, so that this simple form will do.
fn write_field(name: &str, value: &Value<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ORGPROXY_");
    out.extend(name.bytes().map(|byte| byte.to_ascii_uppercase()));
    out.push(b'=');
    match value {
        Value::Text(text) => out.extend_from_slice(escape::line(text).as_bytes()),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Flag(flag) => {
            let _ = write!(out, "{flag}");
        }
        Value::Time(time) => write_time(*time, out),
        Value::Milliseconds(time) => write_milliseconds(*time, out),
    }
    out.push(b'\n');
}

/// Writes what each entry of the journal has, up to its message.
fn begin_message(priority: &str, out: &mut Vec<u8>) {
    let _ = write!(
        out,
        "PRIORITY={priority}\nSYSLOG_IDENTIFIER=orgproxy\nMESSAGE="
    );
}

/// RFC 3339. Of the lines of one second, only the first pays for the calendar.
fn write_time(time: SystemTime, out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    // What no clock says that is right cannot be written.
    let time = clocks::writable(time);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            *text = humantime::format_rfc3339_seconds(time).to_string();
        }
        out.extend_from_slice(text.trim_end_matches('Z').as_bytes());
    });
    let millis = since.subsec_millis();
    let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8);
    out.push(b'.');
    out.extend_from_slice(&digits);
    out.push(b'Z');
}

fn write_milliseconds(time: Duration, out: &mut Vec<u8>) {
    let microseconds = time.as_micros();
    let _ = write!(out, "{}.{:03}", microseconds / 1000, microseconds % 1000);
}

/// As syslog has them.
const INFO: &str = "6";
const WARNING: &str = "4";
