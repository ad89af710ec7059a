//! What a new connection brings along.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::net::UnixStream;

use super::{
    StartupError,
    org_runtime::OrgRuntime,
    sockets::Accepted,
    tls::{Tls, TlsListener},
    tunnel::Tunnels,
};
use crate::{
    config::{Admin, Limits, Listen, LocalUsers, Protocol},
    proxy::load::Permit,
    system::{peer_user, telemetry::Throttle},
};

/// The facts about a listener that its connections need.
pub(super) struct Listener {
    pub(super) listen: Listen,
    /// The address, as configured.
    pub(super) address: Arc<str>,
    /// The orgs behind it.
    pub(super) orgs: Vec<Arc<OrgRuntime>>,
    pub(super) protocol: Protocol,
    /// The name of its clients, if they have one.
    pub(super) client_name: Option<Arc<str>>,
    /// If clients speak TLS to it.
    pub(super) tls: Option<TlsListener>,
    /// If any org has `intercept`.
    pub(super) tunnels: Option<Arc<Tunnels>>,
    pub(super) limits: Limits,
    /// True if other machines may connect.
    remote: bool,
    /// Users that may connect to a Unix socket.
    pub(super) users: LocalUsers,
    /// True if it depends on the user what one may ask who connects by TCP from this machine.
    judges_users: bool,
}

/// A new connection.
pub(super) struct NewConnection {
    pub(super) accepted: Accepted,
    pub(super) listener: Arc<Listener>,
    pub(super) permit: Permit,
}

impl Listener {
    /// One with `org` behind it, of whose connections `tls` has what all listeners share.
    ///
    /// # Errors
    /// If it is for TLS and there are no certificates: in plain it would be open to everybody.
    pub(super) fn new(
        listen: &Listen,
        protocol: Protocol,
        org: Arc<OrgRuntime>,
        tls: &Tls,
        limits: &Limits,
    ) -> Result<Self, StartupError> {
        let guard = &org.org.guard;
        Ok(Self {
            listen: listen.clone(),
            address: listen.to_string().into(),
            client_name: org.org.client_names.of(listen).cloned(),
            orgs: vec![org.clone()],
            protocol,
            tls: match (&tls.listener, listen.is_https()) {
                (Some(tls), true) => Some(tls.clone()),
                (None, true) => return Err(StartupError::NoStateDir),
                (_, false) => None,
            },
            tunnels: tls.tunnels.clone(),
            limits: limits.clone(),
            remote: guard.allow_remote,
            users: guard.allow_users.clone(),
            judges_users: guard.judges_users(),
        })
    }

    /// The admin listener, which has no org behind it.
    pub(super) fn of_admin(admin: &Admin, limits: &Limits) -> Self {
        Self {
            listen: admin.listen.clone(),
            address: admin.listen.to_string().into(),
            orgs: Vec::new(),
            protocol: Protocol::Api,
            client_name: None,
            tls: None,
            tunnels: None,
            limits: limits.clone(),
            remote: false,
            users: admin.allow_users.clone(),
            judges_users: admin.allow_users != LocalUsers::All,
        }
    }

    /// Puts another org behind it. Who may connect reaches both, so it must be allowed by both.
    pub(super) fn share(&mut self, org: Arc<OrgRuntime>) {
        let guard = &org.org.guard;
        self.remote &= guard.allow_remote;
        self.users = self.users.and(&guard.allow_users);
        self.judges_users |= guard.judges_users();
        if self.client_name.is_none() {
            self.client_name = org.org.client_names.of(&self.listen).cloned();
        }
        self.orgs.push(org);
    }

    /// Returns whether what `before` has admitted may go on here as it is: the same could connect,
    /// and would be known as the same.
    pub(super) fn continues(&self, before: &Self) -> bool {
        let client_ca = |it: &Self| it.tls.as_ref().map(|tls| tls.client_ca.clone());
        // Within a tunnel a connection is for one org, as it was when the tunnel began.
        let may_intercept = |it: &Self| it.orgs.iter().any(|runtime| runtime.org.intercept);
        self.protocol == before.protocol
            && self.address == before.address
            && self.client_name == before.client_name
            && client_ca(self) == client_ca(before)
            && self.admits_as(before)
            && !may_intercept(self)
            && !may_intercept(before)
    }

