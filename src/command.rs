//! What each command does.

use std::{io, ops::Deref, path::Path, process::ExitCode};

use tokio::sync::oneshot;

use self::trust::Deed;
pub use self::trust::TrustError;
use crate::{
    cli::{Command, ConfigArgs, DemoArgs, TrustArgs},
    config::{Certificate, Config, ConfigError, Listen, Org, PrivateKey, PubSub},
    demo,
    server::{Server, StartupError},
    system::{process, signal, telemetry, terminal, visible},
};

mod answer;
mod child;
mod client;
mod doctor;
mod health;
mod init;
mod json;
mod output;
mod query;
mod request;
mod shell;
mod token;
mod trust;

/// Carries out `command`. Gives the code to end with, when all there is to tell has been told.
///
/// # Errors
/// What there is to tell the person who gave it.
pub fn execute(command: Command) -> Result<ExitCode, CommandError> {
    match command {
        Command::Run(args) if args.program.is_empty() => run(&args.source)?,
        Command::Run(args) => return child::run(&args),
        Command::Init(args) => return init::run(&args),
        Command::Doctor(args) => return doctor::run(&args),
        Command::Token(args) => return token::run(&args),
        Command::Query(args) => return query::run(&args),
        Command::Request(args) => return request::run(&args),
        Command::Demo(args) => demo(&args)?,
        Command::Check(args) => check(&args)?,
        Command::Health(args) => health(&load(&args)?)?,
        Command::Trust(args) => trust(&args)?,
        Command::Completions(args) => return shell::completions(&args),
        Command::Man(args) => return shell::manual(&args),
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a command failed.
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
    /// `log` is no filter.
    #[error("cannot read the log filter: {0}; use such as info or orgproxy=debug")]
    Log(#[from] tracing_subscriber::filter::ParseError),
    /// The local certificate authority, or a program's trust in it.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The proxy asked about is not well.
    #[error("{0} is not well: {1}")]
    Unwell(Listen, String),
    /// The program to run cannot be started.
    #[error("cannot run {0}: {1}")]
    Program(String, #[source] io::Error),
    /// Whatever else there is to tell.
    #[error("{0}")]
    Other(String),
}

impl CommandError {
    /// Tells the person who gave the command.
    pub fn tell(&self) {
        let text = format!("orgproxy: {self}");
        let lines = visible::lines(&text);
        let lines = lines.lines().map(|line| match terminal::is_heeded() {
            true => terminal::wrap(line, 0) + "\n",
            // Programs look for words in lines.
            false => format!("{line}\n"),
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
            | Self::Trust(_)
            | Self::Unwell(..)
            | Self::Other(_) => ExitCode::FAILURE,
        }
    }
}

pub(crate) fn load(args: &ConfigArgs) -> Result<Config, ConfigError> {
    Config::load(args.config().as_deref(), &args.overrides)
}

fn run(args: &ConfigArgs) -> Result<(), CommandError> {
    process::harden();
    let runtime = runtime()?;
    signal::outlive_others(&runtime)?;
    let starting = signal::end_meanwhile()?;
    let config = load(args)?;
    let _log = telemetry::init(&config.log)?;
    runtime.block_on(async {
        let ready = Ready::start(config).await?;
        serve(ready.config.clone(), "", starting).await
    })
}

/// A configuration whose demo orgs, if it has any, are running.
pub(crate) struct Ready {
    pub(crate) config: Config,
    /// Dropped, they end.
    _demos: Vec<demo::Org>,
}

impl Ready {
    /// Starts the demo orgs that `config` wants.
    ///
    /// # Errors
    /// A certificate that is not where the demo org looks for it, or no port.
    pub(crate) async fn start(mut config: Config) -> Result<Self, CommandError> {
        let mut demos = Vec::new();
        for org in config.orgs.iter_mut().filter(|org| org.demo.is_some()) {
            let certificate = Certificate::of(org).map_err(CommandError::Other)?;
            let demo = demo::Org::start_with(demo::App {
                client_id: org.client_id.clone(),
                username: org.username.clone(),
                certificate: certificate.der,
            })
            .await?;
            demo.take_in(org);
            let refusal = org.demo.as_ref().and_then(|demo| demo.refusal);
            demo.set(|knobs| knobs.refusal = refusal);
            demos.push(demo);
        }
        Ok(Self {
            config,
            _demos: demos,
        })
    }
}

/// Starts an org in this process, and the proxy in front of it by the very same way as `run`.
fn demo(args: &DemoArgs) -> Result<(), CommandError> {
    process::harden();
    let runtime = runtime()?;
    signal::outlive_others(&runtime)?;
    let starting = signal::end_meanwhile()?;
    let _log = telemetry::init(&args.log)?;
    runtime.block_on(async {
        let org = demo::Org::start().await?;
        let refusal = args.refuse.as_deref().and_then(demo::Refusal::named);
        org.set(|knobs| knobs.refusal = refusal);
        // The local authority is a throwaway, too.
        let state = tempfile::Builder::new()
            .prefix("orgproxy-demo-")
            .tempdir()?;
        let instance = org.instance_url();
        let instance = instance.trim_start_matches("https://");
        let hints = DEMO_HINTS.replace("{instance}", instance);
        serve(demo_config(&org, args, state.path())?, &hints, starting).await
    })
}

fn demo_config(demo: &demo::Org, args: &DemoArgs, state: &Path) -> Result<Config, CommandError> {
    let key = PrivateKey::parse(
        "the key of the demo",
        demo.private_key_pem().as_bytes(),
        None,
    )
    .map_err(io::Error::other)?;
    let mut org = Org::new(
        "demo".to_owned(),
        demo.login_url(),
        demo.client_id().to_owned(),
        demo.username().to_owned(),
        key,
    );
    let beside = |port: Option<u16>, usual| match args.port {
        0 => port.unwrap_or(0),
        _ => port.unwrap_or(usual),
    };
    org.listen = vec![
        Listen::loopback(args.port),
        Listen::loopback_https(beside(args.https_port, 8443)),
    ];
    org.pubsub = Some(PubSub {
        listen: vec![Listen::loopback(beside(args.pubsub_port, 7443))],
        endpoint: demo.pubsub_endpoint(),
    });
    org.intercept = args.intercept;
    demo.take_in(&mut org);
    let mut config = Config::new(vec![org]);
    config.state_dir = Some(state.to_owned());
    if let Some(threads) = args.threads {
        config.threads = threads.into();
    }
    Ok(config)
}

/// Serves until a signal. What it prints of its first listener ends with `hints`, where `{url}` is where to ask.
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
    server.serve(shutdown).await?;
    Ok(())
}

fn check(args: &ConfigArgs) -> Result<(), CommandError> {
    let config = load(args)?;
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
    let deed = match (args.system, &args.java, args.undo) {
        (true, _, false) => Deed::System,
        (true, _, true) => Deed::UndoSystem,
        (false, Some(store), false) => Deed::Java(store),
        (false, Some(store), true) => Deed::UndoJava(store),
        (false, None, _) => {
            let file = args.source.config();
            Deed::Tell(Config::load_listeners(
                file.as_deref(),
                &args.source.overrides,
            ))
        }
    };
    say(&trust::carry_out(&deed, &folder)?);
    Ok(())
}

pub(crate) fn runtime() -> io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(Runtime(runtime))
}

/// A runtime that does not wait, at its end, for what is stuck in the system, such as in reading a
/// file that has no end.
pub(crate) struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    pub(crate) fn block_on<T>(self, future: impl Future<Output = T>) -> T {
        let outcome = self.0.block_on(future);
        self.0.shutdown_background();
        outcome
    }
}

impl Deref for Runtime {
    type Target = tokio::runtime::Runtime;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// One line on standard output. What is not read there is not worth dying for.
fn say(line: &str) {
    use io::Write;

    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// More to try with the sample data of the demo org.
const DEMO_HINTS: &str = "
  curl {url}/services/data/v62.0/sobjects/Account/describe
  curl -G {url}/services/data/v62.0/query --data-urlencode \"q=SELECT Id, Name FROM Account WHERE Name LIKE 'A%' ORDER BY Name LIMIT 5\"
  curl {url}/services/data/v62.0/sobjects/Account -H 'Content-Type: application/json' -d '{\"Name\": \"Made by curl\"}'
  curl -X DELETE {url}/services/apexrest/demo/session   # ends the session in the org, which nothing after it notices
  curl -x {url} http://{instance}/services/oauth2/userinfo";
