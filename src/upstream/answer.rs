//! The body of an answer, streamed from the org.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{connection::Connection, pool::Pool};

/// Streams the body. At its end the connection goes back to the pool; if it breaks, stalls or is
/// dropped before, the connection goes with it.
pub(crate) struct Answer {
    body: Incoming,
    lent: Option<(Box<Connection>, Arc<Pool>)>,
    /// Time between two pieces.
    idle: Duration,
}

impl Answer {
    pub(super) fn new(
        body: Incoming,
        mut connection: Box<Connection>,
        pool: Arc<Pool>,
        idle: Duration,
    ) -> Self {
        connection.deadline.set(idle);
        let mut answer = Self {
            body,
            lent: Some((connection, pool)),
            idle,
        };
        if answer.body.is_end_stream() {
            answer.give_back();
        }
        answer
    }

    /// Whether it comes over HTTP/2.
    fn is_shared(&self) -> bool {
        self.lent
            .as_ref()
            .is_some_and(|(connection, _)| connection.is_shared())
    }

    fn give_back(&mut self) {
        if let Some((connection, pool)) = self.lent.take() {
            pool.put(connection);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if this.body.is_end_stream() {
                    this.give_back();
                } else if let Some((connection, _)) = &mut this.lent {
                    connection.deadline.set(this.idle);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // As with requests, what was given up looks like what has ended.
            Poll::Ready(None) if this.is_shared() && !this.body.is_end_stream() => {
                this.lent = None;
                tracing::warn!("the org gave up its answer");
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
            Poll::Ready(None) => {
                this.give_back();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                this.lent = None;
                tracing::warn!(
                    "the org's answer broke off: {}",
                    crate::error::causes(&error)
                );
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Pending => {
                if let Some((connection, _)) = &mut this.lent {
                    ready!(connection.deadline.poll(cx));
                    this.lent = None;
                    let idle = this.idle.as_secs();
                    tracing::warn!(
                        "the org sent nothing more of its answer for {idle}s (limits.idle_body)"
                    );
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
