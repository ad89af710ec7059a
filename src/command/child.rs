//! Running a program with the environment that leads it here.

use std::process::ExitCode;

use super::CommandError;
use crate::cli::RunArgs;

pub(super) fn run(_args: &RunArgs) -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}
