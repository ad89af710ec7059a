//! The collector, and the connection to it.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header,
    uri::{Authority, PathAndQuery},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use rustls::ClientConfig;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{config::Traces, network::Dialer, system::chain};

/// A collector that takes OTLP over HTTP/1.1.
pub(super) struct Collector {
    /// For messages: nothing of its path, which may hold a key.
    name: String,
    authority: Authority,
    path: PathAndQuery,
    headers: Vec<(HeaderName, HeaderValue)>,
    dialer: Dialer,
    /// If it is to be spoken to by TLS.
    tls: Option<TlsConnector>,
    /// The connection of the last post, if it is still there.
    kept: Option<SendRequest<Full<Bytes>>>,
}

/// Why a post was in vain.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: String,
    /// If true, the same post may be taken later.
    pub(super) may_pass: bool,
    /// The time that the collector wants to be left alone.
    pub(super) pause: Option<Duration>,
}

impl Fault {
    fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_pass: true,
            pause: None,
        }
    }

    pub(super) fn late(limit: Duration) -> Self {
        Self::passing(format!("no response within {} s", limit.as_secs()))
    }

    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let pause = headers.get(header::RETRY_AFTER);
        let seconds = pause.and_then(|seconds| seconds.to_str().ok()?.trim().parse().ok());
        Self {
            pause: seconds.map(Duration::from_secs),
            reason: format!("the collector answers {status}"),
            // The specification of OTLP names no others.
            may_pass: matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

impl From<hyper::Error> for Fault {
    fn from(error: hyper::Error) -> Self {
        Self::passing(chain::causes(&error))
    }
}

impl Collector {
    /// The collector of `config`. None if its URL has no host.
    pub(super) fn new(config: &Traces, dialer: Dialer, tls: &ClientConfig) -> Option<Self> {
        let url = &config.endpoint;
        let authority = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(Self {
            name: url.origin().ascii_serialization(),
            authority: authority.parse().ok()?,
            path: url.path().parse().ok()?,
            headers: config.headers.clone(),
            dialer,
            tls: (url.scheme() == "https").then(|| TlsConnector::from(Arc::new(tls))),
            kept: None,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Posts a batch. Returns how many of its spans the collector rejects.
    ///
    /// # Errors
    /// Why it was in vain.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<u64, Fault> {
        let (response, sender) = self.send(body).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_RESPONSE).collect().await;
        if !head.status.is_success() {
            return Err(Fault::of(head.status, &head.headers));
        }
        // It has taken them, even if it cannot say so to the end: sent again, they would be doubled.
        let Ok(body) = body else { return Ok(0) };
        self.kept = Some(sender);
        let taken = ExportTraceServiceResponse::decode(body.to_bytes()).unwrap_or_default();
        let partial = taken.partial_success.unwrap_or_default();
        Ok(partial.rejected_spans.try_into().unwrap_or_default())
    }

    /// Sends on the connection of the last post, or on a new one.
    async fn send(
        &mut self,
        body: Bytes,
    ) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), Fault> {
        let mut request = self.request(body)?;
        if let Some(mut kept) = self.kept.take()
            && kept.ready().await.is_ok()
        {
            match kept.try_send_request(request).await {
                Ok(response) => return Ok((response, kept)),
                Err(mut error) => match error.take_message() {
                    // It was closed meanwhile, and nothing was sent.
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await?;
        Ok((response, sender))
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::post(self.path.clone())
            .header(header::HOST, self.authority.as_str())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body));
        request.map_err(|error| Fault::passing(error.to_string()))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let Some(tls) = &self.tls else {
            let step = self.dialer.step();
            let socket = timeout(step, self.dialer.reach(&self.authority)).await;
            let socket = socket.map_err(|_| Fault::late(step))?;
            return shake_hands(socket.map_err(|why| Fault::passing(why.to_string()))?).await;
        };
        let stream = self.dialer.connect(&self.authority, tls).await;
        shake_hands(stream.map_err(|error| Fault::passing(error.why.to_string()))?).await
    }
}

async fn shake_hands<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends when nobody sends on it any more.
    tokio::spawn(connection);
    Ok(sender)
}

const USER_AGENT: &str = concat!("orgproxy/", env!("CARGO_PKG_VERSION"));

/// Bytes. A real response has next to none.
const LARGEST_RESPONSE: usize = 64 * 1024;
