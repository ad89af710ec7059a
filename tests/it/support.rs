//! What tests are written with: an org, a proxy in front of it, and clients that can be rude.

pub(crate) mod answer;
pub(crate) mod binary;
pub(crate) mod connect;
pub(crate) mod gate;
pub(crate) mod grpc;
pub(crate) mod own;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod raw;
pub(crate) mod socks;
pub(crate) mod terminal;

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    io::{Write, stderr},
    time::Duration,
};

pub(crate) use orgproxy::demo::{Fault, Org, Seen};

pub(crate) use self::{
    binary::Binary, connect::ConnectProxy, gate::Gate, own::Own, proxy::Proxy, random::Random,
    raw::Raw, socks::SocksProxy,
};

/// The session that the org got with a request, as `Authorization` says.
#[track_caller]
pub(crate) fn session(seen: &Seen) -> &str {
    let authorization = seen.header("authorization");
    authorization.strip_prefix("Bearer ").expect(authorization)
}

/// Says that the test that calls this cannot be run here, and why. Not by `eprintln!`, of which nothing
/// is seen when a test passes.
pub(crate) fn skip(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(stderr(), "skipped: {test}: {why}");
}

/// What each thread of a process has spent on processors so far, from the scheduler's own clock: exact
/// for threads that rest, and hardly more on a busy machine.
pub(crate) struct CpuTime(HashMap<OsString, u64>);

impl CpuTime {
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

    /// What all threads have spent since `earlier`, but for those that have ended.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or(0);
        let spent = self.0.iter().map(|(thread, nanos)| nanos - before(thread));
        Duration::from_nanos(spent.sum())
    }
}
