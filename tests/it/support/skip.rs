//! Tests that cannot be run here.

use std::{
    env,
    io::{Write, stderr},
    thread,
};

/// The reasons that count where `CI` is set, too. What programs a test needs is installed there by
/// `.ci/run`; but it may be a user other than root, in a container that gives no namespaces away.
const BY_DESIGN: [&str; 9] = [
    "only root reads the memory of another program",
    "only root becomes another user",
    "only root changes what the system trusts",
    "only root gives files away",
    "only root gives a key to a group that its owner is not in",
    "only root mounts",
    "only root halts a thread of another program",
    "this system lets nobody have a network of their own",
    "this system lets nobody have an /etc/hosts of their own",
];

/// Says that the test that calls this cannot be run here, and why. Not by `eprintln!`, of which nothing
/// is seen when a test passes.
///
/// # Panics
/// If `CI` is set, unless the reason is one of [`BY_DESIGN`].
#[track_caller]
pub(crate) fn skip(why: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(stderr(), "skipped: {test}: {why}");
    let may_be = env::var_os("CI").is_none() || BY_DESIGN.contains(&why);
    assert!(may_be, "not to be skipped where CI is set: {why}");
}
