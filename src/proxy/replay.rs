//! The body of a request, streamed to the org while a bounded copy is kept, so that it can be sent
//! once more.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Version, header, request::Parts};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

pub(crate) use self::{
    fault::ClientFault,
    memory::ReplayMemory,
    sending::{Broken, Sending, Splice},
};
use self::{
    inflate::Inflate,
    memory::{FREE, Share, Source},
    pace::Pace,
};
use crate::{
    config::Limits,
    proxy::{coding::Coding, exchange::Exchange, family::Family, received::Received},
};

mod drain;
mod fault;
mod inflate;
mod memory;
mod pace;
mod sending;
mod whole;

/// The client's body, as the source of one [`Sending`] after another.
pub(crate) enum Replay {
    /// Nothing, which can be sent as often as one likes.
    Empty,
    /// A body, and its length if the client declared one.
    Stream(Arc<Mutex<Stream>>, Option<u64>),
}

impl Replay {
    /// Takes over the body of the request that begins with `head`. At most `replay_bytes` of it are
    /// kept, out of `memory`. It fails once the client has sent nothing for `idle_body`, or less than
    /// `body_rate`; but a call of the Pub/Sub API may be silent for days.
    pub(crate) fn new(
        body: Incoming,
        head: &Parts,
        limits: &Limits,
        memory: &Arc<ReplayMemory>,
        exchange: &Exchange,
    ) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        let is_paced = exchange.family != Family::PubSub;
        let activity = is_paced.then(|| exchange.connection.activity().clone());
        let limit = limits.replay_bytes;
        let length = body.size_hint().exact();
        let is_small = length.is_some_and(|length| length <= FREE as u64)
            && !head.headers.contains_key(header::CONTENT_ENCODING);
        let stream = Arc::new_cyclic(|stream| {
            let source = (!is_small).then(|| Source {
                memory: memory.clone(),
                stream: stream.clone(),
            });
            let mut share = Share::new(with_overhead(limit), source);
            // A body that cannot be kept whole is not kept at all.
            let is_kept = length.is_none_or(|length| {
                usize::try_from(length)
                    .is_ok_and(|length| length <= limit && share.reserve(with_overhead(length)))
            });
            let mut stream = Stream::new(share);
            stream.source = Some(body);
            stream.drained = head.version == Version::HTTP_2;
            stream.limit = limit;
            stream.is_kept = is_kept;
            stream.pace = activity.map(|activity| Pace::new(activity, limits));
            stream.received = exchange.counts_received();
            Mutex::new(stream)
        });
        Self::Stream(stream, length)
    }

    /// A body of the proxy's own.
    pub(crate) fn of(body: Bytes) -> Self {
        let length = body.len();
        let mut stream = Stream::new(Share::new(0, None));
        stream.ended = true;
        stream.copy = vec![body];
        stream.held = length;
        stream.limit = length;
        stream.is_kept = true;
        Self::Stream(Arc::new(Mutex::new(stream)), Some(length as u64))
    }

    /// Has the body decompressed from its first byte on. Its length is then no longer known.
    pub(crate) fn decode(&mut self, coding: Coding) {
        if let Self::Stream(stream, length) = self {
            *length = None;
            let mut stream = lock(stream);
            stream.inflate = Some(Inflate::new(coding));
            stream.is_kept = true;
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

    /// Finds out the length of a body that is not very long and can be kept whole, and leaves that
    /// of any other open.
    pub(crate) async fn measure(&mut self) -> Result<(), ClientFault> {
        let Self::Stream(stream, length) = self else {
            return Ok(());
        };
        let most = lock(stream).limit.min(MOST_MEASURED);
        poll_fn(|cx| lock(stream).poll_fill(cx, most, false)).await?;
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
                locked.next = 0;
                let number = locked.sending;
                drop(locked);
                let change = splice.as_ref().map_or(0, Splice::growth);
                Some(Sending::Stream {
                    stream: stream.clone(),
                    number,
                    left: length.map(|length| length.saturating_add_signed(change)),
                    splice: splice.map(Box::new),
                })
            }
        }
    }

    /// What tells when the client has sent the rest of it, if it has not yet.
    pub(crate) fn rest(&self) -> Option<Arc<Received>> {
        let Self::Stream(stream, _) = self else {
            return None;
        };
        let mut stream = lock(stream);
        let has_come = stream.source.as_ref().is_none_or(Body::is_end_stream);
        (!stream.ended && !has_come).then(|| stream.received.get_or_insert_default().clone())
    }

    /// Returns whether it can be sent once more, as far as it has been sent.
    pub(crate) fn is_at_hand(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream(stream, _) => !lock(stream).cut,
        }
    }

    /// Returns whether all of it will be kept for sure, or what may be in the way. At most `limit`
    /// bytes of it are kept.
    pub(crate) fn kept(&self, limit: usize) -> Kept {
        let Self::Stream(stream, length) = self else {
            return Kept::Whole;
        };
        // Nearly all are small, and not looked at further.
        if length.is_some_and(|length| length <= limit.min(FREE) as u64) {
            return Kept::Whole;
        }
        let stream = lock(stream);
        if stream.ended && !stream.cut {
            return Kept::Whole;
        }
        match length {
            Some(length) if *length > limit as u64 => Kept::TooLarge,
            Some(_) if stream.is_kept => Kept::Whole,
            None if stream.share.is_plentiful() => Kept::TooLarge,
            _ => Kept::NoMemory,
        }
    }

    /// The rest of `window` since the client last sent a piece, if it is not over.
    pub(crate) fn moved_within(&self, window: Duration) -> Option<Duration> {
        match self {
            Self::Empty => None,
            Self::Stream(stream, _) => window
                .checked_sub(lock(stream).moved.elapsed())
                .filter(|left| !left.is_zero()),
        }
    }

    /// The client's fault while it sent, if any.
    pub(crate) fn fault(&self) -> Option<ClientFault> {
        match self {
            Self::Empty => None,
            Self::Stream(stream, _) => lock(stream).fault,
        }
    }
}

