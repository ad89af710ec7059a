//! Why bodies of requests do not come to their ends: what clients do wrong, and what is lacking here.

use std::{error::Error, time::Duration};

use super::inflate;

/// Why the body of a request did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientFault {
    #[error("the body of the request is not framed as HTTP requires (RFC 9112 section 7)")]
    Malformed,
    #[error("the client disconnected before its request was complete")]
    Gone,
    #[error("the client sent no more of its request for {}s (limits.idle_body)", .0.as_secs())]
    Stalled(Duration),
    #[error("the client sends its request at less than {0} bytes per second (limits.body_rate)")]
    Slow(u64),
    #[error(
        "the request must be read whole before it goes on, and the copies of others leave no memory \
         for it; send it again (limits.replay_memory)"
    )]
    Crowded,
    #[error("the body of the request is not compressed as its Content-Encoding says")]
    Undecodable,
    #[error(
        "the body of the request is small but decompresses to a huge size, or to more than {} MiB",
        inflate::MOST / 1024 / 1024
    )]
    Inflated,
    #[error("the body of the request is longer compressed than uncompressed; send it uncompressed")]
    Hollow,
}

impl ClientFault {
    /// The fault behind hyper's `error`.
    pub(super) fn of(error: &hyper::Error) -> Self {
        if is_malformed(error) {
            Self::Malformed
        } else {
            Self::Gone
        }
    }
}

/// hyper marks a break in the chunks as an error of kind `InvalidData` or `InvalidInput` below
/// its own, and the end of the connection as `UnexpectedEof`.
fn is_malformed(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};

    error.is_parse()
        || error
            .source()
            .and_then(|source| source.downcast_ref::<std::io::Error>())
            .is_some_and(|source| matches!(source.kind(), InvalidData | InvalidInput))
}
