//! The org's answers, before and after they become HTTP.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body as _, Frame};
use serde_json::{Value, json};

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer whose body does not have the form yet that the client asked for.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) content: Content,
}

impl Answer {
    pub(super) fn new(status: StatusCode, content: Content) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content,
        }
    }

    pub(super) fn json(value: Value) -> Self {
        Self::new(StatusCode::OK, Content::Json(value))
    }

    pub(super) fn empty(status: StatusCode) -> Self {
        Self::new(status, Content::Bytes(Bytes::new()))
    }

    pub(super) fn text(status: StatusCode, content_type: &'static str, text: String) -> Self {
        Self::new(status, Content::Bytes(text.into()))
            .header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// An error in the form of the REST API.
    pub(super) fn error(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let errors = json!([{"message": message.into(), "errorCode": code}]);
        Self::new(status, Content::Json(errors))
    }

    pub(super) fn not_found() -> Self {
        Self::error(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "The requested resource does not exist",
        )
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Gives it the form that the request headers `asked` want.
    pub(super) fn into_response(self, asked: &HeaderMap) -> Response<Body> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        let body = match self.content {
            Content::Stream(body) => body,
            Content::Bytes(bytes) => full(bytes),
            Content::Json(value) => {
                let xml = self.status.is_client_error() && says(asked, header::ACCEPT, "xml");
                let (content_type, bytes) = if xml {
                    ("application/xml;charset=UTF-8", errors_as_xml(&value))
                } else {
                    let pretty = says(asked, X_PRETTYPRINT, "1");
                    ("application/json;charset=UTF-8", to_json(&value, pretty))
                };
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
                compressed(asked, &mut headers, bytes)
            }
            Content::Soap(xml) => {
                let content_type = HeaderValue::from_static("text/xml; charset=utf-8");
                headers.insert(header::CONTENT_TYPE, content_type);
                compressed(asked, &mut headers, xml.into_bytes())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

pub(super) enum Content {
    Json(Value),
    /// A SOAP envelope.
    Soap(String),
    Bytes(Bytes),
    Stream(Body),
}

impl Content {
    pub(super) fn with_trailers(body: Bytes, trailers: HeaderMap) -> Self {
        let trailers = std::future::ready(Some(Ok(trailers)));
        Self::Stream(full(body).with_trailers(trailers).boxed_unsync())
    }
}

/// `response`, with something that happens `then` after so many bytes of its body; an error breaks
/// it off.
pub(super) fn interrupt(
    response: Response<Body>,
    after: u64,
    then: impl Future<Output = io::Result<()>> + Send + 'static,
) -> Response<Body> {
    let (head, body) = with_length(response).into_parts();
    let interruption = Interruption {
        body,
        left: after,
        rest: None,
        then: Some(Box::pin(then)),
    };
    let frames = stream::unfold(interruption, |mut interruption| async move {
        let frame = interruption.next().await?;
        Some((frame, interruption))
    });
    Response::from_parts(head, StreamBody::new(frames).boxed_unsync())
}

/// `response`, with its length known even if its body gets wrapped.
pub(super) fn with_length(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = response.body().size_hint().exact()
        && response.status() != StatusCode::NO_CONTENT
    {
        let headers = response.headers_mut();
        headers
            .entry(header::CONTENT_LENGTH)
            .or_insert(length.into());
    }
    response
}

struct Interruption<F> {
    body: Body,
    left: u64,
    /// The second part of the piece that was divided.
    rest: Option<Bytes>,
    then: Option<F>,
}

impl<F: Future<Output = io::Result<()>> + Unpin> Interruption<F> {
    async fn next(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        if self.left == 0
            && let Some(then) = self.then.take()
        {
            // Lets hyper send what it has before it gets an error.
            tokio::task::yield_now().await;
            if let Err(error) = then.await {
                return Some(Err(error));
            }
        }
        if let Some(rest) = self.rest.take() {
            return Some(Ok(Frame::data(rest)));
        }
        let mut data = match self.body.frame().await?.map(Frame::into_data) {
            Ok(Ok(data)) => data,
            Ok(Err(other)) => return Some(Ok(other)),
            Err(error) => return Some(Err(error)),
        };
        if self.then.is_some() {
            let length = data.len() as u64;
            if length > self.left {
                self.rest = Some(data.split_off(self.left as usize));
            }
            self.left = self.left.saturating_sub(length);
        }
        Some(Ok(Frame::data(data)))
    }
}

pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The body, compressed if the client accepts that.
fn compressed(asked: &HeaderMap, headers: &mut HeaderMap, bytes: Vec<u8>) -> Body {
    if !says(asked, header::ACCEPT_ENCODING, "gzip") {
        return full(bytes.into());
    }
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    full(gzip(&bytes).into())
}

fn says(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.contains(word)))
}

fn to_json(value: &Value, pretty: bool) -> Vec<u8> {
    if pretty {
        format!("{value:#}").into_bytes()
    } else {
        value.to_string().into_bytes()
    }
}

fn errors_as_xml(errors: &Value) -> Vec<u8> {
    let mut xml = String::from(r#"<?xml version="1.0" encoding="UTF-8"?><Errors>"#);
    for error in errors.as_array().into_iter().flatten() {
        xml.push_str("<Error>");
        for name in ["errorCode", "message"] {
            let text = error[name].as_str().unwrap_or_default();
            xml.push_str(&format!("<{name}>{}</{name}>", escape_xml(text)));
        }
        xml.push_str("</Error>");
    }
    xml.push_str("</Errors>");
    xml.into_bytes()
}

fn escape_xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

const X_PRETTYPRINT: HeaderName = HeaderName::from_static("x-prettyprint");
