//! The client's connection: its bytes read strictly, its time bounded.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    abrupt::Abrupt,
    early::{self, Bounds},
    farewell::{Farewell, LINGER, drain},
    frames::Allowance,
    framing::Framing,
    tls::HANDSHAKE,
};
use crate::{
    config::Limits,
    proxy::connection_state::{Alpn, ConnectionState},
    spelling::Spelled,
    system::{deadline::Deadline, quote::quoted, telemetry::Throttle},
    watch::Recorder,
};

#[cfg(test)]
mod differential;

/// A connection under hyper.
///
/// hyper's own timer for heads allocates with every request; the one here does not.
pub(super) struct StrictStream<S> {
    stream: Spelled<S>,
    framing: Framing,
    state: Arc<ConnectionState>,
    /// For the client to do what is its to do: to send the next head, or in HTTP/2 to take answers.
    head: Deadline,
    head_limit: Duration,
    was_busy: bool,
    /// The work done when the head deadline was last set: an answer of ours may be too fast to
    /// be seen being made.
    moves: u64,
    /// True if the head deadline is that of a stop.
    hurries: bool,
    /// Bytes of a head that has not come to its end.
    held: usize,
    /// The largest buffer that hyper has read into, and keeps as long as the connection.
    buffer: usize,
    /// Bytes that count as held.
    counted: usize,
    allowance: Allowance,
    /// While the client is told why its connection ends.
    farewell: Option<Box<Farewell>>,
    /// For the client to take what it was sent. Only there while it does not.
    write: Option<Deadline>,
    write_limit: Duration,
    bounds: Bounds,
    /// For requests that hyper refuses, if anybody looks.
    recorder: Option<Arc<Recorder>>,
    /// The number of requests that had come when all of their answers were out.
    answered: u64,
    /// True if hyper has refused what came, and we said why.
    refused: bool,
    /// True if that was noted.
    stalled: bool,
    /// True if nothing has come yet.
    fresh: bool,
    /// While the client is left time to read the last answer.
    linger: Option<Deadline>,
    /// True if the connection is reset unless it ends in good order.
    abrupt: bool,
    /// The first byte of the next request, if it came while this one was answered.
    ahead: Option<u8>,
}

impl<S> StrictStream<S> {
    pub(super) fn new(
        stream: S,
        state: Arc<ConnectionState>,
        limits: &Limits,
        recorder: Option<Arc<Recorder>>,
    ) -> Self {
        let mut head = Deadline::new(limits.header_read.min(limits.idle_body));
        head.set(limits.header_read);
        Self {
            stream: Spelled::new(stream, state.heads().clone()),
            framing: match state.alpn() {
                Alpn::Http2 => Framing::http2(),
                Alpn::Open | Alpn::Http1 => Framing::default(),
            },
            state,
            head,
            head_limit: limits.header_read,
            was_busy: false,
            moves: 0,
            hurries: false,
            held: 0,
            buffer: 0,
            counted: 0,
            allowance: Allowance::new(),
            farewell: None,
            write: None,
            write_limit: limits.idle_body,
            bounds: Bounds::new(limits),
            recorder,
            answered: 0,
            refused: false,
            stalled: false,
            fresh: true,
            linger: None,
            abrupt: false,
            ahead: None,
        }
    }

    /// The bare connection, for what is no HTTP. `None` if some of that has been read already.
    pub(super) fn into_inner(self) -> Option<S> {
        match self.ahead {
            None => self.stream.into_inner(),
            Some(_) => None,
        }
    }

    /// Returns whether this is the beginning of what a client sends that takes us for an `https://`
    /// listener. There is no answer that it would understand.
    fn is_tls(&mut self, bytes: &[u8]) -> bool {
        let is_tls = !bytes.is_empty() && self.fresh && bytes[0] == HANDSHAKE;
        self.fresh &= bytes.is_empty();
        if is_tls && let Some(left_out) = THROTTLE.admit() {
            tracing::warn!(
                left_out,
                "refused a client that speaks TLS to a listener without TLS; use http:// for it, \
                 or add an https:// address to listen"
            );
        }
        is_tls
    }

