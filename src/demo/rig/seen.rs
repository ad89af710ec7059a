//! What the org got to see.

use std::{
    collections::VecDeque,
    fmt::Write,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use aws_lc_rs::digest::{self, SHA256};
use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::Notify;

use crate::demo::{
    coding::decoded_prefix,
    service::segments,
    soap::{Door, session_of},
};

/// A request as it reached the org. What concerns its body grows while it comes in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Counts the requests, from 1.
    pub number: usize,
    /// Counts the connections, from 1: on which one it came.
    pub connection: usize,
    /// The method.
    pub method: Method,
    /// The target's bytes.
    pub target: String,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The headers in their order; names are in lower case, and repeated names stand together.
    pub headers: HeaderMap,
    /// The head's exact bytes in HTTP/1.
    pub head: Bytes,
    /// Whether a live session came with it.
    pub authorized: bool,
    /// Bytes of body so far, without framing.
    pub length: u64,
    /// The first 64 KiB of the body, as it came; of a SOAP request the first 1 MiB.
    pub body: Vec<u8>,
    /// Of the body that came in, in hexadecimal. Empty until it is complete or broken off.
    pub sha256: String,
    /// Whether the whole body came in.
    pub complete: bool,
    /// What followed the body.
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    /// The header lines of an HTTP/1 head exactly as they came in: name and value.
    pub fn lines(&self) -> Vec<(String, String)> {
        String::from_utf8_lossy(&self.head)
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
            .collect()
    }

    /// What is kept of the body as text, with any `Content-Encoding` taken off.
    pub fn text(&self) -> String {
        let decoded = decoded_prefix(&self.headers, &self.body);
        String::from_utf8_lossy(&decoded).into_owned()
    }

    /// The session in the body of a SOAP request: that of a `SessionHeader` in the namespace of the
    /// WSDL that its path stands for. The head of the envelope has to be within what is kept.
    pub fn soap_session(&self) -> Option<String> {
        session_of(&self.text(), &self.door()?.namespace)
    }

    fn door(&self) -> Option<Door> {
        let path = self.target.split('?').next().unwrap_or_default();
        Door::new(&segments(path))
    }

    /// The value of a header that is there once; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// How often something happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests but those to the token endpoint.
    pub requests: usize,
    /// Requests to the token endpoint, as they arrive.
    pub token_requests: usize,
    /// Token requests that gave a session.
    pub logins: usize,
    /// Token requests that the org itself refused.
    pub refusals: usize,
    /// TLS connections accepted.
    pub connections: usize,
    /// Of them, how many are open.
    pub open: usize,
    /// Connects of the Streaming API that wait right now.
    pub long_polls: usize,
}

/// What happened so far, and a signal whenever more did.
#[derive(Debug, Default)]
pub(in crate::demo) struct Log {
    record: Mutex<Record>,
    changed: Notify,
}

impl Log {
    pub(in crate::demo) fn counts(&self) -> Counts {
        self.lock().counts
    }

    pub(in crate::demo) fn requests(&self) -> Vec<Seen> {
        self.lock().seen.iter().cloned().collect()
    }

    pub(in crate::demo) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
        self.notify();
    }

    /// Keeps a request, and returns its number.
    pub(in crate::demo) fn add(&self, mut seen: Seen) -> usize {
        let mut record = self.lock();
        record.counts.requests += 1;
        let number = record.counts.requests;
        seen.number = number;
        if record.seen.len() == KEPT {
            record.seen.pop_front();
        }
        record.seen.push_back(seen);
        drop(record);
        self.notify();
        number
    }

    pub(in crate::demo) fn update(&self, number: usize, change: impl FnOnce(&mut Seen)) {
        let mut record = self.lock();
        // They are in the order of their numbers.
        if let Ok(index) = record
            .seen
            .binary_search_by_key(&number, |seen| seen.number)
        {
            change(&mut record.seen[index]);
        }
        drop(record);
        self.notify();
    }

    pub(in crate::demo) fn notify(&self) {
        self.changed.notify_waiters();
    }

    pub(in crate::demo) async fn wait_until(&self, condition: impl Fn() -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if condition() {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Record {
    counts: Counts,
    /// The newest.
    seen: VecDeque<Seen>,
}

/// A request's body whose bytes are written down while they are read.
pub(in crate::demo) struct Watched {
    body: Incoming,
    log: Arc<Log>,
    number: usize,
    hash: Option<digest::Context>,
}

impl Watched {
    pub(in crate::demo) fn new(body: Incoming, log: Arc<Log>, number: usize) -> Self {
        let mut watched = Self {
            body,
            log,
            number,
            hash: Some(digest::Context::new(&SHA256)),
        };
        if watched.body.is_end_stream() {
            watched.end(true);
        }
        watched
    }

    /// The number of the request that it belongs to.
    pub(in crate::demo) fn number(&self) -> usize {
        self.number
    }

    fn end(&mut self, complete: bool) {
        let Some(hash) = self.hash.take() else {
            return;
        };
        let mut sha256 = String::new();
        for byte in hash.finish().as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        self.log.update(self.number, |seen| {
            seen.sha256 = sha256;
            seen.complete = complete;
        });
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.end(true),
            Some(Err(_)) => self.end(false),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    if let Some(hash) = &mut self.hash {
                        hash.update(data);
                    }
                    self.log.update(self.number, |seen| {
                        seen.length += data.len() as u64;
                        let kept = match seen.door() {
                            Some(_) => KEPT_ENVELOPE,
                            None => KEPT_BODY,
                        };
                        let room = kept - seen.body.len();
                        seen.body.extend_from_slice(&data[..data.len().min(room)]);
                    });
                }
                if let Some(trailers) = frame.trailers_ref() {
                    self.log.update(self.number, |seen| {
                        seen.trailers = Some(trailers.clone());
                    });
                }
                if self.body.is_end_stream() {
                    self.end(true);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// Requests kept, so that a demo org may run for ever.
const KEPT: usize = 4096;

/// Bytes of each body kept.
const KEPT_BODY: usize = 64 * 1024;

/// The same for SOAP.
const KEPT_ENVELOPE: usize = 1024 * 1024;
