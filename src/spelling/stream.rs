//! The stream below hyper that replaces the heads that hyper writes by their final form.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Heads;

/// A stream that hyper serves, whose HTTP/1.1 heads come from [`Heads`].
pub(crate) struct Spelled<S> {
    stream: S,
    heads: Arc<Heads>,
    /// Bytes from hyper in their final form that have not gone out yet.
    out: BytesMut,
}

impl<S> Spelled<S> {
    pub(crate) fn new(stream: S, heads: Arc<Heads>) -> Self {
        Self {
            stream,
            heads,
            out: BytesMut::new(),
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    #[cfg(feature = "demo")]
    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Appends `bytes` to what was written, unchanged.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The bare stream, unless something is still to be written.
    pub(crate) fn into_inner(self) -> Option<S> {
        self.out.is_empty().then_some(self.stream)
    }
}

impl<S: AsyncWrite + Unpin> Spelled<S> {
    /// Writes everything that has not gone out yet.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            self.wrote(written)?;
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if count < self.out.len() {
            self.out.advance(count);
        } else if self.out.capacity() > LARGEST_KEPT {
            self.out = BytesMut::new();
        } else {
            self.out.clear();
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Spelled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Spelled<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// Writes. A head is accepted as a whole, even if only a part of it can go out now.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut taken = 0;
        if let [first, rest @ ..] = bufs
            && this.heads.spell(first, &mut this.out)
        {
            taken = first.len();
            bufs = rest;
        }
        if taken == 0 {
            ready!(this.poll_out(cx))?;
            return Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        }
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        slices[0] = IoSlice::new(&this.out);
        let count = bufs.len().min(MOST_SLICES - 1);
        slices[1..=count].copy_from_slice(&bufs[..count]);
        let writing = Pin::new(&mut this.stream).poll_write_vectored(cx, &slices[..=count])?;
        let Poll::Ready(written) = writing else {
            return Poll::Ready(Ok(taken));
        };
        let of_rest = written.saturating_sub(this.out.len());
        this.wrote(written)?;
        Poll::Ready(Ok(taken + of_rest))
    }

    /// Always true, so that hyper keeps the head in a buffer of its own.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Slices of a head and a body. The rest is written next.
const MOST_SLICES: usize = 8;

/// Bytes kept for the next head.
const LARGEST_KEPT: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, Response, StatusCode};
    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// This happens if the client reads little at a time, and hyper's buffer has a head after the
    /// rest.
    #[tokio::test]
    async fn a_head_finds_its_lines_behind_what_went_out_in_part() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let bare = b"HTTP/1.1 204 No Content\r\n\r\n";
        for part in 1..=interim.len() {
            let (near, mut far) = duplex(part);
            let heads = Arc::new(Heads::default());
            let mut stream = Spelled::new(near, heads.clone());
            assert_eq!(stream.write(interim).await.unwrap(), part);
            let mut rest = &interim[part..];
            let written = async {
                for name in ["x-first", "x-second"] {
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = StatusCode::NO_CONTENT;
                    let (name, value) = (HeaderName::from_static(name), HeaderValue::from(1));
                    response.headers_mut().insert(name, value);
                    heads.take(&mut response, |_| None, false);
                    let buffer = [std::mem::take(&mut rest), bare].concat();
                    stream.write_all(&buffer).await.unwrap();
                }
                stream.shutdown().await.unwrap();
                drop(stream);
            };
            let mut heard = String::new();
            let (_, heard_all) = tokio::join!(written, far.read_to_string(&mut heard));
            heard_all.unwrap();
            let expected = "HTTP/1.1 100 Continue\r\n\r\n\
                HTTP/1.1 204 No Content\r\nX-First: 1\r\n\r\n\
                HTTP/1.1 204 No Content\r\nX-Second: 1\r\n\r\n";
            assert_eq!(heard, expected, "after {part} bytes");
        }
    }
}
