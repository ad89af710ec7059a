//! Listening, on what only this machine reaches unless the configuration says otherwise.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use super::{
    StartupError,
    listener::Listener,
    sockets::{Accepted, Missing, Socket, Sockets},
};
use crate::{
    config::{self, Admin, Config, Limits, Listen, Protocol},
    local_ca::Authority,
    system::terminal,
};

/// A listener and its sockets.
pub(super) struct BoundListener {
    pub(super) listener: Arc<Listener>,
    pub(super) sockets: Sockets,
}

impl BoundListener {
    /// Binds `listener` at `listen`, which is its address, or where the system had it before; or has
    /// it take what it needs of the sockets that are `held`.
    pub(super) async fn bind_at(
        listen: &Listen,
        listener: Listener,
        held: &[Arc<Socket>],
    ) -> Result<Self, StartupError> {
        let sockets = Sockets::bind(listen, &listener.users, held).await;
        let sockets =
            sockets.map_err(|error| StartupError::Bind(listener.listen.clone(), error))?;
        Ok(Self {
            listener: Arc::new(listener),
            sockets,
        })
    }

    /// Warns of an address that others on the network can listen in on, unless its sockets are
    /// `known`.
    pub(super) fn warn_if_open(&self, known: &[Arc<Socket>]) {
        let listen = &self.listener.listen;
        let is_new = !self.sockets.all.iter().all(|it| is_among(known, it));
        if is_new && listen.is_https() && !listen.is_local() {
            tracing::warn!(
                "other machines reach {listen}: whoever shows its client key, a password of \
                 clients or a certificate of tls.client_ca acts as the org's user"
            );
        }
        if is_new && matches!(listen, Listen::Tcp(_)) && !listen.is_local() {
            tracing::warn!(
                "what clients send to http://{listen}, including keys, crosses the network \
                 unencrypted; use https://{listen} in listen, unless something in front of it \
                 terminates TLS"
            );
        }
        if is_new && self.listener.misses_users() {
            tracing::warn!(
                "this system does not tell which user connects to {listen}, so every user of this \
                 machine may call; on a machine that you share, use a Unix socket or \
                 guard.client_key"
            );
        }
    }

    /// Binds the admin listener, which has no org behind it, or has it take its socket of those that
    /// are `held`; `None` if it can be done without.
    pub(super) async fn bind_admin(
        admin: &Admin,
        limits: &Limits,
        held: &[Arc<Socket>],
    ) -> Result<Option<Self>, StartupError> {
        let listen = &admin.listen;
        match Sockets::bind(listen, &admin.allow_users, held).await {
            Ok(sockets) => {
                let listener = Arc::new(Listener::of_admin(admin, limits));
                if listener.misses_users() {
                    tracing::warn!(
                        "this system does not tell which user connects to {listen}, so every user \
                         of this machine may ask the admin listener; on a machine that you share, \
                         use a Unix socket ([admin] listen = \"unix:…\")"
                    );
                }
                Ok(Some(Self { listener, sockets }))
            }
            Err(error) if admin.is_optional && error.kind() == io::ErrorKind::AddrInUse => {
                tracing::info!(
                    "no admin listener, because another program has {listen}; to have one, choose \
                     another address (--admin-listen)"
                );
                Ok(None)
            }
            Err(error) => Err(StartupError::BindAdmin(listen.clone(), error)),
        }
    }

    /// Returns whether `listener`, for any free port, is the same after a change.
    pub(super) fn is_place_of(&self, listener: &Listener) -> bool {
        let facts = |it: &Listener| {
            let org = it.orgs.first().map(|org| org.org.name.clone());
            (it.listen.clone(), it.protocol, org)
        };
        facts(&self.listener) == facts(listener)
    }

    /// The next client, whatever it takes.
    pub(super) async fn next(&self) -> Accepted {
        self.sockets.next(&self.listener).await
    }

    /// Where it is bound, with the port that the system chose.
    pub(super) fn address(&self) -> Listen {
        self.sockets.bound.clone()
    }

    /// Where it is bound, if not to a path.
    pub(super) fn tcp_addresses(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        self.sockets.bound.addresses()
    }

    pub(super) fn bound(&self, config: &Config) -> Bound {
        let is_https = self.listener.tls.is_some();
        let orgs = self.listener.orgs.iter();
        Bound {
            listen: self.address(),
            missing: self.sockets.missing,
            protocol: self.listener.protocol,
            ca_file: config
                .state_dir
                .as_deref()
                .filter(|_| is_https && config.tls.identity.is_none())
                .map(Authority::path),
            orgs: orgs.map(|runtime| runtime.org.as_ref().clone()).collect(),
        }
    }
}

