//! One connection to the org.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use http::{Request, Response, Uri, header, uri::Authority};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use tokio::{task::AbortHandle, time::Instant};

use crate::{
    deadline::Deadline,
    replay::{Replay, Sending},
};

/// A connection that carries one request at a time, or a share in one that carries many.
///
/// Boxed wherever it is kept: it changes hands twice with every request. Dropped before its answer
/// has ended, it is torn down: a client that goes away so cancels the org's side.
pub(super) struct Connection {
    authority: Authority,
    sender: Sender,
    /// For the head of an answer, then for each piece of its body.
    pub(super) deadline: Deadline,
    used: Instant,
    reused: bool,
}

enum Sender {
    One(
        http1::SendRequest<Sending>,
        #[expect(dead_code, reason = "held for its drop")] Driver,
    ),
    Many(http2::SendRequest<Sending>),
}

/// The task that drives a connection, which ends with it.
struct Driver {
    task: AbortHandle,
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a request got no answer on this connection.
pub(super) enum SendError {
    /// Nothing of it was sent.
    Unsent(Box<Request<Sending>>),
    /// Some of it was sent.
    Lost(hyper::Error),
    TimedOut,
}

impl Connection {
    pub(super) fn one(
        authority: Authority,
        sender: http1::SendRequest<Sending>,
        driver: AbortHandle,
        tick: Duration,
    ) -> Box<Self> {
        Self::new(
            authority,
            Sender::One(sender, Driver { task: driver }),
            tick,
            false,
        )
    }

    pub(super) fn many(
        authority: Authority,
        sender: http2::SendRequest<Sending>,
        tick: Duration,
    ) -> Box<Self> {
        Self::new(authority, Sender::Many(sender), tick, false)
    }

    fn new(authority: Authority, sender: Sender, tick: Duration, reused: bool) -> Box<Self> {
        Box::new(Self {
            authority,
            sender,
            deadline: Deadline::new(tick),
            used: Instant::now(),
            reused,
        })
    }

    /// Sends `request`, and waits for the head of the answer for `patience` after the last piece
    /// of `body`.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Sending>,
        body: &Replay,
        patience: Duration,
    ) -> Result<Response<Incoming>, SendError> {
        self.deadline.set(patience);
        match &mut self.sender {
            Sender::One(sender, _) => {
                let answer = pin!(sender.try_send_request(request));
                until(&mut self.deadline, answer, body, patience).await
            }
            Sender::Many(sender) => {
                address(&mut request, &self.authority);
                let answer = pin!(sender.try_send_request(request));
                until(&mut self.deadline, answer, body, patience).await
            }
        }
    }

    /// Whether it can take a request, now or in a moment.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::One(sender, _) => sender.ready().await.is_ok(),
            Sender::Many(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Whether an answer has come on it before.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(super) fn is_young(&self) -> bool {
        self.used.elapsed() < LONGEST_IDLE
    }

    pub(super) fn leads_to(&self, authority: &Authority) -> bool {
        // As bytes: both come from logins, which spell a host alike.
        self.authority.as_str() == authority.as_str()
    }

    /// The connection as it goes back to the pool, unless others have it anyway.
    pub(super) fn rested(mut self: Box<Self>) -> Option<Box<Self>> {
        self.used = Instant::now();
        self.reused = true;
        matches!(self.sender, Sender::One(..)).then_some(self)
    }

    /// Whether it carries many requests at once.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.sender, Sender::Many(_))
    }

    pub(super) fn shareable(&self) -> Option<(Authority, http2::SendRequest<Sending>)> {
        match &self.sender {
            Sender::One(..) => None,
            Sender::Many(sender) => Some((self.authority.clone(), sender.clone())),
        }
    }

    /// A share in a connection that is open already.
    pub(super) fn share(
        authority: Authority,
        sender: http2::SendRequest<Sending>,
        tick: Duration,
    ) -> Box<Self> {
        Self::new(authority, Sender::Many(sender), tick, true)
    }
}

/// HTTP/2 tells the host in the target, and needs no framing headers (RFC 9113 section 8.2.2).
fn address(request: &mut Request<Sending>, authority: &Authority) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTPS);
    parts.authority = Some(authority.clone());
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(header::HOST);
    request.headers_mut().remove(header::TRANSFER_ENCODING);
    *request.version_mut() = http::Version::HTTP_2;
}

async fn until<Answering>(
    deadline: &mut Deadline,
    mut answer: Pin<&mut Answering>,
    body: &Replay,
    patience: Duration,
) -> Result<Response<Incoming>, SendError>
where
    Answering: Future<Output = Result<Response<Incoming>, TrySendError<Request<Sending>>>>,
{
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer.map_err(|mut error| match error.take_message() {
                Some(request) => SendError::Unsent(Box::new(request)),
                None => SendError::Lost(error.into_error()),
            }));
        }
        while deadline.poll(cx).is_ready() {
            match body.moved_within(patience) {
                Some(left) => deadline.set(left),
                None => return Poll::Ready(Err(SendError::TimedOut)),
            }
        }
        Poll::Pending
    })
    .await
}

/// Shorter than a server or a network on the way is likely to close it unseen.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
