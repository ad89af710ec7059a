//! What makes a shell comfortable: completions and the manual page.

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
};

use clap_complete::Shell as Known;
use clap_mangen::Man;

use super::CommandError;
use crate::cli::{Args, CompletionsArgs, ManArgs, Shell};

pub(super) fn completions(args: &CompletionsArgs) -> Result<ExitCode, CommandError> {
    let shell = match args.shell {
        Shell::Bash => Known::Bash,
        Shell::Zsh => Known::Zsh,
        Shell::Fish => Known::Fish,
        Shell::PowerShell => Known::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::line(), "orgproxy", &mut script);
    print(&script)
}

pub(super) fn manual(args: &ManArgs) -> Result<ExitCode, CommandError> {
    match &args.dir {
        Some(folder) => {
            fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(Args::line(), folder))
                .map_err(|error| {
                    CommandError::Other(format!("cannot write to {}: {error}", folder.display()))
                })?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let mut page = Vec::new();
            Man::new(Args::line().disable_help_subcommand(true)).render(&mut page)?;
            print(&page)
        }
    }
}

/// A pager that was closed early is no error.
fn print(text: &[u8]) -> Result<ExitCode, CommandError> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::Other(format!("cannot print: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
