//! The body of a request, streamed to the org while a bounded copy is kept, so that it can be sent
//! once more.

use std::{
    error::Error as StdError,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

use crate::{config::Limits, deadline::Deadline};

/// What the client sends, as the source of one [`Sending`] after another.
pub(crate) enum Replay {
    /// Nothing, which can be sent as often as one likes.
    Empty,
    /// A body of the length that the client said, if it did.
    Stream(Arc<Mutex<Stream>>, Option<u64>),
}

impl Replay {
    /// Takes over the body of a request of `version`. At most `replay_bytes` of it are kept, and it
    /// fails once the client has sent nothing for `idle_body`.
    pub(crate) fn new(body: Incoming, version: Version, limits: &Limits) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        let (limit, idle) = (limits.replay_bytes, limits.idle_body);
        let length = body.size_hint().exact();
        let stream = Stream {
            source: Some(body),
            drained: version == Version::HTTP_2,
            ended: false,
            copy: Vec::new(),
            // What cannot be kept whole is not begun with.
            room: if length.is_some_and(|length| length > limit as u64) {
                0
            } else {
                limit
            },
            cut: false,
            sending: 0,
            fault: None,
            moved: Instant::now(),
            idle,
            deadline: Deadline::new(idle),
        };
        Self::Stream(Arc::new(Mutex::new(stream)), length)
    }

    /// The body from its first byte on, or `None` if that is gone. Any earlier [`Sending`] breaks.
    pub(crate) fn send(&self) -> Option<Sending> {
        match self {
            Self::Empty => Some(Sending::Empty),
            Self::Stream(stream, length) => {
                let mut locked = lock(stream);
                if locked.cut {
                    return None;
                }
                locked.sending += 1;
                let number = locked.sending;
                drop(locked);
                Some(Sending::Stream {
                    stream: stream.clone(),
                    number,
                    next: 0,
                    left: *length,
                })
            }
        }
    }

    /// Whether its length is not known, so that it goes in chunks.
    pub(crate) fn is_chunked(&self) -> bool {
        matches!(self, Self::Stream(_, None))
    }

    /// Whether it is, or may turn out, larger than the copy.
    pub(crate) fn may_outgrow(&self, limit: usize) -> bool {
        match self {
            Self::Empty => false,
            Self::Stream(_, length) => length.is_none_or(|length| length > limit as u64),
        }
    }

    /// If a piece of it was sent within the last `window`, what is left of that.
    pub(crate) fn moved_within(&self, window: Duration) -> Option<Duration> {
        match self {
            Self::Empty => None,
            Self::Stream(stream, _) => window
                .checked_sub(lock(stream).moved.elapsed())
                .filter(|left| !left.is_zero()),
        }
    }

    /// What the client did wrong while it sent, if anything.
    pub(crate) fn fault(&self) -> Option<ClientFault> {
        match self {
            Self::Empty => None,
            Self::Stream(stream, _) => lock(stream).fault,
        }
    }
}

/// How a client failed to send its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientFault {
    #[error("the body of the request is not framed as HTTP says (RFC 9112 section 7)")]
    Malformed,
    #[error("the client went away before its request was complete")]
    Gone,
    #[error("the client sent nothing more of its request for {}s (limits.idle_body)", .0.as_secs())]
    Stalled(Duration),
}

/// The one stream behind all attempts to send it.
pub(crate) struct Stream {
    /// There until this is dropped.
    source: Option<Incoming>,
    /// Whether what is not read is to be taken all the same.
    drained: bool,
    ended: bool,
    copy: Vec<Bytes>,
    /// Bytes that may still be kept.
    room: usize,
    /// Whether something was sent that is not kept.
    cut: bool,
    /// The number of the latest sending. Older ones break.
    sending: u32,
    fault: Option<ClientFault>,
    /// When the client last sent a piece.
    moved: Instant,
    idle: Duration,
    deadline: Deadline,
}

