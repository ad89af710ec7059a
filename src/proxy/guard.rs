//! Who may call, and what they may ask.

use http::{
    HeaderMap, HeaderValue, Method, Request, Uri, Version, header,
    request::Parts,
    uri::{Authority, Scheme},
};
use url::Url;

pub(crate) use self::path::{Denied, is_about_sessions, judge as judge_path};
use self::{client_key::shows, host::Host, lines::Lines};
use super::refusal::Refusal;
use crate::{
    auth::{Session, Sessions},
    config::{self, METHODS},
    proxy::{
        connection_state::{ConnectionState, LARGEST_BODY},
        headers,
        target::{self, Endpoint},
    },
};

mod client_key;
mod host;
mod lines;
mod path;

/// Decides whether a request may pass. On by default; each setting opens one thing.
pub(crate) struct Guard {
    org: config::Org,
    /// Names of this machine that are ours in `Host`, any port.
    own: Vec<Host>,
    /// Those in `hosts`.
    configured: Vec<Host>,
    /// Bytes in a head.
    header_bytes: usize,
}

/// The facts about a request that may pass.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    pub(crate) named: Named,
    /// The web origin that may see the answer.
    pub(crate) origin: Option<HeaderValue>,
    /// A request that the proxy answers itself, and that must not reach the org.
    pub(crate) endpoint: Option<Endpoint>,
    /// True if it did not show the client key, so that it must log in as one of the org's clients,
    /// or show the placeholder that it got for that.
    pub(crate) lacks_key: bool,
}

/// By which name a request calls us.
#[derive(Debug, Default)]
pub(crate) enum Named {
    /// By one of our own.
    #[default]
    Us,
    /// By that of a host where this org's users log in, as clients do that take us for their proxy.
    Login,
    /// By that of an instance. Whether it is this org's is known once there is a session.
    Instance(Authority),
}

impl Named {
    /// Returns whether this is the host of an instance other than that of `session`.
    pub(crate) fn is_old(&self, session: &Session) -> bool {
        matches!(self, Self::Instance(named) if !is_same(named, &session.authority))
    }

    /// # Errors
    /// If the instance is neither that of `session` nor one where the org was before it moved.
    pub(crate) fn check(&self, session: &Session, sessions: &Sessions) -> Result<(), Refusal> {
        match self {
            Self::Instance(named)
                if !is_same(named, &session.authority)
                    && !sessions.were_at(|before| is_same(named, before)) =>
            {
                Err(Refusal::WrongInstance(named.to_string()))
            }
            Self::Us | Self::Login | Self::Instance(_) => Ok(()),
        }
    }
}

impl Guard {
    pub(crate) fn new(org: &config::Org, limits: &config::Limits) -> Self {
        // A page cannot make an address lead elsewhere, as it can a name.
        let calls = org.pubsub.iter().flat_map(|pubsub| &pubsub.listen);
        let addresses = org.listen.iter().chain(calls);
        let addresses = addresses
            .flat_map(config::Listen::named_addresses)
            .filter(|address| !LOOPBACK.contains(&address.as_str()));
        let own = LOOPBACK.iter().map(|own| (*own).to_owned());
        let own = own.chain(addresses);
        let configured = org.hosts.iter();
        Self {
            org: org.clone(),
            own: own.filter_map(|own| Host::parse(&own)).collect(),
            configured: configured.filter_map(|host| Host::parse(host)).collect(),
            header_bytes: limits.header_bytes,
        }
    }

    /// Admits a request, or says why not and which setting would.
    ///
    /// Cheap and certain checks come first; nothing here asks the org or logs in.
    pub(crate) fn admit(
        &self,
        head: &Parts,
        connection: &ConnectionState,
    ) -> Result<Admitted, Refusal> {
        let lines = Lines::of(&head.headers);
        if head.method == Method::CONNECT {
            return Err(self.no_tunnel());
        }
        check_form(head, &lines)?;
        self.check_user(connection)?;
        self.check_size(head, &lines)?;
        let named = self.check_host(head, &lines, connection)?;
        let origin = self.check_browser(&lines)?;
        check_opened(head, &lines)?;
        check_silence(head, &lines, connection)?;
        // A browser asks without credentials whether it may send some (Fetch standard, CORS).
        let needs_none = connection.is_known() || origin.is_some() && is_preflight(head);
        let key = self.org.guard.client_key.as_ref().filter(|_| !needs_none);
        let lacks_key = key.is_some_and(|key| !shows(&head.headers, key));
        if lacks_key && self.org.clients.is_none() {
            return Err(Refusal::NoClientKey);
        }
        let endpoint = path::judge(head.uri.path(), &self.org.guard.allow_paths)?;
        Ok(Admitted {
            named,
            origin,
            endpoint,
            lacks_key,
        })
    }

