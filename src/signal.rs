//! Signals that stop the program.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Done at the first SIGINT or SIGTERM. A second one ends the program at once, with 128 plus its
/// number as the exit code.
///
/// # Errors
/// When the system refuses to deliver signals. Listening begins at once, not at the first poll.
pub(crate) fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next = async move || {
        let name = tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
        };
        name.as_raw_value()
    };
    Ok(async move {
        next().await;
        tokio::spawn(async move {
            let number = next().await;
            std::process::exit(128 + number);
        });
    })
}

/// Every signal that would end us, for a program that was started from here to hear of.
pub(crate) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
}

impl Signals {
    /// # Errors
    /// When the system refuses to deliver signals. Listening begins at once.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> rustix::process::Signal {
        use rustix::process::Signal;

        tokio::select! {
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}
