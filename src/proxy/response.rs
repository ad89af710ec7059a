//! The org's response, rewritten for the client.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version, header};
use http_body_util::BodyExt;
use hyper::{
    body::{Body as HttpBody, Frame, SizeHint},
    ext::ReasonPhrase,
};

use self::{document::Document, url_rewriter::UrlRewriter};
use crate::{
    auth::Session,
    proxy::{
        base_url::BaseUrl,
        coding::{self, Coding},
        error::Error,
        family::pubsub,
        headers,
        request::Head,
        upstream::ResponseBody,
    },
    spelling::Received,
};

mod disclosure;
mod document;
mod json;
mod rewrite;
mod url_rewriter;
mod xml;

/// The body that a client receives.
pub(crate) enum Body {
    /// A response of the proxy itself.
    Local(Option<Bytes>),
    /// The org's, whose first bytes may have been looked at already.
    Org {
        seen: Option<Bytes>,
        rest: ResponseBody,
    },
    /// The org's, whose trailers say whether the session is still alive.
    Call(Box<Call>),
}

/// The response to a call of the Pub/Sub API, which may go on for days.
pub(crate) struct Call {
    rest: ResponseBody,
    ended: Box<dyn Fn() + Send>,
    /// The token that its trailers must not have, and what stands there instead.
    withheld: Option<(HeaderValue, String)>,
}

/// Has `ended` called if the trailers of `response` say that the session is dead.
pub(crate) fn watch(response: Response<Body>, ended: impl Fn() + Send + 'static) -> Response<Body> {
    response.map(|body| match body {
        Body::Org { seen: None, rest } => Body::Call(Box::new(Call {
            rest,
            ended: Box::new(ended),
            withheld: None,
        })),
        body => body,
    })
}

/// Rewrites the org's response to `head` for the client, who knows the proxy as `base`: hop-by-hop
/// headers off, cookies and redirects led back to the proxy, the body untouched but for a few
/// documents. `origin` is the web origin that may read it.
///
/// No line of its head, and no trailer of a call, has the session that the org was asked with:
/// `placeholder` makes what stands there instead. Bodies are not searched for it.
///
/// # Errors
/// When what must be rewritten breaks off, there is nothing to pass on.
pub(crate) async fn localize(
    response: &mut Response<Body>,
    head: Head,
    session: &Session,
    base: &BaseUrl,
    origin: Option<HeaderValue>,
    placeholder: impl Fn() -> String,
) -> Result<(), Error> {
    // To a client in HTTP/1.0, which an older hop on the way makes of it, a body that breaks off
    // would look whole.
    *response.version_mut() = Version::HTTP_11;
    let is_plain = response.body().sent().is_some_and(|sent| {
        !sent.is_special && sent.longest < session.token.len() && origin.is_none()
    });
    withhold_reason(response, session);
    if let Body::Call(call) = response.body_mut() {
        call.withheld = Some((session.token.clone(), placeholder()));
    }
    if !is_plain {
        localize_headers(response.headers_mut(), session, base, origin, placeholder);
    }
    if let Some(document) = Document::of(&head, response) {
        let rewriter = UrlRewriter::new(session, base);
        Box::pin(rewrite::rewrite(response, document, &rewriter)).await?;
    } else if is_plain {
        response.body_mut().keep_lines();
    }
    if let Body::Org { rest, .. } = response.body_mut() {
        rest.reuse(head.into_headers());
    }
    Ok(())
}

fn localize_headers(
    headers: &mut HeaderMap,
    session: &Session,
    base: &BaseUrl,
    origin: Option<HeaderValue>,
    placeholder: impl Fn() -> String,
) {
    // One look at each name, since to look up each name that matters costs several times as much.
    let (mut has_cookies, mut has_locations) = (false, false);
    let (mut has_foreign, mut is_disclosing) = (false, false);
    for (name, value) in &*headers {
        match name.as_str() {
            "set-cookie" => has_cookies = true,
            "location" | "content-location" => has_locations = true,
            name => has_foreign |= headers::is_foreign(name),
        }
        is_disclosing |= discloses(name, value, &session.token);
    }
    headers::strip_hop_by_hop(headers);
    if has_foreign {
        headers::strip(headers, headers::is_foreign);
    }
    if has_cookies {
        localize_cookies(headers, session, base);
    }
    if is_disclosing {
        withhold(headers, &session.token, &placeholder());
    }
    if has_locations {
        localize_locations(headers, session, base);
    }
    if let Some(origin) = origin {
        share_with(headers, origin);
    }
}

