//! `[org.NAME.pubsub]`: the way to the Pub/Sub API.

use std::path::Path;

use http::uri::Authority;

use super::{
    Listen, document::Value, given, problem::Origin, reach::Reach, section::Section, text,
};
use crate::salesforce::hosts;

/// The way to the Pub/Sub API, which has a host of its own: [`crate::salesforce::facts::families`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubSub {
    /// The addresses where clients reach it. At least one.
    pub listen: Vec<Listen>,
    /// Salesforce's host and port for it.
    pub endpoint: Authority,
}

/// Reads the section; nothing if it sets neither `endpoint` nor `listen`.
pub(super) fn read(
    org: &str,
    mut section: Section<'_>,
    folder: &Path,
    may_be_remote: impl Fn(&Listen) -> bool,
    trusted_hosts: &[String],
    reaches: &mut Vec<Reach>,
) -> Option<PubSub> {
    let has_endpoint = section.get("endpoint").is_some();
    let has_listen = section.get("listen").is_some();
    if !has_endpoint && !has_listen {
        section.finish();
        return None;
    }
    let endpoint = section.read("endpoint", |endpoint| parse(endpoint, trusted_hosts));
    let listen = if has_listen {
        super::file::listen(&mut section, folder, may_be_remote)
    } else {
        vec![Listen::loopback(PORT)]
    };
    reaches.push(Reach {
        name: format!("{org}.pubsub"),
        listen: listen.clone(),
        listen_origin: section.origin("listen"),
        hosts: Vec::new(),
        hosts_origin: Origin::File,
        is_alone: true,
    });
    section.finish();
    Some(PubSub {
        listen,
        endpoint: endpoint.unwrap_or(Authority::from_static(ENDPOINT)),
    })
}

fn parse(value: &Value, trusted_hosts: &[String]) -> Result<Authority, String> {
    let text = text::trusted_host(value)?;
    let with_port = match text.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => text.clone(),
        _ => format!("{text}:{PORT}"),
    };
    let authority: Authority = with_port.parse().map_err(|_| {
        format!(
            "{} is not a host; write one such as {ENDPOINT:?}",
            given::shown(&text)
        )
    })?;
    let host = authority.host();
    let trusted = trusted_hosts
        .iter()
        .any(|trusted| trusted == host || *trusted == with_port);
    if trusted || hosts::is_salesforce_host(host) {
        Ok(authority)
    } else {
        Err(format!(
            "{host} is not a Salesforce host, so it must not get the session; if it is yours, add \
             it to trusted_hosts",
            host = given::word(host)
        ))
    }
}

/// For all orgs except those whose data must stay in the EU.
const ENDPOINT: &str = "api.pubsub.salesforce.com:7443";

/// The same as Salesforce's.
const PORT: u16 = 7443;
