//! What commands need before they can do anything: a configuration, a runtime, and the demo orgs.

use std::{io, ops::Deref};

use super::CommandError;
use crate::{
    cli::ConfigArgs,
    config::{self, Certificate, Config, ConfigError},
    demo,
};

pub(crate) fn load(args: &ConfigArgs) -> Result<Config, ConfigError> {
    Config::load(args.config().as_deref(), &args.overrides)
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
            lead_to(&demo, org);
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

/// Has `org` log in at `demo`, and its calls go there, and not by a proxy of the environment.
pub(super) fn lead_to(demo: &demo::Org, org: &mut config::Org) {
    org.demo.get_or_insert_default();
    org.login_url = demo.login_url();
    org.audience = demo.audience();
    org.trusted_hosts.push("localhost".to_owned());
    org.ca.push(demo.ca_der());
    if let Some(pubsub) = &mut org.pubsub {
        pubsub.endpoint = demo.pubsub_endpoint();
    }
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
