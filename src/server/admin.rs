//! The admin listener: where the process itself is asked how it is. Programs on this machine may
//! ask, web pages may not. Nothing there asks the org, and nothing changes but by a reload.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::{AbortHandle, JoinSet},
};

pub(crate) use self::status::{
    BudgetStatus, ClientStatus, LoginStatus, OrgStatus, ReloadStatus, Status, ThreatStatus,
    UsageStatus, UsersStatus,
};
pub(super) use self::{
    certificates::of as certificates,
    facts::{Facts, orgs},
};
use self::{dashboard::Live, timed_stream::TimedStream};
use super::{
    listen::BoundListener,
    sockets::{Accepted, Stream},
};
use crate::{
    config::Limits,
    system::{chain::causes, telemetry::Throttle},
    watch::metrics::CONTENT_TYPE,
};

mod certificates;
mod dashboard;
mod facts;
mod guard;
mod status;
mod timed_stream;

/// Bounds on what the admin listener takes on.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    /// For a client to send a head, idle keep-alive included, and to take more of a response.
    pub(super) timeout: Duration,
}

impl Bounds {
    /// Those within `limits`, where so many files can still be opened.
    pub(super) fn of(limits: &Limits, files: usize) -> Self {
        Self {
            connections: MOST_CONNECTIONS.min(files / 8).max(1),
            timeout: LONGEST_TIMEOUT.min(limits.header_read),
        }
    }
}

/// Serves `facts` on `bound` forever. Dropped, it closes all its connections.
pub(super) async fn serve(bound: BoundListener, facts: Arc<Facts>, bounds: Bounds) {
    let most = bounds.connections;
    let live = Arc::new(Live::new(facts.clone()));
    let routes = routes(facts, live.clone(), bound.sockets.is_unix());
    let service = TowerToHyperService::new(routes);
    let mut drawing = JoinSet::new();
    drawing.spawn(async move { live.keep_drawing().await });
    let mut connections = JoinSet::new();
    let (mut open, mut refused) = (VecDeque::new(), VecDeque::new());
    loop {
        let accepted = tokio::select! {
            accepted = bound.next() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stranger = accepted
            .user
            .filter(|uid| !bound.listener.users.include(*uid));
        let (oldest_first, most, service) = match stranger {
            None => (&mut open, most, service.clone()),
            // They cost those who may ask no connection.
            Some(uid) => (&mut refused, MOST_REFUSED, refusing(uid)),
        };
        make_room(oldest_first, most);
        let connection = connection(accepted, service, bounds.timeout);
        oldest_first.push_back(connections.spawn(connection));
    }
}

/// Closes the oldest if there are so many: whoever still looks comes back, and a probe must get through.
fn make_room(oldest_first: &mut VecDeque<AbortHandle>, most: usize) {
    oldest_first.retain(|open| !open.is_finished());
    if oldest_first.len() < most {
        return;
    }
    if let Some(oldest) = oldest_first.pop_front() {
        oldest.abort();
    }
    if let Some(left_out) = THROTTLE.admit() {
        tracing::warn!(
            left_out,
            most,
            "limit of connections to the admin listener reached; closed the oldest"
        );
    }
}

type Service = TowerToHyperService<Router>;

async fn connection(accepted: Accepted, service: Service, timeout: Duration) {
    match accepted.stream {
        Stream::Tcp(stream) => talk(TcpStream::from_std(stream), service, timeout).await,
        Stream::Unix(stream) => talk(UnixStream::from_std(stream), service, timeout).await,
    }
}

async fn talk<S>(stream: io::Result<S>, service: Service, timeout: Duration)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Ok(stream) = stream else { return };
    let stream = TokioIo::new(TimedStream::new(stream, timeout));
    if let Err(error) = http(timeout).serve_connection(stream, service).await {
        tracing::debug!("an admin connection ended: {}", causes(&error));
    }
}

fn http(timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LONGEST_HEAD);
    http
}

