//! The verdict of a response of the org on the session, read where each family says it.
//!
//! A client can make the org repeat any words. So the same words anywhere else mean nothing.

use http::{Method, StatusCode};
use quick_xml::{events::Event, reader::Reader};
use serde_json::Value;

use super::{Family, cometd};

/// The verdict of a response on the session that the org was asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is wrong with it.
    Sound,
    /// It is dead.
    Dead,
    /// It is dead, and was not when the org did a part of what was asked.
    DeadAtLast,
    /// It may be dead, and the response has no body that would say so, or none that can be read.
    Unsaid,
    /// It is dead, or not one for pages: a browser is to log in.
    Login,
    /// The org is at another host.
    Moved,
    /// It lives, and the org has too many long calls open to carry out another one.
    Crowded,
}

impl Verdict {
    /// The verdict of a response of `status` to a request of `method`, whose body begins with
    /// `head`.
    pub(super) fn of(family: Family, method: &Method, status: StatusCode, head: &[u8]) -> Self {
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
        if method == Method::HEAD || head.is_empty() {
            return match family {
                // Its head has said it all.
                Family::PubSub => Self::Dead,
                Family::Soap(_) | Family::Bulk(_) => Self::Unsaid,
                _ if family.refuses_with(status) => Self::Unsaid,
                _ => Self::Sound,
            };
        }
        match family {
            Family::Rest | Family::OAuth | Family::Page => Self::of_rest(status, head),
            Family::Identity
                if family.refuses_with(status) && first_word(head) == "Bad_OAuth_Token" =>
            {
                Self::Dead
            }
            Family::Identity => Self::of_rest(status, head),
            Family::Soap(_) => Self::of_soap(head),
            Family::Bulk(_) => Self::of_bulk(head),
            Family::Cometd => cometd::judge(head),
            Family::PubSub => Self::Dead,
        }
    }

    fn of_rest(status: StatusCode, head: &[u8]) -> Self {
        let Some(Said { code, message }) = rest_error(head) else {
            return Self::Sound;
        };
        let is_dead = code == "INVALID_SESSION_ID"
            // Every 403 but that of an identity is about limits or permissions.
            && status == StatusCode::UNAUTHORIZED
            && !NOT_EXPIRED.iter().any(|text| message.contains(text));
        if is_dead {
            Self::Dead
        } else if code == ELSEWHERE {
            Self::Moved
        } else if status == StatusCode::FORBIDDEN && is_crowded(&code, &message) {
            Self::Crowded
        } else {
            Self::Sound
        }
    }

    fn of_soap(head: &[u8]) -> Self {
        // What is not a document may have one in it that somebody else wrote.
        if !is_xml(head) {
            return Self::Sound;
        }
        let [fault, message, detail] = texts(
            head,
            [
                &["Envelope", "Body", "Fault", "faultcode"],
                &["Envelope", "Body", "Fault", "faultstring"],
                // Between the two there is the type of the fault.
                &["Envelope", "Body", "Fault", "detail", "*", "exceptionCode"],
            ],
        );
        // `sf:INVALID_SESSION_ID`, whatever the prefix.
        let codes =
            [&fault, &detail].map(|code| code.rsplit(':').next().unwrap_or_default().trim());
        let message = message.trim();
        let message = message
            .strip_prefix("UNKNOWN_EXCEPTION:")
            .unwrap_or(message);
        if codes.contains(&"INVALID_SESSION_ID") {
            Self::Dead
        } else if codes.contains(&ELSEWHERE)
            || codes.contains(&"UNKNOWN_EXCEPTION") && is_elsewhere(message)
        {
            Self::Moved
        } else if codes.iter().any(|code| is_crowded(code, message)) {
            Self::Crowded
        } else {
            Self::Sound
        }
    }

    fn of_bulk(head: &[u8]) -> Self {
        let Some(Said { code, message }) = bulk_error(head) else {
            return Self::Sound;
        };
        match &*code {
            "InvalidSessionId" => Self::Dead,
            ELSEWHERE => Self::Moved,
            _ if is_elsewhere(&message) => Self::Moved,
            code if is_crowded(code, &message) => Self::Crowded,
            _ => Self::Sound,
        }
    }
}

/// An error in the shape of a family.
struct Said {
    code: String,
    message: String,
}