    /// Ready once the client has taken too long over what is its to do. Requests under way have
    /// their own bounds.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let activity = self.state.activity();
        let is_busy = activity.is_busy();
        let is_up_to_client = match self.framing.frames() {
            Some(_) => !is_busy || activity.is_untaken(),
            None => !is_busy && self.framing.is_between_requests(),
        };
        if !is_up_to_client {
            self.was_busy = true;
            // hyper need not read again when the answer has ended, so a timer has to be running
            // by then: else the connection would be left open forever.
            while self.head.poll(cx).is_ready() {
                self.head.set(self.head_limit);
            }
            return Poll::Pending;
        }
        let moves = activity.moves();
        if std::mem::take(&mut self.was_busy) || moves != self.moves {
            self.moves = moves;
            let limit = if is_busy {
                self.write_limit
            } else {
                self.head_limit
            };
            self.head.set(limit);
        }
        // Do not wait much longer for what has not come by now.
        if activity.is_stopping() && !is_busy && !std::mem::replace(&mut self.hurries, true) {
            self.head = Deadline::new(self.head_limit.min(HEAD_AT_STOP));
        }
        self.head.poll(cx)
    }

    /// Notes that the client is cut off because it takes nothing.
    fn note_stall(&mut self) {
        let is_new = !std::mem::replace(&mut self.stalled, true);
        if is_new && let Some(left_out) = STALLED.admit() {
            tracing::warn!(
                left_out,
                "closed a connection whose client read nothing of its response for {}s \
                 (limits.idle_body): {}",
                self.write_limit.as_secs(),
                quoted(&self.state.asked().unwrap_or_else(|| self.framing.asked())),
            );
        }
    }

    /// Counts what is held of a head that has not come to its end.
    fn hold(&mut self, came: usize) {
        let is_within = self.framing.is_within_head();
        self.held = if is_within { self.held + came } else { 0 };
        self.count(match self.held {
            0 => 0,
            held => held + self.framing.kept(),
        });
    }

    /// Counts what a connection keeps that nothing is under way on, if that is more than usual.
    fn keep(&mut self) {
        if self.buffer > USUAL_BUFFER && self.framing.is_http1() {
            self.count(self.buffer);
        }
    }

    fn count(&mut self, bytes: usize) {
        if std::mem::replace(&mut self.counted, bytes) != bytes {
            self.state.activity().hold(bytes);
        }
    }

    /// The farewell to a client whose connection must not go on, if that is so.
    fn misconduct(&mut self) -> Option<Farewell> {
        if self.state.alpn() == Alpn::Http1 && self.framing.began_as_http2() {
            return Some(Farewell::not_http2());
        }
        if self.framing.is_no_preface() {
            return Some(Farewell::no_preface());
        }
        let idle = self.framing.frames()?.idle;
        if self.allowance.admits(idle, self.state.activity().given()) {
            return None;
        }
        if let Some(left_out) = FLOODED.admit() {
            tracing::warn!(
                left_out,
                "closed an HTTP/2 connection whose client flooded it with frames that carry nothing"
            );
        }
        Some(Farewell::calm_down())
    }

    fn poll_write_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let limit = self.write_limit;
        ready!(
            self.write
                .get_or_insert_with(|| Deadline::new(limit))
                .poll(cx)
        );
        self.note_stall();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> StrictStream<S> {
    /// Takes `bufs` for written if hyper refuses by them what came, and has our answer written in
    /// their place. It does so only between two answers, where nothing else of it can be in
    /// HTTP/1.1.
    fn is_refusal(&mut self, bufs: &[io::IoSlice<'_>]) -> bool {
        let is_between = self.answered == self.state.handed() && !self.state.is_busy();
        if !is_between || !self.framing.is_http1() {
            return false;
        }
        let first = bufs.first().map(|buf| &**buf).unwrap_or_default();
        let recorder = self.recorder.as_deref();
        let answer = early::answer(first, &self.framing, self.bounds, &self.state, recorder);
        let Some(answer) = answer else {
            return false;
        };
        self.refused = true;
        self.stream.put(&answer);
        true
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> StrictStream<S> {
    /// Fails if the client has gone away while its request is answered.
    ///
    /// hyper would find out by reading what comes next, which takes it a buffer that is freed with
    /// the request.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let watches = self.state.is_busy() && self.framing.is_quiet(self.state.handed());
        if !watches || self.ahead.is_some() {
            return Ok(());
        }
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buf)? {
            Poll::Ready(()) => match *buf.filled() {
                [next] => self.ahead = Some(next),
                _ => return Err(io::Error::other("the client has gone")),
            },
            // It is busy, so this only keeps the timer running.
            Poll::Pending => _ = self.poll_head(cx),
        }
        Ok(())
    }

    /// Fails once the client has taken too long over what is its to do.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx));
        if self.state.is_busy() {
            self.note_stall();
        }
        match self.framing.frames() {
            Some(_) => self.part(Farewell::idle(), cx),
            None => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Ends the connection, but tells the client first.
    fn part(&mut self, farewell: Farewell, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Between two pieces of something else it could not be read.
        if self.write.is_some() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let farewell = self.farewell.insert(Box::new(farewell));
        farewell.poll(&mut self.stream, cx).map(Err)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for StrictStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(farewell) = &mut this.farewell {
            return farewell.poll(&mut this.stream, cx).map(Err);
        }
        // The bytes after a fault cannot be told apart from its request. The refusal under way ends
        // the connection.
        if this.state.is_at_fault() {
            return Poll::Pending;
        }
        if this.framing.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if this.held > 0 && this.state.activity().is_crowded() {
            // Those that are to make room may not have had their turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        this.buffer = this.buffer.max(this.held + buf.remaining());
        if let Some(next) = this.ahead.take() {
            buf.put_slice(&[next]);
        } else if Pin::new(&mut this.stream).poll_read(cx, buf)?.is_pending() {
            return this.poll_patience(cx);
        }
        if this.is_tls(&buf.filled()[before..]) {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let heard = |lines| this.state.hear(lines);
        let read = &mut buf.filled_mut()[before..];
        if let Some((number, fault)) = this.framing.read(read, heard) {
            this.state.note(number, fault);
        }
        for (number, target) in this.framing.take_targets() {
            this.state.note_target(number, target);
        }
        let came = buf.filled().len() - before;
        this.hold(came);
        if came > 0
            && let Some(farewell) = this.misconduct()
        {
            buf.set_filled(before);
            return this.part(farewell, cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Abrupt + Unpin> AsyncWrite for StrictStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal(bufs) {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        // Before the first byte of an answer whose end the client takes from the end of the connection.
        if self.state.is_open_ended() && !std::mem::replace(&mut self.abrupt, true) {
            self.stream.get_ref().end_abruptly(true)?;
        }
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

    /// Flushes. hyper does it whenever it has done what it can, and so begins to wait.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes what the client does not.
        if Pin::new(&mut self.stream).poll_flush(cx)?.is_pending() {
            return self.poll_write_stall(cx).map_ok(drop);
        }
        self.write = None;
        if !self.state.is_busy() {
            self.answered = self.state.handed();
            self.keep();
        }
        Poll::Ready(self.look_ahead(cx))
    }

    /// Closes. If the client is still sending, what it sends is taken for a moment more: to close
    /// at once would reset the connection, and the last answer with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.abrupt && this.state.is_whole() {
            this.stream.get_ref().end_abruptly(false)?;
            this.abrupt = false;
        }
        let linger = match &mut this.linger {
            Some(linger) => linger,
            None => {
                if Pin::new(&mut this.stream).poll_shutdown(cx)?.is_pending() {
                    return this.poll_write_stall(cx).map_ok(drop);
                }
                let is_sending = this.ahead.is_some() || !this.framing.is_between_requests();
                if !is_sending && !this.refused && !this.state.is_at_fault() {
                    return Poll::Ready(Ok(()));
                }
                this.linger.insert(Deadline::new(LINGER))
            }
        };
        drain(&mut this.stream, linger, cx).map(Ok)
    }
}

/// Bytes that hyper reads at first. It takes more for what is longer.
const USUAL_BUFFER: usize = 8 * 1024;

static THROTTLE: Throttle = Throttle::new();
static STALLED: Throttle = Throttle::new();
static FLOODED: Throttle = Throttle::new();

/// Enough for what is on its way on this machine.
const HEAD_AT_STOP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, BufWriter, DuplexStream, duplex},
        time::Instant,
    };

    use super::*;

    impl Abrupt for DuplexStream {
        fn end_abruptly(&self, _: bool) -> io::Result<()> {
            Ok(())
        }
    }

    impl<S: Abrupt + AsyncWrite> Abrupt for BufWriter<S> {
        fn end_abruptly(&self, abruptly: bool) -> io::Result<()> {
            self.get_ref().end_abruptly(abruptly)
        }
    }

    /// The bodies that hyper takes for whole, with a client that sends `pieces`.
    async fn whole_bodies(pieces: [&[u8]; 2]) -> Vec<Vec<u8>> {
        let (near, mut far) = duplex(4096);
        let stream = StrictStream::new(near, Arc::default(), &Limits::default(), None);
        let whole = std::sync::Mutex::new(Vec::new());
        let service = service_fn(async |request: Request<Incoming>| {
            if let Ok(body) = request.into_body().collect().await {
                whole.lock().unwrap().push(body.to_bytes().to_vec());
            }
            Ok::<_, hyper::Error>(Response::new(String::new()))
        });
        let served = http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        let client = async {
            far.write_all(pieces[0]).await.unwrap();
            // Paused time goes on once the server has read all that there is.
            tokio::time::sleep(Duration::from_millis(1)).await;
            _ = far.write_all(pieces[1]).await;
            far.shutdown().await.unwrap();
            far.read_to_end(&mut Vec::new()).await.unwrap();
        };
        _ = tokio::join!(served, client);
        whole.into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_with_a_fault_is_never_whole_wherever_it_is_cut() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let next = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        let sound: &[&[u8]] = &[b"hello", b""];
        for (body, whole) in [
            ("5\r\nhello\r\n", sound),
            ("5;a=b\r\nhello\r\n", sound),
            ("5;\nx\r\nhello\r\n", &[]),
            ("5;a\nb\r\nhello\r\n", &[]),
            ("5;a\rb\r\nhello\r\n", &[]),
            ("5;a\r\rb\r\nhello\r\n", &[]),
            ("5 ;a\r\nhello\r\n", &[]),
            ("5\t;a\r\nhello\r\n", &[]),
            ("5 \r\nhello\r\n", &[]),
            ("5\nhello\r\n", &[]),
            ("ffffffffffff;a\r\nhello\r\n", &[]),
            ("5\r\nhello\r\n0\nX: y\r\n", &[]),
            ("5\r\nhello\r\n0;\nX: y\r\n", &[]),
            ("5\r\nhello\r\n0\r\nX: y\n", &[]),
            ("5\r\nhello\r\n0\r\n\n", &[]),
        ] {
            let wire = format!("{head}{body}{next}");
            for cut in 1..wire.len() {
                let (first, second) = wire.as_bytes().split_at(cut);
                let came = whole_bodies([first, second]).await;
                assert_eq!(came, whole, "{body:?} cut at {cut}");
            }
        }
    }

    /// A stream to which, as over TLS, more can be written than the client takes.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_waited_for_no_longer_than_it_may_take() {
        let limits = Limits::default();
        for by_shutdown in [false, true] {
            let (near, _far) = duplex(1);
            let mut wire = StrictStream::new(BufWriter::new(near), Arc::default(), &limits, None);
            wire.write_all(b"an answer").await.unwrap();
            let start = Instant::now();
            let written = if by_shutdown {
                wire.shutdown().await
            } else {
                wire.flush().await
            };
            let error = written.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(start.elapsed(), limits.idle_body);
        }
    }
}
