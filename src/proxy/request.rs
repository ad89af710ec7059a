//! The client's request, rewritten for the org.

use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::body::Body;

use crate::{
    auth::Session,
    proxy::{
        exchange::Exchange,
        family::{Envelope, Family, KNOWN_VERSION, SESSION_HEADERS},
        headers, path,
        replay::{Replay, Sending, Splice},
        target::{self, Api, Target},
    },
    salesforce::REST_ROOT,
    spelling,
    watch::Sign,
};

mod call_options;

/// The head of a request as it goes to the org, but for the session, which goes in last: whatever
/// a client names in `Connection` or smuggles in can neither remove nor shadow it.
pub(crate) struct Head {
    method: Method,
    target: PathAndQuery,
    /// True if the client sent a session in the query.
    had_session: bool,
    headers: HeaderMap,
    /// The header lines as the client sent them, in HTTP/1.1.
    sent: Bytes,
    family: Family,
    /// The envelope of a SOAP request, which has a place for the session.
    envelope: Option<Box<Envelope>>,
}

impl Head {
    /// Origin-form target with its bytes untouched; hop-by-hop headers off first, then every
    /// spelling of every header that the proxy owns.
    pub(crate) fn new(
        parts: Parts,
        sent: Bytes,
        family: Family,
        envelope: Option<Box<Envelope>>,
    ) -> Self {
        let mut headers = parts.headers;
        let is_such = |name: &str| headers::is_hop_by_hop(name) || is_owned(name, family);
        if headers::has(&headers, is_such) {
            headers::strip_hop_by_hop(&mut headers);
            headers::strip(&mut headers, |name| is_owned(name, family));
        }
        clean_cookies(&mut headers, sent.is_empty());
        if envelope.is_some() {
            // What goes out is not compressed.
            headers.remove(header::CONTENT_ENCODING);
        }
        let (target, had_session) = target(parts.uri);
        Self {
            method: parts.method,
            target,
            had_session,
            headers,
            sent,
            family,
            envelope,
        }
    }

    /// Makes it a part of the trace that the request belongs to, if traces are configured, and notes
    /// what was taken off it.
    pub(crate) fn join(&mut self, exchange: &Exchange) {
        if let Some(trace) = exchange.trace() {
            trace.lead(&mut self.headers);
        }
        if self.had_session {
            exchange.shows(Sign::SessionInQuery);
        }
    }

    /// Has it say who calls, where the API has a place for that and the client does not say it
    /// itself.
    pub(crate) async fn name_client(&mut self, exchange: &Exchange, body: &Replay) {
        let Some(name) = exchange.client().as_ref().and_then(call_options::name) else {
            return;
        };
        if let (Family::Soap(wsdl), Some(envelope)) = (self.family, &mut self.envelope) {
            envelope.name_client(wsdl, &name, body).await;
        } else if call_options::are_known(self.family, self.path()) {
            call_options::add_client(&mut self.headers, &name);
        }
    }

    /// Asks the org whether `session` lives, at the least cost.
    pub(crate) fn liveness() -> Self {
        Self {
            method: Method::GET,
            target: PathAndQuery::from_static(USERINFO),
            had_session: false,
            headers: HeaderMap::new(),
            sent: Bytes::new(),
            family: Family::Identity,
            envelope: None,
        }
    }

