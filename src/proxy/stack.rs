//! The layers around a request, outermost first.

use std::{
    cell::RefCell,
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::{
    config::Protocol,
    proxy::{
        Proxy,
        connection_state::{ConnectionState, FramingFault},
        error::Error,
        exchange::Exchange,
        family::Family,
        guard, headers,
        load::{Full, Load},
        percent,
        refusal::Refusal,
        response::{self, Body},
    },
    system::clocks,
    watch::Recorder,
};

/// One thread's way through one listener.
///
/// Plain functions in place of tower layers: those cost 5 % of a request's CPU here, and there is
/// one of each.
pub(crate) struct Stack {
    /// Those that share the listener; the Host tells which.
    pub(crate) proxies: Vec<Arc<Proxy>>,
    pub(crate) load: Arc<Load>,
    /// The protocol of the listener.
    pub(crate) protocol: Protocol,
    /// If anybody looks at the requests.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// The one that has taken its place since the configuration has changed.
    next: OnceLock<Arc<Self>>,
}

impl Stack {
    pub(crate) fn new(
        proxies: Vec<Arc<Proxy>>,
        load: Arc<Load>,
        protocol: Protocol,
        recorder: Option<Arc<Recorder>>,
    ) -> Self {
        Self {
            proxies,
            load,
            protocol,
            recorder,
            next: OnceLock::new(),
        }
    }

    /// Has `next` answer what comes on its connections from now on.
    pub(crate) fn go_on_in(&self, next: &Arc<Self>) {
        // There is only one that takes its place.
        let _ = self.next.set(next.clone());
    }

    /// The stack that answers the next request on the connection that has `seat`.
    pub(crate) fn now(seat: &RefCell<Arc<Self>>) -> Arc<Self> {
        let mut stack = seat.borrow_mut();
        while let Some(next) = stack.next.get().cloned() {
            *stack = next;
        }
        stack.clone()
    }

    /// Answers a request, whatever happens. `surplus` tells that its connection was one too many.
    ///
    /// Its head comes boxed, since it is handed from one future into the next, and each has room
    /// for it.
    pub(crate) async fn answer(
        self: Arc<Self>,
        mut parts: Box<Parts>,
        body: Incoming,
        connection: Arc<ConnectionState>,
        surplus: bool,
    ) -> Result<Response<Counted>, Infallible> {
        let fault = connection
            .begin()
            .map(|fault| Refusal::Malformed(fault.reason()));
        let refusal = fault.or_else(|| set_target(&mut parts, &connection).err());
        let (family, refusal) = match self.protocol {
            Protocol::Api => (Family::of(&parts), refusal),
            Protocol::PubSub if parts.version == Version::HTTP_2 => (Family::PubSub, refusal),
            Protocol::PubSub => (Family::of(&parts), refusal.or(Some(Refusal::NoCall))),
        };
        let (version, method) = (parts.version, parts.method.clone());
        if version == Version::HTTP_2 {
            connection.asks(&parts);
        }
        // Counted until its answer has ended, so before anything can end it.
        let exchange = Exchange::new(
            connection,
            family,
            &parts.method,
            parts.uri.path_and_query(),
        );
        let mut count = Count::new(self, exchange, &parts.headers);
        let Count {
            stack, exchange, ..
        } = &count;
        // One request's panic is that request's 500.
        let mut response = AssertUnwindSafe(stack.handle(parts, body, exchange, refusal, surplus))
            .catch_unwind()
            .await
            .unwrap_or(Err(Error::Panicked))
            .unwrap_or_else(|error| exchange.fails(error));
        let exchange = &mut count.exchange;
        exchange.is_answered(&response);
        date(response.headers_mut());
        if version != Version::HTTP_2 {
            if method == Method::CONNECT {
                end_connection(response.headers_mut());
            }
            if version == Version::HTTP_10 && response.body().size_hint().exact().is_none() {
                exchange.connection.open_end();
            }
            let to_head = method == Method::HEAD;
            let heads = exchange.connection.heads();
            heads.take(&mut response, Body::sent, to_head);
            response.body_mut().wrote_lines();
        }
        count.give(0, response.body().is_end_stream());
        Ok(response.map(|body| Counted { body, count }))
    }

    /// Answers a `CONNECT`, which asks for a tunnel. If it may have it, tells the host at its end,
    /// and what stands in for that host.
    pub(crate) async fn connect(
        self: Arc<Self>,
        request: &Request<Incoming>,
        connection: Arc<ConnectionState>,
        surplus: bool,
    ) -> (Response<Counted>, Option<(Authority, Self)>) {
        let fault = connection.begin();
        let exchange = Exchange::new(
            connection,
            Family::Rest,
            request.method(),
            request.uri().path_and_query(),
        );
        let mut count = Count::new(self, exchange, request.headers());
        let Count {
            stack, exchange, ..
        } = &count;
        let admitted = stack
            .admit_tunnel(request, fault, &exchange.connection, surplus)
            .await;
        let (mut response, tunnel) = match admitted {
            Ok(tunnel) => (Response::new(Body::Local(None)), Some(tunnel)),
            Err(error) => (exchange.fails(error), None),
        };
        let exchange = &mut count.exchange;
        exchange.is_answered(&response);
        if tunnel.is_none() {
            end_connection(response.headers_mut());
        }
        date(response.headers_mut());
        let heads = exchange.connection.heads();
        heads.take(&mut response, Body::sent, false);
        count.give(0, response.body().is_end_stream());
        (response.map(|body| Counted { body, count }), tunnel)
    }

    async fn admit_tunnel(
        &self,
        request: &Request<Incoming>,
        fault: Option<FramingFault>,
        connection: &ConnectionState,
        surplus: bool,
    ) -> Result<(Authority, Self), Error> {
        if let Some(fault) = fault {
            return Err(Refusal::Malformed(fault.reason()).into());
        }
        let bytes = || headers::bytes(request.headers());
        let activity = connection.activity();
        if activity.has_stopped() {
            return Err(Error::Over);
        }
        self.load.wait_for_room(surplus, activity, bytes).await?;
        let host = guard::tunnel_end(request)?;
        let proxy = self.stand_in(&host)?;
        proxy.guard.admit_tunnel(request, &host, connection)?;
        let (load, recorder) = (self.load.clone(), self.recorder.clone());
        let inside = Self::new(vec![proxy.clone()], load, self.protocol, recorder);
        Ok((host, inside))
    }

    /// The org that stands in for `host`: the only one that does so for any, or the one that it is
    /// the host of.
    fn stand_in(&self, host: &Authority) -> Result<&Arc<Proxy>, Refusal> {
        let willing = || self.proxies.iter().filter(|proxy| proxy.guard.intercepts());
        match (willing().next(), willing().nth(1)) {
            (None, _) => Err(Refusal::NoTunnels),
            (Some(only), None) => Ok(only),
            _ => willing()
                .find(|proxy| proxy.guard.is_my_domain(host.host()))
                .ok_or_else(|| Refusal::SharedTunnel(host.to_string())),
        }
    }

    /// Returns whether any of the orgs stands in for other hosts.
    pub(crate) fn intercepts(&self) -> bool {
        self.proxies.iter().any(|proxy| proxy.guard.intercepts())
    }

    async fn handle(
        &self,
        parts: Box<Parts>,
        body: Incoming,
        exchange: &Exchange,
        refusal: Option<Refusal>,
        surplus: bool,
    ) -> Result<Response<Body>, Error> {
        // First of all, since a message that is not framed as it should be must not be looked at.
        if let Some(refusal) = refusal {
            return Err(refusal.into());
        }
        // It may not be answered by what is no more, however long the client holds on to it.
        if exchange.connection.activity().has_stopped() {
            return Err(Error::Over);
        }
        let bytes = || {
            let target = parts.uri.path_and_query().map(PathAndQuery::as_str);
            headers::bytes(&parts.headers) + target.map_or(0, str::len)
        };
        let activity = exchange.connection.activity();
        self.load.wait_for_room(surplus, activity, bytes).await?;
        let proxy = self.proxy(&parts)?;
        exchange.is_for(&proxy.name);
        let origin = proxy.guard.allowed_origin(&parts.headers);
        let answered = proxy.forward(parts, body, exchange).await;
        match (answered, origin) {
            // The page that asked may read what went wrong, too.
            (Err(error), Some(origin)) => {
                let mut response = exchange.fails(error);
                response::share_with(response.headers_mut(), origin);
                Ok(response)
            }
            (answered, _) => answered,
        }
    }

    fn proxy(&self, parts: &Parts) -> Result<&Proxy, Refusal> {
        match &self.proxies[..] {
            [only] => Ok(only),
            several => several
                .iter()
                .find(|proxy| proxy.guard.is_named(parts))
                .map(|proxy| &**proxy)
                .ok_or(Refusal::NoSuchOrg),
        }
    }
}

/// Gives a request the target that it came with, percent-encoded where a strict reader might
/// misread it: hyper was shown a stand-in for it, or in HTTP/2 takes it as it is.
fn set_target(parts: &mut Parts, connection: &ConnectionState) -> Result<(), Refusal> {
    let too_long = |_| Refusal::Malformed("its target is longer than 64 KiB once percent-encoded");
    if let Some(target) = connection.target() {
        parts.uri = target.try_into().map_err(too_long)?;
    } else if parts.version == Version::HTTP_2 {
        let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
        if target.bytes().all(percent::is_plain) {
            return Ok(());
        }
        let target = percent::encode(target.as_bytes());
        let target = target.ok_or_else(|| Refusal::Malformed(FramingFault::Target.reason()))?;
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        uri.path_and_query = Some(target.try_into().map_err(too_long)?);
        parts.uri = Uri::from_parts(uri).unwrap_or_default();
    }
    Ok(())
}

/// Bytes after a refused CONNECT were meant for the other end of the tunnel, and are not HTTP.
fn end_connection(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Tells the time where nobody else did (RFC 9110 section 6.6.1). hyper would look at the clock
/// for those that have one, too.
pub(crate) fn date(headers: &mut HeaderMap) {
    if !headers::contains(headers, &header::DATE)
        && let Ok(now) = HeaderValue::try_from(clocks::http_date(SystemTime::now()))
    {
        headers.insert(header::DATE, now);
    }
}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        Self::Overloaded {
            what: full.what,
            limit: full.limit,
            setting: full.setting,
        }
    }
}

