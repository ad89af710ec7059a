//! The last words on a connection that must not go on.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::system::deadline::Deadline;

/// The last words to a client, and the time that it is left to read them.
pub(super) struct Farewell {
    words: Vec<u8>,
    sent: usize,
    why: io::ErrorKind,
    linger: Deadline,
}

impl Farewell {
    /// For a client that agreed on HTTP/1.1 (RFC 7301) and speaks HTTP/2.
    pub(super) fn not_http2() -> Self {
        Self::new(NOT_HTTP2.to_vec(), io::ErrorKind::InvalidData)
    }

    /// For a client that begins to speak HTTP/2 and goes on with something else.
    pub(super) fn no_preface() -> Self {
        let words = [EMPTY_SETTINGS, &go_away(PROTOCOL_ERROR)].concat();
        Self::new(words, io::ErrorKind::InvalidData)
    }

    /// For an HTTP/2 client that floods us.
    pub(super) fn calm_down() -> Self {
        Self::new(go_away(ENHANCE_YOUR_CALM), io::ErrorKind::InvalidData)
    }

    /// For an HTTP/2 client that wants nothing.
    pub(super) fn idle() -> Self {
        Self::new(go_away(NO_ERROR), io::ErrorKind::TimedOut)
    }

    fn new(words: Vec<u8>, why: io::ErrorKind) -> Self {
        Self {
            words,
            sent: 0,
            why,
            linger: Deadline::new(LINGER),
        }
    }

    /// Ready when all is said and the client has hung up, or has had its time.
    pub(super) fn poll<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while self.sent < self.words.len() {
            match Pin::new(&mut *stream).poll_write(cx, &self.words[self.sent..]) {
                Poll::Ready(Ok(taken @ 1..)) => self.sent += taken,
                Poll::Ready(_) => return Poll::Ready(self.why.into()),
                Poll::Pending => return self.linger.poll(cx).map(|()| self.why.into()),
            }
        }
        if let Poll::Ready(Err(error)) = Pin::new(&mut *stream).poll_flush(cx) {
            return Poll::Ready(error);
        }
        drain(stream, &mut self.linger, cx).map(|()| self.why.into())
    }
}

/// Takes what a client still sends, until it ends or `linger` does: to close while something is
/// unread would reset the connection, and lose what the client has not read yet.
pub(super) fn drain<S>(stream: &mut S, linger: &mut Deadline, cx: &mut Context<'_>) -> Poll<()>
where
    S: AsyncRead + Unpin,
{
    let mut scratch = [0; 16 * 1024];
    loop {
        let mut buf = ReadBuf::new(&mut scratch);
        match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                // A client that sends without end is not waited for.
                if linger.poll(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return linger.poll(cx),
        }
    }
}

/// A frame that ends an HTTP/2 connection (RFC 9113 section 6.8). It does not say which requests
/// were answered: all that will be have been, or it is the client's fault.
fn go_away(error: u8) -> Vec<u8> {
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    frame.extend([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, error]);
    frame
}

/// Goes before every other frame (RFC 9113 section 3.4).
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// RFC 9113 section 7.
const NO_ERROR: u8 = 0;
const PROTOCOL_ERROR: u8 = 1;
const ENHANCE_YOUR_CALM: u8 = 11;

const NOT_HTTP2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 71\r\n\
    Cache-Control: no-store\r\n\
    Proxy-Status: orgproxy; error=http_request_error; details=\"NOT_HTTP2\"\r\n\
    Connection: close\r\n\
    \r\n\
    orgproxy: this connection is for HTTP/1.1, as its TLS handshake agreed\n";

/// Enough for the other end to read what is on its way.
pub(super) const LINGER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let text = std::str::from_utf8(NOT_HTTP2).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