impl Stream {
    /// The next piece from the client, kept if there is room.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ClientFault>>> {
        loop {
            let Some(source) = self.source.as_mut().filter(|_| !self.ended) else {
                return Poll::Ready(None);
            };
            let Poll::Ready(frame) = Pin::new(source).poll_frame(cx) else {
                ready!(self.deadline.poll(cx));
                return Poll::Ready(Some(Err(self.fail(ClientFault::Stalled(self.idle)))));
            };
            self.deadline.set(self.idle);
            self.moved = Instant::now();
            match frame {
                None => self.ended = true,
                Some(Err(error)) => {
                    let fault = match is_malformed(&error) {
                        true => ClientFault::Malformed,
                        false => ClientFault::Gone,
                    };
                    return Poll::Ready(Some(Err(self.fail(fault))));
                }
                // Trailers end here: nothing that Salesforce reads comes in one, and a header we
                // own must not come in by that door.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.keep(&data);
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    fn keep(&mut self, data: &Bytes) {
        match self.room.checked_sub(data.len()) {
            Some(room) if !self.cut => {
                self.room = room;
                self.copy.push(data.clone());
            }
            _ => {
                self.cut = true;
                self.copy = Vec::new();
            }
        }
    }

    fn fail(&mut self, fault: ClientFault) -> ClientFault {
        self.ended = true;
        self.cut = true;
        self.fault = Some(fault);
        fault
    }
}

impl Drop for Stream {
    /// HTTP/2 resets a stream whose request is answered before it is read, and some clients then
    /// miss the answer. HTTP/1 closes the connection, and `Wire` sees to that.
    fn drop(&mut self) {
        let unread = self.source.take().filter(|_| self.drained && !self.ended);
        if let (Some(unread), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(timeout(DRAIN_TIME, drain(unread)));
        }
    }
}

/// Takes what a client still sends, up to a bound.
async fn drain(mut body: Incoming) {
    let mut taken = 0;
    while taken < DRAIN_BYTES
        && let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
    {
        taken += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// One attempt to send the body to the org.
pub(crate) enum Sending {
    Empty,
    Stream {
        stream: Arc<Mutex<Stream>>,
        number: u32,
        /// The next piece of the copy.
        next: usize,
        /// Bytes to go, if the length is known.
        left: Option<u64>,
    },
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Self::Stream {
            stream,
            number,
            next,
            left,
        } = self.get_mut()
        else {
            return Poll::Ready(None);
        };
        let mut stream = lock(stream);
        if stream.sending != *number {
            return Poll::Ready(Some(Err(Broken::Superseded)));
        }
        let piece = match stream.copy.get(*next) {
            Some(piece) => Some(Ok(piece.clone())),
            None => ready!(stream.poll_next(cx)),
        };
        *next += 1;
        Poll::Ready(piece.map(|piece| {
            let piece = piece.map_err(Broken::Client)?;
            if let Some(left) = left {
                *left = left.saturating_sub(piece.len() as u64);
            }
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream {
                left: Some(left), ..
            } => SizeHint::with_exact(*left),
            Self::Stream { left: None, .. } => SizeHint::default(),
        }
    }
}

/// Why an attempt to send did not come to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    Client(ClientFault),
    /// The body is being sent anew.
    Superseded,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(fault) => fault.fmt(f),
            Self::Superseded => f.write_str("the request is being sent once more"),
        }
    }
}

impl StdError for Broken {}

/// hyper marks a break in the chunks as an error of kind `InvalidData` or `InvalidInput` below
/// its own, and the end of the connection as `UnexpectedEof`.
fn is_malformed(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};

    error.is_parse()
        || error
            .source()
            .and_then(|source| source.downcast_ref::<std::io::Error>())
            .is_some_and(|source| matches!(source.kind(), InvalidData | InvalidInput))
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

const DRAIN_TIME: Duration = Duration::from_secs(1);

const DRAIN_BYTES: usize = 64 * 1024;
