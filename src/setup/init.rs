//! Making what a login needs: key, certificate, the metadata of the app, and `proxy.toml`.

mod package;

use std::process::ExitCode;

use crate::{cli::InitArgs, command::CommandError};

pub(crate) fn run(_args: &InitArgs) -> Result<ExitCode, CommandError> {
    Err(CommandError::Other("not yet".to_owned()))
}
