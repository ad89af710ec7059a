//! A collector of traces, which takes OTLP over HTTP.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use tokio_rustls::TlsAcceptor;

use super::in_time;

/// A running collector. Dropped, it is away.
pub struct Collector {
    pub url: String,
    posts: watch::Receiver<Vec<Post>>,
    answers: Arc<watch::Sender<Answers>>,
    connections: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

/// What somebody has posted.
#[derive(Debug, Clone)]
pub struct Post {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub came: Instant,
}

/// How posts are answered: with a status, or never.
pub type Answers = Option<StatusCode>;

impl Collector {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        Self::answering(Some(StatusCode::OK)).await
    }

    /// Starts one that takes everything, and speaks TLS.
    pub async fn with_tls(tls: Arc<ServerConfig>) -> Self {
        Self::listen(Some(StatusCode::OK), Some(TlsAcceptor::from(tls))).await
    }

    /// Starts one that answers like this.
    pub async fn answering(answers: Answers) -> Self {
        Self::listen(answers, None).await
    }

    async fn listen(answers: Answers, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match &tls {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let (sender, posts) = watch::channel(Vec::new());
        let answers = Arc::new(watch::Sender::new(answers));
        let (sender, theirs) = (Arc::new(sender), answers.clone());
        let connections = Arc::<AtomicUsize>::default();
        let count = connections.clone();
        let listening = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (sender, answers, tls) = (sender.clone(), theirs.clone(), tls.clone());
                count.fetch_add(1, Relaxed);
                serving.spawn(async move {
                    match tls {
                        None => serve(stream, sender, answers).await,
                        Some(tls) => {
                            // Whoever does not trust it goes away.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, sender, answers).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            url,
            posts,
            answers,
            connections,
            listening,
        }
    }

    /// Answers like this from now on.
    pub fn answer(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }

    /// What has been posted so far.
    pub fn posts(&self) -> Vec<Post> {
        self.posts.borrow().clone()
    }

    /// Waits until so many posts have come.
    pub async fn wait_for_posts(&self, count: usize) -> Vec<Post> {
        let mut posts = self.posts.clone();
        let posts = in_time(posts.wait_for(|posts| posts.len() >= count)).await;
        posts.unwrap().clone()
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// The spans of all posts.
    pub fn spans(&self) -> Vec<Span> {
        self.posts().iter().flat_map(Post::spans).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Post {
    pub fn message(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(self.body.clone()).unwrap()
    }

    pub fn spans(&self) -> Vec<Span> {
        let resources = self.message().resource_spans.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

async fn serve<S>(
    stream: S,
    posts: Arc<watch::Sender<Vec<Post>>>,
    answers: Arc<watch::Sender<Answers>>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let take = service_fn(move |request| take(request, posts.clone(), answers.clone()));
    // However it ends.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), take)
        .await;
}

async fn take(
    request: Request<Incoming>,
    posts: Arc<watch::Sender<Vec<Post>>>,
    answers: Arc<watch::Sender<Answers>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let post = Post {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
        came: Instant::now(),
    };
    posts.send_modify(|posts| posts.push(post));
    let mut answers = answers.subscribe();
    let status = *answers.wait_for(Option::is_some).await.unwrap();
    let mut response = Response::new(Full::default());
    *response.status_mut() = status.unwrap();
    if status == Some(StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert("retry-after", REST.into());
    }
    Ok(response)
}

/// Seconds for which it wants to be left alone where there are too many requests.
pub const REST: u64 = 3;

/// The spans of requests, in their order.
pub fn requests(spans: &[Span]) -> Vec<Span> {
    let is_request = |span: &&Span| span.kind == SpanKind::Server as i32;
    let mut requests: Vec<_> = spans.iter().filter(is_request).cloned().collect();
    requests.sort_by_key(|span| span.start_time_unix_nano);
    requests
}

/// The waits within `request`, by their names, in their order.
pub fn waits(spans: &[Span], request: &Span) -> Vec<Span> {
    let is_within = |span: &&Span| span.parent_span_id == request.span_id;
    let mut waits: Vec<_> = spans.iter().filter(is_within).cloned().collect();
    waits.sort_by_key(|span| span.start_time_unix_nano);
    waits
}

/// An attribute as text; empty if there is none.
pub fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.clone()?.value);
    match value {
        None => String::new(),
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

/// An id as it is in `traceparent`.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
