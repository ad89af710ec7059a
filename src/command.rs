//! What each command does.

use std::{io, path::Path, process::ExitCode, time::Duration};

use http::{Method, Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::{
    cli::{Command, DemoArgs, RunArgs},
    config::{Config, ConfigError, Listen, Org, PrivateKey},
    demo, process,
    server::{Server, StartupError},
    signal, telemetry,
};

/// Carries out `command`.
///
/// # Errors
/// What there is to tell the person who gave it.
pub fn execute(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Run(args) => run(load(&args)?),
        Command::Check(args) => check(&args),
        Command::Health(args) => health(&load(&args)?),
        Command::Demo(args) => demo(&args),
    }
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
    /// The proxy asked about is not well.
    #[error("{0} is not well: {1}")]
    Unwell(Listen, String),
}

impl CommandError {
    /// 64 for a configuration that cannot be used (`EX_USAGE`), 1 for anything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Log(_) => 64.into(),
            Self::Startup(_) | Self::System(_) | Self::Unwell(..) => ExitCode::FAILURE,
        }
    }
}

fn load(args: &RunArgs) -> Result<Config, ConfigError> {
    Config::load(args.config().as_deref(), &args.overrides)
}

fn run(config: Config) -> Result<(), CommandError> {
    let _log = telemetry::init(&config.log)?;
    process::harden();
    runtime()?.block_on(serve(config, ""))
}

/// Starts an org in this process, and the proxy in front of it by the very same way as `run`.
fn demo(args: &DemoArgs) -> Result<(), CommandError> {
    let _log = telemetry::init(&args.log)?;
    process::harden();
    runtime()?.block_on(async {
        let org = demo::Org::start().await?;
        serve(demo_config(&org, args)?, DEMO_HINTS).await
    })
}

fn demo_config(demo: &demo::Org, args: &DemoArgs) -> Result<Config, CommandError> {
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
    org.listen = vec![Listen::loopback(args.port)];
    org.trusted_hosts = vec!["localhost".to_owned()];
    org.ca = vec![demo.ca_der()];
    let mut config = Config::new(vec![org]);
    if let Some(threads) = args.threads {
        config.threads = threads.into();
    }
    Ok(config)
}

/// Serves until a signal. What it prints first ends with `hints`, where `{url}` is where to ask.
async fn serve(config: Config, hints: &str) -> Result<(), CommandError> {
    let shutdown = signal::shutdown()?;
    let server = Server::bind(config).await?;
    for bound in server.bound() {
        say(&format!("{bound}{}", hints.replace("{url}", &bound.url())));
    }
    server.serve(shutdown).await?;
    Ok(())
}

fn check(args: &RunArgs) -> Result<(), CommandError> {
    let config = load(args)?;
    let path = args.config();
    let path = path.as_deref().unwrap_or_else(|| Path::new("proxy.toml"));
    let orgs: Vec<_> = config.orgs.iter().map(|org| org.name.as_str()).collect();
    say(&format!("{}: ok, for {}", path.display(), orgs.join(", ")));
    Ok(())
}

/// Asks each listener what it can do. Any answer that a proxy of ours marked will do, a refusal
/// too: that the org is well is not the question.
fn health(config: &Config) -> Result<(), CommandError> {
    runtime()?.block_on(async {
        for listen in config.orgs.iter().flat_map(|org| &org.listen) {
            let answer = tokio::time::timeout(PATIENCE, probe(listen)).await;
            let reason = match answer {
                Ok(Ok(true)) => continue,
                Ok(Ok(false)) => "something else answers there".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {}s", PATIENCE.as_secs()),
            };
            return Err(CommandError::Unwell(listen.clone(), reason));
        }
        Ok(())
    })
}

async fn probe(listen: &Listen) -> io::Result<bool> {
    match listen {
        Listen::Tcp(address) => ask(TcpStream::connect(address).await?).await,
        Listen::Https(address) => ask(TcpStream::connect(address).await?).await,
        Listen::Unix(path) => ask(UnixStream::connect(path).await?).await,
    }
}

async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<bool> {
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("*")
        .header(header::HOST, "localhost")
        .body(Empty::<&[u8]>::new())
        .map_err(io::Error::other)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let mark = answer.headers().get("proxy-status");
    Ok(mark.is_some_and(|mark| mark.as_bytes().starts_with(b"orgproxy")))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
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
  curl -x {url} http://localhost/services/oauth2/userinfo";

/// For a listener on this machine to answer.
const PATIENCE: Duration = Duration::from_secs(5);
