//! How clients reach each org: by an address of its own, or by a name of its own.

use std::collections::HashMap;

use super::{
    listen::Listen,
    problem::{Origin, Problems},
};

pub(super) struct Reach {
    pub(super) name: String,
    pub(super) listen: Vec<Listen>,
    pub(super) listen_origin: Origin,
    pub(super) hosts: Vec<String>,
    pub(super) hosts_origin: Origin,
}

/// Reports every request that would have no single org to go to.
pub(super) fn check(reaches: &[Reach], problems: &Problems) {
    let mut listeners: HashMap<&Listen, Vec<&Reach>> = HashMap::new();
    let mut names: HashMap<&str, &Reach> = HashMap::new();
    for reach in reaches {
        for listen in reach.listen.iter().filter(|listen| listen.is_fixed()) {
            listeners.entry(listen).or_default().push(reach);
        }
        for host in &reach.hosts {
            if let Some(first) = names.insert(host, reach) {
                problems.add(
                    reach.hosts_origin,
                    &format!("org.{}.hosts", reach.name),
                    format!(
                        "{host} is one of org.{}'s already; give each its own",
                        first.name
                    ),
                );
            }
        }
    }
    for (listen, sharers) in listeners {
        for reach in &sharers {
            let others: Vec<_> = sharers
                .iter()
                .filter(|other| !std::ptr::eq(**other, *reach))
                .map(|other| format!("org.{}", other.name))
                .collect();
            let message = match others.as_slice() {
                [] if sharers.len() > 1 => format!("{listen} is given twice"),
                [_, ..] if reach.hosts.is_empty() => format!(
                    "{listen} is shared with {}, and nothing tells whose a request is; give each \
                     org a port of its own, or hosts of its own such as \
                     hosts = [\"{}.localhost\"]",
                    others.join(" and "),
                    reach.name
                ),
                _ => continue,
            };
            let key = format!("org.{}.listen", reach.name);
            problems.add(reach.listen_origin, &key, message);
        }
    }
}