impl Said {
    fn new(code: &str, message: &str) -> Self {
        Self {
            code: code.trim().to_owned(),
            message: message.trim().to_owned(),
        }
    }

    /// The error in a JSON object with these keys.
    fn of(error: &Value, code: &str, message: &str) -> Option<Self> {
        let message = error[message].as_str().unwrap_or_default();
        Some(Self::new(error[code].as_str()?, message))
    }
}

/// `[{"errorCode":…,"message":…}]`, or the same in XML.
fn rest_error(head: &[u8]) -> Option<Said> {
    if is_xml(head) {
        let [code, message] = texts(
            head,
            [
                &["Errors", "Error", "errorCode"],
                &["Errors", "Error", "message"],
            ],
        );
        return Some(Said::new(&code, &message));
    }
    let errors: Value = serde_json::from_slice(head).ok()?;
    Said::of(errors.get(0)?, "errorCode", "message")
}

/// `<error><exceptionCode>…`, or the same in JSON.
fn bulk_error(head: &[u8]) -> Option<Said> {
    if is_xml(head) {
        let [code, message] = texts(
            head,
            [&["error", "exceptionCode"], &["error", "exceptionMessage"]],
        );
        return Some(Said::new(&code, &message));
    }
    let error: Value = serde_json::from_slice(head).ok()?;
    Said::of(&error, "exceptionCode", "exceptionMessage")
}

fn is_xml(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"<")
}

/// The texts of the first element at each of `paths`, as far as `xml` goes. A path is of local
/// names from the root on, and `*` is any.
fn texts<const N: usize>(xml: &[u8], paths: [&[&str]; N]) -> [String; N] {
    let xml = String::from_utf8_lossy(xml);
    let mut reader = Reader::from_str(&xml);
    let mut texts = [const { String::new() }; N];
    let mut done = [false; N];
    let mut open: Vec<String> = Vec::new();
    loop {
        let mut add = |text: &str| {
            for ((path, found), done) in paths.iter().zip(&mut texts).zip(&done) {
                if !done && leads_to(path, &open) {
                    found.push_str(text);
                }
            }
        };
        match reader.read_event() {
            Ok(Event::Start(tag)) => open.push(tag.local_name().into_inner().to_owned()),
            Ok(Event::Text(text)) => add(&text),
            Ok(Event::CData(text)) => add(&text),
            Ok(Event::End(_)) => {
                for (path, done) in paths.iter().zip(&mut done) {
                    *done |= leads_to(path, &open);
                }
                open.pop();
                // What follows the root is not part of the document.
                if open.is_empty() {
                    return texts;
                }
            }
            Ok(Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_)) => {}
            // No code that is looked for has one.
            Ok(Event::GeneralRef(_)) => add("&"),
            Ok(Event::DocType(_) | Event::Eof) | Err(_) => return texts,
        }
    }
}

fn leads_to(path: &[&str], open: &[String]) -> bool {
    path.len() == open.len()
        && path
            .iter()
            .zip(open)
            .all(|(name, open)| *name == "*" || name == open)
}

fn first_word(text: &[u8]) -> &str {
    let text = str::from_utf8(text).unwrap_or_default();
    text.split_whitespace().next().unwrap_or_default()
}

/// The words for a request to a host that the org is not at.
fn is_elsewhere(message: &str) -> bool {
    message
        .trim_start()
        .starts_with("Destination URL not reset")
}

/// The words for a call that is refused because too many others are open, and not because those of the
/// day are used up: `ConcurrentRequests (Concurrent API Requests) Limit exceeded.` and the like.
fn is_crowded(code: &str, message: &str) -> bool {
    let message = message.strip_prefix(CROWDED).unwrap_or(message);
    code == CROWDED
        && message
            .trim_start_matches([':', ' '])
            .starts_with("Concurrent")
}

const CROWDED: &str = "REQUEST_LIMIT_EXCEEDED";

const ELSEWHERE: &str = "URL_NOT_RESET";

/// A new session is refused for the same reason.
const NOT_EXPIRED: [&str; 3] = [
    "BlackTab users cannot perform API operations",
    "This session is not valid for use with the REST API",
    "Connected app is not attached to Agent",
];

#[cfg(test)]
#[path = "../../../tests/fuzz/verdict.rs"]
mod fuzz;
