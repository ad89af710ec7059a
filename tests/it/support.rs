//! The helpers of the tests: an org, a proxy in front of it, and clients that can be rude.

pub(crate) mod answer;
pub(crate) mod binary;
pub(crate) mod both;
pub(crate) mod clock;
pub(crate) mod coding;
#[cfg(feature = "otlp")]
pub(crate) mod collector;
pub(crate) mod connect;
pub(crate) mod cpu_time;
pub(crate) mod curl;
pub(crate) mod demo;
pub(crate) mod digest;
pub(crate) mod files;
pub(crate) mod gate;
pub(crate) mod get;
pub(crate) mod grpc;
pub(crate) mod halt;
pub(crate) mod http2;
pub(crate) mod json;
pub(crate) mod keys;
pub(crate) mod namespace;
pub(crate) mod notified;
pub(crate) mod old_clients;
pub(crate) mod own;
pub(crate) mod path;
pub(crate) mod patience;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod skip;
pub(crate) mod socks;
pub(crate) mod terminal;
pub(crate) mod tls;
pub(crate) mod tls_server;
pub(crate) mod user;

pub(crate) use orgproxy::demo::{Fault, Org, Seen};

#[cfg(feature = "otlp")]
pub(crate) use self::collector::Collector;
pub(crate) use self::{
    binary::{Binary, Ended},
    both::Both,
    clock::Clock,
    connect::ConnectProxy,
    cpu_time::CpuTime,
    curl::curl,
    demo::Demo,
    digest::{Digest, sha256},
    files::{Files, chmod},
    gate::Gate,
    json::json_of,
    keys::Keys,
    notified::Notified,
    own::Own,
    patience::{LONGEST, PATIENCE, SHORT, in_time},
    proxy::{Proxy, client},
    random::Random,
    raw::Raw,
    setup::Setup,
    skip::skip,
    socks::SocksProxy,
    tls_server::TlsServer,
};

/// Returns the session that the org got with a request in `Authorization`.
#[track_caller]
pub(crate) fn session(seen: &Seen) -> &str {
    let authorization = seen.header("authorization");
    authorization.strip_prefix("Bearer ").expect(authorization)
}

/// Returns the targets of all requests that the org got, in their order.
pub(crate) fn targets(org: &Org) -> Vec<String> {
    let requests = org.requests().into_iter();
    requests.map(|seen| seen.target).collect()
}