    /// Why a request for a tunnel that came like any other gets none.
    fn no_tunnel(&self) -> Refusal {
        if self.intercepts() {
            Refusal::NoTunnelHere
        } else {
            Refusal::NoTunnels
        }
    }

    /// Admits a request for a tunnel to `host`, or says why not. What comes through the tunnel is
    /// admitted request by request, like any other.
    pub(crate) fn admit_tunnel<B>(
        &self,
        request: &Request<B>,
        host: &Authority,
        connection: &ConnectionState,
    ) -> Result<(), Refusal> {
        let headers = request.headers();
        self.check_user(connection)?;
        let lines = Lines::of(headers);
        named(request.uri(), request.version(), &lines).ok_or(Refusal::BadHost)?;
        if !self.may_be_instance(host) {
            return Err(Refusal::ForeignTunnel(host.to_string()));
        }
        self.check_browser(&lines)?;
        match &self.org.guard.client_key {
            Some(key) if !connection.is_known() && !shows(headers, key) => {
                Err(Refusal::NoClientKey)
            }
            _ => Ok(()),
        }
    }

    /// Refuses users of this machine that have not been let in. A certificate proves more.
    fn check_user(&self, connection: &ConnectionState) -> Result<(), Refusal> {
        match connection.user() {
            Some(uid) if !connection.is_known() && self.org.guard.refuses(uid) => {
                Err(Refusal::OtherUser(uid))
            }
            _ => Ok(()),
        }
    }

    /// The web origin that may see what is said of a request, even why it is refused.
    pub(crate) fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if !headers::contains(headers, &header::ORIGIN) {
            return None;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().filter(|origin| self.is_allowed(origin))?;
        origins.next().is_none().then(|| origin.clone())
    }

    fn is_allowed(&self, origin: &HeaderValue) -> bool {
        let allowed = &self.org.guard.allow_origins;
        allowed.iter().any(|allowed| origin == allowed)
    }

    /// Returns whether we stand in for Salesforce's hosts in tunnels.
    pub(crate) fn intercepts(&self) -> bool {
        self.org.intercept
    }

    /// Returns whether `host` is the org's own, as far as that is known before the first login.
    pub(crate) fn is_my_domain(&self, host: &str) -> bool {
        self.org
            .my_domain()
            .is_some_and(|own| own.eq_ignore_ascii_case(host))
    }

    /// Returns whether `head` asks for this org by one of its own names, where several share a
    /// listener.
    pub(crate) fn is_named(&self, head: &Parts) -> bool {
        named(&head.uri, head.version, &Lines::of(&head.headers))
            .is_some_and(|named| self.configured.iter().any(|own| own.is_named_by(named)))
    }

    fn check_size(&self, head: &Parts, lines: &Lines<'_>) -> Result<(), Refusal> {
        let target = head
            .uri
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        if target + lines.bytes > self.header_bytes {
            return Err(Refusal::HeadTooLarge(self.header_bytes));
        }
        Ok(())
    }

    /// A page in a browser can be made to send requests here under a name of its own (DNS
    /// rebinding), but not under one of ours.
    fn check_host(
        &self,
        head: &Parts,
        lines: &Lines<'_>,
        connection: &ConnectionState,
    ) -> Result<Named, Refusal> {
        let named = named(&head.uri, head.version, lines).ok_or(Refusal::BadHost)?;
        if let Some(end) = connection.intercepted() {
            let port = head.uri.authority().map(port_of);
            let is_there =
                head.version == Version::HTTP_2 || port.is_none_or(|port| port == port_of(end));
            return self.check_tunnel(named, end, is_there);
        }
        let mut names = self.own.iter().chain(&self.configured);
        let is_own = names.any(|own| own.is_named_by(named));
        match head.uri.authority() {
            // An HTTP/2 authority is just a Host.
            Some(authority) if head.version != Version::HTTP_2 => {
                self.check_authority(authority, is_own, connection)
            }
            _ if is_own => Ok(Named::Us),
            _ => Err(wrong_host(named)),
        }
    }

