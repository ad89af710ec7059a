//! A peer that disappears without a word.

use std::{io, time::Duration};

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// Detects within [`SILENCE`] that a peer has disappeared: by what it does not acknowledge, or by
/// probes while there is nothing to acknowledge (RFC 5482, RFC 9293 section 3.8.4).
pub(crate) fn watch(tcp: &TcpStream) {
    if let Err(error) = probe(tcp) {
        is_late(&error);
    }
}

fn probe(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    sockopt::set_tcp_keepidle(tcp, SILENCE / 2)?;
    sockopt::set_tcp_keepintvl(tcp, SILENCE / 2 / PROBES)?;
    sockopt::set_tcp_keepcnt(tcp, PROBES)?;
    sockopt::set_socket_keepalive(tcp, true)?;
    limit_silence(tcp, SILENCE);
    Ok(())
}

/// Ends the connection once the peer has not acknowledged for so long what was sent.
#[cfg(target_os = "linux")]
pub(crate) fn limit_silence(tcp: &TcpStream, limit: Duration) {
    let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = sockopt::set_tcp_user_timeout(tcp, milliseconds) {
        is_late(&error.into());
    }
}

/// Only Linux can be told.
#[cfg(not(target_os = "linux"))]
pub(crate) fn limit_silence(_: &TcpStream, _: Duration) {}

fn is_late(error: &io::Error) {
    tracing::debug!("cannot set keep-alive, so a dead connection is noticed late: {error}");
}

/// Time that a peer may acknowledge nothing.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// Probes without an answer after which a peer counts as gone.
const PROBES: u32 = 3;
