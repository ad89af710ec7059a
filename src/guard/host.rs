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
        let port_is_valid = rest.is_empty()
            || rest.strip_prefix(':').is_some_and(|port| {
                !port.is_empty()
                    && port.bytes().all(|byte| byte.is_ascii_digit())
                    && port.parse::<u16>().is_ok()
            });
        (!host.is_empty() && port_is_valid).then(|| Self(host.to_ascii_lowercase()))
    }
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
            // Whatever these are, they are not one of the names above.
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
            ("localhost:99999", None),
            ("localhost:+80", None),
            ("localhost 80", None),
            (":8080", None),
            ("", None),
        ] {
            assert_eq!(
                Host::parse(text).map(|host| host.0).as_deref(),
                host,
                "{text:?}"
            );
        }
    }
}