    /// In absolute form a client takes us for its proxy, and names where it wants to go with the
    /// port (RFC 9112 section 3.2.2): `http://localhost:5432/` is another service of this machine.
    fn check_authority(
        &self,
        authority: &Authority,
        is_own: bool,
        connection: &ConnectionState,
    ) -> Result<Named, Refusal> {
        let port = authority.port_u16();
        if is_own && port.is_some() && port == connection.port() {
            Ok(Named::Us)
        } else if Host::parse(authority.as_str()).is_none() {
            Err(Refusal::BadHost)
        } else if self.is_login(authority) {
            Ok(Named::Login)
        } else if self.may_be_instance(authority) {
            Ok(Named::Instance(authority.clone()))
        } else if is_own {
            Err(Refusal::WrongPort(authority.to_string()))
        } else {
            Err(wrong_host(authority.as_str()))
        }
    }

    /// In a tunnel, the one right name is that of its end. If any org can be logged in to there, it
    /// is this one; else the session will tell whether it is this one's.
    fn check_tunnel(&self, named: &str, end: &Authority, is_port: bool) -> Result<Named, Refusal> {
        let is_end = Host::parse(end.host()).is_some_and(|end| end.is_named_by(named));
        if !is_end || !is_port {
            Err(Refusal::OutsideTunnel(named.to_owned(), end.to_string()))
        } else if self.is_login(end) {
            Ok(Named::Login)
        } else {
            Ok(Named::Instance(end.clone()))
        }
    }

    /// Returns whether users of this org log in at `authority`.
    fn is_login(&self, authority: &Authority) -> bool {
        let host = authority.host().to_ascii_lowercase();
        let login_url = &self.org.login_url;
        let own_port = if login_url.host_str() == Some(&host) {
            login_url.port_or_known_default()
        } else {
            Some(HTTPS)
        };
        self.org.logs_in_at(&host) && own_port == Some(port_of(authority))
    }

    /// Returns whether a session can turn out to be for this instance. If not, there is no need to
    /// log in to know better.
    fn may_be_instance(&self, authority: &Authority) -> bool {
        Url::parse(&format!("https://{authority}")).is_ok_and(|url| self.org.trusts(&url).is_ok())
    }

    /// A page that a browser shows may send simple requests to any address without asking, under
    /// the right name too. It cannot hide that it did.
    fn check_browser(&self, lines: &Lines<'_>) -> Result<Option<HeaderValue>, Refusal> {
        if let Some(origin) = lines.origin.first {
            if !lines.origin.repeated && self.is_allowed(origin) {
                return Ok(Some(origin.clone()));
            }
            let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
            return Err(Refusal::ForeignOrigin(origin));
        }
        if lines.from_page {
            return Err(Refusal::FromPage);
        }
        Ok(None)
    }
}

/// What a person opens in a browser may have been led here by the server that was meant: a browser says
/// the same of it then.
fn check_opened(head: &Parts, lines: &Lines<'_>) -> Result<(), Refusal> {
    if lines.is_opened && target::runs_code(head.uri.path()) {
        return Err(Refusal::Opened);
    }
    Ok(())
}

/// Browsers say that a page is behind a request only to hosts that they trust: by TLS, or on this
/// machine (W3C Fetch Metadata, Secure Contexts). To any other, images and frames look like what
/// a person opens.
fn check_silence(
    head: &Parts,
    lines: &Lines<'_>,
    connection: &ConnectionState,
) -> Result<(), Refusal> {
    let is_trusted = || named(&head.uri, head.version, lines).is_some_and(is_trusted_by_browsers);
    if lines.is_of_silent_browser() && !connection.is_tls() && !is_trusted() {
        return Err(Refusal::SilentBrowser);
    }
    Ok(())
}

fn is_trusted_by_browsers(named: &str) -> bool {
    let host = Host::parse(named).map(|host| host.to_string());
    is_loopback(named) || host.is_some_and(|host| host.ends_with(".localhost"))
}

