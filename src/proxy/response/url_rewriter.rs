//! Leads URLs of the org to the proxy.

use http::uri::Authority;

use crate::{auth::Session, proxy::base_url::BaseUrl};

/// The URLs that lead to the org, and where they lead instead.
///
/// Those in documents may have their slashes escaped, as some writers of JSON do.
pub(super) struct UrlRewriter<'a> {
    instance: &'a Authority,
    pub(super) base: String,
}

impl<'a> UrlRewriter<'a> {
    pub(super) fn new(session: &'a Session, base: &BaseUrl) -> Self {
        Self {
            instance: &session.authority,
            base: base.to_string(),
        }
    }

    /// The URL that `url` of a header becomes, if it leads to the instance.
    pub(super) fn location(&self, url: &str) -> Option<String> {
        // Some readers take it for a slash, and others for part of a name.
        if url.contains('\\') {
            return None;
        }
        let (host, rest) = if url.starts_with("//") {
            after_scheme(url)?
        } else {
            split(url)?
        };
        self.is_instance(host)
            .then(|| format!("{}{rest}", self.base))
    }

    /// The number of bytes of `url` that the base takes the place of, if it is one of the instance.
    pub(super) fn instance(&self, url: &str) -> Option<usize> {
        let (host, rest) = split(url)?;
        self.is_instance(host).then(|| url.len() - rest.len())
    }

    /// The same as [`UrlRewriter::instance`] for a user's identity, which may be at any host that
    /// the org's users log in at, but is at the instance as well.
    pub(super) fn identity(&self, url: &str) -> Option<usize> {
        let (_, rest) = split(url)?;
        slash(slash(rest)?.strip_prefix("id")?)?;
        Some(url.len() - rest.len())
    }

    /// The same as [`UrlRewriter::instance`] for a SOAP API, which may be given at the hosts where
    /// everybody logs in.
    pub(super) fn service(&self, url: &str) -> Option<usize> {
        let (host, rest) = split(url)?;
        let is_service = rest
            .get(..SERVICES.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(SERVICES))
            && LOGIN_HOSTS.iter().any(|login| is(host, login, HTTPS));
        (is_service || self.is_instance(host)).then(|| url.len() - rest.len())
    }

    fn is_instance(&self, host: &str) -> bool {
        let port = self.instance.port_u16().unwrap_or(HTTPS);
        is(host, self.instance.host(), port)
    }
}

/// Host and port of an `https` URL, and what follows.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    after_scheme(rest)
}

/// The same as [`split`], for a URL that leaves out its scheme (RFC 3986 section 4.2).
fn after_scheme(url: &str) -> Option<(&str, &str)> {
    let rest = slash(slash(url)?)?;
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at(end);
    // Any other character that is escaped may be part of the name.
    let is_escaped = rest.starts_with('\\') && slash(rest).is_none();
    (!is_escaped).then_some((host, rest))
}

fn slash(text: &str) -> Option<&str> {
    text.strip_prefix('/').or_else(|| text.strip_prefix("\\/"))
}

/// Returns whether `said` is `host` at `port`, or without one if that is the usual one. What has
/// user info is another.
fn is(said: &str, host: &str, port: u16) -> bool {
    said.split_at_checked(host.len())
        .is_some_and(|(name, rest)| {
            let same_port = match rest.strip_prefix(':') {
                Some(text) => text.parse() == Ok(port),
                None => rest.is_empty() && port == HTTPS,
            };
            same_port && name.eq_ignore_ascii_case(host)
        })
}

const SCHEME: &str = "https:";

const HTTPS: u16 = 443;

/// A WSDL names one of them unless the org forbids them: [`crate::salesforce::facts::hosts`].
const LOGIN_HOSTS: [&str; 2] = ["login.salesforce.com", "test.salesforce.com"];