/// One request in flight.
struct Count {
    stack: Arc<Stack>,
    /// Boxed, since it is large and goes from hand to hand.
    exchange: Box<Exchange>,
    /// True if its answer goes on when the client takes what there is.
    offered: bool,
}

impl Count {
    fn new(stack: Arc<Stack>, exchange: Exchange, headers: &HeaderMap) -> Self {
        let mut exchange = Box::new(exchange);
        stack.load.begin();
        if let Some(recorder) = &stack.recorder
            && !exchange.is_probe()
        {
            exchange.is_watched(recorder.trace(headers));
        }
        Self {
            stack,
            exchange,
            offered: false,
        }
    }

    /// So many bytes of its answer are there for the client, perhaps the last.
    fn give(&mut self, bytes: usize, is_whole: bool) {
        self.sends(bytes, is_whole);
        self.exchange.connection.activity().give(bytes);
        self.offer(true);
    }

    fn sends(&mut self, bytes: usize, is_whole: bool) {
        self.exchange.sends(bytes, is_whole);
        if is_whole {
            self.exchange.connection.complete();
        }
    }

    fn offer(&mut self, offered: bool) {
        if self.offered != offered {
            self.offered = offered;
            self.exchange.connection.activity().offer(offered);
            self.exchange.offers(offered);
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.offer(false);
        self.stack.load.end();
        self.exchange.connection.end();
        if let Some(recorder) = &self.stack.recorder {
            self.exchange.record(recorder);
        }
    }
}

/// A body whose request is in flight as long as it streams.
pub(crate) struct Counted {
    body: Body,
    count: Count,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let is_whole = self.body.is_end_stream();
                self.count.give(bytes, is_whole);
            }
            Poll::Ready(None) => self.count.sends(0, true),
            Poll::Ready(Some(Err(_))) => {}
            Poll::Pending => self.count.offer(false),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