fn localize_cookies(headers: &mut HeaderMap, session: &Session, base: &BaseUrl) {
    let kept: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter(|cookie| {
            disclosure::replace(cookie.as_bytes(), session.token.as_bytes(), "").is_none()
        })
        .filter_map(|cookie| headers::local_cookie(cookie, base.is_secure()))
        .collect();
    headers.remove(header::SET_COOKIE);
    for cookie in kept {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// Takes the reason phrase away that has the session. No client needs one (RFC 9112 section 4).
fn withhold_reason(response: &mut Response<Body>, session: &Session) {
    let token = session.token.as_bytes();
    let reason = response.extensions().get::<ReasonPhrase>();
    if reason.is_some_and(|it| disclosure::replace(it.as_bytes(), token, "").is_some()) {
        response.extensions_mut().remove::<ReasonPhrase>();
    }
}

/// Returns whether a line has the session.
fn discloses(name: &HeaderName, value: &HeaderValue, token: &HeaderValue) -> bool {
    // Few are as long as a session.
    value.len() >= token.len()
        && disclosure::replace(value.as_bytes(), token.as_bytes(), "").is_some()
        || is_named_so(name.as_str(), token)
}

/// Returns whether the name of a line has the session: such names are in lower case.
fn is_named_so(name: &str, token: &HeaderValue) -> bool {
    let lower = || token.as_bytes().to_ascii_lowercase();
    // Few are as long.
    name.len() >= token.len() && disclosure::replace(name.as_bytes(), &lower(), "").is_some()
}

/// Puts `placeholder` in place of the session, in every header that has it, and takes those away that
/// have it in their names.
fn withhold(headers: &mut HeaderMap, token: &HeaderValue, placeholder: &str) {
    headers::strip(headers, |name| is_named_so(name, token));
    for value in headers.values_mut() {
        if let Some(kept) = disclosure::replace(value.as_bytes(), token.as_bytes(), placeholder) {
            *value =
                HeaderValue::from_bytes(&kept).unwrap_or_else(|_| HeaderValue::from_static(""));
        }
    }
}

/// What is true of the head of a response is so of the trailers of a call, which say how it ended.
/// Cookies are of no use there.
fn localize_trailers(trailers: &mut HeaderMap, withheld: &Option<(HeaderValue, String)>) {
    headers::strip(trailers, headers::is_localized);
    if let Some((token, placeholder)) = withheld {
        withhold(trailers, token, placeholder);
    }
}

/// Leads redirects back to the proxy, which a client that follows them must not leave.
fn localize_locations(headers: &mut HeaderMap, session: &Session, base: &BaseUrl) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let header::Entry::Occupied(mut lines) = headers.entry(name) else {
            continue;
        };
        for line in lines.iter_mut() {
            // What is not text is not a URL.
            let url = str::from_utf8(line.as_bytes()).unwrap_or_default();
            if let Some(url) = UrlRewriter::new(session, base).location(url)
                && let Ok(url) = HeaderValue::from_str(&url)
            {
                *line = url;
            }
        }
    }
}

