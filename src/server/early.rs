//! Errors for requests that hyper refuses on its own, in orgproxy's words.
//!
//! hyper answers a head that it cannot read, or that is too long, by a status and nothing else.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Method, Request, StatusCode, header, uri::PathAndQuery};

use super::framing::{Framing, LONGEST_LINE};
use crate::{
    config::Limits,
    proxy::{
        connection_state::ConnectionState, error::Error, exchange::Exchange, family::Family,
        guard::NO_LENGTH, refusal::Refusal, response::Body, stack::date,
    },
    spelling,
    watch::Recorder,
};

/// Bounds of what is read of a head.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Header lines.
    headers: usize,
    /// Bytes of all of it.
    header_bytes: usize,
}

impl Bounds {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            headers: limits.headers,
            header_bytes: limits.header_bytes.min(LONGEST_LINE),
        }
    }

    /// The fault of the last head of `framing`, which hyper refused with `status`.
    fn refusal(self, status: StatusCode, framing: &Framing) -> Refusal {
        match status {
            StatusCode::URI_TOO_LONG if framing.first_line().1 < self.header_bytes => {
                Refusal::LongTarget(LONGEST_TARGET)
            }
            // hyper takes what it cannot count with for too large a head.
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if framing.is_length_too_large() => {
                Refusal::Malformed(NO_LENGTH)
            }
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
                if framing.header_lines() > self.headers =>
            {
                Refusal::ManyHeaders(self.headers)
            }
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Refusal::HeadTooLarge(self.header_bytes)
            }
            _ => Refusal::Malformed("it is not HTTP/1.1 (RFC 9112)"),
        }
    }
}

/// Our answer in place of what hyper `writes`, if that is a refusal of the last head of `framing`,
/// which came on `connection`.
pub(super) fn answer(
    writes: &[u8],
    framing: &Framing,
    bounds: Bounds,
    connection: &Arc<ConnectionState>,
    recorder: Option<&Recorder>,
) -> Option<Bytes> {
    let status = writes.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let status = StatusCode::from_bytes(status).ok()?;
    let (line, _) = framing.first_line();
    let error = Error::from(bounds.refusal(status, framing));
    let mut exchange = exchange(line, connection.clone());
    if recorder.is_some() {
        exchange.is_watched(None);
    }
    let mut response = exchange.fails(error);
    exchange.is_answered(&response);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    date(headers);
    let body = match response.body_mut() {
        Body::Local(body) => body.take().unwrap_or_default(),
        _ => Bytes::new(),
    };
    exchange.sends(body.len(), true);
    if let Some(recorder) = recorder {
        exchange.record(recorder);
    }
    let length = HeaderValue::from(body.len());
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    let mut out = BytesMut::new();
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    out.put_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).as_bytes());
    spelling::write(response.headers().iter(), b"", &mut out);
    out.put_slice(b"\r\n");
    out.put_slice(&body);
    Some(out.freeze())
}

/// The exchange that begins with `line`, of which only the beginning may be there, if any.
fn exchange(line: &[u8], connection: Arc<ConnectionState>) -> Exchange {
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    let target = words.next().unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next();
    let path = path.filter(|path| path.starts_with(b"/"));
    let path = path.and_then(|path| PathAndQuery::try_from(path).ok());
    let mut request = Request::new(());
    if let Some(path) = &path {
        *request.uri_mut() = path.clone().into();
    }
    let family = Family::of(&request.into_parts().0);
    let method = method.unwrap_or_else(no_method);
    Exchange::new(connection, family, &method, path.as_ref())
}

/// For a line that begins with nothing of the kind.
fn no_method() -> Method {
    Method::from_bytes(b"-").unwrap_or_default()
}

/// Bytes. What the `http` crate takes.
const LONGEST_TARGET: usize = u16::MAX as usize - 1;
