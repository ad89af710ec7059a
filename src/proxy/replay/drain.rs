//! What a client still sends of a request that has its answer.

use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use tokio::{runtime::Handle, time::timeout};

use super::Stream;

impl Drop for Stream {
    /// HTTP/2 resets a stream whose request is answered before it is read, and some clients then
    /// miss the response. HTTP/1 closes the connection, and `StrictStream` sees to that.
    fn drop(&mut self) {
        let unread = self.source.take().filter(|_| self.drained && !self.ended);
        if let (Some(unread), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(timeout(DRAIN_TIME, drain(unread)));
        }
    }
}

/// Takes what a client still sends, up to a bound.
async fn drain(mut body: Incoming) {
    let mut taken = 0;
    while taken < DRAIN_BYTES
        && let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
    {
        taken += frame.data_ref().map_or(0, Bytes::len);
    }
}

const DRAIN_TIME: Duration = Duration::from_secs(1);

const DRAIN_BYTES: usize = 64 * 1024;
