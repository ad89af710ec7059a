//! A connection to a proxy, in this process or another.

use std::io;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::network::is_own_mark;

/// A body that need not be in memory as a whole.
pub(super) type Streamed = UnsyncBoxBody<Bytes, io::Error>;

/// HTTP/1.1 with the proxy at the other end of a stream.
pub(super) struct Connection {
    requests: SendRequest<Streamed>,
}

impl Connection {
    pub(super) async fn new(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> hyper::Result<Self> {
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { requests })
    }

    /// Sends `request`, whose URI is a path, and returns when the head of the response is there.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Streamed>,
    ) -> hyper::Result<Response<Incoming>> {
        let localhost = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, localhost);
        self.requests.ready().await?;
        self.requests.send_request(request).await
    }
}

/// Returns whether a response is the proxy's own (RFC 9209).
pub(super) fn is_from_orgproxy(headers: &HeaderMap) -> bool {
    is_own_mark(marks(headers).as_bytes())
}

/// The marks of the proxies that a response has passed.
pub(super) fn marks(headers: &HeaderMap) -> &str {
    let marks = headers.get("proxy-status");
    marks.and_then(|marks| marks.to_str().ok()).unwrap_or("")
}
