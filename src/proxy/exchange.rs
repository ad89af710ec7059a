//! One request and its answer, as others are to see them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts,
    uri::PathAndQuery,
};

use crate::{
    config::ClientLabel,
    proxy::{
        budget::Permit,
        connection_state::ConnectionState,
        error::Error,
        family::{Envelope, Family},
        path::words,
        placeholder::Placeholders,
        policy::Refused,
        received::Received,
        refusal::Refusal,
        response::Body,
        target::Target,
    },
    salesforce::{ApiVersion, REST_ROOT},
    system::{
        escape,
        telemetry::{Throttle, Throttles},
    },
    watch::{
        self, AnsweredBy, Client, Lap, Raised, Record, Recorder, Replayed, Sign, Signs, Slot,
        Trace, Usage, Wait, Waits,
    },
};

mod wait;

/// A request in flight: the facts about it, noted where they arise, and recorded once the last byte of
/// its answer has gone or its connection has broken.
pub(crate) struct Exchange {
    pub(crate) connection: Arc<ConnectionState>,
    pub(crate) family: Family,
    method: Method,
    target: Option<PathAndQuery>,
    /// When it came, if anybody looks.
    began: Option<Instant>,
    /// Its place in a trace, where traces are configured.
    trace: Option<Box<Trace>>,
    notes: Mutex<Notes>,
}

/// The facts that arise on its way.
#[derive(Default)]
struct Notes {
    org: Option<Arc<str>>,
    /// The client, if it is known by more than what it says of itself.
    client: Option<Client>,
    /// The user that it is sent as, where that depends on the client.
    user: Option<Arc<str>>,
    /// Its `User-Agent`.
    agent: Option<HeaderValue>,
    operation: Option<Box<str>>,
    status: Option<StatusCode>,
    answered_by: Option<AnsweredBy>,
    waits: Waits,
    /// The wait that goes on, and since when.
    waiting: Option<(Wait, Instant)>,
    /// When it came, if somebody gets a span of each wait.
    traced: Option<Instant>,
    laps: Vec<Lap>,
    received: Option<Arc<Received>>,
    sent: u64,
    is_whole: bool,
    replays: u8,
    replayed_for: Option<Replayed>,
    usage: Option<Usage>,
    signs: Signs,
    raised: Option<Raised>,
    /// What it has of a budget, if there is one.
    permit: Option<Box<Permit>>,
    would_be_refused: bool,
}

impl Notes {
    /// The client, if anything is known of it.
    fn client(&self) -> Option<Client> {
        let said = |agent: &HeaderValue| String::from_utf8_lossy(agent.as_bytes()).into();
        let agent = self.agent.as_ref().map(said).map(Client::Says);
        self.client.clone().or(agent)
    }

    /// Ends the wait that goes on, if one does.
    fn end_wait(&mut self) {
        let Some((wait, since)) = self.waiting.take() else {
            return;
        };
        let (waits, received) = (&mut self.waits, &self.received);
        let (sum, since) = match wait {
            Wait::Login | Wait::Question => (&mut waits.login, since),
            Wait::Turn => (&mut waits.turn, since),
            Wait::Connection => (&mut waits.connection, since),
            // The org is not waited for as long as the client still sends.
            Wait::FirstByte => match received.as_ref().map(|body| body.ended()) {
                None => (&mut waits.first_byte, since),
                Some(Some(ended)) => (&mut waits.first_byte, since.max(ended.into_std())),
                Some(None) => return,
            },
        };
        let took = since.elapsed();
        *sum += took;
        if let Some(began) = self.traced
            && self.laps.len() < MOST_LAPS
        {
            let from = since - began;
            self.laps.push(Lap { wait, from, took });
        }
    }
}

impl Exchange {
    /// The exchange that begins with a request for `target` on `connection`.
    pub(crate) fn new(
        connection: Arc<ConnectionState>,
        family: Family,
        method: &Method,
        target: Option<&PathAndQuery>,
    ) -> Self {
        Self {
            connection,
            family,
            method: method.clone(),
            target: target.cloned(),
            began: None,
            trace: None,
            notes: Mutex::default(),
        }
    }

