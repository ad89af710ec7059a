//! Taking a changed configuration while serving: all of it, or nothing if there is any mistake.

use std::{
    fmt::{self, Display, Formatter},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    signal::unix::Signal,
    sync::{mpsc, oneshot},
};

use super::{running::Running, upgrade};
use crate::{
    config::{Config, Stamps},
    system::{escape, pid_file::PidFile},
};

/// Where a configuration can be read again.
pub(crate) trait Source: Send {
    /// Reads it just as at the start.
    ///
    /// # Errors
    /// Every mistake in it.
    fn read(&mut self) -> impl Future<Output = Result<Config, Vec<String>>> + Send;

    /// Looks at the files that it is read from.
    fn look(&self) -> impl Future<Output = Stamps> + Send;
}

/// What has a server reload, and from where.
pub(crate) struct Reloading<S> {
    pub(crate) source: S,
    /// The files as they were before they were read for the first time.
    pub(crate) seen: Stamps,
    /// SIGHUP.
    pub(crate) hangups: Signal,
    /// SIGUSR2, at which a new process takes over.
    pub(crate) upgrades: Signal,
    /// The path of the program, as it was at the start: another version may be there by now.
    pub(crate) program: PathBuf,
    /// If there is one, it may have become that of a process which did not take over.
    pub(crate) pid_file: Option<Arc<PidFile>>,
}

/// For a server that does not reload.
pub(super) enum NoSource {}

/// What became of reloads so far.
#[derive(Default)]
pub(super) struct Reloads {
    /// Where to ask for one.
    asks: Option<mpsc::UnboundedSender<Ask>>,
    pub(super) succeeded: AtomicU64,
    pub(super) refused: AtomicU64,
    last: Mutex<Option<Outcome>>,
}

/// Somebody who waits for the outcome.
pub(super) type Ask = oneshot::Sender<Outcome>;

/// What became of one.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) at: SystemTime,
    pub(super) by: String,
    /// If there is any, nothing has changed.
    pub(super) mistakes: Vec<String>,
    /// Keys whose new values need a restart.
    pub(super) needs_restart: Vec<&'static str>,
}

/// Reloads whenever something asks for it, until a new process has taken over.
pub(super) async fn keep_reloading<S: Source>(
    by: Option<&mut Reloading<S>>,
    running: &mut Running,
    reloads: &Reloads,
    mut asks: mpsc::UnboundedReceiver<Ask>,
) {
    let Some(by) = by else {
        return std::future::pending().await;
    };
    loop {
        let mut waiting = Vec::new();
        let is_watching = running.generation.config.watch_files;
        let trigger = tokio::select! {
            Some(()) = by.hangups.recv() => Trigger::Signal,
            Some(()) = by.upgrades.recv() => {
                let pid_file = by.pid_file.as_ref();
                match upgrade::hand_over(&by.program, pid_file, running).await {
                    Ok(process) => {
                        tracing::info!(process, "handed over to a new process");
                        return;
                    }
                    Err(reason) => {
                        tracing::error!("did not hand over to a new process: {reason}");
                        continue;
                    }
                }
            }
            Some(ask) = asks.recv() => {
                waiting.push(ask);
                Trigger::Command
            }
            file = changed(&by.seen), if is_watching => Trigger::File(file),
            else => std::future::pending().await,
        };
        while let Ok(ask) = asks.try_recv() {
            waiting.push(ask);
        }
        running.report_reload();
        let outcome = reload(by, running, &trigger).await;
        running.report(outcome.remark());
        outcome.log();
        reloads.note(outcome.clone());
        for ask in waiting {
            // It may have stopped waiting.
            let _ = ask.send(outcome.clone());
        }
    }
}

async fn reload<S: Source>(
    by: &mut Reloading<S>,
    running: &mut Running,
    trigger: &Trigger,
) -> Outcome {
    // Before it is read: what is written in between is a change of its own.
    let seen = by.source.look().await;
    let taken = take(&mut by.source, running).await;
    by.seen = match &taken {
        Ok(_) => seen,
        // What it named before may be what is to be mended.
        Err(_) => seen.with(&by.seen.now()),
    };
    let (needs_restart, mistakes) = match taken {
        Ok(needs_restart) => (needs_restart, Vec::new()),
        Err(mistakes) => (Vec::new(), mistakes),
    };
    Outcome {
        at: SystemTime::now(),
        by: trigger.to_string(),
        mistakes,
        needs_restart,
    }
}

