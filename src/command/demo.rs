//! `orgproxy demo`: the demo org, and the proxy in front of it.

use std::{io, net::Ipv4Addr, path::Path};

use super::{CommandError, ready::begin_to_serve, serve};
use crate::{
    cli::DemoArgs,
    config::{
        Admin, Certificate, Config, ConfigError, Credential, Listen, LogSink, Org, PrivateKey,
        PubSub, Traces,
    },
    demo,
    system::{process, telemetry},
};

/// Starts an org in this process, and the proxy in front of it as `run` does.
pub(super) fn run(args: &DemoArgs) -> Result<(), CommandError> {
    process::harden();
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
    let sink = LogSink::parse(&args.access_log, Path::new(""));
    let sink = sink.map_err(|mistake| ConfigError::from(format!("--access-log: {mistake}")))?;
    config.access_log.sink = Some(sink);
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

/// Running demo orgs. They end when dropped.
pub(super) type Demos = Vec<demo::Org>;

/// Starts the demo orgs that `config` wants.
///
/// # Errors
/// A certificate that is not where the demo org looks for it, or no free port.
pub(super) async fn start(config: &mut Config) -> Result<Demos, CommandError> {
    let mut demos = Vec::new();
    for org in config.orgs.iter_mut().filter(|org| org.demo.is_some()) {
        let certificate = Certificate::of(org).map_err(CommandError::Other)?;
        let demo = demo::Org::start_with(demo::App {
            client_id: org.credential.client_id().to_owned(),
            username: org.username.clone(),
            certificate: certificate.der,
        })
        .await?;
        lead_to(&demo, org);
        let refusal = org.demo.as_ref().and_then(|demo| demo.refusal);
        demo.set(|knobs| knobs.refusal = refusal);
        demos.push(demo);
    }
    Ok(demos)
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
