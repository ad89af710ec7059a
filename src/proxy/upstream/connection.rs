//! One connection to the org.

use std::{
    error::Error,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Response, uri::Authority};
use hyper::{body::Incoming, client::conn::http2};

use super::{
    connections::Open,
    http1::{self, Http1, Malformed},
};
use crate::{
    auth::Session,
    proxy::{
        replay::{Replay, Sending},
        request::Head,
    },
    system::{chain::causes, deadline::Deadline},
};

/// A connection that carries one request at a time, or a share in one that carries many.
///
/// Boxed wherever it is kept: it changes hands twice with every request. Dropped before its
/// response has ended, it is torn down: a client that goes away so cancels the org's side.
pub(super) struct Connection {
    authority: Authority,
    protocol: Protocol,
    /// The deadline for the head of a response, then for each piece of its body.
    pub(super) deadline: Deadline,
    /// The number of sweeps of the pool since a response ended on it.
    sweeps: u32,
    reused: bool,
    /// None, if requests share the connection.
    _open: Option<Open>,
    /// The share in such a connection.
    _share: Option<Arc<()>>,
}

#[expect(clippy::large_enum_variant, reason = "the large one is the common one")]
pub(super) enum Protocol {
    Http1(Http1),
    Http2(http2::SendRequest<Sending>),
}

/// The reason why a request got no response on this connection.
pub(super) enum SendError {
    /// Nothing of it was sent, as HTTP/2 can say.
    Unsent,
    /// The peer says that it has done nothing of it, as HTTP/2 can. In words.
    Refused(String),
    /// Some of it was sent, and the connection ended without a word of a response. In words.
    Lost(String),
    /// The bytes that came are not a response, or not all of one. In words.
    Garbled(String),
    TimedOut,
}

impl Connection {
    pub(super) fn new(
        authority: Authority,
        protocol: Protocol,
        open: Option<Open>,
        tick: Duration,
    ) -> Box<Self> {
        Box::new(Self {
            authority,
            protocol,
            deadline: Deadline::new(tick),
            sweeps: 0,
            reused: false,
            _open: open,
            _share: None,
        })
    }

    /// What others can share of it, if it can carry several requests. It has a share itself.
    pub(super) fn shared(&mut self) -> Option<Shared> {
        let Protocol::Http2(sender) = &self.protocol else {
            return None;
        };
        let shares = Arc::default();
        self._share = Some(Arc::clone(&shares));
        Some(Shared {
            authority: self.authority.clone(),
            sender: sender.clone(),
            shares,
            sweeps: 0,
        })
    }

