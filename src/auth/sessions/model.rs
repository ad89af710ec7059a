//! Sessions under every short order of events, and under thousands of long ones at random.
//!
//! Holds whatever happens:
//! 1. One flight: there is never more than one login at a time, and nobody waits without one.
//! 2. No login for nothing: none begins while the latest session is neither refused nor old.
//! 3. No loop: in the long run there is a login per second at most, and an org that refuses a request
//!    whatever session it has costs one now and then.
//! 4. No failure forever: once the org is well, a request succeeds after the longest rest.
//! 5. At most one repeat for each session that the org has ended, and what was ended is not used again.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{
    runtime::Builder,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use self::world::{Mood, World};
use super::{super::login::Login, *};
use crate::{
    config::{self, Config},
    demo::Org,
    network::tls,
};

mod world;

#[test]
fn every_short_order_of_events_keeps_the_invariants() {
    let login = login();
    let mut order = vec![0; DEPTH];
    let mut walked = 0;
    loop {
        let done = in_paused_time(walk(&login, &order));
        walked += 1;
        // The next order that differs in what could be done.
        let mut at = done.min(DEPTH - 1);
        order[at + 1..].fill(0);
        order[at] += 1;
        while order[at] == EVENTS.len() {
            order[at] = 0;
            let Some(before) = at.checked_sub(1) else {
                assert!(walked > 30_000, "{walked}");
                return;
            };
            at = before;
            order[at] += 1;
        }
    }
}

#[test]
fn ten_thousand_lives_keep_the_invariants() {
    let login = login();
    for seed in 0..10_000 {
        in_paused_time(live(&login, seed));
    }
}

#[test]
fn sessions_that_die_at_once_cost_a_login_a_second_in_the_long_run() {
    let login = login();
    in_paused_time(async {
        let world = World::new(1, Mood::Well);
        world.lock().slowness = 1;
        let sessions = world.sessions(&login);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(300) {
            let session = sessions.current().await.unwrap();
            world.lock().live = None;
            world.lock().end_of(&session);
            sessions.end(&session);
        }
        let logins = world.lock().logins;
        assert!((300..=361).contains(&logins), "{logins}");
    });
}

#[test]
fn an_org_that_refuses_whatever_it_is_asked_costs_a_login_now_and_then() {
    let login = login();
    in_paused_time(async {
        let world = World::new(1, Mood::Picky);
        let sessions = world.sessions(&login);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(300) {
            request(&sessions, &world).await.unwrap();
        }
        let logins = world.lock().logins;
        // The first, and one in each time for which it is remembered that the last was in vain.
        assert!((2..=12).contains(&logins), "{logins}");
    });
}

/// Sends a request as `proxy::delivery` does, and returns whether the org took it.
async fn request(sessions: &Arc<Sessions>, world: &World) -> Result<bool, Arc<LoginError>> {
    let mut session = current(sessions, world).await?;
    let (mut repeats, mut dead, mut is_confirmed) = (0, 0, false);
    loop {
        world.pause(200).await;
        if world.takes(&session) {
            session.accepted();
            return Ok(true);
        }
        if is_confirmed || repeats == 2 {
            break;
        }
        let is_dead = !world.lock().is_live(&session);
        dead += usize::from(is_dead);
        let next = if repeats == 0 && !sessions.doubts() && !sessions.rests() {
            sessions.replace(&session).await?
        } else if is_dead && !sessions.rests() {
            sessions.after(&session).await?
        } else {
            break;
        };
        is_confirmed = next.same_token(&session) && !Arc::ptr_eq(&next, &session);
        session = next;
        repeats += 1;
        // One besides may be for the request's sake.
        if repeats > dead + 1 {
            world.fault("sent too often");
        }
    }
    if repeats > 0 {
        sessions.doubt();
    }
    Ok(false)
}

/// The session to use, which must not be one that has ended.
async fn current(sessions: &Arc<Sessions>, world: &World) -> Outcome {
    let session = sessions.current().await?;
    if world.lock().has_ended(&session) {
        world.fault("what has ended is used again");
    }
    if session.fitness(Instant::now()) == Fitness::Expired {
        world.fault("what has expired is used");
    }
    Ok(session)
}

/// Has some clients come and go while the org does whatever it likes. Then it is well again.
async fn live(login: &Login, seed: u64) {
    let world = World::new(seed, Mood::Well);
    let sessions = world.sessions(login);
    let mut clients: Vec<JoinHandle<_>> = Vec::new();
    for _ in 0..40 {
        let what = world.lock().random.u8(..20);
        match what {
            0 | 1 => world.lock().live = None,
            2 | 3 => {
                let moods = [
                    Mood::Picky,
                    Mood::Away,
                    Mood::Strict,
                    Mood::Locked,
                    Mood::Odd,
                ];
                let mood = world.lock().random.choice(moods).unwrap_or(Mood::Well);
                world.lock().mood = mood;
            }
            4..=6 => world.lock().mood = Mood::Well,
            // A client hangs up.
            7 => drop(clients.pop().inspect(JoinHandle::abort)),
            8 | 9 => world.pause(20_000).await,
            10 => world.pause(400_000).await,
            _ => {
                let (sessions, world) = (sessions.clone(), world.clone());
                clients.push(tokio::spawn(
                    async move { request(&sessions, &world).await },
                ));
            }
        }
        world.pause(500).await;
    }
    world.lock().mood = Mood::Well;
    for client in clients {
        match timeout(LONGEST_WAIT, client).await {
            Err(_) => world.fault("a request waits forever"),
            Ok(Err(_)) => world.fault("a request panics"),
            Ok(Ok(_)) => {}
        }
    }
    sleep(LONGEST_USER_REST).await;
    if !matches!(request(&sessions, &world).await, Ok(true)) {
        world.fault("a failure forever");
    }
    assert_eq!(world.lock().faults, [""; 0], "seed {seed}");
}

