//! Completions for the shell, and the manual page.

use std::{
    fs,
    io::{self, Write},
    path::Path,
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
            write_pages(folder).map_err(|error| {
                CommandError::Other(format!("cannot write to {}: {error}", folder.display()))
            })?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let mut page = Vec::new();
            Man::new(Args::line().disable_help_subcommand(true)).render(&mut page)?;
            print(with_examples(&String::from_utf8_lossy(&page)).as_bytes())
        }
    }
}

/// A page for each command.
fn write_pages(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Args::line(), folder)?;
    for command in [Args::line()].iter().chain(Args::line().get_subcommands()) {
        let name = match command.get_name() {
            "orgproxy" => "orgproxy.1".to_owned(),
            name => format!("orgproxy-{name}.1"),
        };
        let path = folder.join(name);
        // Not every name has a page.
        if let Ok(page) = fs::read_to_string(&path) {
            fs::write(&path, with_examples(&page))?;
        }
    }
    Ok(())
}

/// Keeps the lines of examples as they are: otherwise they would be filled like prose, under a
/// meaningless heading.
fn with_examples(page: &str) -> String {
    let Some((before, rest)) = page.split_once(".SH EXTRA\n") else {
        return page.to_owned();
    };
    let (examples, after) = match rest.find("\n.SH ") {
        Some(end) => rest.split_at(end + 1),
        None => (rest, ""),
    };
    let examples = examples.trim_start_matches("Examples:\n").trim_end();
    format!("{before}.SH EXAMPLES\n.nf\n{examples}\n.fi\n{after}")
}

/// A pager that was closed early is not an error.
fn print(text: &[u8]) -> Result<ExitCode, CommandError> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::Other(format!("cannot print: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
