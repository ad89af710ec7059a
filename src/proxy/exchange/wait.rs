//! The waits of a request, and how long each of them is.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use pin_project_lite::pin_project;

use super::Exchange;
use crate::watch::Wait;

impl Exchange {
    /// Awaits `future`, and notes for how long if it is not ready at once.
    pub(crate) fn awaits<F: Future>(&self, wait: Wait, future: F) -> Awaited<'_, F> {
        Awaited {
            exchange: self,
            wait,
            is_noted: false,
            future,
        }
    }
}

pin_project! {
    /// Not an `async fn`, which would have room for the future twice.
    pub(crate) struct Awaited<'a, F> {
        exchange: &'a Exchange,
        wait: Wait,
        is_noted: bool,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Awaited<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(cx);
        if this.exchange.began.is_none() {
            return polled;
        }
        if polled.is_pending() && !*this.is_noted {
            *this.is_noted = true;
            this.exchange.notes().waiting = Some((*this.wait, Instant::now()));
        } else if polled.is_ready() && *this.is_noted {
            this.exchange.notes().end_wait();
        }
        polled
    }
}