/// An event of the walk.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A client asks for the session.
    Ask,
    /// The org refuses the latest session that a client got, which is to be replaced.
    Refuse,
    /// A refusal of the first session comes late.
    RefuseFirst,
    /// The org says of the latest one that it is dead.
    End,
    /// The login under way ends so: with the session that lives, or with a new one.
    Land(Mood),
    LandAnother,
    /// So many seconds pass.
    Pass(u64),
}

const EVENTS: [Event; 12] = [
    Event::Ask,
    Event::Refuse,
    Event::RefuseFirst,
    Event::End,
    Event::Land(Mood::Well),
    Event::LandAnother,
    Event::Land(Mood::Away),
    Event::Land(Mood::Locked),
    Event::Land(Mood::Odd),
    Event::Pass(1),
    Event::Pass(15),
    Event::Pass(300),
];

const DEPTH: usize = 6;

/// Has the events of `order` happen. Returns the index of one that could not, or the length.
async fn walk(login: &Login, order: &[usize]) -> usize {
    let world = World::new(0, Mood::Told);
    let sessions = world.sessions(login);
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut given: Vec<Arc<Session>> = Vec::new();
    for (at, event) in order.iter().map(|index| EVENTS[*index]).enumerate() {
        let can = step(event, &world, &sessions, &mut waiting, &given);
        if !can {
            return at;
        }
        if let Event::Pass(seconds) = event {
            sleep(Duration::from_secs(seconds)).await;
        }
        settle(&mut waiting, &mut given).await;
        let is_flying = sessions.state().flight.is_some();
        assert_eq!(is_flying, world.lock().logging_in == 1, "{order:?}");
        assert!(waiting.is_empty() || is_flying, "waits in vain: {order:?}");
        assert_eq!(world.lock().faults, [""; 0], "{order:?}");
    }
    // What goes on, goes well.
    sleep(LONGEST_USER_REST).await;
    step(Event::Ask, &world, &sessions, &mut waiting, &given);
    settle(&mut waiting, &mut given).await;
    step(
        Event::Land(Mood::Well),
        &world,
        &sessions,
        &mut waiting,
        &given,
    );
    settle(&mut waiting, &mut given).await;
    assert!(waiting.is_empty(), "waits forever: {order:?}");
    assert!(
        sessions.current.load().is_some(),
        "fails forever: {order:?}"
    );
    assert_eq!(world.lock().faults, [""; 0], "{order:?}");
    order.len()
}

type Waiting = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Begins an event. Returns whether it can happen.
fn step(
    event: Event,
    world: &World,
    sessions: &Arc<Sessions>,
    waiting: &mut Vec<Waiting>,
    given: &[Arc<Session>],
) -> bool {
    let of_client = match event {
        Event::Refuse | Event::End => given.last(),
        Event::RefuseFirst => given.first().filter(|_| given.len() > 1),
        _ => None,
    };
    let (sessions, world) = (sessions.clone(), world.clone());
    match event {
        Event::Ask => waiting.push(Box::pin(async move { current(&sessions, &world).await })),
        Event::Refuse | Event::RefuseFirst | Event::End => {
            let Some(session) = of_client.cloned() else {
                return false;
            };
            if matches!(event, Event::End) {
                world.lock().end_of(&session);
                sessions.end(&session);
            } else {
                world.lock().spend(&session);
                waiting.push(Box::pin(async move { sessions.replace(&session).await }));
            }
        }
        Event::Land(_) | Event::LandAnother => {
            let mut inner = world.lock();
            if inner.logging_in == 0 {
                return false;
            }
            if matches!(event, Event::LandAnother) {
                inner.live = None;
            }
            inner.order = Some(match event {
                Event::Land(mood) => mood,
                _ => Mood::Well,
            });
            inner.ordered.notify_one();
        }
        Event::Pass(_) => {}
    }
    true
}

/// Lets all go on that can, and takes what clients have got.
async fn settle(waiting: &mut Vec<Waiting>, given: &mut Vec<Arc<Session>>) {
    for _ in 0..2 {
        let mut still = Vec::new();
        for mut client in waiting.drain(..) {
            match client.as_mut().now_or_never() {
                Some(Ok(session)) => given.push(session),
                Some(Err(_)) => {}
                None => still.push(client),
            }
        }
        *waiting = still;
        sleep(Duration::from_millis(2)).await;
    }
}

/// A login that is never made.
fn login() -> Login {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let demo = runtime.block_on(Org::start()).unwrap();
    let org = config::Org::at_demo("demo", &demo);
    let tls = tls::client_config(tls::roots(), &[]).unwrap();
    Login::alone(&Config::new(vec![org.clone()]), &org, tls).unwrap()
}

fn in_paused_time<T>(what: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(what)
}

/// Longer than a request waits for all logins that it may need.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
