//! Cores to run on, and what processes used of them.

use std::time::Duration;
use std::{fs, io};

use rustix::param::clock_ticks_per_second;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where things run: the proxy has a core for itself, the load generator and the origin share one.
/// `None` (a single core) pins nothing.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) proxy: Option<usize>,
    pub(crate) load: Option<usize>,
}

impl Cores {
    /// The first two cores that this process may use.
    pub(crate) fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        Ok(match (cores.next(), cores.next()) {
            (Some(proxy), Some(load)) => Self {
                proxy: Some(proxy),
                load: Some(load),
            },
            _ => Self {
                proxy: None,
                load: None,
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

/// A process and all its descendants: nginx's work is done by its worker.
pub(crate) struct Tree(Vec<u32>);

impl Tree {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let parents = parents()?;
        let mut pids = vec![pid];
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

    /// User + system time so far, of every thread, from the scheduler's own clock. It is exact to
    /// the nanosecond for a thread that does not run, and to one tick for one that does, where
    /// `/proc/PID/stat` counts in units of 10 ms.
    pub(crate) fn used(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for pid in &self.0 {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let text = fs::read_to_string(thread?.path().join("schedstat"))?;
                let ran = text
                    .split(' ')
                    .next()
                    .and_then(|word| word.parse::<u64>().ok());
                nanos += ran.ok_or_else(|| io::Error::other("schedstat of an unknown shape"))?;
            }
        }
        Ok(Duration::from_nanos(nanos))
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

/// How long all cores together have been busy with whatever, or been taken by the hypervisor.
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

/// The model's name, as the kernel tells it.
pub(crate) fn model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown CPU")
        .to_owned()
}
