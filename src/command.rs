//! The commands.

use std::{io, os::unix::process::parent_id, path::Path, process::ExitCode, sync::Arc};

use tokio::sync::oneshot;

pub(crate) use self::ready::{Ready, load, runtime};
pub use self::{error::CommandError, trust::TrustError};
use self::{ready::begin_to_serve, reload::FileSource, sandbox::Entered, trust::Action};
use crate::{
    cli::{Command, ConfigArgs, TrustArgs},
    config::{Certificate, Config, DEFAULT_PATH, Listen, LogSink},
    server::{Reloading, Server, Service, StartupError},
    system::{
        inherited,
        notify::Notifier,
        pid_file::{PidFile, PidFileError},
        process, program, signal, telemetry, terminal,
    },
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
mod offer;
mod output;
mod query;
mod radar;
mod ready;
mod reload;
mod request;
mod rows;
mod sandbox;
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
    // Every command may come to read a secret.
    let usual = process::harden();
    let code = carry_out(command, &usual)?;
    match terminal::lost() {
        None => Ok(code),
        Some(error) => Err(CommandError::Other(format!("cannot write: {error}"))),
    }
}

fn carry_out(command: Command, usual: &process::Limits) -> Result<ExitCode, CommandError> {
    match command {
        Command::Run(args) if args.program.is_empty() => return start(&args.source),
        Command::Run(args) => return child::run(&args, usual),
        Command::Init(args) => return init::run(&args),
        Command::Doctor(args) => return doctor::run(&args),
        Command::Token(args) => return token::run(&args),
        Command::Query(args) => return query::run(&args),
        Command::Request(args) => return request::run(&args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args)?,
        Command::Check(args) => check(&args)?,
        Command::Health(args) => health(&args)?,
        Command::Status(args) => return status::run(&args),
        Command::Wait(args) => return wait::run(&args),
        Command::Reload(args) => return reload::run(&args),
        Command::Trust(args) => trust(&args)?,
        Command::Completions(args) => return shell::completions(&args),
        Command::Man(args) => return shell::manual(&args),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the proxy, or has a person who has no configuration choose something else.
fn start(args: &ConfigArgs) -> Result<ExitCode, CommandError> {
    if offer::is_due(args)
        && let Some(code) = offer::make()?
    {
        return Ok(code);
    }
    run(args).map(|()| ExitCode::SUCCESS)
}

fn run(args: &ConfigArgs) -> Result<(), CommandError> {
    // Before there is any file but those that came with it.
    let (inherited, predecessor) = inherited::take();
    let program = program::path();
    let program = program.unwrap_or_else(|_| std::env::args_os().next().unwrap_or_default().into());
    let (runtime, starting) = begin_to_serve()?;
    // Before it is read, so that no change is missed.
    let seen = Config::stamps(args.config().as_deref(), &args.overrides);
    let config = reload::read(args)?;
    // The thread for signals ends with the start. Those that come later are in it.
    let file = args.config();
    let file = file.as_deref().unwrap_or_else(|| Path::new(DEFAULT_PATH));
    let entered = sandbox::enter(&config, file)?;
    let _log = telemetry::init(&config.log)?;
    let manager = Notifier::from_env();
    let service = Service {
        manager,
        inherited,
        predecessor,
    };
    runtime.block_on(async {
        let (hangups, upgrades) = (signal::hangups()?, signal::upgrades()?);
        let Ready { config, demos } = Ready::start(config).await?;
        let reloading = Reloading {
            source: FileSource::new(args.clone(), demos),
            seen,
            hangups,
            upgrades,
            program,
            pid_file: None,
        };
        serve(config, "", starting, &entered, Some((reloading, service))).await
    })
}

/// Serves until a signal. The line about the first listener ends with `hints`, in which `{url}` is
/// its address.
async fn serve(
    config: Config,
    hints: &str,
    starting: oneshot::Sender<()>,
    entered: &Entered,
    service: Option<(Reloading<FileSource>, Service)>,
) -> Result<(), CommandError> {
    let shutdown = signal::shutdown()?;
    let destinations = destinations(&config);
    let (mut reloading, service) = service.unzip();
    // Before anything of another process is in the way.
    let pid_file = config.pid_file.clone();
    let pid_file = pid_file.as_deref();
    let predecessor = service.as_ref().and_then(|it| it.predecessor.as_ref());
    let before = predecessor.map(|_| parent_id());
    pid_file
        .map(|path| PidFile::check(path, before))
        .transpose()?;
    let server = Server::bind_as(config, service.unwrap_or_default()).await?;
    let written = pid_file.map(|path| PidFile::write(path, before));
    // Until everything has ended.
    let written = written.transpose()?.map(Arc::new);
    if let Some(reloading) = &mut reloading {
        reloading.pid_file.clone_from(&written);
    }
    drop(starting);
    entered.report();
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
    for destination in destinations {
        say(&destination);
    }
    server.serve_and_reload(shutdown, reloading).await?;
    Ok(())
}

/// A line for each place where facts about requests go, but for this terminal.
fn destinations(config: &Config) -> Vec<String> {
    let sink = config.access_log.sink.as_ref();
    let sink = sink.filter(|sink| !matches!(sink, LogSink::Off | LogSink::Stderr));
    let log = sink.map(|sink| format!("access log to {sink}"));
    let traces = config.traces.as_ref();
    // Nothing of the path, which may hold a key.
    let traces = traces.map(|traces| {
        let collector = traces.endpoint.origin().ascii_serialization();
        format!("traces to {collector}")
    });
    log.into_iter().chain(traces).collect()
}

fn admin_hint(listen: &Listen) -> String {
    match (listen, listen.address()) {
        (Listen::Unix(path), _) => {
            let path = terminal::quoted_path(path);
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
    match config
        .pid_file
        .as_deref()
        .map(|path| PidFile::check(path, None))
    {
        // The proxy may be running.
        None | Some(Ok(()) | Err(PidFileError::Held(..))) => {}
        Some(Err(error)) => return Err(error.into()),
    }
    for org in config.orgs.iter().filter(|org| org.demo.is_some()) {
        Certificate::of(org).map_err(CommandError::Other)?;
    }
    let path = args.config();
    let path = path.as_deref().unwrap_or_else(|| Path::new(DEFAULT_PATH));
    let orgs: Vec<_> = config.orgs.iter().map(|org| org.name.as_str()).collect();
    say(&format!("{}: ok, for {}", path.display(), orgs.join(", ")));
    if let Some(remark) = sandbox::remark(&config) {
        say(&remark);
    }
    Ok(())
}

/// Whatever else the configuration says: a proxy serves on while the file has a mistake.
fn health(args: &ConfigArgs) -> Result<(), CommandError> {
    let listeners = Config::load_listeners(args.config().as_deref(), &args.overrides);
    if listeners.is_empty() {
        load(args)?;
    }
    let listeners: Vec<_> = listeners.into_iter().map(|it| it.listen).collect();
    runtime()?
        .block_on(health::check(&listeners))
        .map_err(|(listen, reason)| {
            let reason = format!(
                "{reason}; if the proxy listens elsewhere, the file is newer than the process: run \
                 `orgproxy reload`"
            );
            CommandError::Unwell(listen, reason)
        })
}

fn trust(args: &TrustArgs) -> Result<(), CommandError> {
    let file = args.source.config();
    let (folder, withheld) = Config::load_state_dir(file.as_deref(), &args.source.overrides)?;
    let action = match (args.system, &args.java, args.undo) {
        (true, _, false) => Action::System,
        (true, _, true) => Action::UndoSystem,
        (false, Some(store), false) => Action::Java(store),
        (false, Some(store), true) => Action::UndoJava(store),
        (false, None, _) => Action::Print(Config::load_listeners(
            file.as_deref(),
            &args.source.overrides,
        )),
    };
    say(&trust::carry_out(&action, &folder, withheld)?);
    Ok(())
}

/// Prints a line on standard output. Nobody reading it is not a reason to stop.
fn say(line: &str) {
    use io::Write;

    let _ = writeln!(io::stdout().lock(), "{line}");
}
