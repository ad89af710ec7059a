//! The body of a request, streamed to the org while a bounded copy is kept, so that it can be sent
//! once more.

use std::{
    error::Error as StdError,
    fmt,
    future::poll_fn,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};

pub(crate) use self::inflate::Coding;
use self::inflate::Inflate;
use crate::{config::Limits, deadline::Deadline};

mod inflate;

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
            inflate: None,
            drained: version == Version::HTTP_2,
            ended: false,
            copy: Vec::new(),
            held: 0,
            limit,
            // What cannot be kept whole is not begun with.
            room: if length.is_some_and(|length| length > limit as u64) {
                0
            } else {
                limit + SMALL
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

    /// A body of our own.
    pub(crate) fn of(body: Bytes) -> Self {
        let length = body.len();
        let stream = Stream {
            source: None,
            inflate: None,
            drained: false,
            ended: true,
            copy: vec![body],
            held: length,
            limit: length,
            room: 0,
            cut: false,
            sending: 0,
            fault: None,
            moved: Instant::now(),
            idle: Duration::ZERO,
            deadline: Deadline::new(Duration::ZERO),
        };
        Self::Stream(Arc::new(Mutex::new(stream)), Some(length as u64))
    }

    /// Has the body decompressed from its first byte on. Its length is then not known any more.
    pub(crate) fn decode(&mut self, coding: Coding) {
        if let Self::Stream(stream, length) = self {
            *length = None;
            let mut stream = lock(stream);
            stream.inflate = Some(Inflate::new(coding));
            stream.room = stream.limit + SMALL;
        }
    }

    /// At least the first `wanted` bytes of the body, or all of it, and whether it is all. They are
    /// kept, so it must not be many. To be called before it is sent.
    pub(crate) async fn peek(&self, wanted: usize) -> Result<(Bytes, bool), ClientFault> {
        let Self::Stream(stream, _) = self else {
            return Ok((Bytes::new(), true));
        };
        poll_fn(|cx| lock(stream).poll_fill(cx, wanted, true)).await?;
        let stream = lock(stream);
        let bytes = match &stream.copy[..] {
            [only] => only.clone(),
            pieces => pieces.concat().into(),
        };
        Ok((bytes, stream.ended))
    }

    /// Finds out the length of a body that can be kept whole, and leaves that of any other open.
    pub(crate) async fn measure(&mut self) -> Result<(), ClientFault> {
        let Self::Stream(stream, length) = self else {
            return Ok(());
        };
        let limit = lock(stream).limit;
        poll_fn(|cx| lock(stream).poll_fill(cx, limit, false)).await?;
        let stream = lock(stream);
        if stream.ended {
            *length = Some(stream.held as u64);
        }
        Ok(())
    }

    /// The body from its first byte on, with `splice` done to it, or `None` if that is gone. Any
    /// earlier [`Sending`] breaks.
    pub(crate) fn send(&self, splice: Option<Splice>) -> Option<Sending> {
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
                let change = splice.as_ref().map_or(0, Splice::growth);
                Some(Sending::Stream {
                    stream: stream.clone(),
                    number,
                    next: 0,
                    left: length.map(|length| length.saturating_add_signed(change)),
                    splice: splice.map(Box::new),
                })
            }
        }
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
    #[error("the body of the request is not compressed as its Content-Encoding says")]
    Undecodable,
    #[error(
        "the body of the request is a small one that decompresses to a huge one, or to more than {} MiB",
        inflate::MOST / 1024 / 1024
    )]
    Inflated,
}

/// What goes in place of some bytes of a body. Bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) at: Range<u64>,
    pub(crate) text: Bytes,
}

impl Splice {
    /// By how many bytes it makes a body longer.
    fn growth(&self) -> i64 {
        let cut = self.at.end - self.at.start;
        i64::try_from(self.text.len()).unwrap_or(i64::MAX) - i64::try_from(cut).unwrap_or(i64::MAX)
    }

    /// Does its work on the next piece of the body, and counts on from its end. Returns whether it
    /// is done.
    fn apply(&mut self, piece: &mut Bytes) -> bool {
        let length = piece.len() as u64;
        let Range { start, end } = self.at;
        self.at = start.saturating_sub(length)..end.saturating_sub(length);
        if start > length || start == length && end > start {
            return false;
        }
        let index = |position: u64| usize::try_from(position.min(length)).unwrap_or(usize::MAX);
        let mut changed = BytesMut::from(&piece[..index(start)]);
        changed.extend_from_slice(&std::mem::take(&mut self.text));
        changed.extend_from_slice(&piece[index(end)..]);
        *piece = changed.freeze();
        end <= length
    }
}

