//! The ways in which clients reach each org: by an address of its own, or by a name of its own.

use std::collections::HashSet;

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
    /// If true, no name can distinguish its requests from those of others.
    pub(super) is_alone: bool,
}

/// Reports every address and name that would lead to more than one org.
pub(super) fn check(reaches: &[Reach], problems: &Problems) {
    for (index, reach) in reaches.iter().enumerate() {
        let Reach { name, hosts, .. } = reach;
        let listen_problem = |message: String| {
            problems.add(reach.listen_origin, &format!("org.{name}.listen"), message);
        };
        let hosts_problem = |message: String| {
            problems.add(reach.hosts_origin, &format!("org.{name}.hosts"), message);
        };

        let mut seen = HashSet::new();
        for listen in reach.fixed() {
            if !seen.insert(listen) {
                listen_problem(format!("{listen} is given twice"));
            } else if listen.is_https() && reaches.iter().any(|it| it.speaks_otherwise(listen)) {
                let url = listen.to_string();
                let address = url.trim_start_matches("https://");
                listen_problem(format!(
                    "{address} cannot speak both HTTP and HTTPS; give each a port of its own"
                ));
            } else if let Some(other) = others(reaches, index).find(|it| it.shares(listen))
                && (reach.is_alone || other.is_alone)
            {
                listen_problem(format!(
                    "{listen} is shared with org.{}; the Pub/Sub API needs a port of its own",
                    other.name
                ));
            } else if let Some(other) = others(reaches, index).find(|it| it.shares(listen))
                && hosts.is_empty()
            {
                listen_problem(format!(
                    "{listen} is shared with org.{}, and requests for them cannot be told apart; \
                     give each org a port of its own, or hosts of its own such as hosts = \
                     [\"{name}.localhost\"]",
                    other.name
                ));
            }
        }

        let mut seen = HashSet::new();
        for host in hosts {
            let has_it = |other: &&Reach| {
                other.hosts.contains(host) && reach.fixed().any(|listen| other.shares(listen))
            };
            if !seen.insert(host) {
                hosts_problem(format!("{host} is given twice"));
            } else if let Some(other) = reaches.iter().take(index).find(has_it) {
                hosts_problem(format!(
                    "{host} also belongs to org.{}, which listens on the same address; give each \
                     its own",
                    other.name
                ));
            }
        }
    }
}

impl Reach {
    fn fixed(&self) -> impl Iterator<Item = &Listen> {
        self.listen.iter().filter(|listen| listen.is_fixed())
    }

    /// Returns whether it has the address of `listen`, but with TLS where that is plain, or the
    /// reverse.
    fn speaks_otherwise(&self, listen: &Listen) -> bool {
        self.fixed()
            .any(|own| own.is_https() != listen.is_https() && own.meets(listen))
    }

    fn shares(&self, listen: &Listen) -> bool {
        self.listen.contains(listen)
    }
}

fn others(reaches: &[Reach], index: usize) -> impl Iterator<Item = &Reach> {
    let (before, from) = reaches.split_at(index);
    before.iter().chain(from.iter().skip(1))
}
