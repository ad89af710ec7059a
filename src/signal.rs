//! Signals that stop the program.

use tokio::signal::unix::{SignalKind, signal};

/// Done at the first SIGINT or SIGTERM. A second one ends the program at once, with 128 plus its
/// number as the exit code.
///
/// # Errors
/// When the system refuses to deliver signals. Listening begins at once, not at the first poll.
pub(crate) fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
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
