//! The user of the org that each client acts as (`[org.NAME.users]`), with a session of its own.

use std::{collections::HashMap, sync::Arc};

use crate::{
    auth::Sessions,
    config::{self, ClientLabel},
    proxy::refusal::Refusal,
};

/// The users of one org that its clients act as.
///
/// What befalls the session of one is no concern of another's: each has its own login, failure and
/// rest. Nothing but what a client cannot choose for itself ([`ClientLabel`]) leads to a user.
pub(crate) struct Users {
    /// The name of the org in the configuration.
    org: Box<str>,
    of_clients: HashMap<ClientLabel, User>,
    /// The same as in the configuration, in its order.
    clients: Vec<(ClientLabel, String)>,
    /// Those besides the org's own, in the order of the file.
    all: Vec<User>,
    /// The user of all other clients, unless they are refused.
    others: Option<User>,
}

/// A user and its sessions.
#[derive(Clone)]
pub(crate) struct User {
    /// The user name, as in the configuration.
    pub(crate) name: Arc<str>,
    pub(crate) sessions: Arc<Sessions>,
}

impl Users {
    /// Those that `org` has. Its own sessions are `own`; `sessions` makes those of another user.
    pub(crate) fn new(
        org: &config::Org,
        users: &config::Users,
        own: &Arc<Sessions>,
        mut sessions: impl FnMut(&Arc<str>) -> Arc<Sessions>,
    ) -> Self {
        let own = User {
            name: org.username.as_str().into(),
            sessions: own.clone(),
        };
        let mut all = Vec::new();
        for name in users.besides(&org.username) {
            let name: Arc<str> = name.into();
            let sessions = sessions(&name);
            all.push(User { name, sessions });
        }
        let of_client = |(label, name): &(ClientLabel, String)| {
            let mut known = all.iter();
            let user = known.find(|user| *user.name == **name).unwrap_or(&own);
            (label.clone(), user.clone())
        };
        Self {
            org: org.name.as_str().into(),
            of_clients: users.of_clients.iter().map(of_client).collect(),
            clients: users.of_clients.clone(),
            others: (!users.refuses_others).then_some(own),
            all,
        }
    }

    /// The user that the client of this label acts as.
    ///
    /// # Errors
    /// If the client is not mapped, and such are refused.
    pub(crate) fn of(&self, client: Option<&ClientLabel>) -> Result<&User, Refusal> {
        let mapped = client.and_then(|label| self.of_clients.get(label));
        mapped.or(self.others.as_ref()).ok_or_else(|| {
            let org = self.org.to_string();
            match client {
                Some(client) => {
                    let client = client.to_string();
                    Refusal::NoUser { client, org }
                }
                None => Refusal::UnknownClient(org),
            }
        })
    }

    /// The clients that act as `user`, in the order of the file.
    pub(crate) fn clients_of(&self, user: &User) -> impl Iterator<Item = &ClientLabel> {
        let clients = self.clients.iter();
        let of_it = clients.filter(|(_, name)| **name == *user.name);
        of_it.map(|(label, _)| label)
    }

    /// Returns whether a client that is not mapped is refused.
    pub(crate) fn refuses_others(&self) -> bool {
        self.others.is_none()
    }

    /// Each user besides the org's own.
    pub(crate) fn all(&self) -> &[User] {
        &self.all
    }
}
