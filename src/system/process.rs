//! Limits and protections of the process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Keeps the key and the session out of core dumps and out of the reach of other programs of the
/// same user, and raises the limit of file descriptors. To be called before a secret is read.
/// Refusals by the system are ignored. Returns the limits as they were.
pub(crate) fn harden() -> Limits {
    let usual = Limits::now();
    let mut core = usual.core;
    core.current = Some(0);
    let mut files = usual.files;
    files.current = files.maximum;
    let _ = setrlimit(Resource::Core, core);
    hide();
    let _ = setrlimit(Resource::Nofile, files);
    usual
}

/// Keeps the process's memory out of reach where the system has a switch for that.
fn hide() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};

        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// The number of files that may still be opened.
pub(crate) fn files_left() -> usize {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_sub(open)
}

/// The system's limits for a process, which its children inherit.
pub(crate) struct Limits {
    core: Rlimit,
    files: Rlimit,
}

impl Limits {
    fn now() -> Self {
        Self {
            core: getrlimit(Resource::Core),
            files: getrlimit(Resource::Nofile),
        }
    }

    /// Starts a program under these limits instead of the raised ones: many programs cannot cope
    /// with so many file descriptors.
    ///
    /// # Errors
    /// Those of `start`.
    pub(crate) fn start<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let own = Self::now();
        self.set();
        let started = start();
        own.set();
        started
    }

    fn set(&self) {
        // Within the hard limit, so it is not refused.
        let _ = setrlimit(Resource::Core, self.core);
        let _ = setrlimit(Resource::Nofile, self.files);
    }
}
