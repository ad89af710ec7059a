//! The client's request, made ours.

use bytes::{BufMut, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::body::Body;

use crate::{
    auth::Session,
    family::{Envelope, Family},
    headers, path,
    replay::{Sending, Splice},
};

/// The head of a request as it goes to the org, but for the session, which goes in last: whatever
/// a client names in `Connection` or smuggles in can neither remove nor shadow it.
pub(crate) struct Head {
    method: Method,
    target: PathAndQuery,
    headers: HeaderMap,
    family: Family,
    /// Of a SOAP request, which has a place for the session.
    envelope: Option<Box<Envelope>>,
}

impl Head {
    /// Origin-form target with its bytes untouched; hop-by-hop headers off first, then every
    /// spelling of every header that we own.
    pub(crate) fn new(parts: Parts, family: Family, envelope: Option<Box<Envelope>>) -> Self {
        let mut headers = parts.headers;
        headers::strip_hop_by_hop(&mut headers);
        headers::strip(&mut headers, |name| is_owned(name, family));
        strip_session_cookies(&mut headers);
        if envelope.is_some() {
            // What goes out is not compressed.
            headers.remove(header::CONTENT_ENCODING);
        }
        Self {
            method: parts.method,
            target: target(parts.uri),
            headers,
            family,
            envelope,
        }
    }

    /// Asks the org whether `session` lives, at the least cost (S§3.4).
    pub(crate) fn liveness() -> Self {
        Self {
            method: Method::GET,
            target: PathAndQuery::from_static(USERINFO),
            headers: HeaderMap::new(),
            family: Family::Identity,
            envelope: None,
        }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn path(&self) -> &str {
        self.target.path()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// Writes it as it goes out over HTTP/1.1 with `session`, before `body`.
    pub(crate) fn write(&self, session: &Session, body: &Sending, out: &mut BytesMut) {
        out.put_slice(self.method.as_str().as_bytes());
        out.put_slice(b" ");
        out.put_slice(self.target.as_str().as_bytes());
        out.put_slice(b" HTTP/1.1\r\n");
        let mut line = |name: &HeaderName, value: &[u8]| {
            out.put_slice(name.as_str().as_bytes());
            out.put_slice(b": ");
            out.put_slice(value);
            out.put_slice(b"\r\n");
        };
        line(&header::HOST, session.host.as_bytes());
        self.lines(session, body, |name, value| line(name, value.as_bytes()));
        if !body.is_end_stream() {
            match body.size_hint().exact() {
                Some(length) => line(&header::CONTENT_LENGTH, length.to_string().as_bytes()),
                None => line(&header::TRANSFER_ENCODING, b"chunked"),
            }
        }
        out.put_slice(b"\r\n");
    }

    /// The request as it goes out over HTTP/2 with `session` to `authority`. That needs no framing
    /// headers, and tells the host in the target (RFC 9113 sections 8.2.2 and 8.3.1).
    pub(crate) fn request(
        &self,
        session: &Session,
        body: Sending,
        authority: &Authority,
    ) -> Request<Sending> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 4);
        self.lines(session, &body, |name, value| {
            headers.append(name, value.clone());
        });
        let mut request = Request::new(body);
        let mut target = http::uri::Parts::default();
        target.scheme = Some(Scheme::HTTPS);
        target.authority = Some(authority.clone());
        target.path_and_query = Some(self.target.clone());
        *request.uri_mut() = Uri::from_parts(target).unwrap_or_default();
        *request.method_mut() = self.method.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        request
    }

    /// The header lines that go out with `session`, but for the host and the framing of `body`.
    fn lines(
        &self,
        session: &Session,
        body: &Sending,
        mut line: impl FnMut(&HeaderName, &HeaderValue),
    ) {
        let framed = !body.is_end_stream();
        self.family
            .authorize(&self.headers, session, |name, value| {
                if *name != header::HOST && !(framed && *name == header::CONTENT_LENGTH) {
                    line(name, value);
                }
            });
    }

    /// What is to be done to the body so that it carries `session`.
    pub(crate) fn splice(&self, session: &Session) -> Option<Splice> {
        let envelope = self.envelope.as_ref()?;
        Some(envelope.splice(session))
    }
}

/// Path and query as they came, without the parameters that carry a session (S§4). To a class of
/// Apex REST they are parameters like any others.
fn target(uri: Uri) -> PathAndQuery {
    let Some(whole) = uri.into_parts().path_and_query else {
        return PathAndQuery::from_static("/");
    };
    let carries = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        SESSION_PARAMETERS
            .iter()
            .any(|owned| headers::decodes_to(name, owned))
    };
    match whole.query() {
        Some(query) if pairs(query).any(|pair| carries(&pair)) && !path::is_apex(whole.path()) => {
            let kept: Vec<_> = pairs(query).filter(|pair| !carries(pair)).collect();
            let mut text = whole.path().as_bytes().to_vec();
            if !kept.is_empty() {
                text.push(b'?');
                text.extend(kept.join(&b'&'));
            }
            // What was left out cannot have made it invalid.
            PathAndQuery::try_from(text).unwrap_or_else(|_| PathAndQuery::from_static("/"))
        }
        _ => whole,
    }
}

/// As bytes, since this runs with every request and `str` splits at twice the cost.
fn pairs(query: &str) -> impl Iterator<Item = &[u8]> {
    query.as_bytes().split(|byte| *byte == b'&')
}

/// Whether a header is ours alone. Underscores count as hyphens: many servers take them for the
/// same, so what only looks like one of ours, or like framing, goes too.
fn is_owned(name: &str, family: Family) -> bool {
    if family == Family::PubSub && METADATA.contains(&name) {
        return true;
    }
    match name.contains('_') {
        false => OWNED.contains(&name),
        true => {
            let name = name.replace('_', "-");
            let twins = ["host", "content-length", "transfer-encoding"];
            OWNED.iter().chain(&twins).any(|owned| *owned == name)
        }
    }
}

/// Takes off sessions of the org's web pages.
fn strip_session_cookies(headers: &mut HeaderMap) {
    let carries = |line: &HeaderValue| {
        line.as_bytes()
            .split(|byte| *byte == b';')
            .any(headers::is_session_cookie)
    };
    if !headers.get_all(header::COOKIE).iter().any(carries) {
        return;
    }
    let kept: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter(|pair| !headers::is_session_cookie(pair))
        .map(<[u8]>::trim_ascii)
        .collect();
    let line = kept.join(&b"; "[..]);
    headers.remove(header::COOKIE);
    if let Ok(line) = HeaderValue::from_bytes(&line)
        && !line.is_empty()
    {
        headers.insert(header::COOKIE, line);
    }
}

/// The session's headers, and the client key's. `Expect` too: hyper asks the client to go on as
/// soon as there is a connection to the org, so what goes out never waits. And `Trailer`, since trailers
/// are not passed on. And `Origin`, which the guard has judged: the org would judge the page by its own
/// address.
const OWNED: [&str; 6] = [
    "authorization",
    "expect",
    "origin",
    "trailer",
    "x-sfdc-session",
    crate::guard::CLIENT_KEY_HEADER,
];

/// The session as the Pub/Sub API has it. Elsewhere these are names like any others.
const METADATA: [&str; 3] = ["accesstoken", "instanceurl", "tenantid"];

const SESSION_PARAMETERS: [&str; 2] = ["oauth_token", "access_token"];

/// Not counted against the org's API limits (S§3.4).
const USERINFO: &str = "/services/oauth2/userinfo";
