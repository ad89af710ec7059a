//! The addresses where clients find the proxy: free, or in use by it; and names that lead to them.

use std::{io, net::SocketAddr, path::Path};

use tokio::net::{TcpListener, UnixStream, lookup_host};

use super::{
    owner,
    report::{Check, Report},
};
use crate::{
    command::health,
    config::{Config, Listen, Org},
    system::{folder, ownership},
};

/// A check for each address.
pub(super) async fn check(config: &Config, org: &Org, report: &mut Report) {
    for listen in &org.listen {
        report.add(address(listen, config).await);
    }
    for listen in org.pubsub.iter().flat_map(|pubsub| &pubsub.listen) {
        report.add(address(listen, config).await);
    }
}

async fn address(listen: &Listen, config: &Config) -> Check {
    if let Listen::Unix(path) = listen {
        return socket(listen, path, config).await;
    }
    let mut free = Vec::new();
    let mut faults = Vec::new();
    for address in listen.addresses() {
        match TcpListener::bind(address).await {
            Ok(_) => free.push(address),
            Err(error) => faults.push((address, error)),
        }
    }
    let Some((address, error)) = faults.first() else {
        return Check::passed(
            "listen",
            if listen.is_fixed() {
                format!("{listen} is free")
            } else {
                format!("{listen}: a free port, a different one at each start")
            },
        );
    };
    if let Some(other) = free.first() {
        return half(listen, *other, *address, error);
    }
    if error.kind() == io::ErrorKind::AddrInUse {
        let owner = owner::of(*address);
        return taken(listen, owner.as_ref(), is_orgproxy(listen, config).await);
    }
    Check::failed("listen", format!("{listen}: {error}")).advise(match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "do: use a port from 1024 on, or give orgproxy CAP_NET_BIND_SERVICE"
        }
        _ => "do: listen on localhost, or on an address that this machine has",
    })
}

/// Only one of two addresses can be used.
fn half(listen: &Listen, free: SocketAddr, other: SocketAddr, error: &io::Error) -> Check {
    if error.kind() != io::ErrorKind::AddrInUse {
        let says = format!(
            "{listen}: {free} is free, and this machine has no {}",
            other.ip()
        );
        return Check::passed("listen", says);
    }
    let by = by(owner::of(other).as_ref());
    let says = format!("{listen}: {free} is free, but {other} is taken by {by}");
    Check::warning("listen", says)
        .advise("why: localhost means either to clients, so some would reach that program")
        .advise(format!(
            "do: stop that program, choose another port, or have clients call {free}"
        ))
}

/// Asks the program itself, because it may have any name.
async fn is_orgproxy(listen: &Listen, config: &Config) -> bool {
    health::is_orgproxy(listen, !config.tls.client_ca.is_empty())
        .await
        .unwrap_or_default()
}

fn taken(listen: &Listen, owner: Option<&owner::Owner>, is_orgproxy: bool) -> Check {
    if !is_orgproxy {
        let says = format!("{listen} is taken by {}", by(owner));
        return Check::failed("listen", says).advise(
            "do: stop that program, or choose another port: listen in proxy.toml, or --port",
        );
    }
    let process = owner.map(|owner| format!(" (process {})", owner.process));
    let says = format!(
        "{listen}: an orgproxy{} already listens there",
        process.unwrap_or_default()
    );
    Check::warning("listen", says)
        .advise("hint: if it runs with another configuration, this one cannot start")
}

fn by(owner: Option<&owner::Owner>) -> String {
    owner.map_or_else(
        || "another program, whose name only root can see".to_owned(),
        |owner| format!("{} (process {})", owner.name, owner.process),
    )
}

async fn socket(listen: &Listen, path: &Path, config: &Config) -> Check {
    let folder = folder::of(path);
    if !folder.is_dir() {
        let says = format!("{listen}: the folder {} does not exist", folder.display());
        return Check::failed("listen", says).advise("do: create it, or correct listen");
    }
    if let Ok(Some((folder, foreign))) = ownership::of_way_to(folder) {
        let says = format!(
            "{listen}: its folder {} {foreign}, who could put a socket of their own there",
            folder.display()
        );
        return Check::failed("listen", says)
            .advise("do: choose a folder that only this user can write to");
    }
    if !path.exists() {
        return Check::passed("listen", format!("{listen} is free"));
    }
    match UnixStream::connect(path).await {
        Ok(_) => taken(listen, None, is_orgproxy(listen, config).await),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Check::passed(
            "listen",
            format!("{listen} is free: nobody listens on the socket that is left there"),
        ),
        Err(error) => Check::failed("listen", format!("{listen}: {error}"))
            .advise("do: remove what is there, or choose another path"),
    }
}

/// Checks that clients on this machine find the proxy by the names that they may use.
pub(super) async fn check_hosts(org: &Org, report: &mut Report) {
    let is_local = org.listen.iter().all(Listen::is_local);
    for host in &org.hosts {
        let addresses: Vec<_> = match lookup_host((host.as_str(), 0)).await {
            Ok(addresses) => addresses.map(|address| address.ip()).collect(),
            Err(_) => Vec::new(),
        };
        let leads_here = addresses.iter().all(|ip| ip.to_canonical().is_loopback());
        let says = match addresses.first() {
            None => format!("{host} does not resolve"),
            Some(ip) if leads_here || !is_local => {
                report.add(Check::passed("hosts", format!("{host} is {ip}")));
                continue;
            }
            Some(ip) => format!("{host} is {ip}, which is not this machine's loopback"),
        };
        report.add(
            Check::warning("hosts", says)
                .advise("do: add to /etc/hosts:")
                .advise(format!("127.0.0.1 {host}")),
        );
    }
}
