//! HTTP/1.1 with the org, one request at a time (RFC 9112).
//!
//! It is driven by whoever waits for the response. hyper's client has a task for each connection
//! and channels between that and the request, which are a sixth of the instructions of a small one.
//! The price: an upload goes on only as long as the client takes the response, if that comes before
//! its end.

use std::{
    fmt::Write,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Method, Response};
use hyper::body::{Body, SizeHint};
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio_rustls::client::TlsStream;

pub(super) use self::head::has_length;
use self::{
    body::Rest,
    head::{Head, Lines},
    pieces::Pieces,
};
use crate::{
    auth::Session,
    network::Socket,
    proxy::{
        replay::{Broken, Sending},
        request,
    },
    spelling::Received,
};

mod body;
#[cfg(test)]
mod differential;
mod head;
mod pieces;

/// A connection, and how far it has come with the current request.
pub(super) struct Http1 {
    tls: TlsStream<Socket>,
    request: Outgoing,
    /// Bytes that the org has sent and nobody has taken yet.
    input: BytesMut,
    lines: Lines,
    /// If true, something of the response has come.
    heard: bool,
    /// The header lines of the response, as the org sent them.
    sent: Received,
    /// The rest of the response.
    rest: Rest,
    /// If true, the connection outlives the response.
    persistent: bool,
}

/// A request on its way.
struct Outgoing {
    /// The next bytes to send.
    next: Pieces,
    /// The body behind that.
    body: Sending,
    /// Bytes to come of it, unless it goes in chunks.
    left: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Sending,
    /// There is no more of it than `next`.
    Ending,
    Sent,
    /// The org takes no more. It may have answered all the same.
    Refused,
}

/// The reason why there is no response, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResponseFault {
    #[error("the org closed it")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Body(#[from] Broken),
    #[error("the body of the request does not match its Content-Length")]
    Length,
}

/// The reason why a response is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the org's response is not HTTP/1.1")]
    Version,
    #[error("the head of the org's response is too long, or has too many lines")]
    LongHead,
    #[error("the org's response has an invalid status")]
    Status,
    #[error("the org's response has a malformed header line")]
    Line,
    #[error("the org's response does not declare its length as HTTP requires (RFC 9112 section 6)")]
    Framing,
    #[error("the org's response has a transfer coding other than chunked, which was not asked for")]
    Coding,
    #[error("the org's response has a malformed chunk")]
    Chunk,
    #[error("the org's response has malformed trailers")]
    Trailers,
}

impl Http1 {
    pub(super) fn new(tls: TlsStream<Socket>) -> Self {
        Self {
            tls,
            request: Outgoing {
                next: Pieces::default(),
                body: Sending::Empty,
                left: Some(0),
                state: State::Sent,
            },
            input: BytesMut::new(),
            lines: Lines::default(),
            heard: false,
            sent: Received::default(),
            rest: Rest::Nothing,
            persistent: true,
        }
    }

    /// Returns whether it can take a request, as far as is known: the org has neither closed it nor
    /// said anything that nobody asked for.
    pub(super) fn is_open(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        // What has come may be for TLS alone. If it is still there, it was not looked at.
        self.is_idle()
            && (self.is_quiet()
                || poll_record(&mut self.tls, &mut nobody).is_pending() && self.is_quiet())
    }

    fn is_quiet(&self) -> bool {
        let (socket, session) = self.tls.get_ref();
        session.wants_read() && !socket.is_readable()
    }

    /// Returns whether a response has ended, so that another may follow.
    pub(super) fn is_idle(&self) -> bool {
        self.persistent
            && self.rest.is_nothing()
            && self.request.state == State::Sent
            && self.input.is_empty()
    }

    /// Gives up memory that is of use only if a response follows soon.
    pub(super) fn shrink(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        self.lines = Lines::default();
        self.sent = Received::default();
    }

    /// Takes on a request. Nothing is sent before the response is waited for.
    pub(super) fn begin(&mut self, head: &request::Head, session: &Session, body: Sending) {
        self.tls.get_mut().0.be_strict();
        self.heard = false;
        let request = &mut self.request;
        request.next.head.clear();
        head.write(session, &body, &mut request.next.head);
        request.left = body.size_hint().exact();
        request.state = if body.is_end_stream() {
            State::Ending
        } else {
            State::Sending
        };
        request.body = body;
    }

