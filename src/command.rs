//! What each command does.

use std::{io, path::Path, process::ExitCode};

use tokio::sync::oneshot;

pub(crate) use self::ready::{Ready, load, runtime};
use self::trust::Action;
pub use self::{error::CommandError, trust::TrustError};
use crate::{
    cli::{Command, ConfigArgs, DemoArgs, TrustArgs},
    config::{Config, Listen, Org, PrivateKey, PubSub},
    demo,
    server::Server,
    system::{process, signal, telemetry},
};

mod answer;
mod child;
mod client;
mod doctor;
mod error;
mod health;
mod init;
mod json;
mod output;
mod query;
mod ready;
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
    ready::lead_to(demo, &mut org);
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
    let action = match (args.system, &args.java, args.undo) {
        (true, _, false) => Action::System,
        (true, _, true) => Action::UndoSystem,
        (false, Some(store), false) => Action::Java(store),
        (false, Some(store), true) => Action::UndoJava(store),
        (false, None, _) => {
            let file = args.source.config();
            Action::Tell(Config::load_listeners(
                file.as_deref(),
                &args.source.overrides,
            ))
        }
    };
    say(&trust::carry_out(&action, &folder)?);
    Ok(())
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
