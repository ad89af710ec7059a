//! Cores to run on, and what processes used of them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;
use std::{fs, io};

use rustix::param::clock_ticks_per_second;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where things run. The proxy has a core for itself; the load generator and the origin have one
/// each if there are three, and share one if there are two. `None` (a single core) pins nothing.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) proxy: Option<usize>,
    pub(crate) load: Option<usize>,
    pub(crate) origin: Option<usize>,
}

impl Cores {
    /// The first that this process may use.
    pub(crate) fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|&core| allowed.is_set(core))
            .take(3)
            .collect();
        Ok(match cores[..] {
            [proxy, load] => Self {
                proxy: Some(proxy),
                load: Some(load),
                origin: Some(load),
            },
            [proxy, load, origin] => Self {
                proxy: Some(proxy),
                load: Some(load),
                origin: Some(origin),
            },
            _ => Self {
                proxy: None,
                load: None,
                origin: None,
            },
        })
    }
}

/// Keeps the calling thread, and all that it will start, on `core`.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Processes and all their descendants: nginx's work is done by its worker.
pub(crate) struct Tree(Vec<u32>);

impl Tree {
    pub(crate) fn of(roots: impl IntoIterator<Item = u32>) -> io::Result<Self> {
        let parents = parents()?;
        let mut pids = Vec::from_iter(roots);
        let mut next = 0;
        while let Some(&parent) = pids.get(next) {
            pids.extend(
                parents
                    .iter()
                    .filter(|(_, of)| *of == parent)
                    .map(|(pid, _)| pid),
            );
            next += 1;
        }
        Ok(Self(pids))
    }

    pub(crate) fn pids(&self) -> impl Iterator<Item = Pid> {
        self.0
            .iter()
            .filter_map(|&pid| Pid::from_raw(i32::try_from(pid).ok()?))
    }

    /// Returns what every thread has used so far.
    pub(crate) fn used(&self) -> io::Result<Used> {
        let mut used = HashMap::new();
        for pid in &self.0 {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let thread = thread?;
                // A thread may be gone by now.
                let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else {
                    continue;
                };
                let ran = text
                    .split(' ')
                    .next()
                    .and_then(|word| word.parse::<u64>().ok());
                let ran = ran.ok_or_else(|| io::Error::other("schedstat of an unknown shape"))?;
                used.insert(thread.file_name(), ran);
            }
        }
        Ok(Used(used))
    }
}

/// User + system time, in nanoseconds, of every thread, from the scheduler's own clock. It is exact
/// for a thread that does not run, and to one tick for one that does, where `/proc/PID/stat` counts
/// in units of 10 ms.
pub(crate) struct Used(HashMap<OsString, u64>);

impl Used {
    /// Returns what was used after `earlier`; nothing is known of threads that have ended since.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or(0);
        let nanos = self
            .0
            .iter()
            .map(|(thread, ran)| ran.saturating_sub(before(thread)))
            .sum();
        Duration::from_nanos(nanos)
    }
}

/// Every process, with its parent.
fn parents() -> io::Result<Vec<(u32, u32)>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may be gone by now.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The name, in brackets, may hold anything; state and parent follow the last bracket.
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|word| word.parse().ok()) {
            parents.push((pid, parent));
        }
    }
    Ok(parents)
}

/// Returns how long all cores together have been busy, or been taken by the hypervisor.
pub(crate) fn busy() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    if ticks.len() < 8 {
        return Err(io::Error::other("/proc/stat of an unknown shape"));
    }
    // user nice system idle iowait irq softirq steal: all but idle and iowait.
    let busy = ticks.iter().take(8).sum::<u64>() - ticks[3] - ticks[4];
    Ok(Duration::from_secs_f64(
        busy as f64 / clock_ticks_per_second() as f64,
    ))
}

/// The model's name, as the kernel has it.
pub(crate) fn model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown CPU")
        .to_owned()
}
