//! The load of the process, and who is cut off first when it is too much.
//!
//! While the limit is reached, newcomers wait, and the clients that have kept the proxy waiting
//! longest are cut off. So a few of them cannot keep out all others.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

pub(crate) use self::activity::{Activity, ON_ITS_WAY};
use self::open::Open;
use crate::{config::Limits, system::telemetry::Throttle};

mod activity;
mod open;

/// The connections and requests of the process.
pub(crate) struct Load {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Those of the requests that wait for others to end.
    waiting: AtomicUsize,
    /// Bytes of heads that have not come to their end, or wait for room.
    heads: AtomicUsize,
    most: Most,
    /// The time for which one waits for room.
    timeout: Duration,
    open: Mutex<Register>,
    connection_ended: Notify,
    request_ended: Notify,
}

/// The load that can be taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Most {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
}

/// The open connections.
#[derive(Default)]
struct Register {
    by_number: HashMap<u64, Open>,
    /// Those of users who are refused, the oldest first.
    strangers: VecDeque<(u64, Arc<Activity>)>,
    last: u64,
    looked: Option<Instant>,
    /// Connections that have been cut off for others since the log said so.
    cut: usize,
    full_since: Option<Instant>,
}

/// The limit has been reached for as long as anyone waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full {
    pub(crate) what: &'static str,
    pub(crate) limit: usize,
    pub(crate) setting: &'static str,
}

/// A connection's place among those that are open.
pub(crate) struct Permit {
    load: Arc<Load>,
    number: u64,
    pub(crate) activity: Arc<Activity>,
    /// If true, it is beyond the limit, and the client gets an error that says so.
    pub(crate) surplus: bool,
    /// If true, it is of a user who is refused whatever it asks.
    pub(crate) is_stranger: bool,
}

impl Most {
    /// The load that `limits` allow, as far as `files` more files can be opened: one for each
    /// connection, and one for each request on its way to the org.
    pub(crate) fn of(limits: &Limits, files: usize) -> Self {
        let files = files.saturating_sub(RESERVED_FILES);
        let connections = limits.connections.min(files / 2).max(1);
        let requests = limits
            .requests
            .min(files.saturating_sub(connections))
            .max(1);
        Self {
            connections,
            requests,
        }
    }
}

impl Most {
    /// The requests that there may be for one more to be admitted. What is left has room for those of
    /// connections with few, so that many on some do not keep out all others.
    fn requests_beside(&self, activity: &Activity) -> usize {
        match activity.busy() {
            0 | 1 => self.requests,
            own => self.requests - self.requests / 8 + self.requests / 8 / own,
        }
    }
}

