//! Printing an access token, or looking into one.

use std::process::ExitCode;

use super::CommandError;
use crate::cli::TokenArgs;

pub(super) fn run(_args: &TokenArgs) -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}