    /// Sends `head` and `sending` with `session`, and waits for the head of the response for
    /// `timeout` after the last piece of `body`.
    ///
    /// The response's body is returned only where it does not come by this very connection.
    pub(super) async fn send(
        &mut self,
        head: &Head,
        session: &Session,
        sending: Sending,
        body: &Replay,
        timeout: Duration,
    ) -> Result<Response<Option<Incoming>>, SendError> {
        let deadline = &mut self.deadline;
        deadline.set(timeout);
        let mut in_time = |cx: &mut Context<'_>| loop {
            ready!(deadline.poll(cx));
            match body.moved_within(timeout) {
                Some(left) => deadline.set(left),
                None => return Poll::Ready(Err(SendError::TimedOut)),
            }
        };
        match &mut self.protocol {
            Protocol::Http1(http) => {
                http.begin(head, session, sending);
                poll_fn(|cx| match http.poll_head(cx, head.method()) {
                    Poll::Ready(Ok(response)) => Poll::Ready(Ok(response.map(|()| None))),
                    Poll::Ready(Err(fault)) => {
                        let words = causes(&fault);
                        Poll::Ready(Err(if http.has_heard(&fault) {
                            SendError::Garbled(words)
                        } else {
                            SendError::Lost(words)
                        }))
                    }
                    Poll::Pending => in_time(cx),
                })
                .await
            }
            Protocol::Http2(sender) => {
                let request = head.request(session, sending, &self.authority);
                // Boxed: every request would carry its room along.
                let mut response = Box::pin(sender.try_send_request(request));
                poll_fn(|cx| match response.as_mut().poll(cx) {
                    Poll::Ready(Ok(response)) if http1::has_length(response.headers()) => {
                        Poll::Ready(Ok(response.map(Some)))
                    }
                    Poll::Ready(Ok(_)) => {
                        let fault = Malformed::Framing.to_string();
                        Poll::Ready(Err(SendError::Garbled(fault)))
                    }
                    Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
                        Some(_) => SendError::Unsent,
                        None => of_http2(&error.into_error()),
                    })),
                    Poll::Pending => in_time(cx),
                })
                .await
            }
        }
    }

    /// Returns whether it can take a request, now or in a moment.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.protocol {
            Protocol::Http1(http) => http.is_open(),
            Protocol::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Returns whether a response has come on it before, or may have.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Returns whether a sweep of the pool is to leave it. Each makes it older, and smaller.
    pub(super) fn outlives_sweep(&mut self) -> bool {
        self.sweeps += 1;
        let is_young = self.sweeps <= MOST_SWEEPS;
        is_young
            && self.http1_mut().is_none_or(|http| {
                http.shrink();
                http.is_open()
            })
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn leads_to(&self, authority: &Authority) -> bool {
        // As bytes: both come from logins, which spell a host alike.
        self.authority.as_str() == authority.as_str()
    }

    /// The connection as it goes back to the pool, unless it cannot take another request, or others
    /// have it anyway.
    pub(super) fn rested(mut self: Box<Self>) -> Option<Box<Self>> {
        self.sweeps = 0;
        self.reused = true;
        self.http1().is_some_and(Http1::is_idle).then_some(self)
    }

    /// The HTTP/1.1 connection that carries the response's body; one of HTTP/2 carries others, too.
    pub(super) fn http1(&self) -> Option<&Http1> {
        match &self.protocol {
            Protocol::Http1(http) => Some(http),
            Protocol::Http2(_) => None,
        }
    }

    /// The same as [`Self::http1`].
    pub(super) fn http1_mut(&mut self) -> Option<&mut Http1> {
        match &mut self.protocol {
            Protocol::Http1(http) => Some(http),
            Protocol::Http2(_) => None,
        }
    }
}

/// A connection that several requests share.
pub(super) struct Shared {
    authority: Authority,
    sender: http2::SendRequest<Sending>,
    /// Held by each request, and by this.
    shares: Arc<()>,
    /// The number of sweeps of the pool since a request took a share.
    sweeps: u32,
}

impl Shared {
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Returns whether a sweep of the pool is to leave it. Each makes it older if no request has a share
    /// in it.
    pub(super) fn outlives_sweep(&mut self) -> bool {
        let is_busy = Arc::strong_count(&self.shares) > 1;
        self.sweeps = if is_busy { 0 } else { self.sweeps + 1 };
        self.sweeps <= MOST_SWEEPS && !self.is_closed()
    }

    /// Returns whether it has fewer requests than it is to have.
    pub(super) fn has_room(&self) -> bool {
        Arc::strong_count(&self.shares) <= MOST_STREAMS
    }

    /// A share in it.
    pub(super) fn share(&mut self, tick: Duration) -> Box<Connection> {
        self.sweeps = 0;
        let protocol = Protocol::Http2(self.sender.clone());
        let mut share = Connection::new(self.authority.clone(), protocol, None, tick);
        share.reused = true;
        share._share = Some(self.shares.clone());
        share
    }
}

fn of_http2(error: &hyper::Error) -> SendError {
    let words = causes(error);
    let source = error.source().and_then(|source| source.downcast_ref());
    match source {
        Some(error) if is_refused(error) => SendError::Refused(words),
        // The connection has not ended: the org has dealt with it.
        Some(error) if !error.is_io() => SendError::Garbled(words),
        _ => SendError::Lost(words),
    }
}

/// RFC 9113 section 8.7. Of a request that the peer may have done, h2 does not say that the peer goes away:
/// only the end of the connection ends it.
fn is_refused(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Requests that share a connection. Most servers allow 100: beyond what they allow, a request would wait
/// without a word.
pub(super) const MOST_STREAMS: usize = 64;

/// At one in 10 s, they take a minute: shorter than a server or a network on the way is likely to
/// close a connection unseen. Counted, since to look at the clock after every response costs more.
const MOST_SWEEPS: u32 = 6;