const SERVICES: &str = "/services/Soap/";

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::proxy::response) fn rewriter(instance: &Authority) -> UrlRewriter<'_> {
        UrlRewriter {
            instance,
            base: "http://127.0.0.1:8080".to_owned(),
        }
    }

    #[test]
    fn locations_on_the_instance_become_ours_and_no_others() {
        let acme = Authority::from_static("acme.my.salesforce.com");
        let ported = Authority::from_static("acme.example:8443");
        for (instance, theirs, expected) in [
            (
                &acme,
                "https://acme.my.salesforce.com/a?b=c#d",
                Some("/a?b=c#d"),
            ),
            (&acme, "https://acme.my.salesforce.com", Some("")),
            (&acme, "https://acme.my.salesforce.com?a", Some("?a")),
            (
                &acme,
                "HTTPS://ACME.My.Salesforce.com:443/A%2f",
                Some("/A%2f"),
            ),
            (&acme, "//acme.my.salesforce.com/a", Some("/a")),
            (&acme, "//Acme.my.salesforce.com:443//a", Some("//a")),
            (&acme, "https://acme.my.salesforce.com/é", Some("/é")),
            (&ported, "https://acme.example:8443/a", Some("/a")),
            (&ported, "//acme.example:8443/a", Some("/a")),
            // Others, some of which begin alike.
            (&acme, "https://acme.my.salesforce.com.evil.example/a", None),
            (&acme, "https://acme.my.salesforce.comevil/a", None),
            (&acme, "https://acme.my.salesforce.com@evil.example/a", None),
            (
                &acme,
                "https://acme.my.salesforce.com:443@evil.example/a",
                None,
            ),
            (&acme, "https://x@acme.my.salesforce.com/a", None),
            (&acme, "https://acme.my.salesforce.com:8443/a", None),
            (&acme, "https://acme.my.salesforce.com:/a", None),
            (&acme, "https://acme.my.salesforce.com\\@evil.example", None),
            (&acme, "https:\\/\\/acme.my.salesforce.com/a", None),
            (&acme, "https:/acme.my.salesforce.com/a", None),
            (&acme, "https:acme.my.salesforce.com/a", None),
            (&acme, "http://acme.my.salesforce.com/a", None),
            (&acme, "https://login.salesforce.com/a", None),
            (&acme, "//evil.example/acme.my.salesforce.com", None),
            (&acme, "///acme.my.salesforce.com", None),
            (&acme, "https://é", None),
            (&acme, "httpsé//acme", None),
            (&ported, "https://acme.example/a", None),
            (&ported, "https://acme.example:443/a", None),
            // Relative.
            (&acme, "/services/data", None),
            (&acme, "a?to=https://acme.my.salesforce.com/", None),
            (&acme, "?a", None),
            (&acme, "", None),
        ] {
            let expected = expected.map(|rest| format!("http://127.0.0.1:8080{rest}"));
            assert_eq!(rewriter(instance).location(theirs), expected, "{theirs}");
        }
    }

    #[test]
    fn identities_and_services_may_be_at_other_hosts() {
        let acme = Authority::from_static("acme.my.salesforce.com");
        let rewriter = rewriter(&acme);
        for (url, identity, service) in [
            ("https://login.salesforce.com/id/00D/005", true, false),
            (
                "https:\\/\\/test.salesforce.com\\/id\\/00D\\/005",
                true,
                false,
            ),
            ("https://acme.my.salesforce.com/id/00D/005", true, true),
            ("https://login.salesforce.com/ide", false, false),
            ("http://login.salesforce.com/id/00D/005", false, false),
            ("/id/00D/005", false, false),
            (
                "https://login.salesforce.com/services/Soap/u/62.0",
                false,
                true,
            ),
            (
                "https://TEST.salesforce.com/services/SOAP/c/62.0",
                false,
                true,
            ),
            ("https://login.salesforce.com/services/data", false, false),
            (
                "https://acme.my.salesforce.com/services/Soap/class/A",
                false,
                true,
            ),
            (
                "https://login.salesforce.com.evil.example/services/Soap/u",
                false,
                false,
            ),
            ("https://evil.example/services/Soap/u/62.0", false, false),
        ] {
            assert_eq!(rewriter.identity(url).is_some(), identity, "{url}");
            assert_eq!(rewriter.service(url).is_some(), service, "{url}");
        }
    }
}
