//! Signals: those that stop the program, and those that must not.

use std::{io, thread};

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// Keeps signals that do not ask for an end from ending the program, from now on: SIGHUP, timers,
/// user-defined signals, and others that end a program by default. Programs started from here get
/// the default actions back.
///
/// # Errors
/// When the system refuses to deliver signals.
pub(crate) fn outlive_others(runtime: &Runtime) -> io::Result<()> {
    use rustix::process::Signal;

    let _entered = runtime.enter();
    let named = [
        Signal::HUP,
        Signal::PIPE,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        #[cfg(target_os = "linux")]
        Signal::POWER,
        #[cfg(target_os = "linux")]
        Signal::STKFLT,
        // A file that may not grow is a full disk.
        Signal::XFSZ,
    ];
    // A handler that stays, not `SIG_IGN`, which children would inherit.
    for named in named {
        drop(signal(SignalKind::from_raw(named.as_raw()))?);
    }
    for number in FIRST_REAL_TIME..=LAST_REAL_TIME {
        // Profilers and emulators keep some of them for themselves.
        let _ = signal(SignalKind::from_raw(number));
    }
    Ok(())
}

/// Ends the program at the first signal that asks for it, while the returned sender lives.
///
/// For the time of the start, when the main thread waits for files, programs and locks. The
/// system's default action would not end the first process of a container.
///
/// # Errors
/// When the system refuses to deliver signals, or a thread.
pub(crate) fn end_meanwhile() -> io::Result<oneshot::Sender<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::listen()?
    };
    let (over, is_over) = oneshot::channel();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // First, because a signal after the start is for whoever waits then, however
                    // late this thread gets its turn.
                    biased;
                    _ = is_over => {}
                    signal = signals.ending() => std::process::exit(128 + signal.as_raw()),
                }
            });
        })?;
    Ok(over)
}

/// Completes at the first SIGINT, SIGTERM or SIGQUIT. A second one ends the program at once, with
/// 128 plus its number as the exit code.
///
/// # Errors
/// When the system refuses to deliver signals. Listening begins at once, not at the first poll.
pub(crate) fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::listen()?;
    Ok(async move {
        signals.ending().await;
        tokio::spawn(async move {
            let last = signals.ending().await;
            std::process::exit(128 + last.as_raw());
        });
    })
}

/// Each SIGHUP, by which a server is asked to reload.
///
/// # Errors
/// When the system refuses to deliver signals. Listening begins at once.
pub(crate) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Each SIGUSR2, by which a server is asked to hand over to a new process.
///
/// # Errors
/// When the system refuses to deliver signals. Listening begins at once.
pub(crate) fn upgrades() -> io::Result<Signal> {
    signal(SignalKind::user_defined2())
}

/// Every signal that is meant for this process or for a program that it has started.
pub(crate) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    user1: Signal,
    user2: Signal,
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
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> rustix::process::Signal {
        use rustix::process::Signal;

        tokio::select! {
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.user1.recv() => Signal::USR1,
            _ = self.user2.recv() => Signal::USR2,
        }
    }

    /// Waits for the next signal that asks for an end.
    pub(crate) async fn ending(&mut self) -> rustix::process::Signal {
        loop {
            let signal = self.next().await;
            if is_ending(signal) {
                return signal;
            }
        }
    }
}

/// Returns whether a signal only asks a program to end.
pub(crate) fn is_ending(signal: rustix::process::Signal) -> bool {
    use rustix::process::Signal;

    matches!(signal, Signal::INT | Signal::QUIT | Signal::TERM)
}

/// The C library reserves those before it.
const FIRST_REAL_TIME: i32 = if cfg!(target_env = "musl") { 35 } else { 34 };
const LAST_REAL_TIME: i32 = 64;
