//! One request and its answer, as others are to see them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use http::{
    HeaderMap, HeaderName, Method, Response, StatusCode, Uri, header, request::Parts,
    uri::PathAndQuery,
};

use crate::{
    proxy::{
        connection_state::ConnectionState,
        error::Error,
        family::{Envelope, Family},
        placeholder::Placeholders,
        response::Body,
        target::Target,
    },
    system::{escape, telemetry::Throttle},
    watch::{self, AnsweredBy, Client, Record, Recorder, Replayed, Sign, Signs, Usage, Waits},
};

/// A request in flight: the facts about it, noted where they arise, and recorded once the last byte of
/// its answer has gone or its connection has broken.
pub(crate) struct Exchange {
    pub(crate) connection: Arc<ConnectionState>,
    pub(crate) family: Family,
    method: Method,
    target: Option<PathAndQuery>,
    /// When it came, if anybody looks.
    began: Option<Instant>,
    notes: Mutex<Notes>,
}

/// The facts that arise on its way.
#[derive(Default)]
struct Notes {
    org: Option<Arc<str>>,
    client: Option<Client>,
    operation: Option<Box<str>>,
    status: Option<StatusCode>,
    answered_by: Option<AnsweredBy>,
    waits: Waits,
    /// When the last lap ended, and what was waited for since.
    lap: Option<Instant>,
    next: Option<Wait>,
    received: Option<Arc<AtomicU64>>,
    sent: u64,
    is_whole: bool,
    replays: u8,
    replayed_for: Option<Replayed>,
    usage: Option<Usage>,
    signs: Signs,
}

/// One of the waits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For nothing that is told: what comes next begins.
    Nothing,
    Login,
    Connection,
    FirstByte,
}

impl Wait {
    /// What is waited for after it.
    fn next(self) -> Option<Self> {
        match self {
            Self::Nothing => Some(Self::Login),
            Self::Login => Some(Self::Connection),
            Self::Connection => Some(Self::FirstByte),
            Self::FirstByte => None,
        }
    }
}

impl Notes {
    fn add(&mut self, wait: Wait, took: Duration) {
        match wait {
            Wait::Login => self.waits.login += took,
            Wait::Connection => self.waits.connection += took,
            Wait::FirstByte => self.waits.first_byte += took,
            Wait::Nothing => {}
        }
    }
}

impl Exchange {
    /// The exchange that begins with a request for `uri` on `connection`.
    pub(crate) fn new(
        connection: Arc<ConnectionState>,
        family: Family,
        method: &Method,
        uri: &Uri,
    ) -> Self {
        Self {
            connection,
            family,
            method: method.clone(),
            target: uri.path_and_query().cloned(),
            began: None,
            notes: Mutex::default(),
        }
    }

    /// Notes that it will be recorded.
    pub(crate) fn is_watched(&mut self) {
        self.began = Some(Instant::now());
    }

    /// Notes for which org it is.
    pub(crate) fn is_for(&self, org: &Arc<str>) {
        self.notes().org = Some(org.clone());
    }

    /// Notes who sends `head`.
    pub(crate) fn comes_with(&self, head: &Parts, placeholders: &Placeholders) {
        if let Some(name) = placeholders.client_that_shows(head) {
            return self.is_of(name);
        }
        let client = self.connection.peer().uid().map(Client::Uid);
        // Mostly among the first, so that to look it up would cost more.
        let mut lines = head.headers.iter();
        let mut said = || lines.find(|(name, _)| **name == header::USER_AGENT);
        let client = client.or_else(|| said().map(|(_, value)| Client::Says(value.clone())));
        self.notes().client = client;
    }

    /// Notes what is asked for in `envelope`, and by whom, if that says so.
    pub(crate) fn opens(&self, envelope: &Envelope, placeholders: &Placeholders) {
        let operation = envelope.operation.as_ref();
        self.notes().operation = operation.map(|operation| operation.name.as_str().into());
        if let Some(name) = placeholders.client_of(&envelope.said) {
            self.is_of(name);
        }
    }

    /// Notes the name of a client that logs in by the name and password in `clients`.
    pub(crate) fn is_of(&self, client: &str) {
        self.notes().client = Some(Client::Named(client.into()));
    }

    /// Notes a sign of what Salesforce is about to end.
    pub(crate) fn shows(&self, sign: Sign) {
        self.notes().signs.add(sign);
    }

    /// Has the bytes of its body counted.
    pub(crate) fn counts_received(&self) -> Option<Arc<AtomicU64>> {
        self.began?;
        let received = Arc::<AtomicU64>::default();
        self.notes().received = Some(received.clone());
        Some(received)
    }

