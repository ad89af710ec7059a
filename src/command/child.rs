//! Running a program with an environment that leads it to the proxy.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::process::ExitStatusExt,
    },
    process::{ExitCode, ExitStatus},
};

use rustix::{
    process::{Pid, Signal, getpgrp, kill_process},
    termios::tcgetpgrp,
};
use tokio::{
    process::{Child, Command},
    sync::oneshot,
};

use self::{bundle::Bundle, environment::Environment};
use super::{CommandError, Ready, load, ready::begin_to_serve};
use crate::{
    cli::RunArgs,
    config::{Config, HEADER_VARIABLES, given},
    network,
    server::Server,
    system::{
        children, process,
        signal::{self, Signals},
        telemetry,
    },
};

mod bundle;
mod environment;

/// Runs the proxy for as long as the program runs, and ends as that does. Standard output is the
/// program's alone.
///
/// It logs in first: a program has no use for an org that cannot be had, and its placeholder has to
/// begin with the id of the org, by which the Salesforce CLI keeps what it knows of one. The program
/// has the `usual` limits of this system.
pub(super) fn run(args: &RunArgs, usual: &process::Limits) -> Result<ExitCode, CommandError> {
    let (runtime, starting) = begin_to_serve()?;
    let config = load(&args.source)?;
    let _log = telemetry::init(&config.log)?;
    let first = match &args.org {
        Some(name) => config.org(Some(name))?,
        None => &config.orgs[0],
    };
    let first = first.name.clone();
    runtime.block_on(async {
        let ready = Ready::start(config).await?;
        let server = Server::bind(ready.config.clone()).await?;
        for bound in server.bound() {
            tracing::debug!("{bound}");
            if let Some(missing) = bound.missing.filter(|missing| missing.is_taken) {
                tracing::warn!("{missing}");
            }
        }
        let placeholder = server.placeholder(&first).await;
        let placeholder =
            placeholder.map_err(|error| CommandError::Other(format!("cannot log in: {error}")))?;
        let bundle = Bundle::of(&ready.config)?;
        let environment = Environment::new(&server.bound(), &first, &placeholder, bundle.as_ref())?;

        let mut signals = Signals::listen()?;
        drop(starting);
        // Dropped, it stops the proxy.
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        let mut command = command(&args.program, &environment, &ready.config);
        let started = usual.start(|| command.spawn());
        let ended = match started {
            Err(error) => Err(CommandError::Program(name(&args.program), error)),
            Ok(child) => tokio::select! {
                status = wait(child, &mut signals) => Ok(code(status?)),
                // It has no reason to end, so that is an error.
                served = &mut serving => {
                    served.map_err(io::Error::other)??;
                    return Ok(ExitCode::FAILURE);
                }
            },
        };
        drop(stop);
        // Processes that the program left behind may still send requests.
        tokio::select! {
            served = serving => {
                served.map_err(io::Error::other)??;
            }
            _ = signals.ending() => {}
        }
        ended
    })
}

fn command(program: &[OsString], environment: &Environment, config: &Config) -> Command {
    let mut words = program.iter();
    let program = words.next().cloned().unwrap_or_default();
    let mut command = Command::from(children::command(program, &config.secret_variables));
    command.args(words).kill_on_drop(true);
    for (name, value) in network::without_credentials() {
        command.env(name, value);
    }
    for (name, value) in environment.variables() {
        command.env(name, value);
    }
    // They are for the proxy alone.
    for name in config.traces.iter().flat_map(|_| HEADER_VARIABLES) {
        command.env_remove(name);
    }
    command
}

/// Waits for the end of `child`, and passes signals on to it; a second one that asks for an end
/// kills it.
///
/// Signals typed at a terminal reach it directly, because it is in our process group: they are only
/// kept from ending this process.
async fn wait(mut child: Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let mut passed = false;
    loop {
        let received = tokio::select! {
            status = child.wait() => return status,
            received = signals.next() => received,
        };
        if matches!(received, Signal::INT | Signal::QUIT) && is_in_the_foreground() {
            continue;
        }
        let is_ending = signal::is_ending(received);
        let passed_on = if passed && is_ending {
            Signal::KILL
        } else {
            received
        };
        passed |= is_ending;
        if let Some(id) = id {
            // It may have ended by now, which the next turn finds out.
            let _ = kill_process(id, passed_on);
        }
    }
}

/// Returns whether the terminal sends signals that are typed to our process group.
fn is_in_the_foreground() -> bool {
    let group = |terminal: BorrowedFd<'_>| tcgetpgrp(terminal).ok();
    let groups = [
        group(io::stdin().as_fd()),
        group(io::stdout().as_fd()),
        group(io::stderr().as_fd()),
    ];
    groups.contains(&Some(getpgrp()))
}

/// The exit code as shells report it.
fn code(status: ExitStatus) -> ExitCode {
    let code = match status.code() {
        Some(code) => code,
        None => 128 + status.signal().unwrap_or_default(),
    };
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn name(program: &[OsString]) -> String {
    program
        .first()
        .map_or_else(String::new, |name| given::word(&name.to_string_lossy()))
}
