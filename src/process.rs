//! What the process asks of the system at start.

use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit};

/// Keeps the key and the session out of core dumps and of the reach of other programs of the same
/// user, and takes all the file descriptors that may be had. Each is of use without the others, so
/// what the system refuses is only noted.
pub(crate) fn harden() {
    let mut core = getrlimit(Resource::Core);
    core.current = Some(0);
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    for (what, done) in [
        ("core dumps", setrlimit(Resource::Core, core)),
        (
            "memory",
            set_dumpable_behavior(DumpableBehavior::NotDumpable),
        ),
        ("file descriptors", setrlimit(Resource::Nofile, files)),
    ] {
        if let Err(error) = done {
            tracing::warn!("the system refuses to let {what} be limited: {error}");
        }
    }
}
