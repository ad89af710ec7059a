//! What makes a shell comfortable: completions and the manual page.

use std::process::ExitCode;

use super::CommandError;
use crate::cli::CompletionsArgs;

pub(super) fn completions(_args: &CompletionsArgs) -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}

pub(super) fn manual() -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}
