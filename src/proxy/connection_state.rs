//! A client's connection, as its requests know it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{
    Method,
    request::Parts,
    uri::{Authority, PathAndQuery},
};

use crate::{
    proxy::load::Activity,
    spelling::Heads,
    watch::{Client, Peer},
};

/// The facts that a connection and the requests on it tell each other.
///
/// All of them are on one thread, so what counts is changed by a load and a store, which cost a
/// tenth of an atomic addition.
#[derive(Default)]
pub(crate) struct ConnectionState {
    /// The number of the first request with a fault, after which nothing more is read.
    fault: OnceLock<(u64, FramingFault)>,
    /// Requests that hyper has handed over.
    handed: AtomicU64,
    /// Targets that hyper was not shown, by the number of their request.
    targets: Mutex<VecDeque<(u64, String)>>,
    /// True if there is any, which costs less to ask.
    has_targets: AtomicBool,
    /// The address of the listener that the client came in by, as configured.
    listener: Arc<str>,
    peer: Peer,
    /// The user who connected by TCP, if it is not ours and that matters.
    user: Option<u32>,
    /// The name of all clients of that listener, if they have one.
    client_name: Option<Arc<str>>,
    /// The port that the client came in by.
    port: Option<u16>,
    activity: Arc<Activity>,
    /// The last of the requests in HTTP/2: never waited for, since they are all on one thread.
    last: Mutex<Option<(Method, PathAndQuery)>>,
    alpn: Alpn,
    /// True if the client came by TLS.
    secure: bool,
    /// The host that the client takes us for, if it named one in `CONNECT`.
    intercepted: Option<Authority>,
    /// True if the client has shown who it is before its first request.
    known: bool,
    /// The header lines of requests in HTTP/1.1.
    heard: Mutex<Heard>,
    /// The heads of answers in HTTP/1.1.
    heads: Arc<Heads>,
    /// True if the client knows the end of its answer by the end of the connection.
    open_ended: AtomicBool,
    /// True if all of such an answer has been handed out.
    whole: AtomicBool,
}

/// The header lines of requests as the client sent them.
#[derive(Default)]
struct Heard {
    /// Those of requests that hyper may not have handed over yet, in their order.
    waiting: VecDeque<Bytes>,
    /// The number of those that came before the first of these.
    taken: u64,
}

/// The protocol that TLS agreed on for a connection (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Alpn {
    /// None: how the connection begins decides.
    #[default]
    Open,
    Http1,
    Http2,
}

impl ConnectionState {
    /// A connection of `peer` that came in by `port` of `listener`.
    pub(crate) fn new(listener: Arc<str>, peer: Peer, port: Option<u16>) -> Self {
        Self {
            listener,
            peer,
            port,
            ..Self::default()
        }
    }

    /// The same, for a connection of the client of this name.
    pub(crate) fn of_client(self, client_name: Option<Arc<str>>) -> Self {
        Self {
            client_name,
            ..self
        }
    }

    /// The same, for a connection by TCP of this user of this machine.
    pub(crate) fn of_user(self, user: Option<u32>) -> Self {
        Self { user, ..self }
    }

    /// The same, for a connection whose doings are noted in `activity`.
    pub(crate) fn noted_in(self, activity: Arc<Activity>) -> Self {
        Self { activity, ..self }
    }

    /// The same, for a connection on which nothing but `alpn` was agreed on.
    pub(crate) fn speaking(self, alpn: Alpn) -> Self {
        Self { alpn, ..self }
    }

    pub(crate) fn alpn(&self) -> Alpn {
        self.alpn
    }

    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Notes what a request in HTTP/2 asks for, to be able to say so when its client is cut off.
    pub(crate) fn asks(&self, head: &Parts) {
        let target = head.uri.path_and_query().cloned();
        let asked = target.map(|target| (head.method.clone(), target));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }

    /// The last request in HTTP/2, by method and path.
    pub(crate) fn asked(&self) -> Option<String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (method, target) = last.as_ref()?;
        Some(format!("{method} {}", target.path()))
    }

    /// The same by TLS, from a client that is `known` by its certificate.
    pub(crate) fn by_tls(self, known: bool) -> Self {
        Self {
            secure: true,
            known,
            ..self
        }
    }

    /// A connection by TLS within `outer`, opened by `CONNECT host`, which the guard admitted.
    pub(crate) fn within(outer: &Self, host: Authority) -> Self {
        Self {
            intercepted: Some(host),
            client_name: outer.client_name.clone(),
            user: outer.user,
            ..Self::new(outer.listener.clone(), outer.peer, None).by_tls(true)
        }
    }

    pub(crate) fn listener(&self) -> &Arc<str> {
        &self.listener
    }

    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }

    /// The user who connected by TCP, if it is not ours, that matters, and it is known.
    pub(crate) fn user(&self) -> Option<u32> {
        self.user
    }

    /// The client, if it is known without a request.
    pub(crate) fn client(&self) -> Option<Client> {
        let user = self.peer.uid().map(Client::Uid);
        user.or_else(|| self.client_name.clone().map(Client::Listener))
    }

    /// The port that the client came in by, if it came by TCP.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns whether the client came by TLS: what it sees begins with `https://`, and its cookies
    /// may be `Secure`.
    pub(crate) fn is_tls(&self) -> bool {
        self.secure
    }

    /// The host that the client takes us for, where we stand in place of it (`intercept`).
    pub(crate) fn intercepted(&self) -> Option<&Authority> {
        self.intercepted.as_ref()
    }

    /// Returns whether the client has shown who it is before its first request: by a certificate,
    /// or when it asked for the tunnel that this connection is in.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// Counts a request as it comes in, and tells what is wrong with it.
    pub(crate) fn begin(&self) -> Option<FramingFault> {
        self.activity.begin();
        let number = self.handed.load(Relaxed) + 1;
        self.handed.store(number, Relaxed);
        let (faulty, fault) = self.fault.get()?;
        (*faulty == number).then_some(*fault)
    }

    /// The answer to a request has ended.
    pub(crate) fn end(&self) {
        self.activity.end();
    }

    /// Notes that nothing but the end of the connection says where the answer ends.
    pub(crate) fn open_end(&self) {
        self.open_ended.store(true, Relaxed);
        self.whole.store(false, Relaxed);
    }

    /// Returns whether nothing but the end of the connection says where the answer ends.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.open_ended.load(Relaxed)
    }

    /// Notes that all of an answer has been handed out.
    pub(crate) fn complete(&self) {
        self.whole.store(true, Relaxed);
    }

    /// Returns whether all of an answer has been handed out.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Relaxed)
    }

    /// The number of requests that have come.
    pub(crate) fn handed(&self) -> u64 {
        self.handed.load(Relaxed)
    }

    /// Returns whether the answer to one has not ended.
    pub(crate) fn is_busy(&self) -> bool {
        self.activity.is_busy()
    }

    /// Notes the header lines of the next request before it comes.
    pub(crate) fn hear(&self, lines: Bytes) {
        let handed = self.handed();
        let mut heard = self.heard();
        // Those of all but the latest one handed over have been asked for by now, if they ever are.
        while heard.taken + 1 < handed && heard.waiting.pop_front().is_some() {
            heard.taken += 1;
        }
        heard.waiting.push_back(lines);
    }

    /// The header lines of the latest request as the client sent them, in HTTP/1.1, where there is
    /// one at a time. Can be asked for once.
    pub(crate) fn take_header_lines(&self) -> Bytes {
        let handed = self.handed();
        let mut heard = self.heard();
        let mut lines = Bytes::new();
        while heard.taken < handed
            && let Some(next) = heard.waiting.pop_front()
        {
            lines = next;
            heard.taken += 1;
        }
        lines
    }

    /// The heads of answers that are on their way to the client.
    pub(crate) fn heads(&self) -> &Arc<Heads> {
        &self.heads
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the fault of a request before it comes.
    pub(crate) fn note(&self, number: u64, fault: FramingFault) {
        let first = self.fault.set((number, fault));
        debug_assert!(first.is_ok(), "read on after a fault");
    }

    /// Notes the target of a request before it comes, if hyper is shown a stand-in for it.
    pub(crate) fn note_target(&self, number: u64, target: String) {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.push_back((number, target));
        self.has_targets.store(true, Relaxed);
    }

    /// The target of the request that came last, if hyper was shown a stand-in for it.
    pub(crate) fn target(&self) -> Option<String> {
        if !self.has_targets.load(Relaxed) {
            return None;
        }
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.handed();
        targets.retain(|(number, _)| *number >= last);
        let found = targets.pop_front_if(|(number, _)| *number == last);
        self.has_targets.store(!targets.is_empty(), Relaxed);
        found.map(|(_, target)| target)
    }

    /// Returns whether any request has a fault.
    pub(crate) fn is_at_fault(&self) -> bool {
        self.fault.get().is_some()
    }
}

/// Bytes that a body may be said to have. Nobody sends an exbibyte, and whoever counts with a sign
/// is not led astray by less.
pub(crate) const LARGEST_BODY: u64 = 1 << 60;

/// A fault in the head of a request that hyper would let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FramingFault {
    BareLineFeed,
    Target,
    LengthAndChunks,
    TwoLengths,
}

impl FramingFault {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line of its head ends without a carriage return",
            Self::Target => {
                "its target has a character that must be percent-encoded, such as # as %23 and a blank as %20; curl does that with -G --data-urlencode"
            }
            Self::LengthAndChunks => "it has both a Content-Length and a Transfer-Encoding",
            Self::TwoLengths => "it has more than one Content-Length",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_its_user_or_else_by_its_listener_in_a_tunnel_too() {
        let outer = |peer| {
            let name = Some("load".into());
            ConnectionState::new("localhost:8080".into(), peer, None).of_client(name)
        };
        let host = Authority::from_static("acme.my.salesforce.com");
        for (peer, expected) in [
            (Peer::Uid(7), Client::Uid(7)),
            (Peer::Unknown, Client::Listener("load".into())),
        ] {
            let outer = outer(peer);
            assert_eq!(outer.client(), Some(expected.clone()));
            let inner = ConnectionState::within(&outer, host.clone());
            assert_eq!(inner.client(), Some(expected));
        }
        assert_eq!(ConnectionState::default().client(), None);
    }
}
