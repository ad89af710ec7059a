//! The error of a command, and its exit code.

use std::{io, process::ExitCode};

use super::TrustError;
use crate::{
    config::{ConfigError, Listen},
    server::StartupError,
    system::{escape, pid_file::PidFileError, terminal},
};

/// The reason that a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server cannot start.
    #[error(transparent)]
    Startup(#[from] StartupError),
    /// The system refuses something that every program needs.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// `log` is not a filter.
    #[error("invalid log filter: {0}; use one such as info or orgproxy=debug")]
    Log(#[from] tracing_subscriber::filter::ParseError),
    /// The local certificate authority, or a program's trust in it.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The file with the number of the process cannot be written.
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// The proxy is unhealthy.
    #[error("{0} is unhealthy: {1}")]
    Unwell(Listen, String),
    /// The program to run cannot be started.
    #[error("cannot run {0}: {1}")]
    Program(String, #[source] io::Error),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl CommandError {
    /// Prints it for the person who gave the command.
    pub fn print(&self) {
        let text = format!("orgproxy: {self}");
        let lines = escape::lines(&text);
        let lines = lines.lines().map(|line| {
            if terminal::stderr_is_terminal() {
                terminal::wrap(line, 0) + "\n"
            } else {
                // Programs look for words in lines.
                format!("{line}\n")
            }
        });
        terminal::note(&lines.collect::<String>());
    }

    /// 64 for a configuration that cannot be used (`EX_USAGE`), 1 for anything else. Programs that
    /// cannot be started end as in shells: with 127 if there are none, else with 126.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Log(_) => 64.into(),
            Self::Program(_, error) if error.kind() == io::ErrorKind::NotFound => 127.into(),
            Self::Program(..) => 126.into(),
            Self::Startup(_)
            | Self::System(_)
            | Self::PidFile(_)
            | Self::Trust(_)
            | Self::Unwell(..)
            | Self::Other(_) => ExitCode::FAILURE,
        }
    }
}
