//! The hosts that a session may be sent to ([`crate::salesforce::facts::hosts`]), compared on
//! label boundaries.

use url::Url;

use super::given;
use crate::salesforce::hosts::{is_salesforce_host, never_api};

/// Checks that `url` is https, on a Salesforce host or one that the operator trusts. `trusted` has
/// entries `host`, for any port, or `host:port`.
pub(super) fn check(url: &Url, trusted: &[String]) -> Result<(), String> {
    let Some(host) = url.host_str().filter(|_| url.scheme() == "https") else {
        return Err("must start with https://".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment (? or #)".to_owned());
    }
    if let Some(reason) = never_api(host) {
        return Err(reason);
    }
    let port = url.port_or_known_default().unwrap_or_default();
    let with_port = format!("{host}:{port}");
    if trusted
        .iter()
        .any(|entry| *entry == host || *entry == with_port)
    {
        return Ok(());
    }
    if !is_salesforce_host(host) {
        return Err(format!(
            "{host} is not a Salesforce host; if you trust it with the session, add \"{host}\" to \
             trusted_hosts",
            host = given::word(host)
        ));
    }
    if port != HTTPS {
        return Err(format!(
            "names port {port}, but Salesforce serves on {HTTPS} only; if a gateway of yours is \
             there, add \"{with_port}\" to trusted_hosts"
        ));
    }
    Ok(())
}

const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("https://acme.my.salesforce.com")]
    #[test_case("https://acme.my.salesforce.com:443/")]
    #[test_case("https://ACME.My.Salesforce.com")]
    #[test_case("https://gateway.corp:8443")]
    #[test_case("https://any.corp:1234")]
    #[test_case("https://[::1]:9443")]
    fn trusted(url: &str) {
        assert_eq!(check(&url.parse().unwrap(), &ours()), Ok(()));
    }

    #[test_case("http://acme.my.salesforce.com", "must start with https://")]
    #[test_case("wss://acme.my.salesforce.com", "must start with https://")]
    #[test_case("https://acme.my.salesforce.com@evil.tld", "must not have a user name")]
    #[test_case(
        "https://evil.tld#.salesforce.com",
        "must not have a query or fragment"
    )]
    #[test_case(
        "https://evil.tld?.salesforce.com",
        "must not have a query or fragment"
    )]
    #[test_case(
        r"https://evil.tld\.salesforce.com",
        "evil.tld is not a Salesforce host"
    )]
    #[test_case(
        "https://evil.tld%2f.salesforce.com@evil.tld",
        "must not have a user name"
    )]
    #[test_case(
        "https://acme.salesforce.com.",
        "acme.salesforce.com. is not a Salesforce host"
    )]
    #[test_case(
        "https://evilsalesforce.com",
        "evilsalesforce.com is not a Salesforce host"
    )]
    #[test_case(
        "https://salesforce.com.evil.tld",
        "salesforce.com.evil.tld is not a Salesforce host"
    )]
    #[test_case("https://acme.my.salesforce.com:8443", "names port 8443")]
    #[test_case("https://gateway.corp:8444", "gateway.corp is not a Salesforce host")]
    #[test_case("https://sub.any.corp", "sub.any.corp is not a Salesforce host")]
    #[test_case("https://169.254.169.254", "169.254.169.254 is not a Salesforce host")]
    #[test_case(
        "https://acme.lightning.force.com",
        "acme.lightning.force.com is for browsers"
    )]
    fn not_trusted(url: &str, reason: &str) {
        let error = check(&url.parse().unwrap(), &ours()).unwrap_err();
        assert!(error.starts_with(reason), "{error}");
    }

    /// Whatever a URL is made of, it is trusted for its host and for nothing else.
    #[test]
    fn no_url_is_trusted_for_a_part_of_it() {
        const PIECES: [&str; 20] = [
            "acme.my.salesforce.com",
            "evil.tld",
            "gateway.corp",
            "any.corp",
            ":443",
            ":8443",
            ":80",
            "@",
            "/",
            "\\",
            "?",
            "#",
            ".",
            "..",
            "%2f",
            "%40",
            "me:x@",
            "salesforce.com",
            "-",
            "//",
        ];
        let mut random = fastrand::Rng::with_seed(0x5eed);
        let mut trusted = 0;
        for _ in 0..30_000 {
            let scheme = ["https://", "https://", "https:", "http://"][random.usize(..4)];
            let count = random.usize(1..6);
            let pieces = (0..count).map(|_| PIECES[random.usize(..PIECES.len())]);
            let text = format!("{scheme}{}", pieces.collect::<String>());
            let Ok(url) = text.parse::<Url>() else {
                continue;
            };
            if check(&url, &ours()).is_err() {
                continue;
            }
            trusted += 1;
            // What a client makes of it that joins it with a path.
            let host = url.host_str().unwrap();
            let port = url.port_or_known_default().unwrap();
            let is_ours = match host {
                "gateway.corp" => port == 8443,
                "any.corp" => true,
                "salesforce.com" => port == 443,
                host => host.ends_with(".salesforce.com") && port == 443,
            };
            let is_plain = url.scheme() == "https" && url.username().is_empty();
            assert!(is_ours && is_plain, "{text} is {url}");
            assert!(url.password().is_none() && url.query().is_none(), "{text}");
            assert!(url.fragment().is_none(), "{text}");
        }
        assert!(trusted > 300, "{trusted}");
    }

    fn ours() -> Vec<String> {
        ["gateway.corp:8443", "any.corp", "[::1]:9443"]
            .map(str::to_owned)
            .to_vec()
    }
}
