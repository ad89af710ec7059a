//! A deadline that is moved often and hardly ever reached.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep},
};

/// A moment that moves with every sign of progress.
///
/// Moving it costs a store: time counts from the next wait, which begins when progress has ended.
/// The timer behind it is not moved, wakes at least once in every `tick`, and is then set to the
/// current deadline. So `tick` must not be longer than the shortest time that the deadline is ever
/// set to.
pub(crate) struct Deadline {
    tick: Duration,
    after: Duration,
    /// `after` the beginning of the wait, if it has begun.
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The address of the task that the timer wakes. No other can have it while the timer does.
    wakes: Option<usize>,
}

impl Deadline {
    /// A deadline that is one `tick` away.
    pub(crate) fn new(tick: Duration) -> Self {
        Self {
            tick,
            after: tick,
            at: None,
            timer: None,
            wakes: None,
        }
    }

    /// Moves the deadline to `after` the beginning of the next wait.
    pub(crate) fn set(&mut self, after: Duration) {
        self.after = after;
        self.at = None;
    }

    /// The time since the wait began.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        self.at.map_or(Duration::ZERO, |at| {
            self.after.saturating_sub(at.saturating_duration_since(now))
        })
    }

    /// Ready once the deadline has passed; until then the task is woken in time to ask again.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (after, tick) = (self.after, self.tick);
        let at = *self.at.get_or_insert_with(|| Instant::now() + after);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(tick)));
        // Asking the timer itself takes a dozen atomic operations.
        let task = Some(cx.waker().data().addr());
        if self.wakes == task && !timer.is_elapsed() {
            return Poll::Pending;
        }
        self.wakes = task;
        // Even if the task has used up its share of the runtime: otherwise the timer would not know
        // whom to wake.
        while Pin::new(&mut unconstrained(timer.as_mut()))
            .poll(cx)
            .is_ready()
        {
            let now = Instant::now();
            if now >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at.min(now + tick));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::task::coop;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_met_at_the_moment_it_was_last_moved_to() {
        let start = Instant::now();
        let mut deadline = Deadline::new(Duration::from_secs(2));
        deadline.set(Duration::from_secs(11));
        assert!(futures_util::poll!(poll_fn(|cx| deadline.poll(cx))).is_pending());

        tokio::time::advance(Duration::from_millis(1500)).await;
        deadline.set(Duration::from_secs(2));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(3500));
    }

    #[tokio::test(start_paused = true)]
    async fn is_met_by_a_task_that_had_used_up_its_share_of_the_runtime() {
        let start = Instant::now();
        let mut deadline = Deadline::new(Duration::from_secs(2));
        let mut is_first = true;
        let task = tokio::spawn(poll_fn(move |cx| {
            while is_first && let Poll::Ready(spent) = coop::poll_proceed(cx) {
                spent.made_progress();
            }
            is_first = false;
            deadline.poll(cx)
        }));
        tokio::time::timeout(Duration::from_secs(9), task)
            .await
            .expect("the task to be woken")
            .unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }
}