/// The part of a body that will be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Whole,
    /// It is, or may turn out, larger than one copy may be.
    TooLarge,
    /// The copies of others leave too little.
    NoMemory,
}

/// The one stream behind all attempts to send it.
pub(crate) struct Stream {
    /// The client's body, there until this is dropped.
    source: Option<Incoming>,
    /// The decompression, if it comes compressed and must not go on so.
    inflate: Option<Inflate>,
    /// If true, the rest is read even if the request ends before its body.
    drained: bool,
    ended: bool,
    copy: Vec<Bytes>,
    /// Bytes in the copy.
    held: usize,
    /// Bytes that may be kept.
    limit: usize,
    share: Share,
    /// If true, a copy is made.
    is_kept: bool,
    /// The cost, in bytes, of the piece that there was no memory for.
    unpaid: usize,
    /// If true, it is of no use but whole.
    must_be_whole: bool,
    /// The task that waits for more of it before it is sent.
    waits: Option<Waker>,
    began: Instant,
    /// If true, it is only being looked at.
    peeking: bool,
    /// If true, something was sent that is not kept.
    cut: bool,
    /// The number of the latest sending. Older ones break.
    sending: u32,
    /// The next piece of the copy for it.
    next: usize,
    fault: Option<ClientFault>,
    /// The time when the client last sent a piece.
    moved: Instant,
    /// None where it may pause for as long as it likes: dead peers are found by keep-alive.
    pace: Option<Pace>,
    /// The count of what has come, if anybody looks.
    received: Option<Arc<Received>>,
}

