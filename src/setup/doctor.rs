//! Trying every step from the configuration to a first query, and saying what is wrong.

use std::process::ExitCode;

use crate::{cli::DoctorArgs, command::CommandError};

pub(crate) fn run(_args: &DoctorArgs) -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}
