//! The turns of calls while the org has as many long calls open as it allows.
//!
//! Nobody knows of a call how long it will take. So while there is room, all calls go on at once, as
//! the org has it; it counts those only that take long, and while there are too many of them refuses
//! whatever else comes. Then calls wait here, each client's behind each other, and when there is room
//! the clients have their turns one after the other.
//!
//! The time that a call takes is the org's: while a client still sends its request, or does not take the
//! answer, the call is no long one. Else a client that is slow on purpose would take the places of all.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{Exceeded, Who};
use crate::{config::LongCalls, proxy::received::Received};

/// The calls of one org that are open, and those that wait.
#[derive(Default)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    /// Those of the latest call.
    bounds: LongCalls,
    open: HashMap<u64, Open>,
    /// Those of them that are not known to be long, by the time since which they take.
    young: BTreeSet<(Instant, u64)>,
    /// Those that are.
    long: HashSet<u64>,
    /// The number of the last call.
    last: u64,
    /// Those with calls that wait, are on trial, or are long.
    clients: HashMap<Who, Client>,
    /// Those with calls that wait, the next first.
    order: VecDeque<Who>,
    /// Calls that wait.
    waiting: usize,
    /// Long calls of other replicas, and until when that is taken to be so.
    elsewhere: Option<(usize, Instant)>,
    /// The time until which the org is taken to be full, since it said so.
    full_until: Option<Instant>,
}

/// The numbers of calls at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenCalls {
    /// Long ones.
    pub(crate) open: usize,
    /// Those of other replicas, if it is known lately.
    pub(crate) elsewhere: Option<usize>,
    /// Those that wait for their turn.
    pub(crate) waiting: usize,
}

struct Open {
    who: Who,
    since: Instant,
    kind: Kind,
    course: Arc<Course>,
}

/// How far a call has come, where that is up to its client.
#[derive(Debug, Default)]
struct Course {
    /// Its body, if it has one.
    body: Option<Arc<Received>>,
    /// If true, its answer goes on when the client takes what there is.
    is_untaken: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It has not waited, and not taken long so far.
    Short,
    /// It has waited, and may turn out to be a long one.
    OnTrial,
    Long,
}

#[derive(Default)]
struct Client {
    waiting: VecDeque<Waiter>,
    on_trial: usize,
    long: usize,
}

struct Waiter {
    number: u64,
    go: oneshot::Sender<Turn>,
    course: Arc<Course>,
}

/// The turn of a call, until that has ended.
pub(crate) struct Turn {
    number: u64,
    course: Arc<Course>,
    turns: Arc<Turns>,
}

/// A place in the queue, given up when it is dropped.
struct Place {
    who: Who,
    number: u64,
    turns: Arc<Turns>,
}