    /// Returns whether the same clients may connect as with `before`, and as much is asked of them.
    pub(super) fn admits_as(&self, before: &Self) -> bool {
        (self.remote, &self.users, self.judges_users)
            == (before.remote, &before.users, before.judges_users)
    }

    /// Returns whether a client at `peer` may connect.
    pub(super) fn admits(&self, peer: IpAddr) -> bool {
        // A host that routes loopback addresses in from outside lets others reach what is bound to
        // loopback only (CVE-2020-8558).
        let is_admitted = self.remote || peer.to_canonical().is_loopback();
        if !is_admitted && let Some(left_out) = THROTTLE.admit() {
            tracing::warn!(%peer, left_out, "refused a connection from another machine");
        }
        is_admitted
    }

    /// The user who connects by TCP from `peer` to `address`, if it is neither our own nor root, that
    /// matters, and this machine can tell. To ask takes some 4 µs.
    ///
    /// # Errors
    /// If the connection is gone.
    pub(super) fn user_at(&self, peer: SocketAddr, address: SocketAddr) -> io::Result<Option<u32>> {
        let is_ours = peer.ip().to_canonical().is_loopback();
        if !self.judges_users || !is_ours || !peer_user::can_tell() {
            return Ok(None);
        }
        let user = peer_user::user_of(peer, address)?.ok_or(io::ErrorKind::NotConnected)?;
        Ok((!LocalUsers::default().include(user)).then_some(user))
    }

    /// Returns whether all orgs refuse this user, whatever it asks.
    pub(super) fn refuses(&self, user: Option<u32>) -> bool {
        // By a certificate it may show who it is besides.
        let asks = self.tls.as_ref().is_some_and(TlsListener::asks);
        let Some(uid) = user.filter(|_| !asks) else {
            return false;
        };
        let mut guards = self.orgs.iter().map(|runtime| &runtime.org.guard);
        guards.all(|guard| guard.refuses(uid))
    }

    /// Returns whether it matters which user connects by TCP, and this machine cannot tell.
    pub(super) fn misses_users(&self) -> bool {
        let mut addresses = self.listen.addresses();
        let is_ours = addresses.any(|address| address.ip().to_canonical().is_loopback());
        self.judges_users && is_ours && !peer_user::can_tell()
    }

    /// The user at the other end, if it may connect.
    pub(super) fn known_peer(&self, stream: &UnixStream) -> Option<u32> {
        let uid = match stream.peer_cred() {
            Ok(peer) => peer.uid(),
            Err(error) => {
                note_unknown_user(&error);
                return None;
            }
        };
        let known = self.users.include(uid);
        let setting = if self.orgs.is_empty() {
            "admin.allow_users"
        } else {
            "guard.allow_users"
        };
        if !known && let Some(left_out) = THROTTLE.admit() {
            tracing::warn!(
                uid,
                left_out,
                "refused another user; to let it in, add it to {setting}"
            );
        }
        known.then_some(uid)
    }
}

/// Says that a client is refused because nobody can tell who it is, unless it has just gone.
pub(super) fn note_unknown_user(error: &io::Error) {
    if error.kind() != io::ErrorKind::NotConnected
        && let Some(left_out) = THROTTLE.admit()
    {
        tracing::warn!(
            left_out,
            "refused a client whose user cannot be determined: {error}"
        );
    }
}

static THROTTLE: Throttle = Throttle::new();

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1", true; "this machine")]
    #[test_case("127.9.9.9", true; "this machine by another number")]
    #[test_case("::1", true; "this machine in version 6")]
    #[test_case("::ffff:127.0.0.1", true; "this machine by version 4 within 6")]
    #[test_case("192.0.2.1", false; "another")]
    #[test_case("::ffff:192.0.2.1", false; "another by version 4 within 6")]
    #[test_case("2001:db8::1", false; "another in version 6")]
    #[test_case("0.0.0.0", false; "no machine")]
    fn a_peer_that_is_not_this_machine_needs_allow_remote(peer: &str, is_admitted: bool) {
        let admin = Admin::parse("127.0.0.1:0").unwrap();
        let mut listener = Listener::of_admin(&admin, &Limits::default());
        let peer = peer.parse().unwrap();
        assert_eq!(listener.admits(peer), is_admitted);
        listener.remote = true;
        assert!(listener.admits(peer));
    }
}
