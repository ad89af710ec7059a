//! What a new connection brings along.

use std::sync::Arc;

use super::{listen::Accepted, org_runtime::OrgRuntime, tls::TlsListener};
use crate::{config::Protocol, proxy::load::Permit};

/// The facts about a listener that its connections need.
pub(super) struct Listener {
    /// The address, as configured.
    pub(super) address: Arc<str>,
    /// The orgs behind it.
    pub(super) orgs: Vec<Arc<OrgRuntime>>,
    pub(super) protocol: Protocol,
    /// The name of its clients, if they have one.
    pub(super) client_name: Option<Arc<str>>,
    /// If clients speak TLS to it.
    pub(super) tls: Option<TlsListener>,
}

/// A new connection.
pub(super) struct NewConnection {
    pub(super) accepted: Accepted,
    pub(super) listener: Arc<Listener>,
    pub(super) permit: Permit,
}