impl Load {
    pub(crate) fn new(limits: &Limits, files: usize) -> Self {
        let most = Most::of(limits, files);
        tracing::debug!(?most, files, "capacity");
        Self {
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            heads: AtomicUsize::new(0),
            most,
            timeout: limits.header_read,
            open: Mutex::default(),
            connection_ended: Notify::new(),
            request_ended: Notify::new(),
        }
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Requests in flight.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// Takes on a connection, as soon as there is room. `None` if too many are being refused
    /// already.
    pub(crate) async fn admit(self: &Arc<Self>) -> Option<Permit> {
        let most = self.most.connections;
        while self.connections() >= most {
            let now = Instant::now();
            let since = *self.register().full_since.get_or_insert(now);
            self.make_room(Wanted::Connection);
            if now >= since + self.timeout {
                break;
            }
            let _ = timeout(RETRY, self.connection_ended.notified()).await;
        }
        if self.connections() > most / 2 {
            self.make_room(Wanted::Nothing);
        }
        let before = self.connections.fetch_add(1, Relaxed);
        if before >= most + SURPLUS {
            self.connections.fetch_sub(1, Relaxed);
            return None;
        }
        let surplus = before >= most;
        let mut register = self.register();
        if !surplus {
            register.full_since = None;
        }
        let activity = Arc::new(Activity::of(self.clone()));
        let number = register.number();
        register
            .by_number
            .insert(number, Open::new(activity.clone()));
        drop(register);
        Some(Permit {
            load: self.clone(),
            number,
            activity,
            surplus,
            is_stranger: false,
        })
    }

    /// Takes on a connection of a user who is refused whatever it asks. They have a few of their own, of
    /// which the oldest makes way, and so take none from others.
    pub(crate) fn admit_stranger(self: &Arc<Self>) -> Permit {
        let activity = Arc::new(Activity::of(self.clone()));
        let mut register = self.register();
        let most = (self.most.connections / 4).clamp(1, MOST_STRANGERS);
        if register.strangers.len() >= most
            && let Some((_, oldest)) = register.strangers.pop_front()
        {
            oldest.cut_off();
        }
        let number = register.number();
        register.strangers.push_back((number, activity.clone()));
        drop(register);
        Permit {
            load: self.clone(),
            number,
            activity,
            surplus: false,
            is_stranger: true,
        }
    }

    /// Notes that a request has begun.
    pub(crate) fn begin(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Notes that a request has ended.
    pub(crate) fn end(&self) {
        self.requests.fetch_sub(1, Relaxed);
        if self.waiting.load(Relaxed) > 0 {
            self.request_ended.notify_one();
        }
    }

    /// Waits until there is room for a request of so many bytes that has begun. On a `surplus` connection
    /// there is none while there are too many: those within the limit are not made to pay for it.
    pub(crate) async fn wait_for_room(
        &self,
        surplus: bool,
        activity: &Activity,
        bytes: impl Fn() -> usize,
    ) -> Result<(), Full> {
        if surplus && self.connections() > self.most.connections {
            return Err(Full {
                what: "connections",
                limit: self.most.connections,
                setting: "limits.connections; ulimit -n",
            });
        }
        let most = self.most.requests_beside(activity);
        if self.requests.load(Relaxed) > most {
            // Boxed, so that not every request's future has room for it.
            Box::pin(self.wait(most, activity, bytes())).await?;
        }
        Ok(())
    }

    async fn wait(&self, most: usize, activity: &Activity, bytes: usize) -> Result<(), Full> {
        let waiting = Waiting::new(self, activity, bytes);
        let until = Instant::now() + self.timeout;
        loop {
            let before_us = self.waiting.load(Relaxed);
            if self.requests.load(Relaxed).saturating_sub(before_us) < most {
                drop(waiting);
                return Ok(());
            }
            self.make_room(Wanted::Request);
            if Instant::now() >= until {
                return Err(Full {
                    what: "requests",
                    limit: self.most.requests,
                    setting: "limits.requests; ulimit -n",
                });
            }
            let _ = timeout(RETRY, self.request_ended.notified()).await;
        }
    }

    /// Looks at all connections, though not too often, and cuts off those whose clients have kept
    /// the proxy waiting longest, with the more requests the sooner, to make room for what is wanted.
    fn make_room(&self, wanted: Wanted) {
        let now = Instant::now();
        let mut register = self.register();
        if register.looked.is_some_and(|last| now < last + PAUSE) {
            return;
        }
        register.looked = Some(now);
        let mut idle: Vec<_> = register
            .by_number
            .values_mut()
            .filter_map(|open| Some((open.idle(now)?, open)))
            .filter(|(idle, open)| *idle >= LEAST_IDLE && open.counts_for(wanted))
            .collect();
        let most = match wanted {
            Wanted::Nothing => return,
            Wanted::Connection => self.most.connections,
            Wanted::Request => self.most.requests,
        };
        // Some more than one, since to look at all of them takes time.
        let count = 1 + most / 100;
        let wasted = |idle: Duration, open: &Open| match wanted {
            Wanted::Request => idle.as_millis() * open.activity.busy() as u128,
            Wanted::Nothing | Wanted::Connection => idle.as_millis(),
        };
        idle.sort_by_cached_key(|(idle, open)| Reverse(wasted(*idle, open)));
        idle.truncate(count);
        for (_, open) in &idle {
            open.activity.cut_off();
        }
        let count = idle.len();
        register.cut += count;
        if let Some(left_out) = FULL.admit() {
            let what = wanted.name();
            tracing::warn!(
                left_out,
                most,
                cut = std::mem::take(&mut register.cut),
                "limit of concurrent {what} reached (limits.{what}); new ones wait, and the \
                 connections whose clients have been inactive longest are closed"
            );
        }
    }

    /// Cuts off the clients that have been sending a head longest, or nothing after a long one, or have long
    /// ones waiting, because that takes too much memory.
    fn drop_heads(&self) {
        let mut register = self.register();
        let mut held: Vec<_> = register
            .by_number
            .values_mut()
            .filter(|open| open.activity.held() > 0)
            .collect();
        // Some time more, since it is the larger one of those that have just come.
        let now = Instant::now() + SOME_TIME;
        let cost = |open: &Open| (now - open.since()).as_millis() * open.activity.held() as u128;
        held.sort_by_cached_key(|open| {
            let activity = &open.activity;
            (!activity.is_cut(), Reverse(cost(open)), open.since())
        });
        let mut excess = self.heads.load(Relaxed).saturating_sub(MOST_HELD / 4 * 3);
        let mut cut = 0;
        for open in held {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(open.activity.held());
            if !open.activity.is_cut() {
                open.activity.cut_off();
                cut += 1;
            }
        }
        if cut == 0 {
            return;
        }
        if let Some(left_out) = THROTTLE.admit() {
            tracing::warn!(
                left_out,
                cut,
                "request heads take more than {} MiB; closed the connections that have been \
                 sending one, waiting with some, or inactive after a long one, longest",
                MOST_HELD / 1024 / 1024
            );
        }
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    /// That of a new connection.
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.activity.let_go();
        let mut register = self.load.register();
        if self.is_stranger {
            register
                .strangers
                .retain(|(number, _)| *number != self.number);
            return;
        }
        register.by_number.remove(&self.number);
        drop(register);
        self.load.connections.fetch_sub(1, Relaxed);
        self.load.connection_ended.notify_one();
    }
}

/// A request that waits for room, which its client may give up at any time.
struct Waiting<'a> {
    load: &'a Load,
    activity: &'a Activity,
    bytes: usize,
}

impl<'a> Waiting<'a> {
    fn new(load: &'a Load, activity: &'a Activity, bytes: usize) -> Self {
        load.waiting.fetch_add(1, Relaxed);
        activity.queue(bytes);
        Self {
            load,
            activity,
            bytes,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.activity.unqueue(self.bytes);
        self.load.waiting.fetch_sub(1, Relaxed);
    }
}

/// The resource that there is no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// There still is.
    Nothing,
    Connection,
    Request,
}

impl Wanted {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "requests",
            Self::Nothing | Self::Connection => "connections",
        }
    }
}

