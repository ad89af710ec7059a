//! Reporting to the service manager that started the process (sd_notify(3)), where there is one.

use std::{
    env,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use sd_notify::NotifyState;

use super::{escape, telemetry::Throttle};

/// The way to the service manager. A thread of its own writes: one that does not read must not hold
/// up logins.
pub(crate) struct Notifier {
    queue: Option<SyncSender<String>>,
    /// Disconnected when all has been written.
    written: Mutex<Receiver<()>>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// That of the socket which the environment names; if there is none, one that reports nothing.
    pub(crate) fn from_env() -> Self {
        if env::var_os("NOTIFY_SOCKET").is_none_or(|socket| socket.is_empty()) {
            return Self::none();
        }
        let (queue, messages) = sync_channel(QUEUE);
        let (done, written) = channel();
        let thread = thread::Builder::new().name("notify".to_owned());
        let started = thread.spawn(move || {
            let _done = done;
            write(&messages);
        });
        if let Err(error) = &started
            && let Some(left_out) = THROTTLE.admit()
        {
            tracing::warn!(left_out, "cannot report to the service manager: {error}");
        }
        Self {
            queue: started.is_ok().then_some(queue),
            written: written.into(),
            watchdog: sd_notify::watchdog_enabled().filter(|time| !time.is_zero()),
        }
    }

    /// One that reports nothing.
    pub(crate) fn none() -> Self {
        Self {
            queue: None,
            written: channel().1.into(),
            watchdog: None,
        }
    }

    /// Reports that the process serves, after its start or a reload, and what.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
    }

    /// Reports that the configuration is being read again, until [`Self::ready`].
    pub(crate) fn reloading(&self) {
        let Ok(now) = NotifyState::monotonic_usec_now() else {
            return;
        };
        self.send(&[NotifyState::Reloading, now]);
    }

    /// Reports that the process ends.
    pub(crate) fn stopping(&self, status: &str) {
        self.send(&[NotifyState::Stopping, NotifyState::Status(&line(status))]);
    }

    /// The time within which [`Self::alive`] is to be called again and again, if it is.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.queue.is_some())
    }

    /// Reports that the process goes on as it should.
    pub(crate) fn alive(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// Reports that another process is the main one from now on.
    pub(crate) async fn is_now(&self, process: u32) {
        if self.queue.is_none() {
            return;
        }
        // What waits in the queue may come later.
        let notify = move || sd_notify::notify(&[NotifyState::MainPid(process)]);
        let written = tokio::task::spawn_blocking(notify);
        if !matches!(tokio::time::timeout(LAST, written).await, Ok(Ok(Ok(()))))
            && let Some(left_out) = THROTTLE.admit()
        {
            tracing::warn!(
                left_out,
                "cannot report the new process to the service manager"
            );
        }
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(queue) = &self.queue else { return };
        let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
        if queue.try_send(lines.join("\n")).is_err()
            && let Some(left_out) = THROTTLE.admit()
        {
            tracing::warn!(
                left_out,
                "the service manager does not read what it is sent"
            );
        }
    }
}

/// Waits for what is still to be written, though not forever.
impl Drop for Notifier {
    fn drop(&mut self) {
        let written = self.written.get_mut();
        let written = written.unwrap_or_else(PoisonError::into_inner);
        if self.queue.take().is_some() {
            let _ = written.recv_timeout(LAST);
        }
    }
}

fn write(messages: &Receiver<String>) {
    for message in messages {
        if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&message)])
            && let Some(left_out) = THROTTLE.admit()
        {
            tracing::warn!(left_out, "cannot report to the service manager: {error}");
        }
    }
}

/// A status is one line, and what follows would be another message.
fn line(status: &str) -> String {
    escape::line(status).into_owned()
}

static THROTTLE: Throttle = Throttle::new();

/// Messages that wait to be written.
const QUEUE: usize = 16;

/// For a service manager to read the last words.
const LAST: Duration = Duration::from_secs(1);
