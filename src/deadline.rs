//! A deadline that is moved often and reached hardly ever.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// A moment that moves with every sign of progress.
///
/// Moving it costs a store: time is counted from when it is next waited for, which is when
/// progress has ended. The timer behind it is left where it is, wakes at least once in every
/// `tick`, and is then set to what the deadline has become. So `tick` must not be longer than the
/// shortest time the deadline is ever set to.
pub(crate) struct Deadline {
    tick: Duration,
    after: Duration,
    /// `after` from when the wait began, if it has.
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// A deadline that is one `tick` away.
    pub(crate) fn new(tick: Duration) -> Self {
        Self {
            tick,
            after: tick,
            at: None,
            timer: None,
        }
    }

    /// Moves the deadline to `after` from when it is next waited for.
    pub(crate) fn set(&mut self, after: Duration) {
        self.after = after;
        self.at = None;
    }

    /// Ready once the deadline has passed; until then the task is woken in time to ask again.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (after, tick) = (self.after, self.tick);
        let at = *self.at.get_or_insert_with(|| Instant::now() + after);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(tick)));
        while timer.as_mut().poll(cx).is_ready() {
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
}
