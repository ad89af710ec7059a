//! A host as named in a request, parsed before it is compared.

use std::fmt;

use http::uri::Authority;

/// A host name or address without its port, in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host(String);

impl Host {
    /// Reads `host[:port]`. `None` if it is anything else: user info, an empty name or port.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let host = authority.host();
        let rest = text.strip_prefix(host)?;
        (!host.is_empty() && is_port_or_nothing(rest)).then(|| Self(host.to_ascii_lowercase()))
    }

    /// Returns whether `text` is this host with any port or none: the same as to parse and compare
    /// it, at less cost.
    pub(super) fn is_named_by(&self, text: &str) -> bool {
        text.split_at_checked(self.0.len())
            .is_some_and(|(host, rest)| {
                host.eq_ignore_ascii_case(&self.0) && is_port_or_nothing(rest)
            })
    }
}

fn is_port_or_nothing(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| {
            // Five digits compare as text as they do as numbers.
            let is_in_range = matches!(port.len(), 1..=4) || port.len() == 5 && port <= "65535";
            is_in_range && port.bytes().all(|byte| byte.is_ascii_digit())
        })
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_hosts_for_what_they_are() {
        for (text, host) in [
            ("localhost", Some("localhost")),
            ("LocalHost:8080", Some("localhost")),
            ("127.0.0.1:1", Some("127.0.0.1")),
            ("[::1]:8080", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            // These are not one of the names above, whatever they are.
            ("localhost.", Some("localhost.")),
            ("localhost.evil.com", Some("localhost.evil.com")),
            ("127a0b0c1", Some("127a0b0c1")),
            ("2130706433", Some("2130706433")),
            ("0.0.0.0:8080", Some("0.0.0.0")),
            ("[::ffff:7f00:1]", Some("[::ffff:7f00:1]")),
            ("evil@localhost", None),
            ("localhost@evil.com", None),
            ("localhost/x", None),
            ("localhost:", None),
            ("localhost:80:80", None),
            ("localhost:65535", Some("localhost")),
            ("localhost:65536", None),
            ("localhost:99999", None),
            ("localhost:000080", None),
            ("localhost:+80", None),
            ("localhost 80", None),
            (":8080", None),
            ("", None),
        ] {
            let parsed = Host::parse(text);
            for name in ["localhost", "127.0.0.1", "[::1]", "localhost."] {
                let own = Host(name.to_owned());
                assert_eq!(
                    own.is_named_by(text),
                    parsed.as_ref() == Some(&own),
                    "{name} {text:?}"
                );
            }
            assert_eq!(parsed.map(|host| host.0).as_deref(), host, "{text:?}");
        }
    }
}
