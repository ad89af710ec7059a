//! One attempt to send a body.

use std::{
    error::Error as StdError,
    fmt,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};

use super::{ClientFault, Stream, lock};

/// The bytes that go in place of some bytes of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) at: Range<u64>,
    pub(crate) text: Bytes,
}

impl Splice {
    /// The number of bytes by which it makes a body longer.
    pub(super) fn growth(&self) -> i64 {
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

/// One attempt to send the body to the org.
pub(crate) enum Sending {
    Empty,
    Stream {
        stream: Arc<Mutex<Stream>>,
        number: u32,
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
        let mut piece = match stream.copy.get(stream.next).cloned() {
            Some(piece) => {
                stream.next += 1;
                Some(Ok(piece))
            }
            None => {
                let piece = ready!(stream.poll_next(cx));
                // It may have become part of the last one.
                stream.next = stream.copy.len();
                piece
            }
        };
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

/// The reason why an attempt to send did not come to its end.
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
            Self::Superseded => f.write_str("the request is being sent again"),
        }
    }
}

impl StdError for Broken {}
