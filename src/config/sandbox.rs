//! `sandbox`.

use super::{document::Value, given, section::Section, value};

/// Whether the process confines itself to the files and ports that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// As far as this system can, and nothing that is configured would be in its way.
    #[default]
    Auto,
    /// Yes, or it does not start.
    On,
    /// No.
    Off,
}

/// Reads it. `runs_commands` is whether programs give secrets.
pub(super) fn read(root: &mut Section<'_>, runs_commands: bool) -> Sandbox {
    let sandbox = root.read("sandbox", parse).unwrap_or_default();
    if sandbox == Sandbox::On && runs_commands {
        root.problem("sandbox", WITH_COMMANDS);
    }
    sandbox
}

/// The word for it.
fn parse(value: &Value) -> Result<Sandbox, String> {
    match value::text(value)? {
        "auto" => Ok(Sandbox::Auto),
        "on" => Ok(Sandbox::On),
        "off" => Ok(Sandbox::Off),
        other => Err(format!(
            "must be \"auto\", \"on\" or \"off\", not {}",
            given::shown(other)
        )),
    }
}

/// What is wrong with `"on"` where programs give secrets.
const WITH_COMMANDS: &str = "cannot be \"on\" where a command gives a secret: the command would be confined as well; take \
     the secret from a file, a variable or a credential, or set sandbox = \"auto\"";
