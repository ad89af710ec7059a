//! The requests that reached the org.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use aws_lc_rs::digest::{self, SHA256};
use bytes::Bytes;
use http::{HeaderMap, Method, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::Notify;

use crate::demo::{
    coding::decoded_prefix,
    service::segments,
    soap::{Endpoint, session_of},
};

/// A request as it reached the org. The fields about its body change while it arrives.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The number of the request, from 1.
    pub number: usize,
    /// The number of its connection, from 1.
    pub connection: usize,
    /// The method.
    pub method: Method,
    /// The target's bytes.
    pub target: String,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The headers in their order; names are in lower case, and repeated names are together.
    pub headers: HeaderMap,
    /// The head's exact bytes in HTTP/1.
    pub head: Bytes,
    /// If true, it had a live session.
    pub authorized: bool,
    /// The user of that session.
    pub user: Option<String>,
    /// Bytes of body so far, without framing.
    pub length: u64,
    /// The first 64 KiB of the body as received, or 1 MiB for a SOAP request.
    pub body: Vec<u8>,
    /// The digest of the received body, in hexadecimal. Empty until the body is complete or has
    /// broken off.
    pub sha256: String,
    /// If true, the whole body has arrived.
    pub complete: bool,
    /// The trailers after the body.
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    /// The header lines of an HTTP/1 head exactly as received: name and value.
    pub fn lines(&self) -> Vec<(String, String)> {
        String::from_utf8_lossy(&self.head)
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
            .collect()
    }

    /// The stored part of the body as text, without any `Content-Encoding`.
    pub fn text(&self) -> String {
        let decoded = decoded_prefix(&self.headers, &self.body);
        String::from_utf8_lossy(&decoded).into_owned()
    }

    /// The session in the body of a SOAP request: that of a `SessionHeader` in the namespace of the
    /// WSDL for its path. The head of the envelope must be in the stored part.
    pub fn soap_session(&self) -> Option<String> {
        session_of(&self.text(), &self.endpoint()?.namespace)
    }

    fn endpoint(&self) -> Option<Endpoint> {
        let path = self.target.split('?').next().unwrap_or_default();
        Endpoint::new(&segments(path))
    }

    /// The value of a header that occurs once; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Counts of what has happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests, without those to the token endpoint.
    pub requests: usize,
    /// Requests to the token endpoint, as they arrive.
    pub token_requests: usize,
    /// Token requests that got a session.
    pub logins: usize,
    /// Token requests that the org itself refused.
    pub refusals: usize,
    /// TLS connections accepted.
    pub connections: usize,
    /// The number of those that are open.
    pub open: usize,
    /// Connects of the Streaming API that are waiting now.
    pub long_polls: usize,
}

/// The log of what has happened, and a signal for every change.
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

    /// Counts a login as `user`.
    pub(in crate::demo) fn count_login_of(&self, user: &str) {
        *self.lock().logins_of.entry(user.to_owned()).or_default() += 1;
    }

    pub(in crate::demo) fn logins_of(&self, user: &str) -> usize {
        self.lock().logins_of.get(user).copied().unwrap_or_default()
    }

    pub(in crate::demo) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
        self.notify();
    }

    /// Adds a request, and returns its number.
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
        // Requests are in the order of their numbers.
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

    /// # Panics
    /// If nothing comes of it within [`LONGEST_WAIT`].
    pub(in crate::demo) async fn wait_until(&self, condition: impl Fn() -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if condition() {
                return;
            }
            let waited = tokio::time::timeout(LONGEST_WAIT, changed).await;
            assert!(waited.is_ok(), "waited for a request that did not come");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Record {
    counts: Counts,
    /// By user name.
    logins_of: HashMap<String, usize>,
    /// The newest requests.
    seen: VecDeque<Seen>,
}

/// A request's body that is recorded while it is read.
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
                        let kept = match seen.endpoint() {
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

/// Requests kept, so that a demo org can run forever.
const KEPT: usize = 4096;

/// Bytes of each body kept.
const KEPT_BODY: usize = 64 * 1024;

/// The same for SOAP.
const KEPT_ENVELOPE: usize = 1024 * 1024;

/// For the next request. Longer than any test goes on that does not hang.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
