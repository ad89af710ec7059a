//! The log: events, one a line, on standard error.

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

/// Starts the log. What is logged until the guard is dropped is written.
///
/// A thread of its own writes, and what it cannot keep up with is dropped: a full disk or a pipe
/// that nobody reads must not hold up requests.
///
/// # Errors
/// When `filter` is none.
pub(crate) fn init(filter: &str) -> Result<WorkerGuard, tracing_subscriber::filter::ParseError> {
    let filter = filter.parse::<EnvFilter>()?;
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_writer(writer);
    // Only tests start it twice.
    let _ = subscriber.try_init();
    Ok(guard)
}