static THROTTLE: Throttle = Throttle::new();

/// For what is said as long as there is no room.
static FULL: Throttle = Throttle::to(1, Duration::from_secs(10));

/// Connections beyond the limit that get a response which says so.
const SURPLUS: usize = 64;

/// Connections of users who are refused.
const MOST_STRANGERS: usize = 32;

/// The files left for logins, reading files, and what the system wants.
const RESERVED_FILES: usize = 32;

/// A client that does nothing for less is only slow.
const LEAST_IDLE: Duration = Duration::from_millis(500);

/// That a head is under way longer is not what makes it dear.
const SOME_TIME: Duration = Duration::from_millis(10);

/// The time between two looks at all connections.
const PAUSE: Duration = Duration::from_millis(50);

/// The time after which one looks again whether there is room.
const RETRY: Duration = Duration::from_millis(100);

/// Bytes of heads that have not come to their end or wait for room, and of what is kept after long ones,
/// on all connections.
const MOST_HELD: usize = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_on_than_there_are_files_for() {
        let limits = Limits::default();
        let most = |files| {
            let most = Most::of(&limits, files);
            (most.connections, most.requests)
        };
        assert_eq!(most(1_000_000), (limits.connections, limits.requests));
        assert_eq!(most(1032), (500, 500));
        assert_eq!(most(12_032), (6000, 6000));
        assert_eq!(most(0), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_when_all_is_full_waits_for_the_one_that_is_idle_for_longest() {
        let load = load(2, 10);
        let old = load.admit().await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let young = load.admit().await.unwrap();
        let third = tokio::spawn({
            let load = load.clone();
            async move { load.admit().await.unwrap().surplus }
        });
        old.activity.cut().await;
        drop(old);
        assert!(!third.await.unwrap());
        assert!(!young.activity.is_cut());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_cut_who_waits_for_us_and_who_waits_in_vain_is_told() {
        let load = load(1, 10);
        let busy = load.admit().await.unwrap();
        busy.activity.begin();
        let began = Instant::now();
        let refused = load.admit().await.unwrap();
        assert!(refused.surplus && !busy.activity.is_cut());
        assert!(began.elapsed() >= Duration::from_secs(30));
        // It was full for so long that nobody else need wait.
        assert!(load.admit().await.unwrap().surplus);
        assert!(began.elapsed() < Duration::from_secs(31));
    }

    #[tokio::test(start_paused = true)]
    async fn of_bodies_the_one_that_does_not_come_goes_and_the_one_that_comes_stays() {
        let load = load(10, 2);
        let [slow, fast] = [load.admit().await.unwrap(), load.admit().await.unwrap()];
        for permit in [&slow, &fast] {
            load.begin();
            permit.activity.begin();
            permit.activity.await_body(true);
        }
        load.begin();
        let third = tokio::spawn({
            let load = load.clone();
            async move {
                load.wait_for_room(false, &Activity::default(), || 0)
                    .await
                    .is_ok()
            }
        });
        let start = Instant::now();
        while !slow.activity.is_cut() {
            assert!(start.elapsed() < Duration::from_secs(600), "it is not cut");
            tokio::time::sleep(Duration::from_millis(10)).await;
            // A byte now and then is not enough.
            slow.activity.received(1);
            fast.activity.received(1000);
        }
        assert!(!fast.activity.is_cut());
        slow.activity.end();
        load.end();
        assert!(third.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn of_those_who_take_no_answer_the_one_with_most_goes_even_if_more_of_its_requests_wait()
    {
        let load = load(10, 4);
        let few = load.admit().await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let many = load.admit().await.unwrap();
        for (permit, answers) in [(&few, 1), (&many, 3)] {
            for _ in 0..answers {
                load.begin();
                permit.activity.begin();
                permit.activity.offer(true);
            }
        }
        load.begin();
        many.activity.begin();
        let waiting = tokio::spawn({
            let (load, activity) = (load.clone(), many.activity.clone());
            async move { load.wait_for_room(false, &activity, || 0).await.is_ok() }
        });
        let cut = timeout(Duration::from_secs(5), many.activity.cut());
        cut.await.unwrap();
        assert!(!few.activity.is_cut());
        waiting.abort();
    }

    #[tokio::test]
    async fn heads_are_held_within_bounds_and_the_oldest_go_first() {
        let load = load(1000, 10);
        let mut permits = Vec::new();
        for _ in 0..200 {
            permits.push(load.admit().await.unwrap());
        }
        let [first, last] = [&permits[0], &permits[199]].map(|permit| permit.activity.clone());
        for index in 0..permits.len() {
            let activity = permits[index].activity.clone();
            activity.hold(250_000);
            if activity.is_crowded() {
                let cut = permits.iter().filter(|permit| permit.activity.is_cut());
                assert!(cut.count() > 0);
                permits.retain(|permit| !permit.activity.is_cut());
                assert!(!activity.is_crowded());
                break;
            }
        }
        assert!(first.is_cut());
        assert!(!last.is_cut());
        drop(permits);
        assert_eq!(load.heads.load(Relaxed), 0);
        assert_eq!(load.connections(), 0);
    }

    fn load(connections: usize, requests: usize) -> Arc<Load> {
        let limits = Limits {
            connections,
            requests,
            ..Limits::default()
        };
        Arc::new(Load::new(&limits, 100_000))
    }
}
