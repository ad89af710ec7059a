//! The operating system, and the person at the terminal.

pub(crate) mod chain;
pub(crate) mod children;
pub(crate) mod clocks;
#[cfg(test)]
pub(crate) mod damage;
pub(crate) mod deadline;
pub(crate) mod escape;
pub(crate) mod folder;
pub(crate) mod hours;
pub(crate) mod inherited;
pub(crate) mod keep_alive;
pub(crate) mod namespace;
pub(crate) mod notify;
pub(crate) mod ownership;
pub(crate) mod peer_user;
pub(crate) mod percent;
pub(crate) mod pid_file;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod quote;
pub(crate) mod sandbox;
pub(crate) mod signal;
pub(crate) mod span;
pub(crate) mod telemetry;
pub(crate) mod terminal;