fn wrong_host(named: &str) -> Refusal {
    Host::parse(named).map_or(Refusal::BadHost, |host| {
        Refusal::WrongHost(host.to_string())
    })
}

fn is_same(named: &Authority, instance: &Authority) -> bool {
    named.host().eq_ignore_ascii_case(instance.host()) && port_of(named) == port_of(instance)
}

/// A client that takes us for its proxy says `http://`, since we speak TLS for it: without a port
/// it means the one that Salesforce has.
fn port_of(authority: &Authority) -> u16 {
    authority.port_u16().unwrap_or(HTTPS)
}

/// Where a request for a tunnel wants it to end.
pub(crate) fn tunnel_end<B>(request: &Request<B>) -> Result<Authority, Refusal> {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    if headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|it| it != "0") {
        return Err(Refusal::Malformed("it is a CONNECT with a body"));
    }
    // Authority form (RFC 9112 section 3.2.3).
    let end = request.uri().authority();
    let end = end.filter(|end| {
        let is_alone = request.uri().scheme().is_none();
        is_alone && end.port().is_some() && Host::parse(end.as_str()).is_some()
    });
    end.cloned()
        .ok_or(Refusal::Malformed("it is a CONNECT without host and port"))
}

/// The form of a request, whoever sends it.
fn check_form(head: &Parts, lines: &Lines<'_>) -> Result<(), Refusal> {
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
    if head
        .uri
        .scheme()
        .is_some_and(|scheme| !SCHEMES.contains(scheme))
    {
        return Err(Refusal::Malformed(
            "its target has a scheme other than http and https",
        ));
    }
    if let Some(encoding) = lines.transfer_encoding.first {
        let chunked = encoding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked");
        if !chunked || lines.transfer_encoding.repeated {
            return Err(Refusal::Malformed(
                "its Transfer-Encoding is not a single line with the value chunked",
            ));
        }
    }
    if lines.content_length.repeated {
        return Err(Refusal::Malformed("it has more than one Content-Length"));
    }
    if let Some(length) = lines.content_length.first
        && !is_length(length.as_bytes())
    {
        return Err(Refusal::Malformed(NO_LENGTH));
    }
    match lines.expect.first {
        Some(expect)
            if lines.expect.repeated
                || !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") =>
        {
            Err(Refusal::Expectation)
        }
        _ => Ok(()),
    }
}

const SCHEMES: [Scheme; 2] = [Scheme::HTTP, Scheme::HTTPS];

/// The fault of a `Content-Length` that is not one.
pub(crate) const NO_LENGTH: &str = "its Content-Length is not a number of bytes below 2^60";

/// Returns whether a body can be as long as that.
fn is_length(digits: &[u8]) -> bool {
    let number = std::str::from_utf8(digits).ok().map(str::trim_ascii);
    number
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|number| number.parse::<u64>().ok())
        .is_some_and(|length| length <= LARGEST_BODY)
}

/// Returns whether a browser asks what a page may send.
pub(crate) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS
        && head
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The host that a request is for: the authority of an absolute target, else its one `Host`. A line
/// that names another host beside such a target counts for nothing (RFC 9112 section 3.2.2).
fn named<'a>(uri: &'a Uri, version: Version, lines: &Lines<'a>) -> Option<&'a str> {
    if lines.host.repeated {
        return None;
    }
    match (uri.authority(), lines.host.first) {
        (Some(_), None) if version == Version::HTTP_11 => None,
        // RFC 9113 section 8.3.1: a line that names another host makes the request malformed.
        (Some(authority), Some(line))
            if version == Version::HTTP_2
                && !line
                    .as_bytes()
                    .eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            None
        }
        (Some(authority), _) => Some(authority.as_str()),
        (None, line) => line?.to_str().ok(),
    }
}

/// The header for clients whose other headers are taken.
pub(crate) const CLIENT_KEY_HEADER: &str = "x-orgproxy-key";

/// Returns whether `named`, with any port or none, is this machine and no page can have made it so.
pub(crate) fn is_loopback(named: &str) -> bool {
    let mut names = LOOPBACK.iter().filter_map(|name| Host::parse(name));
    names.any(|own| own.is_named_by(named))
}

const HTTPS: u16 = 443;

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The value of `Allow` that goes with [`METHODS`].
pub(crate) const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