    /// Returns whether it asks nothing but whether the proxy lives, as `health` does: that comes every
    /// few seconds, and from no client.
    pub(crate) fn is_probe(&self) -> bool {
        self.method == Method::OPTIONS && self.path() == "*"
    }

    /// Notes that it will be recorded, and its place in a trace.
    pub(crate) fn is_watched(&mut self, trace: Option<Box<Trace>>) {
        let began = Instant::now();
        self.began = Some(began);
        if let Some(trace) = trace {
            self.own_notes().traced = trace.is_sampled.then_some(began);
            self.trace = Some(trace);
        }
    }

    /// Its place in a trace, where traces are configured.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.trace.as_deref()
    }

    /// Notes for which org it is.
    pub(crate) fn is_for(&self, org: &Arc<str>) {
        self.notes().org = Some(org.clone());
    }

    /// Notes who sends `head`.
    pub(crate) fn comes_with(&self, head: &Parts, placeholders: &Placeholders) {
        if let Some(name) = placeholders.client_that_shows(head, None) {
            return self.is_of(name);
        }
        if let Some(client) = self.connection.client() {
            self.notes().client = Some(client);
            return;
        }
        // Mostly among the first, so that to look it up would cost more.
        let mut lines = head.headers.iter();
        if let Some((_, agent)) = lines.find(|(name, _)| **name == header::USER_AGENT) {
            self.notes().agent = Some(agent.clone());
        }
    }

    /// Notes what is asked for in `envelope` of `head`, and by whom, if that says so.
    pub(crate) fn opens(
        &self,
        head: &Parts,
        envelope: Option<&Envelope>,
        placeholders: &Placeholders,
    ) {
        let Some(envelope) = envelope else { return };
        let operation = envelope.operation.as_ref();
        let operation = operation.map(|operation| cut(&operation.name, LONGEST_WORD).into());
        self.notes().operation = operation;
        if let Some(name) = placeholders.client_that_shows(head, Some(envelope)) {
            self.is_of(name);
        }
    }

    /// Notes the name of a client that logs in by the name and password in `clients`.
    pub(crate) fn is_of(&self, client: &str) {
        self.notes().client = Some(Client::Named(client.into()));
    }

    /// Refuses it if it comes from nobody who has logged in by a name and password in `clients`.
    pub(crate) fn must_be_of_a_client(&self) -> Result<(), Refusal> {
        match self.notes().client {
            Some(Client::Named(_)) => Ok(()),
            _ => Err(Refusal::NoClientKey),
        }
    }

    /// The client, as far as it is known.
    pub(crate) fn client(&self) -> Option<Client> {
        self.notes().client()
    }

    /// The client, if it is known by what it cannot choose for itself.
    pub(crate) fn label(&self) -> Option<ClientLabel> {
        self.notes().client.as_ref().and_then(Client::label)
    }

    /// Notes the user that it is sent as.
    pub(crate) fn acts_as(&self, user: &Arc<str>) {
        self.notes().user = Some(user.clone());
    }

    /// The user that it is sent as, where that depends on the client.
    pub(crate) fn user(&self) -> Option<Arc<str>> {
        self.notes().user.clone()
    }

    /// Changes what it has of a budget until it has ended.
    pub(crate) fn permit<T>(&self, change: impl FnOnce(&mut Permit) -> T) -> T {
        change(self.notes().permit.get_or_insert_default())
    }

    /// Notes that its answer waits for the client from now on, or no longer.
    pub(crate) fn offers(&mut self, begins: bool) {
        if let Some(permit) = &self.own_notes().permit
            && let Some(turn) = &permit.turn
        {
            turn.offer(begins);
        }
    }

    /// Notes that the org is about to get a request for it, and counts that.
    pub(crate) fn is_sent(&self) {
        if let Some(permit) = &mut self.notes().permit
            && let Some(spending) = &mut permit.spending
        {
            spending.is_due();
        }
    }

    /// Notes a sign of what Salesforce is about to end.
    pub(crate) fn shows(&self, sign: Sign) {
        self.notes().signs.add(sign);
    }

    /// Notes that it is sent at a newer version of the API than it, or a request within it, names.
    pub(crate) fn is_raised(&self, from: ApiVersion, to: ApiVersion) {
        let (from, to) = (from.number(), to.number());
        let mut notes = self.notes();
        let oldest = notes.raised.map_or(from, |before| before.from.min(from));
        notes.raised = Some(Raised { from: oldest, to });
    }

    /// Has its body counted.
    pub(crate) fn counts_received(&self) -> Option<Arc<Received>> {
        self.began?;
        let received = Arc::<Received>::default();
        self.notes().received = Some(received.clone());
        Some(received)
    }

    /// Notes that its policy would refuse it, if it did not only observe.
    pub(crate) fn would_be_refused(&self, refused: &Refused) {
        self.notes().would_be_refused = true;
        if let Some(left_out) = OBSERVED.admit() {
            let notes = self.notes();
            tracing::warn!(
                left_out,
                org = notes.org.as_deref(),
                client = notes.client().map(|client| client.identity().to_string()),
                method = shown(self.method.as_str(), LONGEST_WORD),
                path = shown(self.path(), LONGEST_WORD),
                "would be {}",
                shown(&refused.to_string(), LONGEST_MESSAGE)
            );
        }
    }

    /// Notes that it is sent to the org again.
    pub(crate) fn is_replayed(&self, why: Replayed) {
        let mut notes = self.notes();
        notes.replays = notes.replays.saturating_add(1);
        notes.replayed_for.get_or_insert(why);
    }

    /// Notes what the org says in `headers` besides the response.
    pub(crate) fn hears(&self, headers: &HeaderMap) {
        if self.began.is_none() {
            return;
        }
        // One pass: to look both up would cost more.
        for (name, value) in headers {
            if *name == LIMIT_INFO {
                self.notes().usage = Usage::parse(value);
            } else if *name == header::WARNING {
                self.shows(Sign::Warning);
            }
        }
    }

    /// Makes the response of an error, and reports it.
    pub(crate) fn fails(&self, error: Error) -> Response<Body> {
        let code = error.code();
        // `health` has no key, and need not have one.
        let is_expected = self.is_probe() && matches!(error, Error::Refused(Refusal::NoClientKey));
        if !is_expected && let Some(left_out) = THROTTLES.admit(code) {
            let notes = self.notes();
            tracing::warn!(
                code,
                fault = ?error.blame(),
                left_out,
                org = notes.org.as_deref(),
                client = notes.client().map(|client| client.identity().to_string()),
                user = notes.user.as_deref(),
                method = shown(self.method.as_str(), LONGEST_WORD),
                path = shown(self.path(), LONGEST_WORD),
                "{}",
                shown(&error.to_string(), LONGEST_MESSAGE)
            );
        }
        self.notes().answered_by = Some(AnsweredBy::Error(code));
        error.into_response(self.family)
    }

    /// Notes the head of its answer.
    pub(crate) fn is_answered(&mut self, response: &Response<Body>) {
        if self.began.is_none() {
            return;
        }
        let notes = self.own_notes();
        notes.status = Some(response.status());
        let by = match response.body() {
            Body::Local(_) => AnsweredBy::Proxy,
            Body::Org { .. } | Body::Call(_) => AnsweredBy::Org,
        };
        notes.answered_by.get_or_insert(by);
    }

    /// Notes so many bytes of the answer, and whether they were the last.
    pub(crate) fn sends(&mut self, bytes: usize, is_whole: bool) {
        if self.began.is_some() {
            let notes = self.own_notes();
            notes.sent += bytes as u64;
            notes.is_whole = is_whole;
        }
    }

    /// Records it, now that it has ended.
    pub(crate) fn record(&mut self, recorder: &Recorder) {
        let Some(began) = self.began else { return };
        // Whoever gives up while the org says nothing has waited for it all the same.
        self.own_notes().end_wait();
        let total = began.elapsed();
        recorder.record(|slot| self.fill(slot, total));
    }

    fn fill(&mut self, mut slot: Slot<'_>, total: Duration) -> Record {
        // Fact by fact, since to take all of them at once is to copy them twice.
        let notes = self.notes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let trace = self.trace.take().map(|mut trace| {
            trace.is_secure = self.connection.is_tls();
            trace.laps = std::mem::take(&mut notes.laps);
            trace
        });
        let path = path_of(self.target.as_ref());
        let client = notes.client.take();
        Record {
            began: SystemTime::now() - total,
            org: notes.org.take(),
            listener: self.connection.listener().clone(),
            peer: self.connection.peer(),
            client: client.unwrap_or_else(|| slot.client(notes.agent.as_ref())),
            user: notes.user.take(),
            method: short(&self.method),
            family: self.family.name(),
            operation: notes.operation.take(),
            api_version: api_version(path),
            path: slot.path(cut(path, LONGEST_RECORDED)),
            status: notes.status.unwrap_or_else(client_closed_request),
            answered_by: notes.answered_by.unwrap_or(AnsweredBy::Nobody),
            is_whole: notes.is_whole,
            waits: Waits {
                total,
                ..notes.waits
            },
            received: notes
                .received
                .as_ref()
                .map_or(0, |received| received.bytes()),
            sent: notes.sent,
            replays: notes.replays,
            replayed_for: notes.replayed_for,
            usage: notes.usage,
            signs: notes.signs,
            raised: notes.raised,
            would_be_refused: notes.would_be_refused,
            trace,
        }
    }

    fn path(&self) -> &str {
        path_of(self.target.as_ref())
    }

    /// The same as [`Self::notes`] without a lock.
    fn own_notes(&mut self) -> &mut Notes {
        self.notes.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the org says of its allocation in `headers`.
pub(crate) fn usage(headers: &HeaderMap) -> Option<Usage> {
    headers.get(LIMIT_INFO).and_then(Usage::parse)
}

fn path_of(target: Option<&PathAndQuery>) -> &str {
    target.map_or("", PathAndQuery::path)
}

/// The first bytes of `text`, at most so many.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// `method`, which a client can make up, and no endless one.
fn short(method: &Method) -> Method {
    match method.as_str() {
        name if name.len() <= LONGEST_WORD => method.clone(),
        name => Method::from_bytes(cut(name, LONGEST_WORD).as_bytes()).unwrap_or_default(),
    }
}

/// The first bytes of `text` for the log, at most so many, on one line, without what may be a session.
fn shown(text: &str, most: usize) -> String {
    escape::line(&watch::shown(text, most)).into_owned()
}

/// What servers note for a request whose client was gone before it was answered. No client sees it.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The version of the API that `path` leads to.
fn api_version(path: &str) -> Option<u16> {
    let version = match path.strip_prefix(REST_ROOT) {
        Some(rest) => words(rest.as_bytes()).next(),
        None => Target::parse(path.as_bytes()).version,
    }?;
    ApiVersion::parse(version).map(ApiVersion::number)
}

/// Waits in one trace. A request is sent three times at most.
const MOST_LAPS: usize = 32;

static THROTTLES: Throttles = Throttles::new();

static OBSERVED: Throttle = Throttle::new();

const LIMIT_INFO: HeaderName = HeaderName::from_static("sforce-limit-info");

/// Bytes of a method or an operation that are recorded, and of a method or a path that the log shows. No
/// real one is as long.
const LONGEST_WORD: usize = 256;

/// Bytes of a path that are recorded.
const LONGEST_RECORDED: usize = 4096;

/// Bytes of a message that the log shows, of which a client may have chosen most.
const LONGEST_MESSAGE: usize = 1024;