/// Reads the configuration and changes to it. Returns the keys that need a restart.
///
/// # Errors
/// Every mistake. Nothing has changed then.
async fn take(
    source: &mut impl Source,
    running: &mut Running,
) -> Result<Vec<&'static str>, Vec<String>> {
    let config = source.read().await?;
    let next = running.generation.next(config).await;
    let next =
        next.map_err(|errors| -> Vec<String> { errors.iter().map(ToString::to_string).collect() })?;
    running.change_to(next);
    Ok(running.needs_restart())
}

/// Waits until a file is not as it was `seen`, and then is left alone for a moment: some are written
/// in pieces, and a key comes after its certificate.
async fn changed(seen: &Stamps) -> PathBuf {
    let mut last = seen.clone();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let same = last.clone();
        // A file system that is away must not hold up anything else.
        let Ok(now) = tokio::task::spawn_blocking(move || same.now()).await else {
            continue;
        };
        if now == last
            && let Some(path) = seen.difference(&now)
        {
            return path.to_owned();
        }
        last = now;
    }
}

/// The reason for a reload.
enum Trigger {
    Signal,
    Command,
    File(PathBuf),
}

impl Display for Trigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal => f.write_str("SIGHUP"),
            Self::Command => f.write_str("orgproxy reload"),
            Self::File(path) => {
                let path = path.display().to_string();
                write!(f, "a change of {}", escape::line(&path))
            }
        }
    }
}

impl Outcome {
    /// For the service manager's line about the process.
    fn remark(&self) -> &'static str {
        match (self.mistakes.is_empty(), self.needs_restart.is_empty()) {
            (true, true) => "",
            (true, false) => "; a change of the configuration needs a restart: see the log",
            (false, _) => "; the last reload was refused: see the log",
        }
    }

    fn log(&self) {
        let by = &self.by;
        if self.mistakes.is_empty() {
            tracing::info!("reloaded the configuration after {by}");
        } else {
            let mistakes = self.mistakes.len();
            tracing::warn!(
                mistakes,
                "did not reload the configuration after {by}, because it has mistakes; the one in \
                 use stays until they are corrected"
            );
        }
        for mistake in &self.mistakes {
            tracing::warn!("{}", escape::line(mistake));
        }
        if !self.needs_restart.is_empty() {
            let keys = self.needs_restart.join(", ");
            tracing::warn!("restart orgproxy to apply the change of {keys}");
        }
    }
}

impl Reloads {
    /// None yet, of a server that can be asked for them if it `reloads`.
    pub(super) fn on_demand(reloads: bool) -> (Self, mpsc::UnboundedReceiver<Ask>) {
        let (asks, asked) = mpsc::unbounded_channel();
        let reloads = Self {
            asks: reloads.then_some(asks),
            ..Self::default()
        };
        (reloads, asked)
    }

    /// Asks for one, and waits for it. `None` if this server does not reload.
    pub(super) async fn ask(&self) -> Option<Outcome> {
        let (ask, outcome) = oneshot::channel();
        self.asks.as_ref()?.send(ask).ok()?;
        outcome.await.ok()
    }

    /// What became of the last, if there was one.
    pub(super) fn last(&self) -> Option<Outcome> {
        self.lock().clone()
    }

    fn note(&self, outcome: Outcome) {
        let count = if outcome.mistakes.is_empty() {
            &self.succeeded
        } else {
            &self.refused
        };
        count.fetch_add(1, Relaxed);
        *self.lock() = Some(outcome);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for NoSource {
    async fn read(&mut self) -> Result<Config, Vec<String>> {
        match *self {}
    }

    async fn look(&self) -> Stamps {
        match *self {}
    }
}

/// Between two looks at the files, and the least time that they are left alone.
const INTERVAL: Duration = Duration::from_secs(1);
