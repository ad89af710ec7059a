//! The preparations that commands share: a configuration, a runtime, and the demo orgs.

use std::{io, ops::Deref};

use tokio::sync::oneshot;

use super::{CommandError, demo::Demos};
use crate::{
    cli::ConfigArgs,
    config::{Config, ConfigError},
    system::signal,
};

pub(crate) fn load(args: &ConfigArgs) -> Result<Config, ConfigError> {
    Config::load(args.config().as_deref(), &args.overrides)
}

/// A configuration whose demo orgs, if it has any, are running.
pub(crate) struct Ready {
    pub(crate) config: Config,
    /// They end when dropped.
    pub(super) demos: Demos,
}

impl Ready {
    /// Starts the demo orgs that `config` wants.
    ///
    /// # Errors
    /// A certificate that is not where the demo org looks for it, or no free port.
    pub(crate) async fn start(mut config: Config) -> Result<Self, CommandError> {
        let mut demos = Demos::default();
        demos.lead(&mut config).await?;
        Ok(Self { config, demos })
    }
}

/// Prepares the process for serving. From then on only signals that ask for an end stop it: at once
/// during the start, which is while the returned sender lives.
///
/// # Errors
/// When the system refuses a runtime, a thread, or to deliver signals.
pub(super) fn begin_to_serve() -> io::Result<(Runtime, oneshot::Sender<()>)> {
    let runtime = runtime()?;
    signal::outlive_others(&runtime)?;
    let starting = signal::end_meanwhile()?;
    Ok((runtime, starting))
}

pub(crate) fn runtime() -> io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(Runtime(runtime))
}

/// A runtime that does not wait at its end for a thread that is stuck in a system call, such as
/// reading a file that has no end.
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