    /// Asks the org for nothing but how much of its allocation is used, which it says with every
    /// response.
    pub(crate) fn usage() -> Self {
        let target = format!("{REST_ROOT}v{KNOWN_VERSION}");
        Self {
            target: PathAndQuery::try_from(target).unwrap_or(PathAndQuery::from_static(REST_ROOT)),
            family: Family::Rest,
            ..Self::liveness()
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

    /// Returns whether code of the org's own answers it, with whatever status and words it chooses: an
    /// Apex class, or a page. Where a class is called by SOAP, the org itself writes the fault.
    pub(crate) fn is_answered_by_code(&self) -> bool {
        let path = path::resolved(self.path().as_bytes());
        matches!(Target::parse(&path).api, Api::Apex | Api::Page)
    }

    /// Returns whether it does no harm if it is done twice: its method says so (RFC 9110 section 9.2.2),
    /// it carries no messages of the Streaming API, and no code of the org's own answers, which may do
    /// anything at a GET.
    pub(crate) fn may_be_repeated(&self) -> bool {
        self.method.is_idempotent()
            && self.family != Family::Cometd
            && !target::runs_code(self.path())
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.query()
    }

    pub(crate) fn into_headers(self) -> HeaderMap {
        self.headers
    }

    /// Writes it as it goes out over HTTP/1.1 with `session`, before `body`: the client's lines as
    /// it sent them, then the proxy's own.
    pub(crate) fn write(&self, session: &Session, body: &Sending, out: &mut BytesMut) {
        out.put_slice(self.method.as_str().as_bytes());
        out.put_slice(b" ");
        out.put_slice(self.target.as_str().as_bytes());
        out.put_slice(b" HTTP/1.1\r\n");
        let framing = Framing::of(body);
        let (mut has_host, mut has_length) = (false, false);
        // A client that names the host in the target, as HTTP/2 does, has no line for it.
        if self.sent.is_empty() {
            has_host = true;
            spelling::put_line("Host", session.host.as_bytes(), out);
        }
        let lines = self.headers.iter().filter_map(|(name, value)| match *name {
            header::HOST if has_host => None,
            header::HOST => {
                has_host = true;
                Some((name, &session.host))
            }
            header::CONTENT_LENGTH => {
                let stays = framing.agrees_with(value);
                has_length |= stays;
                stays.then_some((name, value))
            }
            _ => self.family.passes(name).then_some((name, value)),
        });
        spelling::write(lines, &self.sent, out);
        if !has_host {
            spelling::put_line("Host", session.host.as_bytes(), out);
        }
        self.family
            .authorize(&self.headers, session, |name, value| {
                spelling::put_name(name.as_str(), out);
                spelling::put_line("", value.as_bytes(), out);
            });
        match framing {
            Framing::Length(length) if !has_length => {
                spelling::put_line("Content-Length", length.to_string().as_bytes(), out);
            }
            Framing::Chunked => spelling::put_line("Transfer-Encoding", b"chunked", out),
            Framing::Length(_) | Framing::NoBody => {}
        }
        out.put_slice(b"\r\n");
    }

    /// The request as it goes out over HTTP/2 with `session` to `authority`. That needs no framing
    /// headers, and names the host in the target (RFC 9113 sections 8.2.2 and 8.3.1).
    pub(crate) fn request(
        &self,
        session: &Session,
        body: Sending,
        authority: &Authority,
    ) -> Request<Sending> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 4);
        let framed = !body.is_end_stream();
        let mut line = |name: &HeaderName, value: &HeaderValue| {
            headers.append(name, value.clone());
        };
        for (name, value) in &self.headers {
            let is_framing = *name == header::HOST || framed && *name == header::CONTENT_LENGTH;
            if !is_framing && self.family.passes(name) {
                line(name, value);
            }
        }
        self.family.authorize(&self.headers, session, line);
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

    /// The change to the body so that it carries `session`.
    pub(crate) fn splice(&self, session: &Session) -> Option<Splice> {
        let envelope = self.envelope.as_ref()?;
        Some(envelope.splice(session))
    }
}

/// The way in which a request says over HTTP/1.1 where its body ends (RFC 9112 section 6).
enum Framing {
    NoBody,
    /// Bytes.
    Length(u64),
    Chunked,
}

impl Framing {
    fn of(body: &Sending) -> Self {
        if body.is_end_stream() {
            return Self::NoBody;
        }
        body.size_hint().exact().map_or(Self::Chunked, Self::Length)
    }