/// The one stream behind all attempts to send it.
pub(crate) struct Stream {
    /// There until this is dropped.
    source: Option<Incoming>,
    /// If it comes compressed and must not go on so.
    inflate: Option<Inflate>,
    /// Whether what is not read is to be taken all the same.
    drained: bool,
    ended: bool,
    copy: Vec<Bytes>,
    /// Bytes in it.
    held: usize,
    /// Bytes that may be kept, and those of them that still may.
    limit: usize,
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
            match self.inflate.as_mut().map_or(Ok(None), Inflate::next) {
                Ok(None) => {}
                Ok(Some(data)) => {
                    self.keep(&data);
                    return Poll::Ready(Some(Ok(data)));
                }
                Err(fault) => return Poll::Ready(Some(Err(self.fail(fault)))),
            }
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
                // HTTP/2 shows a request that was given up like one that has ended (RFC 9113
                // section 5.4.2).
                None if self.drained && !self.source.as_ref().is_some_and(Body::is_end_stream) => {
                    return Poll::Ready(Some(Err(self.fail(ClientFault::Gone))));
                }
                None => {
                    self.ended = true;
                    return match self
                        .inflate
                        .take()
                        .map_or(Ok(None), |mut last| last.finish())
                    {
                        Ok(None) => Poll::Ready(None),
                        Ok(Some(data)) => {
                            self.keep(&data);
                            Poll::Ready(Some(Ok(data)))
                        }
                        Err(fault) => Poll::Ready(Some(Err(self.fail(fault)))),
                    };
                }
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
                        match &mut self.inflate {
                            Some(inflate) => inflate.feed(data),
                            None => {
                                self.keep(&data);
                                return Poll::Ready(Some(Ok(data)));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Takes in pieces until `wanted` bytes are kept, or all of them, or, unless it is to go
    /// `beyond`, there is no room for more.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        beyond: bool,
    ) -> Poll<Result<(), ClientFault>> {
        while self.held < wanted && !self.ended && (beyond || self.room > 0) {
            // What is looked at is kept even where it is too much to be sent again.
            let (room, cut) = (self.room, self.cut);
            (self.room, self.cut) = (usize::MAX, false);
            let piece = self.poll_next(cx);
            self.room = room;
            self.cut |= cut;
            match ready!(piece).transpose()? {
                Some(piece) => {
                    self.room = self.room.saturating_sub(cost(&piece));
                    self.join();
                }
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Makes one piece of the last two if they are small. Only before any of them is sent.
    fn join(&mut self) {
        if let [.., before, last] = &self.copy[..]
            && before.len() + last.len() <= SMALL
        {
            let both = Bytes::from([&before[..], last].concat());
            self.copy.truncate(self.copy.len() - 2);
            self.copy.push(both);
        }
    }

    fn keep(&mut self, data: &Bytes) {
        match self.room.checked_sub(cost(data)) {
            Some(room) if !self.cut => {
                self.room = room;
                self.held += data.len();
                self.copy.push(data.clone());
            }
            _ => {
                self.cut = true;
                self.held = 0;
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
        splice: Option<Box<Splice>>,
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
            splice,
        } = self.get_mut()
        else {
            return Poll::Ready(None);
        };
        let mut stream = lock(stream);
        if stream.sending != *number {
            return Poll::Ready(Some(Err(Broken::Superseded)));
        }
        let mut piece = match stream.copy.get(*next) {
            Some(piece) => Some(Ok(piece.clone())),
            None => ready!(stream.poll_next(cx)),
        };
        *next += 1;
        if let (Some(change), Some(Ok(piece))) = (&mut *splice, &mut piece)
            && change.apply(piece)
        {
            *splice = None;
        }
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

/// What it costs to keep a piece, in bytes: with a small one, what it was cut from is kept, too.
fn cost(piece: &Bytes) -> usize {
    match piece.len() < SMALL {
        true => piece.len() + PIECE_COST,
        false => piece.len(),
    }
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes.
const PIECE_COST: usize = 64;

/// Bytes of a piece that is worth joining to another.
const SMALL: usize = 4 * 1024;

const DRAIN_TIME: Duration = Duration::from_secs(1);

const DRAIN_BYTES: usize = 64 * 1024;
