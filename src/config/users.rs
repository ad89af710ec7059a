//! `[org.NAME.users]`: the user of the org that each client acts as.

use super::{
    ClientLabel, ClientNames, Clients, Config, Listen,
    document::Value,
    given,
    problem::{Origin, Problems},
    section::Section,
    text, value,
};

/// The users of the org that clients act as, in place of its own `username`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// Clients, and the user name of each in the org.
    pub of_clients: Vec<(ClientLabel, String)>,
    /// If true, a client that is not among them is refused. Otherwise it acts as `username`.
    pub refuses_others: bool,
}

impl Users {
    /// The user name of `client`, if it is one of them.
    pub(crate) fn of(&self, client: &ClientLabel) -> Option<&str> {
        let mut all = self.of_clients.iter();
        let found = all.find(|(label, _)| label == client);
        found.map(|(_, username)| &**username)
    }

    /// The user names besides `own`, each once, in the order of the file.
    pub(crate) fn besides<'a>(&'a self, own: &str) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for (_, name) in &self.of_clients {
            if name != own && !names.contains(&&**name) {
                names.push(name);
            }
        }
        names
    }
}

/// Reads the section of an org with these clients, whose own user is `username`.
pub(super) fn read(
    mut section: Section<'_>,
    username: Option<&str>,
    clients: Option<&Clients>,
    names: &ClientNames,
    listens: &[Listen],
) -> Users {
    let refuses_others = section.read("others", others).unwrap_or_default();
    let has_socket = listens
        .iter()
        .any(|listen| matches!(listen, Listen::Unix(_)));
    let all = section.values(|label, user| {
        if label == "others" {
            return Ok(None);
        }
        let label = ClientLabel::parse(label, clients, names)?;
        if matches!(label, ClientLabel::Uid(_)) && !has_socket {
            return Err(
                "maps nobody: clients are known by their user on Unix sockets only; add one to \
                 listen, such as \"unix:orgproxy.sock\", or map a name of clients or \
                 \"listener:NAME\""
                    .to_owned(),
            );
        }
        Ok(Some((label, text::token(user, "")?)))
    });
    // Salesforce takes no notice of case in user names, so the first spelling is that of all.
    let mut spellings: Vec<String> = username.map(str::to_owned).into_iter().collect();
    let mut of_clients = Vec::new();
    for (label, name) in all.into_iter().filter_map(|(entry, _)| entry) {
        let known = spellings.iter().find(|it| it.eq_ignore_ascii_case(&name));
        let name = known.cloned().unwrap_or(name);
        if !spellings.contains(&name) {
            spellings.push(name.clone());
        }
        of_clients.push((label, name));
    }
    Users {
        of_clients,
        refuses_others,
    }
}

/// Reports orgs that have more users than are allowed.
pub(super) fn check(config: &Config, problems: &Problems) {
    let most = config.limits.user_sessions;
    for org in &config.orgs {
        let users = org.users.as_ref();
        let count = users.map_or(0, |users| users.besides(&org.username).len());
        if count > most {
            problems.add(Origin::File, &format!("org.{}.users", org.name), format!(
                "has {count} users, each with a session of its own, but limits.user_sessions allows {most}; \
                 raise it, or map fewer"
            ));
        }
    }
}

/// True if others are refused.
fn others(value: &Value) -> Result<bool, String> {
    match value::text(value)? {
        "username" => Ok(false),
        "refuse" => Ok(true),
        other => Err(format!(
            "must be \"username\", for the org's own user, or \"refuse\", not {}; rename \
             a client that is called others",
            given::shown(other)
        )),
    }
}
