//! Who may call, and what they may ask.

use http::{HeaderMap, Method, header, request::Parts, uri::Authority};

pub(crate) use self::path::Denied;
use self::{client_key::shows, host::Host};
use crate::config;

mod client_key;
mod host;
mod path;

/// Decides whether a request may pass. On by default; each setting opens one thing.
pub(crate) struct Guard {
    settings: config::Guard,
    /// Names that are ours in `Host`, any port: first those of this machine, then configured ones.
    names: Vec<Host>,
    /// Bytes in a head.
    header_bytes: usize,
}

/// What is known of a request that may pass.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// The org's own host, if the client named that instead of ours, as `curl -x` does. It is
    /// compared when the session, and so the instance, is known.
    pub(crate) addressed: Option<Authority>,
    /// The web origin that may see the answer.
    pub(crate) origin: Option<header::HeaderValue>,
}

impl Guard {
    pub(crate) fn new(org: &config::Org, limits: &config::Limits) -> Self {
        let own = LOOPBACK
            .iter()
            .copied()
            .chain(org.hosts.iter().map(String::as_str));
        Self {
            settings: org.guard.clone(),
            names: own.filter_map(Host::parse).collect(),
            header_bytes: limits.header_bytes,
        }
    }

    /// Admits a request, or says why not and which setting would.
    ///
    /// What is cheap and certain comes first; nothing here asks the org or logs in.
    pub(crate) fn admit(&self, head: &Parts) -> Result<Admitted, Refusal> {
        check_form(head)?;
        self.check_size(head)?;
        let addressed = self.check_host(head)?;
        let origin = self.check_browser(&head.headers)?;
        if let Some(key) = &self.settings.client_key
            && !shows(&head.headers, key)
        {
            return Err(Refusal::NoClientKey);
        }
        path::check(head.uri.path(), &self.settings.allow_paths)?;
        Ok(Admitted { addressed, origin })
    }

    /// Whether `head` asks for this org by one of its own names, where several share a listener.
    pub(crate) fn is_named(&self, head: &Parts) -> bool {
        named(head).is_some_and(|host| self.names[LOOPBACK.len()..].contains(&host))
    }

    fn check_size(&self, head: &Parts) -> Result<(), Refusal> {
        let target = head
            .uri
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        let lines: usize = head
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        match target + lines > self.header_bytes {
            true => Err(Refusal::HeadTooLarge(self.header_bytes)),
            false => Ok(()),
        }
    }

    /// A page in a browser can be made to send requests here under a name of its own (DNS
    /// rebinding), but not under one of ours.
    fn check_host(&self, head: &Parts) -> Result<Option<Authority>, Refusal> {
        let Some(host) = named(head) else {
            return Err(Refusal::BadHost);
        };
        if self.names.contains(&host) {
            return Ok(None);
        }
        match head.uri.authority() {
            // An HTTP/2 authority is just a Host.
            Some(authority) if head.version != http::Version::HTTP_2 => Ok(Some(authority.clone())),
            _ => Err(Refusal::WrongHost(host.to_string())),
        }
    }

    /// A page that a browser shows may send simple requests to any address without asking, under
    /// the right name too. It cannot hide that it did.
    fn check_browser(&self, headers: &HeaderMap) -> Result<Option<header::HeaderValue>, Refusal> {
        if let Some(origin) = headers.get(header::ORIGIN) {
            let allowed = headers.get_all(header::ORIGIN).iter().count() == 1
                && self
                    .settings
                    .allow_origins
                    .iter()
                    .any(|allowed| origin == allowed);
            return match allowed {
                true => Ok(Some(origin.clone())),
                false => Err(Refusal::ForeignOrigin(
                    String::from_utf8_lossy(origin.as_bytes()).into_owned(),
                )),
            };
        }
        match headers.get("sec-fetch-site") {
            Some(site) if site != "none" => Err(Refusal::FromPage),
            _ => Ok(None),
        }
    }
}

/// The form of a request, whoever sends it.
fn check_form(head: &Parts) -> Result<(), Refusal> {
    if !METHODS.contains(&head.method) {
        return Err(Refusal::Method(head.method.clone()));
    }
    let target = head
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let is_asterisk = target == "*" && head.method == Method::OPTIONS;
    if !target.starts_with('/') && !is_asterisk {
        return Err(Refusal::Malformed("its target does not begin with /"));
    }
    let mut encodings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        let chunked = encoding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked");
        if !chunked || encodings.next().is_some() {
            return Err(Refusal::Malformed(
                "its Transfer-Encoding is not one line that says chunked",
            ));
        }
    }
    if head.headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(Refusal::Malformed("it has more than one Content-Length"));
    }
    match head.headers.get(header::EXPECT) {
        Some(expect) if !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Refusal::Expectation)
        }
        _ => Ok(()),
    }
}

/// The host that a request is for: that of an absolute target, else its one `Host`.
fn named(head: &Parts) -> Option<Host> {
    let mut lines = head.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return None;
    }
    match (head.uri.authority(), line) {
        (Some(authority), line) => {
            if line.is_none() && head.version == http::Version::HTTP_11 {
                return None;
            }
            Host::parse(authority.as_str())
        }
        (None, line) => Host::parse(line?.to_str().ok()?),
    }
}

/// Why a request may not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this request is malformed: {0}")]
    Malformed(&'static str),
    #[error("the method {0} is of no use with Salesforce and is not passed on")]
    Method(Method),
    #[error("the head of this request is larger than {0} bytes (limits.header_bytes)")]
    HeadTooLarge(usize),
    #[error("no expectation but 100-continue can be met (RFC 9110 section 10.1.1)")]
    Expectation,
    #[error("this request has no single valid Host; every HTTP/1.1 request needs one")]
    BadHost,
    #[error(
        "the host {0:?} is none of ours; use localhost, 127.0.0.1 or [::1], or add the name to hosts"
    )]
    WrongHost(String),
    #[error("several orgs share this listener; name one of theirs (hosts) as Host")]
    NoSuchOrg,
    #[error(
        "the request names {0}, which is not the instance of this org; leave the host to orgproxy"
    )]
    WrongInstance(String),
    #[error(
        "a web page of {0:?} sent this; if it may use your org, add exactly that to guard.allow_origins"
    )]
    ForeignOrigin(String),
    #[error(
        "a browser sent this on behalf of a web page (Sec-Fetch-Site); pages may not use your org unless their origin is in guard.allow_origins"
    )]
    FromPage,
    #[error(
        "this listener asks for a client key (guard.client_key): send it as Authorization: Bearer, as Basic password, in Proxy-Authorization or in X-Orgproxy-Key"
    )]
    NoClientKey,
    #[error(transparent)]
    Path(#[from] Denied),
}

/// The header for clients whose other headers are taken.
pub(crate) const CLIENT_KEY_HEADER: &str = "x-orgproxy-key";

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The value of `Allow` that goes with [`METHODS`].
pub(crate) const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// CONNECT, TRACE and TRACK are missing on purpose: TRACE would show the session to the client.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
