//! The reasons why a request may not pass.

use http::Method;

use super::{guard::Denied, old_version::Why, policy::Refused};

/// The reason why a request may not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this request is malformed: {0}")]
    Malformed(&'static str),
    #[error("method {0} is not supported")]
    Method(Method),
    #[error("the head of this request is larger than {0} bytes (limits.header_bytes)")]
    HeadTooLarge(usize),
    #[error("this request has more than {0} header lines (limits.headers)")]
    ManyHeaders(usize),
    #[error(
        "the URL of this request is longer than {0} bytes, the maximum regardless of limits.header_bytes; shorten it"
    )]
    LongTarget(usize),
    #[error("only Expect: 100-continue is supported (RFC 9110 section 10.1.1)")]
    Expectation,
    #[error("this request does not have exactly one valid Host, as every HTTP/1.1 request must")]
    BadHost,
    #[error("unknown host {0:?}: use localhost, 127.0.0.1 or [::1], or add it to `hosts`")]
    WrongHost(String),
    #[error(
        "{0} names a port other than the one that this request came in on, so it is another service on this machine; exclude localhost from this proxy (NO_PROXY), or use this port"
    )]
    WrongPort(String),
    #[error(
        "CONNECT is not enabled; to intercept Salesforce's hosts, set intercept = true for the org; otherwise send plain requests to this address"
    )]
    NoTunnels,
    #[error("CONNECT works over HTTP/1.1 only, and not within the tunnel of another CONNECT")]
    NoTunnelHere,
    #[error(
        "CONNECT to {0} is refused: tunnels lead only to Salesforce's hosts on port 443, and all of them end here; exclude other hosts from this proxy (NO_PROXY)"
    )]
    ForeignTunnel(String),
    #[error(
        "several orgs with intercept share this listener, and {0} belongs to none of them (login_url); give each org a port of its own"
    )]
    SharedTunnel(String),
    #[error("this request is for {0}, but its tunnel is to {1}")]
    OutsideTunnel(String, String),
    #[error(
        "this listener is only for the Pub/Sub API, which is gRPC over HTTP/2; use another listener for the other APIs (listen)"
    )]
    NoCall,
    #[error("several orgs share this listener; send the name of one of them (hosts) as Host")]
    NoSuchOrg,
    #[error(
        "the request names {0}, which is not the instance of this org; let orgproxy choose the host"
    )]
    WrongInstance(String),
    #[error(
        "the user with the uid {0} sent this request, whom guard.allow_users does not have: add that user there, or set guard.client_key and have the client show it"
    )]
    OtherUser(u32),
    #[error(
        "a web page from {0:?} sent this request; if it may use your org, add exactly that to guard.allow_origins"
    )]
    ForeignOrigin(String),
    #[error(
        "a browser sent this request on behalf of a web page (Sec-Fetch-Site); pages may not use your org unless their origin is in guard.allow_origins"
    )]
    FromPage,
    #[error(
        "a browser opened this address, at which code of the org runs, and any web page or link could have led it here; use curl or another tool"
    )]
    Opened,
    #[error(
        "a browser sent this request, and over plain HTTP under this name it does not say whether a web page is behind it; open it under https:// (listen) or under localhost"
    )]
    SilentBrowser,
    #[error(
        "this listener requires a client key (guard.client_key): send it as Authorization: Bearer, as Basic password, in Proxy-Authorization or in X-Orgproxy-Key; or log in here by SOAP or OAuth as one of the org's clients, if it has any"
    )]
    NoClientKey,
    #[error(
        "the session id in this request was issued for org.{0}, which this proxy also serves; call that org at its address or by its name (listen, hosts), or log in here"
    )]
    WrongOrg(String),
    #[error(
        "this client ({client}) is mapped to no user of the org, and others = \"refuse\"; add it to [org.{org}.users], or log in here as a client that is there"
    )]
    NoUser { client: String, org: String },
    #[error(
        "this client shows nothing by which [org.{0}.users] could know it, and others = \"refuse\"; log in here as one of the org's clients, come by a Unix socket, or give its listener a name in client_names"
    )]
    UnknownClient(String),
    #[error(
        "the session id in this request was issued to a client that acts as another user of the org ([org.{0}.users]); log in here again, or leave it out"
    )]
    WrongUser(String),
    #[error(
        "this request names an API version older than minimum_api_version in an unusual way; write it plainly"
    )]
    DisguisedVersion,
    #[error(
        "the body of this request may name API versions older than minimum_api_version, which cannot be changed: {0}; or name newer ones in it"
    )]
    OldVersions(Why),
    #[error(transparent)]
    Path(#[from] Denied),
    #[error(transparent)]
    Policy(Box<Refused>),
}