fn is_among(held: &[Arc<Socket>], socket: &Arc<Socket>) -> bool {
    held.iter().any(|it| Arc::ptr_eq(it, socket))
}

/// Where a server listens, and for which orgs.
#[derive(Debug, Clone)]
pub struct Bound {
    /// With the port that the system chose, if it was left to it.
    pub listen: Listen,
    /// The address of `localhost` that could not be bound.
    pub missing: Option<Missing>,
    /// The protocol that it is for.
    pub protocol: Protocol,
    /// The certificate of the local authority, if clients have to trust that.
    pub ca_file: Option<PathBuf>,
    /// More than one where they are told apart by Host.
    pub orgs: Vec<config::Org>,
}

impl Bound {
    /// The arguments for curl, without the path.
    pub fn url(&self) -> String {
        self.url_of(&self.own_host())
    }

    /// By what clients of `org` call it in a URL.
    pub(crate) fn host(&self, org: &config::Org) -> String {
        // Only where several share a listener does the name matter, or where a certificate of the
        // operator's own will hardly be for localhost.
        let is_own = self.listen.is_https() && self.ca_file.is_none();
        match org.hosts.first() {
            Some(host) if self.orgs.len() > 1 || is_own => host.clone(),
            _ => self.own_host(),
        }
    }

    /// `localhost` only if that leads nowhere else.
    fn own_host(&self) -> String {
        match self.listen.address().map(|address| address.ip()) {
            Some(IpAddr::V4(ip)) if self.missing.is_some() => ip.to_string(),
            _ => self.listen.host(),
        }
    }

    fn url_of(&self, host: &str) -> String {
        let scheme = if self.listen.is_https() {
            "https"
        } else {
            "http"
        };
        let url = match (&self.listen, self.listen.address()) {
            (Listen::Unix(path), _) => {
                return format!(
                    "--unix-socket {} http://{host}",
                    terminal::quoted_path(path)
                );
            }
            (_, Some(address)) => format!("{scheme}://{host}:{}", address.port()),
            (_, None) => format!("{scheme}://{host}"),
        };
        match &self.ca_file {
            Some(path) => format!("--cacert {} {url}", terminal::quoted_path(path)),
            None => url,
        }
    }

    /// The first of its addresses, which programs can read.
    fn place(&self) -> String {
        match self.listen.address() {
            Some(address) if self.listen.is_https() => format!("https://{address}"),
            Some(address) => format!("http://{address}"),
            None => self.listen.to_string(),
        }
    }

    fn fmt_pubsub(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orgs: Vec<_> = self.orgs.iter().map(|org| org.name.as_str()).collect();
        let has_key = self.orgs.iter().any(|org| org.guard.client_key.is_some());
        write!(
            f,
            "listening on {} for the Pub/Sub API of org {}: gRPC, any accesstoken{}",
            self.place(),
            orgs.join(", "),
            if has_key {
                ", the client key as x-orgproxy-key"
            } else {
                ""
            },
        )?;
        self.fmt_missing(f)
    }

    fn fmt_missing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.missing {
            Some(missing) => write!(f, "\n  {missing}"),
            None => Ok(()),
        }
    }
}

/// The first thing a person wants to know: a line that programs can read too, and one to try.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocol == Protocol::PubSub {
            return self.fmt_pubsub(f);
        }
        let mut line_break = "";
        for org in &self.orgs {
            write!(
                f,
                "{line_break}listening on {} for org {}: {} as {}",
                self.place(),
                org.name,
                org.login_url.as_str().trim_end_matches('/'),
                org.username,
            )?;
            self.fmt_missing(f)?;
            let key = key_for_curl(org);
            write!(
                f,
                "\n  try: curl {key}{}{TRY}",
                self.url_of(&self.host(org))
            )?;
            line_break = "\n";
        }
        Ok(())
    }
}

/// The argument by which curl shows the client key, but never the key: the variable or the file
/// that it is in.
fn key_for_curl(org: &config::Org) -> String {
    let Some(_) = &org.guard.client_key else {
        return String::new();
    };
    let key = org.guard.client_key_in_shell.as_deref();
    format!("-u \"client:{}\" ", key.unwrap_or("CLIENT_KEY"))
}

/// Cheap, allowed to everybody with API access, and plain to see.
const TRY: &str = "/services/data/v62.0/limits";
