//! The TCP end of a connection.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::system::keep_alive::{self, SILENCE};

/// TCP under TLS. TLS writes lists of records, often of one: then `send` costs the kernel less than
/// `writev`. It fails within half a minute after its peer has disappeared.
pub(crate) struct Socket {
    way: Way,
    /// Time for a peer that is alive but accepts no data.
    stall: Duration,
    /// If true, the peer has that time now.
    is_patient: bool,
}

enum Way {
    Tcp(TcpStream),
    /// TLS to a proxy.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, stall: Duration) -> Self {
        Self::over(Way::Tcp(tcp), stall)
    }

    /// A connection inside one to a proxy.
    pub(super) fn within(tls: TlsStream<TcpStream>, stall: Duration) -> Self {
        Self::over(Way::Tls(Box::new(tls)), stall)
    }

    fn over(way: Way, stall: Duration) -> Self {
        let socket = Self {
            way,
            stall,
            is_patient: false,
        };
        keep_alive::watch(socket.tcp());
        socket
    }

    fn tcp(&self) -> &TcpStream {
        match &self.way {
            Way::Tcp(tcp) => tcp,
            Way::Tls(tls) => tls.get_ref().0,
        }
    }

    /// The address of the host, or of the proxy on the way.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    /// Returns whether it leads to this machine.
    pub(crate) fn is_local(&self) -> bool {
        match (self.tcp().peer_addr(), self.tcp().local_addr()) {
            (Ok(peer), Ok(local)) => {
                peer.ip().to_canonical().is_loopback() || peer.ip() == local.ip()
            }
            _ => false,
        }
    }

    /// Returns whether there may be something to read, as far as is known. It wakes nobody later.
    pub(crate) fn is_readable(&self) -> bool {
        self.holds_some() || self.tcp().try_io(Interest::READABLE, || Ok(())).is_ok()
    }

    /// Ready once there may be something to read.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.holds_some() {
            Poll::Ready(Ok(()))
        } else {
            self.tcp().poll_read_ready(cx)
        }
    }

    /// Returns whether something has been read and not been taken yet.
    fn holds_some(&self) -> bool {
        match &self.way {
            Way::Tcp(_) => false,
            Way::Tls(tls) => !tls.get_ref().1.wants_read(),
        }
    }

    /// Ends the patience with a slow peer: one that has disappeared is soon detected again.
    pub(crate) fn be_strict(&mut self) {
        if self.is_patient {
            self.is_patient = false;
            keep_alive::limit_silence(self.tcp(), SILENCE);
        }
    }

    /// With `TCP_USER_TIMEOUT`, Linux also ends a connection whose peer is alive but accepts no
    /// data for that time, which is too soon for an upload.
    fn be_patient(&mut self) {
        if !self.is_patient {
            self.is_patient = true;
            keep_alive::limit_silence(self.tcp(), self.stall.max(SILENCE));
        }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut Way, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = write(&mut self.way, cx);
        if written.is_pending() {
            self.be_patient();
        }
        written
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Way::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |way, cx| match way {
            Way::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Way::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |way, cx| match (way, bufs) {
            (Way::Tcp(tcp), [only]) => Pin::new(tcp).poll_write(cx, only),
            (Way::Tcp(tcp), several) => Pin::new(tcp).poll_write_vectored(cx, several),
            (Way::Tls(tls), several) => Pin::new(tls).poll_write_vectored(cx, several),
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Way::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.way {
            Way::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Way::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use rustix::net::sockopt;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (far, _) = listener.accept().await.unwrap();
        (Socket::new(near.unwrap(), Duration::from_secs(120)), far)
    }

    #[tokio::test]
    async fn a_peer_that_is_gone_shows_within_half_a_minute() {
        let (socket, _far) = pair().await;
        let tcp = socket.tcp();
        assert!(sockopt::socket_keepalive(tcp).unwrap());
        let probes = sockopt::tcp_keepcnt(tcp).unwrap();
        let silence =
            sockopt::tcp_keepidle(tcp).unwrap() + sockopt::tcp_keepintvl(tcp).unwrap() * probes;
        assert_eq!(silence, SILENCE);
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(tcp).unwrap(), 30_000);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_peer_that_is_slow_is_not_taken_for_gone() {
        let (mut socket, _far) = pair().await;
        let piece = vec![0; 1024 * 1024];
        // The peer reads nothing, so that this ends.
        let write = |socket: &mut Socket, cx: &mut Context<'_>| {
            Poll::Ready(Pin::new(socket).poll_write(cx, &piece).is_ready())
        };
        while poll_fn(|cx| write(&mut socket, cx)).await {}
        assert_eq!(sockopt::tcp_user_timeout(socket.tcp()).unwrap(), 120_000);
        socket.be_strict();
        assert_eq!(sockopt::tcp_user_timeout(socket.tcp()).unwrap(), 30_000);
    }
}
