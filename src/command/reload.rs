//! `orgproxy reload`, and how a running proxy reads its configuration again.

use std::{io, path::Path, process::ExitCode, time::Duration};

use http::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};

use super::{CommandError, admin::Target, demo::Demos, load, runtime, sandbox};
use crate::{
    cli::{ConfigArgs, ReloadArgs},
    config::{Config, ConfigError, LogSink, Stamps},
    server::{ReloadStatus, Source},
    system::{
        escape,
        pid_file::{PidFile, PidFileError},
        terminal,
    },
};

/// Has a running proxy reload, and says what came of it.
pub(super) fn run(args: &ReloadArgs) -> Result<ExitCode, CommandError> {
    let source = &args.admin.source;
    // The proxy that runs may have another address than the file has now, or none that can be read.
    let signal = || {
        let file = match args.admin.url {
            None => Config::load_pid_file(source.config().as_deref(), &source.overrides),
            Some(_) => None,
        };
        file.map(|file| signal(&file))
    };
    let target = match Target::of(args.admin.url.as_ref(), source) {
        Ok(target) => target,
        Err(error) => return signal().unwrap_or(Err(error.into())),
    };
    let asked = runtime()?.block_on(target.send(Method::POST, "/api/reload", TIMEOUT));
    let reply = match asked {
        Ok(reply) => reply,
        Err(error) => {
            let signalled = error.is_of_nobody().then(signal).flatten();
            let described = CommandError::Other(target.describe(&error));
            return signalled.unwrap_or(Err(described));
        }
    };
    match serde_json::from_slice::<ReloadStatus>(&reply.body) {
        Ok(outcome) => Ok(report(&outcome)),
        Err(_) if reply.status == StatusCode::NOT_FOUND => Err(CommandError::Other(
            "the proxy that runs is older than this program and cannot reload; restart it".into(),
        )),
        Err(_) => {
            let reason = String::from_utf8_lossy(&reply.body);
            let reason = reason.trim().trim_start_matches("orgproxy: ");
            Err(CommandError::Other(reason.to_owned()))
        }
    }
}

/// Has the process whose number is in `file` reload. It cannot say what comes of it.
fn signal(file: &Path) -> Result<ExitCode, CommandError> {
    let path = file.display();
    let holder = PidFile::holder(file).map_err(|error| match error {
        PidFileError::Io(_, error) if error.kind() == io::ErrorKind::PermissionDenied => {
            CommandError::Other(format!(
                "cannot read pid_file {path}: {error}; run this as root or as its user"
            ))
        }
        error => error.into(),
    })?;
    let process = holder.and_then(|holder| Pid::from_raw(holder.process.cast_signed()));
    let (Some(holder), Some(process)) = (holder, process) else {
        let message = format!("no proxy runs that has pid_file {path}: start it");
        return Err(CommandError::Other(message));
    };
    if !holder.is_of_its_user() {
        let (process, user) = (holder.process, holder.user);
        return Err(CommandError::Other(format!(
            "pid_file {path} names process {process}, which is not one of user {user}, whose file \
             that is, and gets no signal; find out who wrote it, and remove it"
        )));
    }
    let number = process.as_raw_nonzero();
    kill_process(process, Signal::HUP).map_err(|error| {
        CommandError::Other(format!(
            "cannot signal process {number} of {path}: {error}; run this as root or as its user"
        ))
    })?;
    terminal::print(&format!(
        "asked process {number} to reload by SIGHUP; its log says what came of it\n"
    ));
    Ok(ExitCode::SUCCESS)
}

fn report(outcome: &ReloadStatus) -> ExitCode {
    if !outcome.succeeded {
        let mut mistakes = String::from(
            "orgproxy: not reloaded, because of these mistakes; what was in use stays:\n",
        );
        for mistake in &outcome.mistakes {
            mistakes += &escape::line(mistake);
            mistakes.push('\n');
        }
        terminal::note(&mistakes);
        return ExitCode::from(64);
    }
    terminal::print("reloaded\n");
    if !outcome.needs_restart.is_empty() {
        let keys = outcome.needs_restart.join(", ");
        let keys = escape::line(&keys);
        terminal::print(&format!("restart orgproxy to apply the change of {keys}\n"));
    }
    ExitCode::SUCCESS
}

/// The file, flags and variables of the command that runs the proxy.
pub(super) struct FileSource {
    args: ConfigArgs,
    demos: Demos,
    /// If true, the file must have a text.
    has_text: bool,
}

impl FileSource {
    /// That of `args`, whose demo orgs run as `demos`.
    pub(super) fn new(args: ConfigArgs, demos: Demos) -> Self {
        let has_text = Config::has_text(args.config().as_deref());
        Self {
            args,
            demos,
            has_text,
        }
    }
}

impl Source for FileSource {
    async fn read(&mut self) -> Result<Config, Vec<String>> {
        let args = self.args.clone();
        let had_text = self.has_text;
        // Programs may give secrets, and take their time.
        let read = tokio::task::spawn_blocking(move || read_again(&args, had_text)).await;
        let read = read.map_err(|error| vec![error.to_string()])?;
        let mut config = read.map_err(|error| error.mistakes().to_vec())?;
        let mistakes = sandbox::mistakes(&config);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let led = self.demos.lead(&mut config).await;
        led.map_err(|error| vec![error.to_string()])?;
        self.has_text = self.has_text || Config::has_text(self.args.config().as_deref());
        Ok(config)
    }

    async fn look(&self) -> Stamps {
        let args = self.args.clone();
        let look = move || Config::stamps(args.config().as_deref(), &args.overrides);
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// Reads the configuration of a proxy that runs on its own.
pub(super) fn read(args: &ConfigArgs) -> Result<Config, ConfigError> {
    Ok(seen_by_people(load(args)?))
}

fn read_again(args: &ConfigArgs, had_text: bool) -> Result<Config, ConfigError> {
    if !had_text {
        return read(args);
    }
    let config = Config::load_again(args.config().as_deref(), &args.overrides)?;
    Ok(seen_by_people(config))
}

fn seen_by_people(mut config: Config) -> Config {
    if terminal::stderr_is_terminal() {
        config.access_log.sink.get_or_insert(LogSink::Stderr);
    }
    config
}

/// For programs that give secrets, one after another.
const TIMEOUT: Duration = Duration::from_secs(60);
