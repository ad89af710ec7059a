//! The org's response, made the client's.

use std::{
    future::poll_fn,
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, Response, Version, header};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use self::{document::Document, ours::Ours};
use crate::{
    auth::Session, base::Base, error::Error, family::pubsub, headers, request::Head,
    upstream::Answer,
};

mod disclosure;
mod document;
mod json;
mod ours;
mod rewrite;
mod xml;

/// What a client receives.
pub(crate) enum Body {
    /// An answer of ours.
    Local(Option<Bytes>),
    /// The org's, whose first bytes may have been looked at already.
    Org { seen: Option<Bytes>, rest: Answer },
    /// The org's, whose trailers tell whether the session is still alive.
    Call(Box<Call>),
}

/// The answer to a call of the Pub/Sub API, which may go on for days.
pub(crate) struct Call {
    rest: Answer,
    ended: Box<dyn Fn() + Send>,
}

/// Has `ended` called if the trailers of `response` say that the session is dead.
pub(crate) fn watch(response: Response<Body>, ended: impl Fn() + Send + 'static) -> Response<Body> {
    response.map(|body| match body {
        Body::Org { seen: None, rest } => Body::Call(Box::new(Call {
            rest,
            ended: Box::new(ended),
        })),
        body => body,
    })
}

/// Makes the org's answer to `head` the client's, who knows us as `base`: hop-by-hop headers off,
/// cookies and redirects ours, the body untouched but for a few documents. `origin` is the web origin
/// that may read it.
///
/// The `session` that the org was asked with is in no cookie and no redirect of it. Bodies, and headers
/// that an Apex class makes up, are not searched for it.
///
/// # Errors
/// When what must be rewritten breaks off, there is nothing to pass on.
pub(crate) async fn localize(
    response: &mut Response<Body>,
    head: &Head,
    session: &Session,
    base: &Base,
    origin: Option<HeaderValue>,
) -> Result<(), Error> {
    // To a client in HTTP/1.0, which an older hop on the way makes of it, a body that breaks off
    // would look whole.
    *response.version_mut() = Version::HTTP_11;
    let headers = response.headers_mut();
    // One look at each name, since to look each of ours up costs several times as much.
    let mut has_length_in_doubt = false;
    let (mut has_cookies, mut has_locations) = (false, false);
    for name in headers.keys() {
        match *name {
            header::TRANSFER_ENCODING => has_length_in_doubt = true,
            header::SET_COOKIE => has_cookies = true,
            header::LOCATION | header::CONTENT_LOCATION => has_locations = true,
            _ => {}
        }
    }
    // Chunks win over a length (RFC 9112 section 6.3), which then says nothing.
    if has_length_in_doubt {
        headers.remove(header::CONTENT_LENGTH);
    }
    headers::strip_hop_by_hop(headers);
    if has_cookies {
        localize_cookies(headers, session, base);
    }
    if has_locations {
        localize_locations(headers, session, base);
    }
    if let Some(origin) = origin {
        share_with(headers, origin);
    }
    if let Some(document) = Document::of(head, response) {
        let ours = Ours::new(session, base);
        Box::pin(rewrite::rewrite(response, document, &ours)).await?;
    }
    Ok(())
}

fn localize_cookies(headers: &mut HeaderMap, session: &Session, base: &Base) {
    let ours: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter(|cookie| {
            disclosure::withhold(cookie.as_bytes(), session.token.as_bytes()).is_none()
        })
        .filter_map(|cookie| headers::local_cookie(cookie, base.is_secure()))
        .collect();
    headers.remove(header::SET_COOKIE);
    for cookie in ours {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// A client that follows a redirect must not leave us, and must not learn the session by it.
fn localize_locations(headers: &mut HeaderMap, session: &Session, base: &Base) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let header::Entry::Occupied(mut lines) = headers.entry(name) else {
            continue;
        };
        for line in lines.iter_mut() {
            if let Some(kept) = disclosure::withhold(line.as_bytes(), session.token.as_bytes()) {
                *line = HeaderValue::from_bytes(&kept)
                    .unwrap_or_else(|_| HeaderValue::from_static("/"));
            }
            // What is no text is no URL.
            let url = str::from_utf8(line.as_bytes()).unwrap_or_default();
            if let Some(ours) = Ours::new(session, base).location(url)
                && let Ok(ours) = HeaderValue::from_str(&ours)
            {
                *line = ours;
            }
        }
    }
}