impl Turns {
    /// Waits for the turn of a call of `who`, whose `body` may be on its way, within these `bounds`.
    ///
    /// # Errors
    /// If too many wait already, or it takes too long.
    pub(crate) async fn take(
        self: &Arc<Self>,
        who: &Who,
        body: Option<Arc<Received>>,
        bounds: LongCalls,
    ) -> Result<Turn, Exceeded> {
        let LongCalls { most, queue, .. } = bounds;
        let crowded = || Exceeded::Queue { most, queue };
        let is_untaken = AtomicBool::new(false);
        let course = Arc::new(Course { body, is_untaken });
        let (place, mut turn) = {
            let mut state = self.lock();
            let now = Instant::now();
            state.bounds = bounds;
            state.age(now);
            if state.waiting == 0 && state.has_room(now) {
                let number = state.begin(who.clone(), Kind::Short, now, course.clone());
                let turns = self.clone();
                return Ok(Turn {
                    number,
                    course,
                    turns,
                });
            }
            if state.waiting >= queue && !state.make_place(who) {
                return Err(crowded());
            }
            let (go, turn) = oneshot::channel();
            let place = Place {
                who: who.clone(),
                number: state.wait(who, go, course),
                turns: self.clone(),
            };
            (place, turn)
        };
        let deadline = Instant::now() + bounds.wait;
        // Other bounds may have made room.
        self.let_go();
        let wait = bounds.wait;
        let late = || Exceeded::Turn { most, wait };
        loop {
            let next = self.lock().next_change(Instant::now());
            let wake = next.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                biased;
                turn = &mut turn => {
                    drop(place);
                    return turn.map_err(|_| crowded());
                }
                () = sleep_until(wake) => {}
            }
            if Instant::now() >= deadline {
                return Err(late());
            }
            self.let_go();
        }
    }

    /// Notes that the org has refused a call because too many long ones are open, some perhaps of
    /// others than this proxy.
    pub(crate) fn is_full(&self) {
        self.lock().full_until = Some(Instant::now() + FULL);
    }

    /// Notes how many long calls other replicas have open, which holds for the time of their `lease`.
    pub(super) fn hears_of_others(self: &Arc<Self>, long: usize, lease: Duration) {
        let is_waited_for = {
            let mut state = self.lock();
            state.elsewhere = Some((long, Instant::now() + lease));
            state.waiting > 0
        };
        if is_waited_for {
            self.let_go();
        }
    }

    /// The number of long calls that are open, within the bounds of the latest call.
    pub(super) fn long(&self) -> usize {
        let mut state = self.lock();
        state.age(Instant::now());
        state.long()
    }

    /// How many there are now.
    pub(super) fn view(&self, bounds: LongCalls) -> OpenCalls {
        let mut state = self.lock();
        let now = Instant::now();
        state.bounds = bounds;
        state.age(now);
        OpenCalls {
            open: state.long(),
            elsewhere: state.elsewhere(now),
            waiting: state.waiting,
        }
    }

    /// Lets those go whose turn it is.
    fn let_go(self: &Arc<Self>) {
        let due = {
            let mut state = self.lock();
            let now = Instant::now();
            state.age(now);
            state.due(now)
        };
        for (number, Waiter { go, course, .. }) in due {
            let turns = self.clone();
            // If nobody waits any more, it ends at once.
            let _ = go.send(Turn {
                number,
                course,
                turns,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, now: Instant) -> bool {
        self.room(now) > 0 && self.full_until.is_none_or(|until| until <= now)
    }

    /// The number of long calls that may come yet.
    fn room(&self, now: Instant) -> usize {
        let long = self.long() + self.elsewhere(now).unwrap_or(0);
        self.bounds.most.saturating_sub(long)
    }

    /// Those that are open and not up to their clients.
    fn long(&self) -> usize {
        let open = self.long.iter().filter_map(|number| self.open.get(number));
        open.filter(|call| !call.course.is_untaken()).count()
    }

    /// The number of those of other replicas, if it is known lately.
    fn elsewhere(&self, now: Instant) -> Option<usize> {
        let (long, _) = self.elsewhere.filter(|(_, until)| *until > now)?;
        Some(long)
    }

    fn begin(&mut self, who: Who, kind: Kind, since: Instant, course: Arc<Course>) -> u64 {
        self.last += 1;
        self.young.insert((since, self.last));
        let open = Open {
            who,
            since,
            kind,
            course,
        };
        self.open.insert(self.last, open);
        self.last
    }

    /// Has a call leave the full queue for one of `who`: the last one of the client that has most in it,
    /// unless `who` would have as many then.
    fn make_place(&mut self, who: &Who) -> bool {
        let waiting = |client: &Client| client.waiting.len();
        let own = self.clients.get(who).map_or(0, waiting);
        let most = self
            .clients
            .values_mut()
            .max_by_key(|client| waiting(client));
        let Some(most) = most.filter(|most| waiting(most) > own + 1) else {
            return false;
        };
        // More than one are left.
        most.waiting.pop_back();
        self.waiting -= 1;
        true
    }

    fn wait(&mut self, who: &Who, go: oneshot::Sender<Turn>, course: Arc<Course>) -> u64 {
        self.last += 1;
        let number = self.last;
        let client = self.clients.entry(who.clone()).or_default();
        if client.waiting.is_empty() {
            self.order.push_back(who.clone());
        }
        client.waiting.push_back(Waiter { number, go, course });
        self.waiting += 1;
        number
    }

    /// Finds out which calls have become long ones.
    fn age(&mut self, now: Instant) {
        while let Some((since, number)) = self.young.first().copied()
            && now.duration_since(since) >= self.bounds.after
        {
            self.young.pop_first();
            let Some(call) = self.open.get_mut(&number) else {
                continue;
            };
            let since = call.course.since(since, now);
            if since > call.since {
                call.since = since;
                self.young.insert((since, number));
                continue;
            }
            let client = self.clients.entry(call.who.clone()).or_default();
            client.long += 1;
            client.on_trial -= usize::from(call.kind == Kind::OnTrial);
            self.long.insert(number);
            call.kind = Kind::Long;
        }
    }

    /// The waiting calls whose turn it is, which begin.
    fn due(&mut self, now: Instant) -> Vec<(u64, Waiter)> {
        let mut due = Vec::new();
        let mut passed_over = 0;
        while self.has_room(now)
            && passed_over < self.order.len()
            && let Some(who) = self.order.pop_front()
        {
            let most = self.most_on_trial(&who, now);
            let client = self.clients.entry(who.clone()).or_default();
            if client.on_trial >= most {
                self.order.push_back(who);
                passed_over += 1;
                continue;
            }
            let next = client.waiting.pop_front();
            if !client.waiting.is_empty() {
                self.order.push_back(who.clone());
            }
            if let Some(waiter) = next {
                client.on_trial += 1;
                self.waiting -= 1;
                passed_over = 0;
                let course = waiter.course.clone();
                due.push((self.begin(who, Kind::OnTrial, now, course), waiter));
            }
        }
        due
    }

    /// The number of calls of `who` that may be on trial. All of them may turn out to be long ones. So
    /// while there are others, a client that has long calls open gets no more than there is room for,
    /// and the others are not kept waiting by that.
    fn most_on_trial(&self, who: &Who, now: Instant) -> usize {
        let is_long = self.clients.get(who).is_some_and(|client| client.long > 0);
        let is_other = |(other, client): (&Who, &Client)| {
            other != who && (client.on_trial > 0 || !client.waiting.is_empty())
        };
        if is_long && self.clients.iter().any(is_other) {
            self.room(now).max(1)
        } else {
            self.bounds.most
        }
    }

    /// When there may be room without a call that ends.
    fn next_change(&self, now: Instant) -> Option<Instant> {
        let mut on_trial = self.young.iter();
        let on_trial = on_trial.find(|(_, number)| {
            let call = self.open.get(number);
            call.is_some_and(|call| call.kind == Kind::OnTrial)
        });
        let proven = on_trial.map(|(since, _)| *since + self.bounds.after);
        let elsewhere = self.elsewhere.map(|(_, until)| until);
        // By then a long one may be up to its client.
        let look = (!self.long.is_empty()).then(|| now + LOOK);
        let untils = [self.full_until, elsewhere, look].into_iter().flatten();
        let untils = untils.filter(|until| *until > now);
        proven.into_iter().chain(untils).min()
    }

    fn end(&mut self, number: u64) {
        let Some(call) = self.open.remove(&number) else {
            return;
        };
        self.young.remove(&(call.since, number));
        let Some(client) = self.clients.get_mut(&call.who) else {
            return;
        };
        match call.kind {
            Kind::Short => {}
            Kind::OnTrial => client.on_trial -= 1,
            Kind::Long => {
                client.long -= 1;
                self.long.remove(&number);
                self.full_until = None;
            }
        }
        self.forget(&call.who);
    }

    /// Takes a call out of the queue that does not wait any more.
    fn leave(&mut self, who: &Who, number: u64) {
        let Some(client) = self.clients.get_mut(who) else {
            return;
        };
        let before = client.waiting.len();
        client.waiting.retain(|waiter| waiter.number != number);
        if client.waiting.len() < before {
            self.waiting -= 1;
            if client.waiting.is_empty() {
                self.order.retain(|other| other != who);
            }
        }
        self.forget(who);
    }

    /// Forgets a client of whom there is nothing left.
    fn forget(&mut self, who: &Who) {
        let is_idle =
            |client: &Client| client.waiting.is_empty() && client.on_trial + client.long == 0;
        if self.clients.get(who).is_some_and(is_idle) {
            self.clients.remove(who);
        }
    }
}

impl Course {
    /// Since when a call takes the org's time that began at `since`, as it looks `now`.
    fn since(&self, since: Instant, now: Instant) -> Instant {
        if self.is_untaken() {
            return now;
        }
        match &self.body {
            None => since,
            Some(body) => body.ended().map_or(now, |ended| ended.max(since)),
        }
    }

    fn is_untaken(&self) -> bool {
        self.is_untaken.load(Relaxed)
    }
}

impl Turn {
    /// Notes that the answer waits for the client from now on, or no longer.
    pub(crate) fn offer(&self, begins: bool) {
        self.course.is_untaken.store(begins, Relaxed);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.age(Instant::now());
        state.end(self.number);
        let is_waited_for = state.waiting > 0;
        drop(state);
        if is_waited_for {
            self.turns.let_go();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().leave(&self.who, self.number);
    }
}

/// The time for which the org is taken to be full after it has said so. Long calls end at any time, and
/// others may make them, too.
const FULL: Duration = Duration::from_secs(2);

/// Between two looks at which long calls are up to their clients, while others wait.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
