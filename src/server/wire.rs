//! The client's connection: its bytes read strictly, its time bounded.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http::uri::Authority;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    framing::{Fault, Framing},
    tls::HANDSHAKE,
};
use crate::{config::Limits, deadline::Deadline, telemetry::Throttle};

/// A connection under hyper.
///
/// hyper's own timer for heads allocates with every request; the one here does not.
pub(super) struct Wire<S> {
    stream: S,
    framing: Framing,
    line: Arc<Line>,
    /// For the next head to be there.
    head: Deadline,
    head_limit: Duration,
    was_busy: bool,
    /// Requests until the head deadline was last set: an answer of ours may be too fast to be seen
    /// being made.
    handed: u64,
    /// For the client to take what it was sent. Only there while it does not.
    write: Option<Deadline>,
    write_limit: Duration,
    /// Whether nothing has come yet.
    fresh: bool,
    /// While the client is left time to read the last answer.
    linger: Option<Deadline>,
}

/// What a connection and the requests on it tell each other.
#[derive(Default)]
pub(crate) struct Line {
    /// The number of the first request with a fault, times 256, plus the fault.
    fault: AtomicU64,
    /// Requests that hyper has handed over.
    handed: AtomicU64,
    /// Requests whose answers have not ended.
    busy: AtomicUsize,
    /// Whether the client came by TLS.
    secure: bool,
    /// The host that the client takes us for, if it named one in `CONNECT`.
    intercepted: Option<Authority>,
    /// Whether the client has shown who it is before its first request.
    known: bool,
}

impl Line {
    /// A connection by TLS, from a client that is `known` by its certificate.
    pub(super) fn by_tls(known: bool) -> Self {
        Self {
            secure: true,
            known,
            ..Self::default()
        }
    }

    /// A connection by TLS within another, opened by `CONNECT host`, which the guard admitted.
    pub(super) fn within(host: Authority) -> Self {
        Self {
            intercepted: Some(host),
            ..Self::by_tls(true)
        }
    }

    /// Whether the client came by TLS: what it sees begins with `https://`, and its cookies may be
    /// `Secure`.
    pub(crate) fn secure(&self) -> bool {
        self.secure
    }

    /// The host that the client takes us for, where we stand in place of it (`intercept`).
    pub(crate) fn intercepted(&self) -> Option<&Authority> {
        self.intercepted.as_ref()
    }

    /// Whether the client has shown who it is before its first request: by a certificate, or when
    /// it asked for the tunnel that this connection is in.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// Counts a request as it comes in, and tells what is wrong with it.
    pub(crate) fn begin(&self) -> Option<Fault> {
        self.busy.fetch_add(1, Relaxed);
        let number = self.handed.fetch_add(1, Relaxed) + 1;
        let noted = self.fault.load(Relaxed);
        match noted & 0xff {
            _ if noted >> 8 != number => None,
            1 => Some(Fault::BareLineFeed),
            2 => Some(Fault::Target),
            3 => Some(Fault::LengthAndChunks),
            _ => Some(Fault::TwoLengths),
        }
    }

    pub(crate) fn end(&self) {
        self.busy.fetch_sub(1, Relaxed);
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Relaxed) > 0
    }

    fn note(&self, number: u64, fault: Fault) {
        self.fault
            .store(number << 8 | u64::from(fault as u8), Relaxed);
    }

    fn is_at_fault(&self) -> bool {
        self.fault.load(Relaxed) != 0
    }
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, line: Arc<Line>, limits: &Limits) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            line,
            head: Deadline::new(limits.header_read),
            head_limit: limits.header_read,
            was_busy: false,
            handed: 0,
            write: None,
            write_limit: limits.idle_body,
            fresh: true,
            linger: None,
        }
    }

    /// The bare connection, for what is no HTTP.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Whether this is the beginning of what a client sends that takes us for an `https://`
    /// listener. There is no answer that it would understand.
    fn is_tls(&mut self, bytes: &[u8]) -> bool {
        let is_tls = !bytes.is_empty() && self.fresh && bytes[0] == HANDSHAKE;
        self.fresh &= bytes.is_empty();
        if is_tls && let Some(left_out) = THROTTLE.admit() {
            tracing::warn!(
                left_out,
                "refused a client that speaks TLS to a listener without; use http:// for it, or \
                 add an https:// address to listen"
            );
        }
        is_tls
    }

    /// Fails once the client has taken too long over a head. Requests under way have their own
    /// bounds.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.is_busy() || !self.framing.is_between_requests() {
            self.was_busy = true;
            // hyper does not read again when the answer has ended, so a timer has to be running
            // by then: else the connection would be left open for ever.
            while self.head.poll(cx).is_ready() {
                self.head.set(self.head_limit);
            }
            return Poll::Pending;
        }
        let handed = self.line.handed.load(Relaxed);
        if std::mem::take(&mut self.was_busy) || handed != self.handed {
            self.handed = handed;
            self.head.set(self.head_limit);
        }
        ready!(self.head.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_write_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let limit = self.write_limit;
        ready!(
            self.write
                .get_or_insert_with(|| Deadline::new(limit))
                .poll(cx)
        );
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // What follows a fault cannot be told apart from its request. The refusal under way ends
        // the connection.
        if this.line.is_at_fault() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if Pin::new(&mut this.stream).poll_read(cx, buf)?.is_pending() {
            return this.poll_head(cx);
        }
        if this.is_tls(&buf.filled()[before..]) {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if let Some((number, fault)) = this.framing.read(&mut buf.filled_mut()[before..]) {
            this.line.note(number, fault);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Pending => self.poll_write_stall(cx),
            ready => {
                self.write = None;
                ready
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.poll_write_stall(cx),
            ready => {
                self.write = None;
                ready
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Closes. If the client is still sending, what it sends is taken for a moment more: to close
    /// at once would reset the connection, and the last answer with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let linger = match &mut this.linger {
            Some(linger) => linger,
            None => {
                ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                if this.framing.is_between_requests() && !this.line.is_at_fault() {
                    return Poll::Ready(Ok(()));
                }
                this.linger.insert(Deadline::new(LINGER))
            }
        };
        let mut scratch = [0; 16 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    // A client that sends without end is not waited for.
                    if linger.poll(cx).is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return linger.poll(cx).map(Ok),
            }
        }
    }
}

static THROTTLE: Throttle = Throttle::new();

/// Enough for the other end to read an answer that is on its way.
const LINGER: Duration = Duration::from_secs(1);
