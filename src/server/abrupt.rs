//! Ends of connections that do not pass for the end of an answer.

use std::{io, time::Duration};

use rustix::net::sockopt::set_socket_linger;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A stream that may end so that the other end knows that something is missing.
///
/// In HTTP/1.0, an answer of unknown length ends with its connection (RFC 9112 section 6.3), so one
/// that broke off has to end in another way.
pub(super) trait Abrupt {
    /// Has the connection be reset when it is closed, or no longer: whoever closes it, and be it the
    /// system after the end of this process.
    fn end_abruptly(&self, abruptly: bool) -> io::Result<()>;
}

impl Abrupt for TcpStream {
    fn end_abruptly(&self, abruptly: bool) -> io::Result<()> {
        Ok(set_socket_linger(self, abruptly.then_some(Duration::ZERO))?)
    }
}

impl Abrupt for UnixStream {
    /// Does nothing, because a Unix socket cannot be reset.
    fn end_abruptly(&self, _: bool) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Abrupt> Abrupt for TlsStream<S> {
    fn end_abruptly(&self, abruptly: bool) -> io::Result<()> {
        self.get_ref().0.end_abruptly(abruptly)
    }
}
