//! The arguments of `status`, `wait` and `reload`.

use std::time::Duration;

use super::ConfigArgs;
use crate::config::Admin;

/// The proxy to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUS)]
pub struct StatusArgs {
    /// Print /api/status as it is
    #[arg(long)]
    pub json: bool,
    /// Show it anew every 2 seconds, on a terminal, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// The admin listener.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// The proxy to wait for.
#[derive(Debug, clap::Args)]
#[command(after_help = WAIT)]
pub struct WaitArgs {
    /// How long to wait
    #[arg(long, default_value = "60s", value_parser = time)]
    pub timeout: Duration,
    /// The admin listener.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// The proxy that is to reload.
#[derive(Debug, clap::Args)]
#[command(after_help = RELOAD)]
pub struct ReloadArgs {
    /// The admin listener.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Where a running proxy is asked how it is.
#[derive(Debug, clap::Args)]
pub struct AdminArgs {
    /// The admin listener to ask, such as http://127.0.0.1:9180 or unix:/run/admin.sock [default:
    /// that of the configuration, or http://127.0.0.1:9180]
    #[arg(long, value_parser = url)]
    pub url: Option<Admin>,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}

pub(super) fn url(text: &str) -> Result<Admin, String> {
    let is_socket = text.starts_with("unix:");
    Admin::parse(if is_socket {
        text
    } else {
        text.trim_end_matches('/')
    })
}

/// More than a year of waiting is a mistake.
fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err("must be at most 1year".to_owned()),
        Err(_) => Err("write a time such as 500ms, 30s or 5min".to_owned()),
    }
}

const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

const STATUS: &str = "\
Examples:
  orgproxy status                     show the proxy with ./proxy.toml
  orgproxy status --watch             keep showing it
  orgproxy status --json | jq '.orgs[].session.state'
  orgproxy status --url unix:/run/orgproxy/admin.sock

Exits with 0 if the proxy is ready, and with 1 if it is not or cannot be
reached. It must have an admin listener, as `orgproxy demo` has:
[admin] listen = \"127.0.0.1:9180\" in the file, or --admin-listen.
The org is not asked.";

const RELOAD: &str = "\
Examples:
  orgproxy reload                     the proxy with ./proxy.toml
  orgproxy reload --url unix:/run/orgproxy/admin.sock

Exits with 0 if the configuration is in use, and with 64 if it has mistakes,
which are all printed; what was in use stays then. With 1 if the proxy cannot
be reached. It must have an admin listener: see `orgproxy status --help`.
Without one, but with pid_file, it is sent a SIGHUP; then its log says what
came of it. A SIGHUP does the same, and so does, without being told, a change of a file.";

const WAIT: &str = "\
Examples:
  orgproxy wait                       for the proxy with ./proxy.toml
  orgproxy wait --timeout 5min && ./import.sh

Exits with 0 as soon as the proxy is ready, and with 1 if it is not by then.
It must have an admin listener: see `orgproxy status --help`.";

#[cfg(test)]
mod tests {
    use clap::Parser;
    use test_case::test_case;

    use crate::cli::{Args, Command};

    #[test_case(&["--timeout", "500ms"], Some(500))]
    #[test_case(&[], Some(60_000); "a minute")]
    #[test_case(&["--timeout", "0s"], Some(0); "not at all")]
    #[test_case(&["--timeout", "60"], None; "without a unit")]
    #[test_case(&["--timeout", "2years"], None; "too long")]
    fn the_time_to_wait_is_read(args: &[&str], expected: Option<u128>) {
        let args = ["orgproxy", "wait"].iter().chain(args);
        let command = Args::try_parse_from(args).map(Args::into_command);
        let timeout = match command {
            Ok(Command::Wait(args)) => Some(args.timeout.as_millis()),
            _ => None,
        };
        assert_eq!(timeout, expected);
    }

    #[test_case("http://127.0.0.1:9180/", Some("127.0.0.1:9180"))]
    #[test_case("localhost:1", Some("localhost:1"))]
    #[test_case("unix:/run/a.sock", Some("unix:/run/a.sock"))]
    #[test_case("http://example.com:9180", None)]
    #[test_case("http://192.0.2.1:9180", None)]
    fn the_listener_to_ask_is_read(url: &str, expected: Option<&str>) {
        let command = Args::try_parse_from(["orgproxy", "status", "--url", url]);
        let listen = match command.map(Args::into_command) {
            Ok(Command::Status(args)) => args.admin.url.map(|admin| admin.listen.to_string()),
            _ => None,
        };
        assert_eq!(listen.as_deref(), expected);
    }
}
