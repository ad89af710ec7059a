//! Sending any request to the org.

use std::process::ExitCode;

use super::CommandError;
use crate::cli::RequestArgs;

pub(super) fn run(_args: &RequestArgs) -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}
