//! `[org.NAME.guard]`: who may call, and what they may ask.

use std::path::Path;

use super::{ClientKey, reference, section::Section, text, value};
use crate::system::namespace;

/// The clients that may call, and the requests that they may send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// If true, addresses that other machines reach are allowed. Needs `client_key`, or
    /// `tls.client_ca`.
    pub allow_remote: bool,
    /// The key that a client must show, if any.
    pub client_key: Option<ClientKey>,
    /// The expression by which a shell gets it, within double quotes: `$(cat client.key)`.
    pub client_key_in_shell: Option<String>,
    /// Web origins that may call, such as `http://localhost:5173`.
    pub allow_origins: Vec<String>,
    /// Paths that are refused by default and allowed here, in lower case, without trailing slash.
    pub allow_paths: Vec<String>,
    /// Users of this machine that may call besides the proxy's own and root.
    pub allow_users: LocalUsers,
}

/// Users of this machine, besides our own and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalUsers {
    /// Whoever there is.
    All,
    /// Those of these uids.
    Only(Vec<u32>),
}

impl Guard {
    /// Returns whether it matters which user of this machine calls. A client key proves more.
    #[must_use]
    pub fn judges_users(&self) -> bool {
        self.client_key.is_none() && self.allow_users != LocalUsers::All
    }

    /// Returns whether this user is refused who connects by TCP from this machine.
    #[must_use]
    pub fn refuses(&self, uid: u32) -> bool {
        self.judges_users() && !self.allow_users.include(uid)
    }
}

impl LocalUsers {
    /// Returns whether `uid` is one of them, or our own or root's.
    #[must_use]
    pub fn include(&self, uid: u32) -> bool {
        let is_ours = uid == 0 || uid == rustix::process::geteuid().as_raw();
        is_ours && !namespace::stands_for_others(uid)
            || match self {
                Self::All => true,
                Self::Only(uids) => uids.contains(&uid),
            }
    }

    /// Those who are in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, both) | (both, Self::All) => both.clone(),
            (Self::Only(some), Self::Only(others)) => {
                let both = some.iter().filter(|uid| others.contains(uid));
                Self::Only(both.copied().collect())
            }
        }
    }

    /// Returns whether there are none besides our own and root.
    #[must_use]
    pub fn are_only_ours(&self) -> bool {
        matches!(self, Self::Only(uids) if uids.is_empty())
    }
}

impl Default for LocalUsers {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

/// The guard, and whether a client key is set, even if it cannot be read.
pub(super) fn read(mut section: Section<'_>, folder: &Path) -> (Guard, bool) {
    let has_key = section.get("client_key").is_some();
    let allow_remote = section.read("allow_remote", value::flag);
    let (client_key, client_key_in_shell) = reference::client_key(&mut section, folder).unzip();
    let guard = Guard {
        allow_remote: allow_remote.unwrap_or_default(),
        client_key,
        client_key_in_shell: client_key_in_shell.flatten(),
        allow_origins: section
            .list("allow_origins", text::origin)
            .unwrap_or_default(),
        allow_paths: section.list("allow_paths", text::path).unwrap_or_default(),
        allow_users: users(&mut section),
    };
    section.finish();
    let asks = has_key || guard.client_key.is_some();
    (guard, asks)
}

/// The users in `allow_users`, in which `None` means all.
pub(super) fn users(section: &mut Section<'_>) -> LocalUsers {
    let listed = section.list("allow_users", value::user);
    let listed: Option<Vec<u32>> = listed.unwrap_or_default().into_iter().collect();
    listed.map_or(LocalUsers::All, LocalUsers::Only)
}
