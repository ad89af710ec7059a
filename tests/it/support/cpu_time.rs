//! The processor time of a process.

use std::{collections::HashMap, ffi::OsString, fs, time::Duration};

/// The time that each thread of a process has spent on processors so far, by the scheduler's own clock:
/// exact for threads that rest, and hardly more on a busy machine.
pub(crate) struct CpuTime(HashMap<OsString, u64>);

impl CpuTime {
    /// Reads what each thread of `process` has spent.
    pub(crate) fn of(process: u32) -> Self {
        let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let spent = threads.filter_map(|thread| {
            let thread = thread.unwrap();
            // It may be gone by now.
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            let nanos = text.split(' ').next()?.parse().unwrap();
            Some((thread.file_name(), nanos))
        });
        Self(spent.collect())
    }

    /// Returns what all threads have spent since `earlier`, but for those that have ended.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or(0);
        let spent = self
            .0
            .iter()
            .map(|(thread, nanos)| nanos.saturating_sub(before(thread)));
        Duration::from_nanos(spent.sum())
    }
}
