//! `orgproxy demo`: the demo org, and the proxy in front of it.

use std::{io, net::Ipv4Addr, path::Path};

use super::{CommandError, ready::begin_to_serve, sandbox::Entered, serve};
use crate::{
    cli::DemoArgs,
    config::{
        Admin, Certificate, Config, ConfigError, Credential, Listen, LogFormat, LogSink, Org,
        PrivateKey, PubSub, Traces,
    },
    demo,
    server::StartupError,
    system::telemetry,
};

/// Starts an org in this process, and the proxy in front of it as `run` does.
pub(super) fn run(args: &DemoArgs) -> Result<(), CommandError> {
    let (runtime, starting) = begin_to_serve()?;
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
        let hints = HINTS.replace("{instance}", instance);
        let config = demo_config(&org, args, state.path())?;
        let served = serve(config, &hints, starting, &Entered::Off, None).await;
        served.map_err(|error| match error {
            CommandError::Startup(StartupError::Bind(listen, error))
                if error.kind() == io::ErrorKind::AddrInUse =>
            {
                CommandError::Other(format!(
                    "cannot listen on {listen}: {error}; stop what listens there (another demo?), \
                     or choose other ports (--port, --https-port, --pubsub-port; --port 0 takes \
                     any free ones)"
                ))
            }
            other => other,
        })
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
        demo.username().to_owned(),
        Credential::jwt_bearer(demo.client_id().to_owned(), key),
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
    lead_to(demo, &mut org);
    let mut config = Config::new(vec![org]);
    config.state_dir = Some(state.to_owned());
    let mistake = |flag, mistake| ConfigError::from(format!("{flag}: {mistake}"));
    let log = &mut config.access_log;
    let sink = LogSink::parse(&args.access_log, Path::new(""));
    log.sink = Some(sink.map_err(|error| mistake("--access-log", error))?);
    let format = LogFormat::parse(&args.access_log_format);
    log.format = format.map_err(|error| mistake("--access-log-format", error))?;
    config.admin = Some(admin(args));
    config.traces = Traces::from_env()?;
    if let Some(threads) = args.threads {
        config.threads = threads.into();
    }
    Ok(config)
}

/// The admin listener, which the demo does without if nobody asked for it and its port is taken.
fn admin(args: &DemoArgs) -> Admin {
    let mut usual = Admin::usual();
    if args.port == 0 {
        usual.listen = Listen::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    }
    usual.is_optional = true;
    args.admin_listen.clone().unwrap_or(usual)
}

/// Running demo orgs, by the names of the orgs that they take the place of. They end when dropped.
#[derive(Default)]
pub(super) struct Demos(Vec<(String, demo::App, demo::Org)>);

impl Demos {
    /// Leads every org of `config` that wants one to its demo org, which is started unless it runs.
    ///
    /// # Errors
    /// A certificate that is not where the demo org looks for it, or no free port.
    pub(super) async fn lead(&mut self, config: &mut Config) -> Result<(), CommandError> {
        for org in config.orgs.iter_mut().filter(|org| org.demo.is_some()) {
            let certificate = Certificate::of(org).map_err(CommandError::Other)?;
            let app = demo::App {
                client_id: org.credential.client_id().to_owned(),
                username: org.username.clone(),
                certificate: certificate.der,
            };
            let is_it = |(name, its, _): &(String, demo::App, _)| *name == org.name && *its == app;
            let at = match self.0.iter().position(is_it) {
                Some(at) => at,
                None => {
                    let demo = demo::Org::start_with(app.clone()).await?;
                    self.0.push((org.name.clone(), app, demo));
                    self.0.len() - 1
                }
            };
            let (_, _, demo) = &self.0[at];
            lead_to(demo, org);
            let refusal = org.demo.as_ref().and_then(|demo| demo.refusal);
            let users = org.users.as_ref();
            let users = users.map(|users| users.besides(&org.username));
            let users = users.into_iter().flatten().map(str::to_owned).collect();
            demo.set(|knobs| {
                knobs.refusal = refusal;
                knobs.users = users;
            });
        }
        Ok(())
    }
}

/// Points logins and calls of `org` to `demo`, past any proxy that the environment names.
fn lead_to(demo: &demo::Org, org: &mut Org) {
    org.demo.get_or_insert_default();
    org.login_url = demo.login_url();
    org.audience = demo.audience();
    org.trusted_hosts.push("localhost".to_owned());
    org.ca.push(demo.ca_der());
    if let Some(pubsub) = &mut org.pubsub {
        pubsub.endpoint = demo.pubsub_endpoint();
    }
}

/// More to try with the sample data of the demo org.
const HINTS: &str = "
  curl {url}/services/data/v62.0/sobjects/Account/describe
  curl -G {url}/services/data/v62.0/query --data-urlencode \"q=SELECT Id, Name FROM Account WHERE Name LIKE 'A%' ORDER BY Name LIMIT 5\"
  curl {url}/services/data/v62.0/sobjects/Account -H 'Content-Type: application/json' -d '{\"Name\": \"Made by curl\"}'
  curl -X DELETE {url}/services/apexrest/demo/session   # ends the session in the org; later requests do not notice
  curl -x {url} http://{instance}/services/oauth2/userinfo";
