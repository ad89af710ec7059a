use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::time::advance;

use super::*;
use crate::config::ClientLabel;

const AFTER: Duration = Duration::from_secs(20);

/// Turns within bounds that stay the same.
struct Bounded(Arc<Turns>, LongCalls);

impl Bounded {
    async fn take(&self, who: &Who) -> Result<Turn, Exceeded> {
        self.0.take(who, None, self.1).await
    }

    /// The turn of a call whose client still sends.
    async fn take_upload(&self, body: &Arc<Received>) -> Turn {
        let turn = self.0.take(&None, Some(body.clone()), self.1).await;
        turn.unwrap()
    }

    fn view(&self) -> (usize, usize) {
        let calls = self.0.view(self.1);
        (calls.open, calls.waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

fn turns(most: usize) -> Bounded {
    let bounds = LongCalls {
        most,
        after: AFTER,
        wait: Duration::from_secs(30),
        queue: 50,
    };
    Bounded(Arc::default(), bounds)
}

fn client(name: &str) -> Who {
    Some(ClientLabel::Name(name.into()))
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Turn, Exceeded>> + 'a>>;

/// What has become of a call, as far as it gets by itself.
fn poll(waiting: &mut Waiting<'_>) -> Poll<Result<Turn, Exceeded>> {
    waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// A call of `who` that waits.
fn wait<'a>(turns: &'a Bounded, who: &'a Who) -> Waiting<'a> {
    let mut waiting: Waiting<'a> = Box::pin(turns.take(who));
    assert!(poll(&mut waiting).is_pending());
    waiting
}

/// So many calls of `who`, which take long.
async fn long_calls(turns: &Bounded, who: &Who, count: usize) -> Vec<Turn> {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(turns.take(who).await.unwrap());
    }
    advance(AFTER).await;
    open
}

/// The calls whose turn has come, by their places in `waiting`.
fn gone(waiting: &mut [Option<Waiting<'_>>]) -> Vec<(usize, Turn)> {
    let mut gone = Vec::new();
    for (place, slot) in waiting.iter_mut().enumerate() {
        if let Some(call) = slot
            && let Poll::Ready(turn) = poll(call)
        {
            gone.push((place, turn.unwrap()));
            *slot = None;
        }
    }
    gone
}

#[tokio::test(start_paused = true)]
async fn short_calls_are_not_bounded() {
    let turns = turns(2);
    let open = long_calls(&turns, &None, 1).await;
    let mut others = Vec::new();
    for _ in 0..100 {
        others.push(turns.take(&None).await.unwrap());
    }
    assert_eq!(turns.view(), (1, 0));
    drop((open, others));
    let state = turns.lock();
    assert!(state.open.is_empty() && state.clients.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_a_client_sends_its_request_is_not_the_orgs() {
    let turns = turns(1);
    let body = Arc::<Received>::default();
    let slow = turns.take_upload(&body).await;
    advance(AFTER * 10).await;
    assert_eq!(turns.view(), (0, 0));
    let ended = Instant::now();
    body.end(ended);
    advance(AFTER - Duration::from_millis(1)).await;
    assert_eq!(turns.view(), (0, 0));
    // An end that is noticed late is one all the same.
    advance(Duration::from_millis(1)).await;
    assert_eq!(turns.view(), (1, 0));
    drop(slow);
    let state = turns.lock();
    assert!(state.open.is_empty() && state.young.is_empty() && state.long.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_time_in_which_a_client_does_not_take_its_answer_is_not_the_orgs() {
    let turns = turns(1);
    let untaken = turns.take(&None).await.unwrap();
    untaken.offer(true);
    advance(AFTER).await;
    assert_eq!(turns.view(), (0, 0));
    untaken.offer(false);
    advance(AFTER).await;
    assert_eq!(turns.view(), (1, 0));

    // One that is known to be long, while another waits.
    let mut waiting = wait(&turns, &None);
    untaken.offer(true);
    advance(LOOK).await;
    assert!(poll(&mut waiting).is_ready());
}

#[tokio::test(start_paused = true)]
async fn what_the_org_would_refuse_waits_until_a_long_call_has_ended() {
    let turns = turns(2);
    let mut open = long_calls(&turns, &None, 2).await;
    let mut waiting = wait(&turns, &None);
    assert_eq!(turns.view(), (2, 1));
    drop(open.pop());
    let Poll::Ready(Ok(turn)) = poll(&mut waiting) else {
        panic!("it still waits");
    };
    assert_eq!(turns.view(), (1, 0));
    drop(turn);
}

#[tokio::test(start_paused = true)]
async fn the_clients_have_their_turns_one_after_the_other() {
    let turns = turns(2);
    let (greedy, modest) = (client("greedy"), client("modest"));
    let mut open = long_calls(&turns, &greedy, 2).await;
    let mut waiting: Vec<_> = (0..10).map(|_| Some(wait(&turns, &greedy))).collect();
    waiting.push(Some(wait(&turns, &modest)));
    waiting.push(Some(wait(&turns, &modest)));

    // There is room for one long call, and the one with none has what it wants.
    drop(open.pop());
    let first = gone(&mut waiting);
    let places: Vec<_> = first.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [0, 10, 11]);

    // All of them take long.
    advance(AFTER).await;
    assert_eq!(turns.view().0, 4);
    waiting.push(Some(wait(&turns, &modest)));
    drop(open);
    assert!(gone(&mut waiting).is_empty());
    drop(first);
    let second = gone(&mut waiting);
    assert!(second.iter().any(|(place, _)| *place == 12));
}

#[tokio::test(start_paused = true)]
async fn a_greedy_client_gets_on_by_itself() {
    let turns = turns(2);
    let mut open = long_calls(&turns, &None, 2).await;
    let mut waiting: Vec<_> = (0..5).map(|_| Some(wait(&turns, &None))).collect();
    drop(open.pop());
    // As many as the org allows, since all may take long.
    let mut done = 0;
    while done < 5 {
        let now = gone(&mut waiting);
        assert!((1..=2).contains(&now.len()), "{}", now.len());
        done += now.len();
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_forever_nor_in_a_queue_without_end() {
    let turns = turns(1);
    let open = long_calls(&turns, &None, 1).await;
    let started = Instant::now();
    let waited = turns.take(&None).await.err();
    let wait = Duration::from_secs(30);
    assert_eq!(waited, Some(Exceeded::Turn { most: 1, wait }));
    assert_eq!(started.elapsed().as_secs(), wait.as_secs());
    assert_eq!(turns.view(), (1, 0));

    let waiting: Vec<_> = (0..50).map(|_| self::wait(&turns, &None)).collect();
    let mut one_more = pin!(turns.take(&None));
    let refused = one_more
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(refused)) = refused else {
        panic!("the queue has no bound");
    };
    assert_eq!(refused, Exceeded::Queue { most: 1, queue: 50 });
    drop(waiting);
    assert_eq!(turns.view(), (1, 0));
    let state = turns.lock();
    assert!(state.order.is_empty() && state.clients.len() == 1);
    drop(state);
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_fills_the_queue_makes_way_in_it_for_others() {
    let turns = turns(1);
    let (greedy, modest) = (client("greedy"), client("modest"));
    let open = long_calls(&turns, &greedy, 1).await;
    let mut waiting: Vec<_> = (0..50).map(|_| wait(&turns, &greedy)).collect();
    let mut others: Vec<_> = (0..25).map(|_| wait(&turns, &modest)).collect();
    assert_eq!(turns.view(), (1, 50));
    let left: Vec<_> = waiting.iter_mut().map(poll).collect();
    let (first, last) = left.split_at(25);
    assert!(first.iter().all(Poll::is_pending));
    for refused in last {
        let Poll::Ready(Err(refused)) = refused else {
            panic!("it still waits");
        };
        assert_eq!(*refused, Exceeded::Queue { most: 1, queue: 50 });
    }
    // They have the same number now, and a third client would have fewer.
    for who in [&greedy, &modest] {
        let one_more: &mut Waiting<'_> = &mut (Box::pin(turns.take(who)) as _);
        assert!(matches!(poll(one_more), Poll::Ready(Err(_))));
    }
    others.push(wait(&turns, &None));
    drop((waiting, others));
    let state = turns.lock();
    assert!(state.order.is_empty() && state.waiting == 0);
    drop(state);
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_up_leaves_its_place_and_its_turn() {
    let turns = turns(1);
    let open = long_calls(&turns, &None, 1).await;
    let gone = wait(&turns, &None);
    let other = client("other");
    let mut waiting = wait(&turns, &other);
    drop(gone);
    assert_eq!(turns.view(), (1, 1));

    // Its turn has come, and it does not take it any more.
    drop(open);
    assert_eq!(turns.view(), (0, 0));
    assert_eq!(turns.lock().open.len(), 1);
    drop(waiting);
    assert!(turns.lock().open.is_empty());
    waiting = Box::pin(turns.take(&other));
    assert!(poll(&mut waiting).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_org_holds_all_for_a_while() {
    let turns = turns(5);
    turns.0.is_full();
    let started = Instant::now();
    let turn = turns.take(&None).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), FULL.as_secs());
    drop(turn);
}

#[tokio::test(start_paused = true)]
async fn new_bounds_count_with_the_next_call() {
    let turns = turns(1);
    let open = long_calls(&turns, &None, 1).await;
    let mut waiting = wait(&turns, &None);
    let more = LongCalls { most: 2, ..turns.1 };
    let next = turns.0.take(&None, None, more).await;
    assert!(next.is_ok() && poll(&mut waiting).is_ready());
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn calls_go_on_in_turn_by_client_and_not_in_the_order_in_which_they_came() {
    let turns = turns(2);
    turns.0.is_full();
    let (a, b) = (client("a"), client("b"));
    let waiting: Vec<_> = [&a, &a, &a, &b, &b, &b].map(|who| wait(&turns, who)).into();
    advance(FULL).await;
    let mut state = turns.lock();
    let due = state.due(Instant::now());
    let order: Vec<_> = due
        .iter()
        .map(|(number, _)| state.open[number].who.clone())
        .collect();
    assert_eq!(order, [a.clone(), b.clone(), a.clone(), b.clone()]);
    drop(state);
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn the_long_calls_of_other_replicas_count_while_these_are_heard_of() {
    let lease = Duration::from_secs(3);
    let turns = turns(2);
    let who = client("a");
    let open = long_calls(&turns, &who, 1).await;
    turns.0.hears_of_others(1, lease);
    let mut waiting = wait(&turns, &who);
    assert!(poll(&mut waiting).is_pending());
    turns.0.hears_of_others(0, lease);
    assert!(poll(&mut waiting).is_ready());

    turns.0.hears_of_others(2, lease);
    assert_eq!(turns.0.view(turns.1).elsewhere, Some(2));
    // Nothing more is heard of them.
    let began = Instant::now();
    let turn = turns.take(&who).await;
    assert!(turn.is_ok() && began.elapsed() >= lease);
    assert_eq!(turns.0.view(turns.1).elsewhere, None);
    drop(open);
}
