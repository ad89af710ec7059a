//! The commands.

use std::{io, path::Path, process::ExitCode};

use tokio::sync::oneshot;

pub(crate) use self::ready::{Ready, load, runtime};
pub use self::{error::CommandError, trust::TrustError};
use self::{ready::begin_to_serve, trust::Action};
use crate::{
    cli::{Command, ConfigArgs, TrustArgs},
    config::{Config, Listen, LogSink},
    server::{Server, StartupError},
    system::{process, signal, telemetry, terminal},
    watch::access_log,
};

mod admin;
mod child;
mod client;
mod connection;
#[cfg_attr(not(feature = "demo"), path = "command/no_demo.rs")]
mod demo;
mod doctor;
mod error;
mod failure;
mod health;
mod init;
mod json;
mod output;
mod query;
mod radar;
mod ready;
mod request;
mod rows;
mod shell;
mod status;
mod token;
mod trust;
mod verifier;
mod wait;

/// Carries out `command`. Returns the exit code, after everything has been printed.
///
/// # Errors
/// The error to print for the person who gave the command.
pub fn execute(command: Command) -> Result<ExitCode, CommandError> {
    match command {
        Command::Run(args) if args.program.is_empty() => run(&args.source)?,
        Command::Run(args) => return child::run(&args),
        Command::Init(args) => return init::run(&args),
        Command::Doctor(args) => return doctor::run(&args),
        Command::Token(args) => return token::run(&args),
        Command::Query(args) => return query::run(&args),
        Command::Request(args) => return request::run(&args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args)?,
        Command::Check(args) => check(&args)?,
        Command::Health(args) => health(&load(&args)?)?,
        Command::Status(args) => return status::run(&args),
        Command::Wait(args) => return wait::run(&args),
        Command::Trust(args) => trust(&args)?,
        Command::Completions(args) => return shell::completions(&args),
        Command::Man(args) => return shell::manual(&args),
    }
    Ok(ExitCode::SUCCESS)
}

fn run(args: &ConfigArgs) -> Result<(), CommandError> {
    process::harden();
    let (runtime, starting) = begin_to_serve()?;
    let mut config = load(args)?;
    if terminal::stderr_is_terminal() {
        config.access_log.sink.get_or_insert(LogSink::Stderr);
    }
    let _log = telemetry::init(&config.log)?;
    runtime.block_on(async {
        let ready = Ready::start(config).await?;
        serve(ready.config.clone(), "", starting).await
    })
}

/// Serves until a signal. The line about the first listener ends with `hints`, in which `{url}` is
/// its address.
async fn serve(
    config: Config,
    hints: &str,
    starting: oneshot::Sender<()>,
) -> Result<(), CommandError> {
    let shutdown = signal::shutdown()?;
    let server = Server::bind(config).await?;
    drop(starting);
    for (index, bound) in server.bound().iter().enumerate() {
        let hints = match index {
            0 => hints.replace("{url}", &bound.url()),
            _ => String::new(),
        };
        say(&format!("{bound}{hints}"));
    }
    if let Some(listen) = server.admin() {
        say(&admin_hint(&listen));
    }
    server.serve(shutdown).await?;
    Ok(())
}

fn admin_hint(listen: &Listen) -> String {
    match (listen, listen.address()) {
        (Listen::Unix(path), _) => {
            let path = path.display();
            let url = format!("--unix-socket {path} http://localhost/api/status");
            format!("admin listener on {listen}\n  try: curl {url}")
        }
        // As an address, which is right whatever `localhost` is.
        (_, Some(address)) => {
            format!("admin listener on {listen}\n  dashboard: http://{address}/")
        }
        (_, None) => String::new(),
    }
}

fn check(args: &ConfigArgs) -> Result<(), CommandError> {
    let config = load(args)?;
    access_log::check(&config.access_log).map_err(StartupError::AccessLog)?;
    let path = args.config();
    let path = path.as_deref().unwrap_or_else(|| Path::new("proxy.toml"));
    let orgs: Vec<_> = config.orgs.iter().map(|org| org.name.as_str()).collect();
    say(&format!("{}: ok, for {}", path.display(), orgs.join(", ")));
    Ok(())
}

fn health(config: &Config) -> Result<(), CommandError> {
    runtime()?
        .block_on(health::check(config))
        .map_err(|(listen, reason)| CommandError::Unwell(listen, reason))
}

fn trust(args: &TrustArgs) -> Result<(), CommandError> {
    let folder = Config::load_state_dir(args.source.config().as_deref(), &args.source.overrides)?;
    let action = match (args.system, &args.java, args.undo) {
        (true, _, false) => Action::System,
        (true, _, true) => Action::UndoSystem,
        (false, Some(store), false) => Action::Java(store),
        (false, Some(store), true) => Action::UndoJava(store),
        (false, None, _) => {
            let file = args.source.config();
            Action::Print(Config::load_listeners(
                file.as_deref(),
                &args.source.overrides,
            ))
        }
    };
    say(&trust::carry_out(&action, &folder)?);
    Ok(())
}

/// Prints a line on standard output. Nobody reading it is not a reason to stop.
fn say(line: &str) {
    use io::Write;

    let _ = writeln!(io::stdout().lock(), "{line}");
}
