//! The reasons why a policy refuses a request.

use std::fmt::{self, Display, Formatter};

/// A refusal: of what, why, and by which policy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused by policy: {what} {why}{}", opened_by(why, table))]
pub(crate) struct Refused {
    /// The request, or the part of it.
    pub(super) what: String,
    pub(super) why: Why,
    /// The table of the policy.
    pub(super) table: String,
}

/// Why it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// It changes something, where only reading is allowed.
    Writes,
    /// It may do anything: it runs code that only the org knows, or is unknown here.
    Unknown,
    /// It cannot be read as the org will read it.
    Unclear(String),
    /// It hands out a session, which would be used without a policy.
    HandsOut,
    Switch(Switch),
    Method,
    OutsidePaths,
    DeniedPath,
    /// An object that is not in the list of this key, or that is in one of those denied.
    Object(String, List),
    Field(String, List),
}

/// An action that has a switch of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    ExecuteAnonymous,
    MetadataDeploy,
    Setup,
}

/// A list of objects or fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Read,
    Write,
    Deny,
}

impl Display for Why {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Writes => f.write_str("changes something, and only reading is allowed"),
            Self::Unknown => f.write_str("may do anything, so it cannot be judged"),
            Self::Unclear(why) => write!(f, "cannot be judged: {why}"),
            Self::HandsOut => f.write_str("has to do with sessions, which no policy would limit"),
            Self::Switch(Switch::ExecuteAnonymous) => f.write_str("executes Apex code"),
            Self::Switch(Switch::MetadataDeploy) => f.write_str("changes metadata"),
            Self::Switch(Switch::Setup) => f.write_str("changes users or permissions"),
            Self::Method => f.write_str("has a method that is not allowed"),
            Self::OutsidePaths => f.write_str("has a path that is not allowed"),
            Self::DeniedPath => f.write_str("has a path that is denied"),
            Self::Object(name, list) => write!(f, "{} {name}", list.does()),
            Self::Field(name, list) => write!(f, "{} the field {name}", list.does()),
        }
    }
}

impl List {
    fn does(self) -> &'static str {
        match self {
            Self::Read => "may not read",
            Self::Write => "may not write",
            Self::Deny => "may not touch",
        }
    }
}

/// What allows it, as the end of a sentence.
fn opened_by(why: &Why, table: &str) -> String {
    let key = match why {
        Why::Writes => "set read_only = false",
        Why::Unknown => "add its path to read_paths if it only reads",
        Why::Unclear(_) | Why::HandsOut => return format!(" ([{table}])"),
        Why::Switch(Switch::ExecuteAnonymous) => "set execute_anonymous = true",
        Why::Switch(Switch::MetadataDeploy) => "set metadata_deploy = true",
        Why::Switch(Switch::Setup) => "set setup = true",
        Why::Method => "add it to methods",
        Why::OutsidePaths => "add it to paths",
        Why::DeniedPath => "take it out of deny_paths",
        Why::Object(_, List::Read) => "add it to read_objects",
        Why::Object(_, List::Write) => "add it to write_objects",
        Why::Object(_, List::Deny) => "take it out of deny_objects",
        Why::Field(_, List::Read) => "add it to read_fields",
        Why::Field(_, List::Write) => "add it to write_fields",
        Why::Field(_, List::Deny) => "take it out of deny_fields",
    };
    format!("; to allow it, {key} in [{table}]")
}
