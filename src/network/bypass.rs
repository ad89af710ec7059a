//! `NO_PROXY`: the hosts that are reached without a proxy.

use std::net::IpAddr;

use ipnet::IpNet;

/// A list of hosts.
#[derive(Debug, Default)]
pub(super) struct Bypass(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    hosts: Hosts,
    /// Any port if there is none.
    port: Option<u16>,
}

#[derive(Debug)]
enum Hosts {
    All,
    /// Only for addresses in the URL itself, as in curl.
    Network(IpNet),
    /// The name and all names below it.
    Domain(String),
}

impl Bypass {
    /// Reads names, `.domain`, `*.domain`, addresses, CIDR blocks and `*`, with or without a port,
    /// separated by commas or blanks. Anything else is for other programs.
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(
            entries
                .filter(|entry| !entry.is_empty())
                .map(Entry::parse)
                .collect(),
        )
    }

    /// Returns whether `host`, without brackets, is in it.
    pub(super) fn contains(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.');
        let address = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match (&entry.hosts, address) {
                    (Hosts::All, _) => true,
                    (Hosts::Network(network), Some(ip)) => network.contains(&ip),
                    (Hosts::Domain(domain), None) => is_within(host, domain),
                    _ => false,
                }
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Self {
        // An IPv6 address without brackets has colons, but no port.
        if let Some(network) = network(text) {
            return Self {
                hosts: Hosts::Network(network),
                port: None,
            };
        }
        let with_port = text
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = match with_port {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let hosts = if host == "*" {
            Hosts::All
        } else if let Some(network) = network(bare) {
            Hosts::Network(network)
        } else {
            let domain = host.strip_prefix('*').unwrap_or(host);
            let domain = domain.trim_start_matches('.').trim_end_matches('.');
            Hosts::Domain(domain.to_owned())
        };
        Self { hosts, port }
    }
}

fn network(text: &str) -> Option<IpNet> {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    text.parse().ok().or_else(|| address(text).map(IpNet::from))
}

fn is_within(host: &str, domain: &str) -> bool {
    let Some(start) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    let is_same = host
        .get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(domain));
    is_same && !domain.is_empty() && (start == 0 || host[..start].ends_with('.'))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("*", "any.example", 443, true; "all")]
    #[test_case("*:443", "any.example", 443, true; "all on a port")]
    #[test_case("*:443", "any.example", 8443, false; "all on another port")]
    #[test_case("", "any.example", 443, false; "nothing")]
    #[test_case(" , ,", "any.example", 443, false; "blanks")]
    #[test_case("acme.com", "acme.com", 443, true; "name")]
    #[test_case("ACME.com", "login.acme.COM", 443, true; "below a name, in any case")]
    #[test_case("acme.com", "notacme.com", 443, false; "a name that ends alike")]
    #[test_case("acme.com", "acme.com.example", 443, false; "a name that begins alike")]
    #[test_case(".acme.com", "login.acme.com", 443, true; "dot")]
    #[test_case(".acme.com", "acme.com", 443, true; "dot, the name itself")]
    #[test_case(".acme.com", "notacme.com", 443, false; "dot, another name")]
    #[test_case("*.acme.com", "a.b.acme.com", 443, true; "star")]
    #[test_case("*.acme.com", "notacme.com", 443, false; "star, another name")]
    #[test_case("*.acme.com:8443", "login.acme.com", 8443, true; "star and port")]
    #[test_case("acme.com.", "acme.com", 443, true; "root dot in the list")]
    #[test_case("acme.com", "acme.com.", 443, true; "root dot in the host")]
    #[test_case("acme.com:443", "acme.com", 443, true; "port")]
    #[test_case("acme.com:443", "login.acme.com", 443, true; "port and below a name")]
    #[test_case("acme.com:443", "acme.com", 8443, false; "another port")]
    #[test_case("x.com, acme.com", "acme.com", 443, true; "blank behind a comma")]
    #[test_case("x.com acme.com\ty.com", "acme.com", 443, true; "blanks in place of commas")]
    #[test_case("10.0.0.0/8", "10.1.2.3", 443, true; "cidr")]
    #[test_case("10.0.0.0/8", "11.1.2.3", 443, false; "outside cidr")]
    #[test_case("10.1.2.3/8", "10.9.9.9", 443, true; "cidr with host bits")]
    #[test_case("10.1.2.3", "10.1.2.3", 443, true; "address")]
    #[test_case("10.1.2.3:443", "10.1.2.3", 443, true; "address and port")]
    #[test_case("10.1.2.3:444", "10.1.2.3", 443, false; "address and another port")]
    #[test_case("10.1.2.3", "10.1.2.30", 443, false; "another address")]
    #[test_case("fd00::/8", "fd12::1", 443, true; "cidr of version 6")]
    #[test_case("fd00::/8", "fe80::1", 443, false; "outside cidr of version 6")]
    #[test_case("::1", "::1", 443, true; "address of version 6")]
    #[test_case("[::1]", "::1", 443, true; "address of version 6 in brackets")]
    #[test_case("[::1]:443", "::1", 443, true; "address of version 6 and port")]
    #[test_case("[::1]:444", "::1", 443, false; "address of version 6 and another port")]
    #[test_case("10.0.0.0/8", "::ffff:10.0.0.1", 443, true; "mapped address")]
    #[test_case("10.0.0.0/99", "10.0.0.1", 443, false; "no cidr")]
    #[test_case("1.2.3.4", "1.2.3.4.example", 443, false; "address that a name begins with")]
    #[test_case("<local>,*.", "acme.com", 443, false; "what other programs read")]
    fn knows_who_needs_no_proxy(list: &str, host: &str, port: u16, is_in: bool) {
        assert_eq!(Bypass::parse(list).contains(host, port), is_in);
    }
}
