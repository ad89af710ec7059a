//! The operating system, and the person at the terminal.

pub(crate) mod chain;
pub(crate) mod deadline;
pub(crate) mod escape;
pub(crate) mod percent;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod span;
pub(crate) mod telemetry;
pub(crate) mod terminal;
