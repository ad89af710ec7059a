//! Why a request may not pass.

use http::Method;

use super::guard::Denied;

/// Why a request may not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this request is malformed: {0}")]
    Malformed(&'static str),
    #[error("the method {0} is of no use with Salesforce and is not passed on")]
    Method(Method),
    #[error("the head of this request is larger than {0} bytes (limits.header_bytes)")]
    HeadTooLarge(usize),
    #[error("this request has more than {0} header lines (limits.headers)")]
    ManyHeaders(usize),
    #[error(
        "the URL of this request is longer than {0} bytes, which is the most whatever limits.header_bytes says; shorten it"
    )]
    LongTarget(usize),
    #[error("no expectation but 100-continue can be met (RFC 9110 section 10.1.1)")]
    Expectation,
    #[error("this request has no single valid Host; every HTTP/1.1 request needs one")]
    BadHost,
    #[error(
        "the host {0:?} is none of ours; use localhost, 127.0.0.1 or [::1], or add the name to hosts"
    )]
    WrongHost(String),
    #[error(
        "{0} is another port than the one that this request came in by, so another service of this machine; keep localhost off this proxy (NO_PROXY), or name this port"
    )]
    WrongPort(String),
    #[error(
        "CONNECT asks for a tunnel, and there are none; set intercept = true for the org if it shall stand in for Salesforce's hosts, or send plain requests to this address"
    )]
    NoTunnels,
    #[error(
        "CONNECT to {0} is refused: there are tunnels to Salesforce's hosts on port 443 only, and all of them end here; keep other hosts off this proxy (NO_PROXY)"
    )]
    ForeignTunnel(String),
    #[error(
        "several orgs with intercept share this listener, and {0} is none of theirs (login_url); give each org a port of its own"
    )]
    SharedTunnel(String),
    #[error("this request is for {0}, but its tunnel is to {1}")]
    OutsideTunnel(String, String),
    #[error(
        "this listener is for the Pub/Sub API, which is gRPC over HTTP/2; the other APIs are on another (listen)"
    )]
    NoCall,
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
        "this listener asks for a client key (guard.client_key): send it as Authorization: Bearer, as Basic password, in Proxy-Authorization or in X-Orgproxy-Key; or log in here by SOAP or OAuth as one of the org's clients, if it has any"
    )]
    NoClientKey,
    #[error(
        "the session id that the client sent was given out for org.{0}, which this proxy serves too; call it at the address or by the name of that org (listen, hosts), or log in here"
    )]
    WrongOrg(String),
    #[error(transparent)]
    Path(#[from] Denied),
}