    /// Notes that what went on since the last lap, if it took any time, was `wait`.
    pub(crate) fn lap(&self, wait: Wait) {
        if self.began.is_none() {
            return;
        }
        let now = Instant::now();
        let mut notes = self.notes();
        let took = notes.lap.map_or(Duration::ZERO, |lap| now - lap);
        notes.next = wait.next();
        // What was there at once was not waited for.
        if wait != Wait::Nothing && wait != Wait::FirstByte && took < NO_WAIT {
            return;
        }
        notes.lap = Some(now);
        notes.add(wait, took);
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
        if let Some(usage) = headers.get(LIMIT_INFO) {
            self.notes().usage = Usage::parse(usage);
        }
        if headers.contains_key(header::WARNING) {
            self.shows(Sign::Warning);
        }
    }

    /// Makes the response of an error, and reports it.
    pub(crate) fn fails(&self, error: Error) -> Response<Body> {
        let code = error.code();
        if let Some(left_out) = THROTTLE.admit() {
            let notes = self.notes();
            tracing::warn!(
                code,
                fault = ?error.blame(),
                left_out,
                org = notes.org.as_deref(),
                client = notes.client.as_ref().map(|client| shown(&client.name())).as_deref(),
                method = %self.method,
                path = shown(self.path()),
                "{error}"
            );
        }
        self.notes().answered_by = Some(AnsweredBy::Error(code));
        error.into_response(self.family)
    }

    /// Notes the head of its answer.
    pub(crate) fn is_answered(&self, response: &Response<Body>) {
        if self.began.is_none() {
            return;
        }
        let mut notes = self.notes();
        notes.status = Some(response.status());
        let by = match response.body() {
            Body::Local(_) => AnsweredBy::Proxy,
            Body::Org { .. } | Body::Call(_) => AnsweredBy::Org,
        };
        notes.answered_by.get_or_insert(by);
    }

    /// Notes so many bytes of the answer, and whether they were the last.
    pub(crate) fn sends(&self, bytes: usize, is_whole: bool) {
        if self.began.is_some() {
            let mut notes = self.notes();
            notes.sent += bytes as u64;
            notes.is_whole = is_whole;
        }
    }

    /// Records it, now that it has ended.
    pub(crate) fn record(&mut self, recorder: &Recorder) {
        let Some(began) = self.began else { return };
        let total = began.elapsed();
        let mut notes = std::mem::take(&mut *self.notes());
        // Whoever gives up while the org says nothing has waited for it all the same.
        if let (None, Some(lap), Some(wait)) = (notes.answered_by, notes.lap, notes.next) {
            notes.add(wait, lap.elapsed());
        }
        let path = self.path();
        recorder.record(Record {
            began: SystemTime::now() - total,
            org: notes.org,
            listener: self.connection.listener().clone(),
            peer: self.connection.peer(),
            client: notes.client.unwrap_or(Client::Unknown),
            method: self.method.clone(),
            family: self.family.name(),
            operation: notes.operation,
            api_version: api_version(path),
            path: path[..path.floor_char_boundary(LONGEST_RECORDED)].into(),
            status: notes.status.unwrap_or_else(client_closed_request),
            answered_by: notes.answered_by.unwrap_or(AnsweredBy::Nobody),
            is_whole: notes.is_whole,
            waits: Waits {
                total,
                ..notes.waits
            },
            received: notes.received.map_or(0, |received| received.load(Relaxed)),
            sent: notes.sent,
            replays: notes.replays,
            replayed_for: notes.replayed_for,
            usage: notes.usage,
            signs: notes.signs,
        });
    }

    fn path(&self) -> &str {
        self.target.as_ref().map_or("", PathAndQuery::path)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `text` for the log, on one line, without what may be a session.
fn shown(text: &str) -> String {
    escape::line(&watch::shown(text, LONGEST_SHOWN)).into_owned()
}

/// What servers note for a request whose client was gone before it was answered. No client sees it.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The version of the API that `path` leads to.
fn api_version(path: &str) -> Option<u16> {
    let version = Target::parse(path.as_bytes()).version?;
    let number = version.split(|byte| *byte == b'.').next()?;
    let number = std::str::from_utf8(number).ok()?;
    number.trim_start_matches(['v', 'V']).parse().ok()
}

static THROTTLE: Throttle = Throttle::new();

const LIMIT_INFO: HeaderName = HeaderName::from_static("sforce-limit-info");

/// In a lap that takes less, nothing was waited for.
const NO_WAIT: Duration = Duration::from_micros(50);

/// Bytes of a path that are recorded. More than any log shows.
const LONGEST_RECORDED: usize = 4096;

/// Bytes of a path or a client that the log shows.
const LONGEST_SHOWN: usize = 2048;
