//! A line of the access log: one line, whatever the request says of itself, and no session in it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    super::{Client, Record},
    format::Format,
};
use crate::{config::LogFormat, fuzz::property, system::escape};

#[test]
fn a_request_is_one_line_that_shows_no_session() {
    property!("access_log", WORDS, 96, holds);
}

const WORDS: [&str; 40] = [
    "00D5g0000012345!AQcAQF3x.Canary_x",
    "00D5g0000012345AAC!AQcAQF3xCanary",
    "00D5g0000012345%21AQcAQF3x.Canary",
    "00D5g0000012345%252521AQcAQ%2EF3xCanary",
    "%30%30D5g0000012345!AQcAQF3xCanary",
    "00D5g0000012345%u0021AQcAQF3xCanary",
    "00D5g00000%0912345!AQcAQF3xCanary",
    "00D5g00000\n12345!AQcAQF3xCanary",
    "00D5g00000\u{200b}12345\u{ff01}AQcAQF3xCanary",
    "eyJhbGciOiJSUzI1NiJ9.eyJCanary.x",
    "eyJhbGciOiJSUzI1NiJ9%2EeyJCanary.x",
    "00D",
    "00D!",
    "!",
    "eyJ",
    "/services/data/v62.0/",
    "sid=",
    "a b",
    "\n",
    "\r\n",
    "\t",
    "\"",
    "\\",
    "\\n",
    "\0",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}",
    "\u{9b}31m",
    "\u{2028}",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "é",
    "\u{1f600}",
    "\u{e0041}",
    "%",
    "%0A",
    "\nPRIORITY=0",
    " 200 org 1ms",
];

fn holds(text: &[u8]) {
    let words = String::from_utf8_lossy(text);
    // The mark of a session means nothing by itself.
    let sessions = WORDS.iter().filter(|word| word.contains("Canary"));
    let counts = sessions.map(|session| words.matches(session).count());
    if words.matches("Canary").count() != counts.sum::<usize>() {
        return;
    }
    for client in [
        Client::Says((&*words).into()),
        Client::Named((&*words).into()),
    ] {
        let record = Record {
            user: Some((&*words).into()),
            path: words.to_string(),
            operation: Some((&*words).into()),
            client,
            ..Record::example()
        };
        let text = line(Format::Text, &record);
        let object = line(Format::Json, &record);
        for line in [&text, &object] {
            assert!(!line.contains("Canary"), "{line}");
            let one = line.strip_suffix('\n').expect(line);
            assert!(!one.contains(escape::is_tricky), "{one:?}");
        }
        let value: Value = serde_json::from_str(&object).expect(&object);
        assert!(
            value["path"].is_string() && value["client"].is_string(),
            "{object}"
        );
        for format in [LogFormat::Text, LogFormat::Json] {
            let message = line(Format::Journal(format), &record);
            assert!(!message.contains("Canary"), "{message}");
            let lines = message.strip_suffix('\n').expect(&message).split('\n');
            let names = lines.map(|line| line.split_once('=').expect(&message).0);
            let mut known = BTreeSet::new();
            for name in names {
                assert!(known.insert(name), "{name} twice: {message}");
                let is_plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(is_plain), "{message}");
            }
        }
    }
}

fn line(format: Format, record: &Record) -> String {
    let mut out = Vec::new();
    format.write(record, &mut out);
    String::from_utf8(out).unwrap()
}