/// Lets the page of `origin`, and no other, read the answer. What the org says of origins is
/// about its own address, not about ours.
pub(crate) fn share_with(headers: &mut HeaderMap, origin: HeaderValue) {
    let theirs: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in theirs {
        headers.remove(name);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// The beginning of a body, up to what is needed to tell what it is, decompressed if it must be.
/// The body goes on as if nobody had looked.
///
/// # Errors
/// When it breaks off that early, there is nothing to pass on.
pub(crate) async fn peek(response: &mut Response<Body>) -> io::Result<Vec<u8>> {
    let encoding = response.headers().get(header::CONTENT_ENCODING).cloned();
    let (head, _) = response.body_mut().gather(PEEKED).await?;
    let mut text = Vec::new();
    let inflated = match encoding.as_ref().map(HeaderValue::as_bytes) {
        Some(b"gzip") => GzDecoder::new(&*head)
            .take(PEEKED as u64)
            .read_to_end(&mut text),
        Some(b"deflate") => ZlibDecoder::new(&*head)
            .take(PEEKED as u64)
            .read_to_end(&mut text),
        _ => {
            text.extend_from_slice(&head);
            Ok(0)
        }
    };
    if let Err(error) = inflated {
        tracing::debug!("cannot decompress the beginning of an answer: {error}");
    }
    Ok(text)
}

impl Body {
    /// At least the first `most` bytes, or all, and whether they are all. The body goes on as if
    /// nobody had looked.
    ///
    /// # Errors
    /// When it breaks off before.
    async fn gather(&mut self, most: usize) -> io::Result<(Bytes, bool)> {
        let (seen, rest) = match self {
            Self::Local(whole) => return Ok((whole.clone().unwrap_or_default(), true)),
            Self::Call(_) => return Ok((Bytes::new(), false)),
            Self::Org { seen, rest } => (seen, rest),
        };
        let mut head = BytesMut::from(seen.take().unwrap_or_default());
        let mut ended = false;
        while head.len() < most && !ended {
            match poll_fn(|cx| Pin::new(&mut *rest).poll_frame(cx)).await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        head.extend_from_slice(&data);
                    }
                }
                None => ended = true,
            }
        }
        let head = head.freeze();
        *seen = (!head.is_empty()).then(|| head.clone());
        Ok((head, ended))
    }
}

impl From<Answer> for Body {
    fn from(rest: Answer) -> Self {
        Self::Org { seen: None, rest }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Local(bytes)
            | Self::Org {
                seen: bytes @ Some(_),
                ..
            } => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Org { rest, .. } => Pin::new(rest).poll_frame(cx),
            Self::Call(call) => {
                let frame = ready!(Pin::new(&mut call.rest).poll_frame(cx));
                if let Some(Ok(frame)) = &frame
                    && frame.trailers_ref().is_some_and(pubsub::is_expired)
                {
                    (call.ended)();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Local(body) => body.is_none(),
            Self::Org { seen, rest } => seen.is_none() && rest.is_end_stream(),
            Self::Call(call) => call.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        match self {
            Self::Local(body) => SizeHint::with_exact(length(body)),
            Self::Org { seen, rest } => match rest.size_hint().exact() {
                Some(rest) => SizeHint::with_exact(rest + length(seen)),
                None => SizeHint::default(),
            },
            Self::Call(call) => call.rest.size_hint(),
        }
    }
}

/// Bytes. Salesforce's errors have a few hundred.
const PEEKED: usize = 16 * 1024;