impl Stream {
    /// One of nothing.
    fn new(share: Share) -> Self {
        let now = Instant::now();
        Self {
            source: None,
            inflate: None,
            drained: false,
            ended: false,
            copy: Vec::new(),
            held: 0,
            limit: 0,
            share,
            is_kept: false,
            unpaid: 0,
            must_be_whole: false,
            waits: None,
            began: now,
            peeking: false,
            cut: false,
            sending: 0,
            next: 0,
            fault: None,
            moved: now,
            pace: None,
            received: None,
        }
    }

    /// The next piece from the client, kept if there is room.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ClientFault>>> {
        loop {
            match self.inflate.as_mut().map_or(Ok(None), Inflate::next) {
                Ok(None) if self.inflate.as_mut().is_some_and(Inflate::pauses) => {
                    // The requests of others have their turn.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
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
                let Some(pace) = &mut self.pace else {
                    return Poll::Pending;
                };
                let fault = ready!(pace.poll_wait(cx));
                return Poll::Ready(Some(Err(self.fail(fault))));
            };
            self.moved = Instant::now();
            let data = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.data_ref());
            let bytes = data.map_or(0, Bytes::len);
            if let Some(received) = &self.received {
                received.add(bytes);
                if frame.is_none() || self.source.as_ref().is_none_or(Body::is_end_stream) {
                    received.end(self.moved);
                }
            }
            if let Some(pace) = &mut self.pace
                && let Err(fault) = pace.came(bytes, self.moved)
            {
                return Poll::Ready(Some(Err(self.fail(fault))));
            }
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
                    let fault = ClientFault::of(&error);
                    return Poll::Ready(Some(Err(self.fail(fault))));
                }
                // Trailers end here: nothing that Salesforce reads comes in one, and a header that
                // the proxy owns must not come in by that door.
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
    /// `beyond`, no more can be kept.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        beyond: bool,
    ) -> Poll<Result<(), ClientFault>> {
        if let Some(fault) = self.fault {
            return Poll::Ready(Err(fault));
        }
        while self.held < wanted && !self.ended && (beyond || self.is_kept) {
            self.peeking = true;
            let piece = self.poll_next(cx);
            self.peeking = false;
            if piece.is_pending() {
                self.waits = Some(cx.waker().clone());
            }
            if ready!(piece).transpose()?.is_none() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn keep(&mut self, data: &Bytes) {
        let last = self.copy.last_mut();
        let last = last.filter(|last| data.len() < TINY && last.len() + data.len() <= SMALL);
        let cost = if last.is_some() {
            data.len()
        } else {
            cost(data)
        };
        if self.is_kept && !self.share.spend(cost) {
            self.is_kept = false;
            self.unpaid = cost;
        }
        // What is looked at is kept even where it is too much to be sent again.
        if !self.is_kept && !self.peeking {
            return self.cut_copy();
        }
        self.held += data.len();
        match last {
            // To keep it by itself would take many times as much.
            Some(last) => *last = Bytes::from([&last[..], data].concat()),
            None => self.copy.push(data.clone()),
        }
    }

    fn cut_copy(&mut self) {
        self.cut = true;
        self.held = 0;
        self.copy = Vec::new();
        self.share.end();
    }

    fn fail(&mut self, fault: ClientFault) -> ClientFault {
        self.ended = true;
        self.pace = None;
        self.cut = true;
        self.fault = Some(fault);
        fault
    }
}

/// The cost of keeping a piece, in bytes: with a small one, what it was cut from is kept, too.
fn cost(piece: &Bytes) -> usize {
    if piece.len() < SMALL {
        piece.len() + PIECE_COST
    } else {
        piece.len()
    }
}

/// The cost allowed for keeping so many bytes.
const fn with_overhead(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 16).saturating_add(SMALL)
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of a body that are waited for only to know how many there are.
const MOST_MEASURED: usize = 1024 * 1024;

/// Bytes.
const PIECE_COST: usize = 64;

/// Bytes of a piece below which its overhead counts.
const SMALL: usize = 4 * 1024;

/// Bytes of a piece that is worth joining to another.
const TINY: usize = 1024;
