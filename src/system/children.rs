//! The programs that this one starts.

use std::{ffi::OsStr, process::Command};

use super::inherited::HANDED_OVER;

/// `program`, which is another than this one, without what is for this one alone: `withheld` names the
/// variables with secrets that the configuration adds.
pub(crate) fn command(program: impl AsRef<OsStr>, withheld: &[String]) -> Command {
    let mut command = this_program(program);
    for name in withheld.iter().map(String::as_str).chain(SECRETS) {
        command.env_remove(name);
    }
    command
}

/// This program at `program`, without what the service manager gave this process alone: who inherits
/// that could report in its name, or take its sockets for its own.
pub(crate) fn this_program(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in OF_THE_SERVICE {
        command.env_remove(name);
    }
    command
}

/// The variables that set what is secret.
const SECRETS: [&str; 4] = [
    "ORGPROXY_PRIVATE_KEY",
    "ORGPROXY_TLS_PRIVATE_KEY",
    "ORGPROXY_REDIS_URL",
    KEYSTORE_PASSWORD,
];

/// The variable with the password of a Java key store, which only the program that opens it is given.
pub(crate) const KEYSTORE_PASSWORD: &str = "ORGPROXY_KEYSTORE_PASSWORD";

/// The variables by which a service manager talks to a process (sd_notify(3), sd_listen_fds(3)).
const OF_THE_SERVICE: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    HANDED_OVER,
];
