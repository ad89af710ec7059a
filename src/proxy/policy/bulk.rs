//! Bulk 1.0: a job is about one object, and its batches have either records or queries.

use super::{
    ask::Ask,
    json::Json,
    judge::{Judge, Judged, Object},
    soql,
    xml::Element,
};
use crate::proxy::path::is;

/// The part of Bulk 1.0 that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `job`
    Jobs,
    /// `job/ID`
    Job,
    /// `job/ID/batch`
    Batches,
    /// What came of a batch, or what was sent in it.
    Contents,
    /// Anything else about a job.
    Else,
}

impl Place {
    /// The place of `words`, which follow the version.
    pub(super) fn of(words: &[&[u8]]) -> Option<Self> {
        let (job, rest) = words.split_first()?;
        if !is(Some(job), "job") {
            return None;
        }
        Some(match rest {
            [] => Self::Jobs,
            [_] => Self::Job,
            [_, batch] if is(Some(batch), "batch") => Self::Batches,
            [_, batch, _, _, ..] if is(Some(batch), "batch") => Self::Contents,
            _ => Self::Else,
        })
    }

    /// Returns whether its body has to be read to judge it.
    pub(super) fn needs_body(self, judge: Judge<'_>, method: &str) -> bool {
        let is_read = match self {
            Self::Jobs => judge.looks(),
            Self::Job => judge.is_read_only(),
            Self::Batches => judge.is_read_only() || judge.limits_reading(),
            Self::Contents | Self::Else => false,
        };
        method == "POST" && is_read
    }
}

/// Judges a request, with its body if that was needed.
pub(super) fn judge(judge: Judge<'_>, ask: &Ask<'_>, place: Place, body: Option<&[u8]>) -> Judged {
    let is_get = matches!(&*ask.method, "GET" | "HEAD");
    match (place, body) {
        (Place::Contents, _) if is_get => judge.read(ask, Object::Unknown),
        _ if is_get => Ok(()),
        (Place::Jobs, Some(body)) => match Info::read(body) {
            Ok(info) => job(judge, ask, &info),
            Err(why) => judge.unclear(ask, why),
        },
        // To close a job is to say that no more comes, also of one with queries.
        (Place::Job, Some(body)) => match Info::read(body) {
            Ok(info) if info.is_closed() => Ok(()),
            Ok(_) => judge.leaves_trace(ask),
            Err(why) => judge.unclear(ask, why),
        },
        (Place::Batches, Some(body)) => batch(judge, ask, body),
        _ => judge.leaves_trace(ask),
    }
}

fn job(judge: Judge<'_>, ask: &Ask<'_>, info: &Info) -> Judged {
    let object = info.object.as_deref().map_or(Object::Unknown, Object::of);
    match info.operation.as_deref() {
        Some("query" | "queryAll") => judge.read(ask, object),
        _ if judge.limits_fields_written_to(object) => {
            judge.leaves_trace(ask)?;
            judge.unclear(ask, "the fields that a job writes cannot be told")
        }
        _ => judge.write(ask, object),
    }
}

/// Records, or a query: only the job says which.
fn batch(judge: Judge<'_>, ask: &Ask<'_>, body: &[u8]) -> Judged {
    match std::str::from_utf8(body) {
        Ok(text) if begins_with_select(text) => soql::judge(judge, ask, text),
        Ok(text) if !text.contains('\0') => judge.leaves_trace(ask),
        // Records with files, which no query is among.
        Err(_) if body.starts_with(ZIP) => judge.leaves_trace(ask),
        _ => judge.unclear(ask, "its batch is not in UTF-8"),
    }
}

/// Returns whether the first word is `SELECT`, and not the name of the first column. What is before it is
/// not looked at here. Other letters count as well, since Java takes a long s for an s.
fn begins_with_select(text: &str) -> bool {
    let is_it = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        let is_select = word
            .chars()
            .flat_map(char::to_uppercase)
            .eq("SELECT".chars());
        is_select && !rest.starts_with([',', '"'])
    };
    is_it(text.trim_start_matches(|c: char| !c.is_ascii_alphabetic()))
        || is_it(text.trim_start_matches(|c: char| !c.is_alphabetic()))
}

/// The beginning of an archive.
const ZIP: &[u8] = b"PK";

/// Bytes of the facts of a job; there are a few hundred.
const LONGEST: usize = 64 * 1024;

/// The facts of a job.
#[derive(Debug, Default)]
struct Info {
    operation: Option<String>,
    object: Option<String>,
    state: Option<String>,
    /// True if it says more than which job it is and in what state.
    says_more: bool,
}

impl Info {
    /// Reads it, in JSON or XML.
    fn read(body: &[u8]) -> Result<Self, String> {
        if body.len() > LONGEST {
            return Err("its body is longer than that of any job".to_owned());
        }
        let is_json = body.trim_ascii_start().first() == Some(&b'{');
        if is_json {
            let json = Json::parse(body)?;
            let text = |name: &str| json.text(name).map(str::to_owned);
            return Ok(Self {
                operation: text("operation"),
                object: text("object"),
                state: text("state"),
                says_more: json
                    .entries()
                    .iter()
                    .any(|(name, value)| *value != Json::Null && !is_about_state(name)),
            });
        }
        let root = Element::parse(body)?;
        if root.name != "jobInfo" {
            return Err("its body is not a jobInfo".to_owned());
        }
        let text = |name: &str| match root.all(name).count() {
            0 | 1 => Ok(root.one(name).map(str::to_owned)),
            _ => Err(format!("its body has more than one {name}")),
        };
        Ok(Self {
            operation: text("operation")?,
            object: text("object")?,
            state: text("state")?,
            says_more: root.children.iter().any(|it| !is_about_state(&it.name)),
        })
    }

    fn is_closed(&self) -> bool {
        !self.says_more && self.state.as_deref() == Some("Closed")
    }
}

/// Returns whether this fact of a job only names it, as some clients do once more, or its state.
fn is_about_state(name: &str) -> bool {
    ["id", "state"].contains(&name)
}