/// What another user of this machine gets, whatever it asks for.
fn refusing(uid: u32) -> Service {
    if let Some(left_out) = THROTTLE.admit() {
        tracing::warn!(
            uid,
            left_out,
            "refused another user at the admin listener; to let it in, add it to admin.allow_users"
        );
    }
    let refusal = move || async move {
        let words = format!(
            "orgproxy: OTHER_USER: user {uid} of this machine may not ask the admin listener; to \
             let it in, add it to admin.allow_users\n"
        );
        (StatusCode::FORBIDDEN, HEADERS, words)
    };
    TowerToHyperService::new(Router::new().fallback(refusal))
}

fn routes(facts: Arc<Facts>, live: Arc<Live>, is_unix: bool) -> Router {
    let guard = axum::middleware::from_fn(move |request, next| guarded(is_unix, request, next));
    Router::new()
        .route("/startup", get(startup))
        .route("/liveness", get(liveness))
        .route("/readiness", get(readiness))
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        .route(RELOAD, post(reload))
        .with_state(facts)
        .merge(dashboard::routes(live))
        .fallback(nothing)
        .layer(guard)
}

/// Admits what no page in a browser can have sent, and says of each response how to take it.
async fn guarded(
    is_unix: bool,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let mut response = match guard::check(&request, is_unix) {
        Ok(()) => next.run(request).await,
        Err(denied) => denied.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn startup() -> &'static str {
    "started\n"
}

async fn liveness(State(facts): State<Arc<Facts>>) -> Response {
    if facts.is_alive() {
        "alive\n".into_response()
    } else {
        let reason = "orgproxy: a thread that handles requests has died; restart it\n";
        (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
    }
}

async fn readiness(State(facts): State<Arc<Facts>>) -> Response {
    let reasons = facts.reasons_not_to_be_ready();
    if reasons.is_empty() {
        return READY.into_response();
    }
    let lines = reasons
        .iter()
        .map(|reason| format!("not ready: {reason}\n"));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>()).into_response()
}

async fn metrics(State(facts): State<Arc<Facts>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], facts.metrics()).into_response()
}

async fn status(State(facts): State<Arc<Facts>>) -> Response {
    match serde_json::to_vec(&facts.status()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Has the configuration read again, and reports what came of it.
async fn reload(State(facts): State<Arc<Facts>>) -> Response {
    let Some(outcome) = facts.reloads.ask().await else {
        let reason = "orgproxy: this one does not reload; restart it\n";
        return (StatusCode::CONFLICT, reason).into_response();
    };
    let outcome = ReloadStatus::from(outcome);
    let status = if outcome.succeeded {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    match serde_json::to_vec(&outcome) {
        Ok(json) => {
            let content_type = [(header::CONTENT_TYPE, "application/json")];
            (status, content_type, json).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, PATHS)
}

static THROTTLE: Throttle = Throttle::new();

/// What `/readiness` answers once it is.
pub(crate) const READY: &str = "ready\n";

const PATHS: &str = "\
orgproxy: there is nothing at this path, but at
  /            the dashboard
  /startup     200 once it serves
  /liveness    200 while all its threads live
  /readiness   200, or 503 with the reason: it cannot log in, or it is stopping
  /metrics     counts of requests and more, for Prometheus
  /api/status  sessions, logins, connections, as JSON
  /api/reload  reads the configuration again, by POST
";

/// The one path that changes something, by POST.
const RELOAD: &str = "/api/reload";

/// What each response has, if it has nothing else of the name.
const HEADERS: [(header::HeaderName, &str); 6] = [
    // By which `status` and `wait` know that it is not another program's.
    (header::SERVER, SERVER),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The name that responses of the admin listener bear.
pub(crate) const SERVER: &str = "orgproxy";

/// More than there are people and programs that look.
const MOST_CONNECTIONS: usize = 256;

/// Connections of users who may not ask.
const MOST_REFUSED: usize = 16;

const LONGEST_TIMEOUT: Duration = Duration::from_secs(10);

const LONGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;
