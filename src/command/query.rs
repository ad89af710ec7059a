//! Asking the org by SOQL.

use std::process::ExitCode;

use super::CommandError;
use crate::cli::QueryArgs;

pub(super) fn run(_args: &QueryArgs) -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}
