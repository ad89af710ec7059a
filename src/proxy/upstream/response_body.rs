//! The body of a response, streamed from the org.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{connection::Connection, http1::Http1, pool::Pool};
use crate::{
    spelling::Received,
    system::{chain::causes, telemetry::Throttle},
};

/// Streams the body. At its end the connection goes back to the pool; if it breaks, stalls or is
/// dropped before, the connection goes with it.
pub(crate) struct ResponseBody {
    lent: Option<(Box<Connection>, Arc<Pool>)>,
    /// The header lines, if they are still of use and the connection, which has them, is not lent.
    kept: Option<Box<Received>>,
    /// If true, the header lines are of no more use.
    is_written: bool,
    /// The body, unless it comes by the connection itself.
    stream: Option<Incoming>,
    /// The time between two pieces.
    idle: Duration,
    /// The error that ended it before its time, to be returned next.
    broken: Option<io::Error>,
}

impl ResponseBody {
    pub(super) fn new(
        stream: Option<Incoming>,
        mut connection: Box<Connection>,
        pool: Arc<Pool>,
        idle: Duration,
    ) -> Self {
        connection.deadline.set(idle);
        let mut body = Self {
            lent: Some((connection, pool)),
            kept: None,
            is_written: false,
            stream,
            idle,
            broken: None,
        };
        if body.is_end_stream() {
            body.give_back();
        }
        body
    }

    /// The header lines as the org sent them, if it did so in HTTP/1.1.
    pub(crate) fn sent(&self) -> Option<&Received> {
        match &self.kept {
            Some(kept) => Some(kept),
            None => self.http1().map(Http1::sent),
        }
    }

    /// Notes that the header lines are still those that the org sent.
    pub(crate) fn keep_lines(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.is_unchanged = true;
        } else if let Some(http) = self.http1_mut() {
            http.sent_mut().is_unchanged = true;
        }
    }

    /// Notes that the header lines have gone out.
    pub(crate) fn wrote_lines(&mut self) {
        self.kept = None;
        self.is_written = true;
    }

    /// Has the next response's headers be where these were, if that saves anything.
    pub(crate) fn reuse(&mut self, headers: HeaderMap) {
        if let Some(http) = self.http1_mut() {
            http.reuse(headers);
        }
    }

    fn give_back(&mut self) {
        if !self.is_written
            && let Some(sent) = self.http1_mut().map(Http1::sent_mut)
        {
            self.kept = Some(Box::new(std::mem::take(sent)));
        }
        if let Some((connection, pool)) = self.lent.take() {
            pool.put(connection);
        }
    }

    /// The next piece, or in words the reason why the body broke off.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        if let Some(stream) = &mut self.stream {
            let frame = ready!(Pin::new(stream).poll_frame(cx));
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| causes(&error))));
        }
        let Some(http) = self.http1_mut() else {
            return Poll::Ready(None);
        };
        let piece = ready!(http.poll_body(cx));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(|fault| causes(&fault))))
    }

    /// Ends the body with `error`, once what came before it has been sent to the client: hyper
    /// drops what it has not sent when it learns of an error.
    fn break_off(
        &mut self,
        error: io::Error,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.lent = None;
        self.broken = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn http1(&self) -> Option<&Http1> {
        self.lent.as_ref().and_then(|(lent, _)| lent.http1())
    }

    fn http1_mut(&mut self) -> Option<&mut Http1> {
        self.lent.as_mut().and_then(|(lent, _)| lent.http1_mut())
    }
}

static THROTTLE: Throttle = Throttle::new();

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match this.poll_piece(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if this.is_end_stream() {
                    this.give_back();
                } else if let Some((connection, _)) = &mut this.lent {
                    connection.deadline.set(this.idle);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // As with requests, what was given up looks like what has ended.
            Poll::Ready(None) if this.lent.is_some() && !this.is_end_stream() => {
                if let Some(left_out) = THROTTLE.admit() {
                    tracing::warn!(left_out, "the org aborted its response");
                }
                this.break_off(io::ErrorKind::ConnectionReset.into(), cx)
            }
            Poll::Ready(None) => {
                this.give_back();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(why))) => {
                if let Some(left_out) = THROTTLE.admit() {
                    tracing::warn!(left_out, "the org's response broke off: {why}");
                }
                this.break_off(io::Error::other(why), cx)
            }
            Poll::Pending => {
                if let Some((connection, _)) = &mut this.lent {
                    ready!(connection.deadline.poll(cx));
                    if let Some((_, pool)) = this.lent.take() {
                        // The way there may have failed: nobody else is to wait for nothing.
                        pool.clear();
                    }
                    let idle = this.idle.as_secs();
                    if let Some(left_out) = THROTTLE.admit() {
                        tracing::warn!(
                            left_out,
                            "the org sent no more of its response for {idle}s (limits.idle_body)"
                        );
                    }
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.stream {
            Some(stream) => stream.is_end_stream(),
            None => self.broken.is_none() && self.http1().is_none_or(Http1::is_over),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.stream {
            Some(stream) => stream.size_hint(),
            None if self.broken.is_some() => SizeHint::default(),
            None => self
                .http1()
                .map_or_else(|| SizeHint::with_exact(0), Http1::size_hint),
        }
    }
}