/// Lets the page of `origin`, and no other, read the response. What the org says of origins is
/// about its own address, not about the proxy's.
pub(crate) fn share_with(headers: &mut HeaderMap, origin: HeaderValue) {
    let dropped: Vec<_> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(EXPOSED),
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// The beginning of a body, as much as is needed to know what it is, decompressed if it must be.
/// The body goes on as if nobody had looked.
///
/// # Errors
/// When it breaks off that early, there is nothing to pass on.
pub(crate) async fn peek(response: &mut Response<Body>) -> io::Result<Vec<u8>> {
    let (head, _) = response.body_mut().gather(PEEKED, None).await?;
    Ok(inflated(response.headers(), &head))
}

/// The same as [`peek`], for a page, which may be one that only goes on when its reader does
/// something: then what there is of it in a moment.
///
/// # Errors
/// The same as [`peek`].
pub(crate) async fn peek_page(response: &mut Response<Body>) -> io::Result<Vec<u8>> {
    // One that only leads elsewhere is a short one.
    if response.body().size_hint().lower() > PEEKED as u64 {
        return Ok(Vec::new());
    }
    let body = response.body_mut();
    let (head, _) = body.gather(PEEKED, Some(MOMENT)).await?;
    Ok(inflated(response.headers(), &head))
}

/// The beginning of a body, as far as it can be decompressed.
fn inflated(headers: &HeaderMap, head: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let Ok(coding) = Coding::of(headers) else {
        return text;
    };
    let decoded = coding::decoder(coding, head);
    if let Err(error) = decoded.take(PEEKED as u64).read_to_end(&mut text) {
        tracing::debug!("cannot decompress the beginning of a response: {error}");
    }
    text
}

impl Body {
    /// At least the first `most` bytes, or all, or what there is after `timeout`, and whether they
    /// are all. The body goes on as if nobody had looked.
    ///
    /// # Errors
    /// When it breaks off before that.
    async fn gather(
        &mut self,
        most: usize,
        timeout: Option<Duration>,
    ) -> io::Result<(Bytes, bool)> {
        let (seen, rest) = match self {
            Self::Local(whole) => return Ok((whole.clone().unwrap_or_default(), true)),
            Self::Call(_) => return Ok((Bytes::new(), false)),
            Self::Org { seen, rest } => (seen, rest),
        };
        let mut head = BytesMut::from(seen.take().unwrap_or_default());
        let gathering = async {
            while head.len() < most {
                let Some(frame) = rest.frame().await else {
                    return Ok(true);
                };
                if let Ok(data) = frame?.into_data() {
                    head.extend_from_slice(&data);
                }
            }
            io::Result::Ok(false)
        };
        let ended = match timeout {
            Some(timeout) => tokio::time::timeout(timeout, gathering)
                .await
                .unwrap_or(Ok(false)),
            None => gathering.await,
        }?;
        let head = head.freeze();
        *seen = (!head.is_empty()).then(|| head.clone());
        Ok((head, ended))
    }
}

impl Body {
    /// The header lines as the org sent them, if it did so in HTTP/1.1.
    pub(crate) fn sent(&self) -> Option<&Received> {
        match self {
            Self::Local(_) => None,
            Self::Org { rest, .. } => rest.sent(),
            Self::Call(call) => call.rest.sent(),
        }
    }

    /// Notes that the header lines have gone out.
    pub(crate) fn wrote_lines(&mut self) {
        match self {
            Self::Local(_) => {}
            Self::Org { rest, .. } => rest.wrote_lines(),
            Self::Call(call) => call.rest.wrote_lines(),
        }
    }

    /// Notes that the header lines are still those that the org sent.
    fn keep_lines(&mut self) {
        if let Self::Org { rest, .. } = self {
            rest.keep_lines();
        }
    }

    /// Replaces a body that has been read to its end.
    fn replace(&mut self, whole: Bytes) {
        match self {
            Self::Org { seen, .. } => *seen = Some(whole),
            Self::Local(_) | Self::Call(_) => *self = Self::Local(Some(whole)),
        }
    }
}

impl From<ResponseBody> for Body {
    fn from(rest: ResponseBody) -> Self {
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
            Self::Org { rest, .. } => {
                let frame = ready!(Pin::new(rest).poll_frame(cx));
                // As over HTTP/1.1: no API has trailers but that of calls.
                Poll::Ready(frame.filter(|frame| !frame.as_ref().is_ok_and(Frame::is_trailers)))
            }
            Self::Call(call) => {
                let mut frame = ready!(Pin::new(&mut call.rest).poll_frame(cx));
                if let Some(Ok(frame)) = &mut frame
                    && let Some(trailers) = frame.trailers_mut()
                {
                    if pubsub::is_expired(trailers) {
                        (call.ended)();
                    }
                    localize_trailers(trailers, &call.withheld);
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

/// The headers that a page may read besides those that the Fetch standard lets it read of every
/// response: those of Salesforce's APIs, and the proxy's own.
const EXPOSED: &str = "Content-Disposition, ETag, Link, Location, Proxy-Status, Retry-After, \
    Sforce-Limit-Info, Sforce-Locator, Sforce-NumberOfRecords, Warning, WWW-Authenticate";

/// Bytes. Salesforce's errors have a few hundred.
const PEEKED: usize = 16 * 1024;

/// The time for a short page to come in whole.
const MOMENT: Duration = Duration::from_millis(500);