    /// Returns whether a `Content-Length` of the client's may stay.
    fn agrees_with(&self, content_length: &HeaderValue) -> bool {
        let said = content_length.as_bytes();
        // To some, a number that begins with zeros is octal.
        let is_plain = said == b"0" || !said.starts_with(b"0");
        match self {
            Self::NoBody => is_plain,
            Self::Length(length) => {
                is_plain && str::from_utf8(said).is_ok_and(|said| said.parse() == Ok(*length))
            }
            Self::Chunked => false,
        }
    }
}

/// Path and query as they came, without the parameters that carry a session
/// ([`crate::salesforce::facts::families`]). To a class of Apex REST they are parameters like any
/// others. And whether there were any.
fn target(uri: Uri) -> (PathAndQuery, bool) {
    let Some(whole) = uri.into_parts().path_and_query else {
        return (PathAndQuery::from_static("/"), false);
    };
    match whole.query() {
        Some(query) if pairs(query).any(is_session) && !is_apex(whole.path()) => {
            let kept: Vec<_> = pairs(query).filter(|pair| !is_session(pair)).collect();
            let mut text = whole.path().as_bytes().to_vec();
            if !kept.is_empty() {
                text.push(b'?');
                text.extend(kept.join(&b'&'));
            }
            // What was left out cannot have made it invalid.
            let target = PathAndQuery::try_from(text);
            (
                target.unwrap_or_else(|_| PathAndQuery::from_static("/")),
                true,
            )
        }
        _ => (whole, false),
    }
}

fn is_session(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    SESSION_PARAMETERS
        .iter()
        .any(|owned| headers::decodes_to(name, owned))
}

fn is_apex(path: &str) -> bool {
    Target::parse(&path::resolved(path.as_bytes())).api == Api::Apex
}

/// Splits bytes, since this runs with every request and `str` splits at twice the cost.
fn pairs(query: &str) -> impl Iterator<Item = &[u8]> {
    query.as_bytes().split(|byte| *byte == b'&')
}

/// Returns whether a header is the proxy's alone. Underscores count as hyphens: many servers take
/// them for the same, so what only looks like one of the proxy's, or like framing, goes too.
fn is_owned(name: &str, family: Family) -> bool {
    if family == Family::PubSub && METADATA.contains(&name) {
        return true;
    }
    // Most names are of another length than all of these, which costs next to nothing to see.
    if name.len() > LONGEST || LENGTHS >> name.len() & 1 == 0 {
        return false;
    }
    if name.contains('_') {
        let name = name.replace('_', "-");
        let mut owned = SESSION_HEADERS.iter().chain(&OWNED).chain(&TWINS);
        owned.any(|owned| *owned == name)
    } else {
        SESSION_HEADERS.contains(&name) || OWNED.contains(&name)
    }
}

/// Removes sessions of the org's web pages. What came by HTTP/2 may be in several lines, and is joined
/// (RFC 9113 section 8.2.3).
fn clean_cookies(headers: &mut HeaderMap, is_http2: bool) {
    if !headers::contains(headers, &header::COOKIE) {
        return;
    }
    let lines = || headers.get_all(header::COOKIE).iter();
    let carries = |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b';').any(has_session);
    let is_split = is_http2 && lines().nth(1).is_some();
    if !is_split && !lines().any(carries) {
        return;
    }
    let kept: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter(|pair| !has_session(pair))
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

/// Returns whether what stands between semicolons is a session of the org's web pages. To some servers a
/// comma ends a cookie, too.
fn has_session(pair: &[u8]) -> bool {
    pair.split(|byte| *byte == b',')
        .any(headers::is_session_cookie)
}

/// Beside the session's: the client key's. `Expect`: hyper asks the client to go on as soon as
/// there is a connection to the org, so what goes out never waits. And `Trailer`, since trailers
/// are not passed on. And `Origin`, which the guard has judged: the org would judge the page by its
/// own address.
const OWNED: [&str; 4] = [
    "expect",
    "origin",
    "trailer",
    crate::proxy::guard::CLIENT_KEY_HEADER,
];

/// The headers that must not be there in another spelling.
const TWINS: [&str; 5] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
];

/// The bit of each length that one of these names has.
const LENGTHS: u32 = lengths(&SESSION_HEADERS) | lengths(&OWNED) | lengths(&TWINS);

/// The highest of these bits: a number cannot be shifted by more than it has.
const LONGEST: usize = LENGTHS.ilog2() as usize;

const fn lengths(names: &[&str]) -> u32 {
    let (mut lengths, mut index) = (0, 0);
    while index < names.len() {
        lengths |= 1 << names[index].len();
        index += 1;
    }
    lengths
}

/// The session as the Pub/Sub API has it. Elsewhere these are names like any others.
const METADATA: [&str; 3] = ["accesstoken", "instanceurl", "tenantid"];

const SESSION_PARAMETERS: [&str; 2] = ["oauth_token", "access_token"];

/// Reported not to count against the org's API limits: [`crate::salesforce::facts::sessions`].
const USERINFO: &str = "/services/oauth2/userinfo";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_known_by_every_hyphen_that_is_an_underscore() {
        for owned in SESSION_HEADERS.iter().chain(&OWNED).chain(&TWINS) {
            let words: Vec<_> = owned.split('-').collect();
            for underscores in 0..1_u32 << (words.len() - 1) {
                let mut name = words[0].to_owned();
                for (index, word) in words[1..].iter().enumerate() {
                    name.push(if underscores >> index & 1 == 0 {
                        '-'
                    } else {
                        '_'
                    });
                    name += word;
                }
                let is_ours = underscores > 0 || !TWINS.contains(owned);
                assert_eq!(is_owned(&name, Family::Rest), is_ours, "{name}");
                for other in [&name[1..], &format!("{name}s"), &format!("x{name}")] {
                    assert!(!is_owned(other, Family::Rest), "{other}");
                }
            }
        }
        for length in 0..100 {
            assert!(!is_owned(&"_".repeat(length), Family::Rest), "{length}");
        }
    }
}
