//! A connection's bytes, below HTTP: reads the exact head of a request, and writes what no HTTP
//! library would write.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::fault::Then;
use crate::spelling::{Heads, Spelled};

/// The TLS stream that hyper reads and writes.
pub(in crate::demo) struct Wire {
    stream: Spelled<TlsStream<TcpStream>>,
    control: Control,
}

impl Wire {
    pub(in crate::demo) fn new(stream: TlsStream<TcpStream>) -> (Self, Control) {
        let control = Control::default();
        let wire = Self {
            stream: Spelled::new(stream, control.heads.clone()),
            control: control.clone(),
        };
        (wire, control)
    }

    fn stream(&mut self) -> Pin<&mut Spelled<TlsStream<TcpStream>>> {
        Pin::new(&mut self.stream)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Mode::Ended(_) = self.control.lock().mode {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let Poll::Ready(read) = self.stream().poll_read(cx, buf) else {
            self.control.lock().reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.control.lock().hear(&buf.filled()[before..]);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.control.lock();
        match &mut state.mode {
            // hyper's own response is discarded.
            Mode::Raw { due, .. } => {
                *due = true;
                Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
            }
            _ => {
                state.heard.clear();
                drop(state);
                self.stream().poll_write_vectored(cx, bufs)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = match &self.control.lock().mode {
                Mode::Raw {
                    bytes, due: true, ..
                } => bytes.clone(),
                _ => break,
            };
            if !bytes.is_empty() {
                let written = ready!(self.stream().poll_write(cx, &bytes))?;
                bytes.advance(written);
            }
            self.control.lock().said(bytes);
        }
        ready!(self.stream().poll_flush(cx))?;
        self.control.lock().flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = match self.control.lock().mode {
            Mode::Ended(then) => then,
            _ => Then::Close,
        };
        match end {
            Then::Cut => Pin::new(self.stream.get_mut().get_mut().0).poll_shutdown(cx),
            Then::Reset => Poll::Ready(self.stream.get_mut().get_ref().0.set_zero_linger()),
            Then::Close | Then::Keep => self.stream().poll_shutdown(cx),
        }
    }
}

/// The handle by which a request's handler reaches the connection below it.
#[derive(Clone, Default)]
pub(in crate::demo) struct Control {
    state: Arc<Mutex<State>>,
    /// The heads of the responses that hyper is to write.
    pub(in crate::demo) heads: Arc<Heads>,
}

impl Control {
    /// Replaces the next response with `bytes`.
    pub(in crate::demo) fn say(&self, bytes: Bytes, then: Then) {
        self.lock().mode = Mode::Raw {
            bytes,
            then,
            due: false,
        };
    }

    /// Ends the connection once everything that hyper has begun to write is written.
    pub(in crate::demo) fn end(&self, then: Then) {
        self.lock().mode = Mode::Ending(then);
    }

    /// The exact bytes of the HTTP/1 head that starts with `request_line` and has just been read.
    pub(in crate::demo) fn head(&self, request_line: &str) -> Bytes {
        let state = self.lock();
        let Some(start) = memmem::rfind(&state.heard, request_line.as_bytes()) else {
            return Bytes::new();
        };
        let head = &state.heard[start..];
        let end = memmem::find(head, b"\r\n\r\n").map_or(head.len(), |end| end + 4);
        Bytes::copy_from_slice(&head[..end])
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    /// Bytes received since the last response, as far as they fit.
    heard: Vec<u8>,
    mode: Mode,
    /// The task that waits for more to read, to be woken at the end.
    reader: Option<Waker>,
}

impl State {
    fn hear(&mut self, bytes: &[u8]) {
        let room = HEARD - self.heard.len();
        self.heard
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn said(&mut self, rest: Bytes) {
        self.heard.clear();
        self.mode = match mem::take(&mut self.mode) {
            Mode::Raw { then, due, .. } if !rest.is_empty() => Mode::Raw {
                bytes: rest,
                then,
                due,
            },
            Mode::Raw {
                then: Then::Keep, ..
            } => Mode::Http,
            Mode::Raw { then, .. } => Mode::Ending(then),
            other => other,
        };
    }

    fn flushed(&mut self) {
        if let Mode::Ending(then) = self.mode {
            self.mode = Mode::Ended(then);
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }
}

#[derive(Default)]
enum Mode {
    #[default]
    Http,
    Raw {
        bytes: Bytes,
        then: Then,
        /// If true, hyper has begun the response that these bytes replace.
        due: bool,
    },
    /// Ends as soon as the last bytes have been written.
    Ending(Then),
    /// hyper reads the end of the stream, and closes.
    Ended(Then),
}

/// Enough for any head that the org accepts.
const HEARD: usize = 64 * 1024;
