//! Apex REST services for tests and trials: they echo a body, send or digest bytes of any number,
//! or end the session.

use std::{io, sync::LazyLock};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use url::form_urlencoded;

use super::{
    Inner,
    answer::{Answer, Content},
    rest::refusal,
    rig::seen::Watched,
    service::{Call, drained},
};

impl Inner {
    /// `/services/apexrest/{path}`
    pub(super) async fn apex(&self, call: &Call, path: &[&str], body: Watched) -> Answer {
        if let Some(refusal) = refusal(call.access) {
            drained(body).await;
            return refusal;
        }
        match path {
            ["echo"] => {
                let body = body.map_err(io::Error::other).boxed_unsync();
                let answer = Answer::new(StatusCode::OK, Content::Stream(body));
                match call.head.headers.get(header::CONTENT_TYPE) {
                    Some(value) => answer.header(header::CONTENT_TYPE, value.clone()),
                    None => answer,
                }
            }
            ["bytes", ..] => {
                drained(body).await;
                bytes(call)
            }
            ["sink"] => {
                let number = body.number();
                drained(body).await;
                let seen = self.log.requests();
                match seen.iter().find(|seen| seen.number == number) {
                    Some(seen) => {
                        Answer::json(json!({"length": seen.length, "sha256": seen.sha256}))
                    }
                    None => Answer::not_found(),
                }
            }
            ["demo", "session"] if call.head.method == Method::DELETE => {
                drained(body).await;
                Answer::json(json!({"ended": self.sessions.end_all()}))
            }
            _ => {
                drained(body).await;
                Answer::not_found()
            }
        }
    }
}

/// The first `length` bytes of what `/services/apexrest/bytes` sends.
pub fn blocks(length: u64) -> impl Iterator<Item = Bytes> {
    let mut left = length;
    std::iter::from_fn(move || {
        let size = left.min(BLOCK.len() as u64);
        left -= size;
        (size > 0).then(|| BLOCK.slice(..size as usize))
    })
}

/// `?n=…` bytes; without `Content-Length` if `chunked=1` is there.
fn bytes(call: &Call) -> Answer {
    let query = call.head.uri.query().unwrap_or_default();
    let parameter = |name| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    };
    let length = parameter("n").and_then(|n| n.parse().ok()).unwrap_or(0_u64);

    let frames = stream::iter(blocks(length).map(|block| Ok(Frame::data(block))));
    let body = StreamBody::new(frames).boxed_unsync();
    let answer = Answer::new(StatusCode::OK, Content::Stream(body)).header(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    match parameter("chunked").as_deref() {
        Some("1") => answer,
        _ => answer.header(header::CONTENT_LENGTH, length.into()),
    }
}

/// 64 KiB without a pattern that a shifted or repeated piece could hide in.
static BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..64 * 1024).map(|_| next()).collect()
});