    /// The head of the response to the request, which is of `method`.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
    ) -> Poll<Result<Response<()>, ResponseFault>> {
        self.drive(cx)?;
        let (lines, sent, heard) = (&mut self.lines, &mut self.sent, &mut self.heard);
        let take = |input: &mut BytesMut| {
            *heard = true;
            Head::take(input, lines, sent)
        };
        let head = ready!(poll_take(&mut self.tls, &mut self.input, cx, take))?;
        self.rest = head.rest(method)?;
        self.persistent = head.is_persistent();
        Poll::Ready(Ok(head.response))
    }

    /// Returns whether anything of a response had come before this `fault` of its head: a part, an
    /// interim response, or what TLS cannot read.
    pub(super) fn has_heard(&self, fault: &ResponseFault) -> bool {
        let is_unreadable =
            matches!(fault, ResponseFault::Io(error) if error.kind() == io::ErrorKind::InvalidData);
        self.heard || is_unreadable
    }

    /// The header lines of the response as the org sent them.
    pub(super) fn sent(&self) -> &Received {
        &self.sent
    }

    /// The same as [`Self::sent`].
    pub(super) fn sent_mut(&mut self) -> &mut Received {
        &mut self.sent
    }

    /// Has the next response's headers be where these were, which saves their memory.
    pub(super) fn reuse(&mut self, headers: HeaderMap) {
        self.lines.reuse(headers);
    }

    /// The next piece of the response's body.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ResponseFault>>> {
        self.drive(cx)?;
        if self.rest.is_nothing() {
            return Poll::Ready(None);
        }
        let rest = &mut self.rest;
        let take = |input: &mut BytesMut| match rest.take(input)? {
            Some(piece) => Ok(Some(Some(piece))),
            // Trailers, or their absence, may come last.
            None if rest.is_nothing() => Ok(Some(None)),
            None => Ok(None),
        };
        match ready!(poll_take(&mut self.tls, &mut self.input, cx, take)) {
            Ok(piece) => Poll::Ready(piece.map(Ok)),
            Err(ResponseFault::Closed) if self.rest == Rest::UntilClose => {
                self.rest = Rest::Nothing;
                self.persistent = false;
                Poll::Ready(None)
            }
            Err(fault) => Poll::Ready(Some(Err(fault))),
        }
    }

    /// Returns whether the response's body has ended.
    pub(super) fn is_over(&self) -> bool {
        self.rest.is_nothing()
    }

    /// The length of the response body in bytes, as far as it is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Length(left) => SizeHint::with_exact(left),
            Rest::Nothing => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }

    /// Sends what can be sent of the request.
    ///
    /// # Errors
    /// When the body of the request is not whole. That the org takes no more of it is not an error:
    /// it may have refused it early.
    fn drive(&mut self, cx: &mut Context<'_>) -> Result<(), ResponseFault> {
        if matches!(self.request.state, State::Sent | State::Refused) {
            return Ok(());
        }
        match self.request.poll_send(&mut self.tls, cx) {
            Poll::Ready(Err(ResponseFault::Io(error))) => {
                tracing::debug!("the org stopped reading a request: {error}");
                self.request.state = State::Refused;
                Ok(())
            }
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(()),
        }
    }
}

/// Has `take` take something out of `input`, to which the bytes that the org sends are added until
/// that is enough.
fn poll_take<T>(
    tls: &mut TlsStream<Socket>,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
    mut take: impl FnMut(&mut BytesMut) -> Result<Option<T>, Malformed>,
) -> Poll<Result<T, ResponseFault>> {
    loop {
        if !input.is_empty()
            && let Some(taken) = take(input)?
        {
            return Poll::Ready(Ok(taken));
        }
        let record = ready!(poll_record(tls, cx))?;
        let length = record.len();
        // What is small finds room where what was there before it is gone. Large pieces are on
        // their way for longer, and share what they are in.
        if length > SMALL && input.capacity() - input.len() < length {
            input.reserve(ROOM);
        }
        input.extend_from_slice(record);
        Pin::new(&mut *tls).consume(length);
    }
}

/// The bytes that the org has sent and nobody has taken, or those that come next.
fn poll_record<'a>(
    tls: &'a mut TlsStream<Socket>,
    cx: &mut Context<'_>,
) -> Poll<Result<&'a [u8], ResponseFault>> {
    let (socket, session) = tls.get_ref();
    // The socket alone says at less cost that nothing has come, unless TLS has some left.
    if session.wants_read() && !socket.is_readable() {
        ready!(socket.poll_read_ready(cx))?;
    }
    match ready!(Pin::new(tls).poll_fill_buf(cx))? {
        [] => Poll::Ready(Err(ResponseFault::Closed)),
        record => Poll::Ready(Ok(record)),
    }
}

impl Outgoing {
    fn poll_send(
        &mut self,
        tls: &mut TlsStream<Socket>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ResponseFault>> {
        loop {
            // Before the head goes out, so that a small body goes along.
            let waits = self.state == State::Sending && self.poll_piece(cx)?.is_pending();
            while self.next.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = self.next.chunks_vectored(&mut slices);
                let written =
                    ready!(Pin::new(&mut *tls).poll_write_vectored(cx, &slices[..count]))?;
                if written == 0 {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
                }
                self.next.advance(written);
            }
            if waits || self.state == State::Ending {
                ready!(Pin::new(&mut *tls).poll_flush(cx))?;
            }
            if waits {
                return Poll::Pending;
            }
            if self.state == State::Ending {
                self.state = State::Sent;
                // With it goes the copy of it.
                self.body = Sending::Empty;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Has the next piece of the body follow, or its end, unless there is one.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ResponseFault>> {
        if !self.next.body.is_empty() || !self.next.tail.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?;
        if frame.is_none() {
            self.state = State::Ending;
        }
        let piece = frame
            .and_then(|frame| frame.into_data().ok())
            .unwrap_or_default();
        match &mut self.left {
            Some(left) => {
                *left = left
                    .checked_sub(piece.len() as u64)
                    .filter(|left| self.state == State::Sending || *left == 0)
                    .ok_or(ResponseFault::Length)?;
                if *left == 0 {
                    self.state = State::Ending;
                }
            }
            None if self.state == State::Ending => self.next.tail = b"0\r\n\r\n",
            // As a chunk it would be the last.
            None if piece.is_empty() => {}
            None => {
                write!(self.next.head, "{:x}\r\n", piece.len()).map_err(io::Error::other)?;
                self.next.tail = b"\r\n";
            }
        }
        self.next.body = piece;
        Poll::Ready(Ok(()))
    }
}

/// Bytes of a record.
const SMALL: usize = 4 * 1024;

/// Bytes of four records.
const ROOM: usize = 64 * 1024;
