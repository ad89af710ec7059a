//! Which hosts a session may be sent to (S§8), compared on label boundaries.

use url::Url;

use super::given;

/// Whether Salesforce serves its APIs on this host. It must be in lower case, without port.
pub fn is_salesforce_host(host: &str) -> bool {
    SALESFORCE.iter().any(|domain| is_within(host, domain)) && never_api(host).is_none()
}

/// Whether `url` is https on a host of Salesforce's or of the operator's. `trusted` are entries of
/// `host`, for any port, or `host:port`.
pub(super) fn check(url: &Url, trusted: &[String]) -> Result<(), String> {
    let Some(host) = url.host_str().filter(|_| url.scheme() == "https") else {
        return Err("must start with https://".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end before any ? or #".to_owned());
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
    match (is_salesforce_host(host), port) {
        (true, HTTPS) => Ok(()),
        (true, _) => Err(format!(
            "names port {port}, but Salesforce serves on {HTTPS} only; if a gateway of yours is \
             there, add \"{with_port}\" to trusted_hosts"
        )),
        (false, _) => Err(format!(
            "{host} is not a host of Salesforce's; if you trust it with the session, add \
             \"{host}\" to trusted_hosts",
            host = given::word(host)
        )),
    }
}

/// Whether the hosts below a domain are sites, which have a path and a login of their own.
pub(super) fn is_site(host: &str) -> bool {
    ["my.site.com", "force.com"]
        .iter()
        .any(|domain| is_within(host, domain))
}

/// Salesforce hosts that serve browsers: they know no tokens, and answer with pages.
fn never_api(host: &str) -> Option<String> {
    let domain = BROWSERS.iter().find(|domain| is_within(host, domain))?;
    let name = host
        .strip_suffix(domain)
        .map(|name| name.trim_end_matches('.'))
        .filter(|name| !name.is_empty())
        .unwrap_or("NAME");
    // Visualforce adds the package to the name of the org: acme--c.vf.force.com.
    let name = match domain.contains("vf.") || domain.contains("visualforce") {
        true => "NAME",
        false => name,
    };
    Some(format!(
        "{host} is for browsers and serves no API; write the org's My Domain, \
         https://{name}.my.salesforce.com"
    ))
}

fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|name| name.is_empty() || name.ends_with('.'))
}

const HTTPS: u16 = 443;

const SALESFORCE: &[&str] = &[
    "salesforce.com",
    "my.salesforce.mil",
    "my.sfcrmproducts.cn",
    "my-salesforce.com",
    "my.site.com",
    "force.com",
    "cloudforce.com",
    "database.com",
];

/// The longer of two that match comes first.
const BROWSERS: &[&str] = &[
    "lightning.force.com",
    "lightning.crmforce.mil",
    "lightning.sfcrmapps.cn",
    "my-lightning.com",
    "vf.force.com",
    "visualforce.com",
    "my.salesforce-setup.com",
    "salesforce-setup.com",
];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("login.salesforce.com")]
    #[test_case("acme.my.salesforce.com")]
    #[test_case("acme--dev.sandbox.my.salesforce.com")]
    #[test_case("eu6.salesforce.com")]
    #[test_case("acme.my.salesforce.mil")]
    #[test_case("acme.my.sfcrmproducts.cn")]
    #[test_case("acme.my-salesforce.com")]
    #[test_case("acme.my.site.com")]
    #[test_case("acme.secure.force.com")]
    #[test_case("acme.cloudforce.com")]
    #[test_case("acme.database.com")]
    fn a_host_of_salesforce(host: &str) {
        assert!(is_salesforce_host(host));
    }

    #[test_case(""; "empty")]
    #[test_case("com")]
    #[test_case("evilsalesforce.com")]
    #[test_case("x.salesforce.com.evil.tld")]
    #[test_case("acme.my.salesforce.com."; "trailing dot")]
    #[test_case("acme.my.SALESFORCE.com")]
    #[test_case("salesforce.mil")]
    #[test_case("evil.site.com")]
    #[test_case("evil-my.site.com")]
    #[test_case("notmy-salesforce.com")]
    #[test_case("evilforce.com")]
    #[test_case("acme.lightning.force.com")]
    #[test_case("acme--c.vf.force.com")]
    #[test_case("c.visualforce.com")]
    #[test_case("acme.my.salesforce-setup.com")]
    #[test_case("127.0.0.1")]
    fn not_a_host_of_salesforce(host: &str) {
        assert!(!is_salesforce_host(host));
    }

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
    #[test_case("https://acme.my.salesforce.com@evil.tld", "must hold no user name")]
    #[test_case("https://evil.tld#.salesforce.com", "must end before")]
    #[test_case("https://evil.tld?.salesforce.com", "must end before")]
    #[test_case(r"https://evil.tld\.salesforce.com", "evil.tld is not a host")]
    #[test_case(
        "https://evil.tld%2f.salesforce.com@evil.tld",
        "must hold no user name"
    )]
    #[test_case("https://acme.salesforce.com.", "acme.salesforce.com. is not a host")]
    #[test_case("https://evilsalesforce.com", "evilsalesforce.com is not a host")]
    #[test_case(
        "https://salesforce.com.evil.tld",
        "salesforce.com.evil.tld is not a host"
    )]
    #[test_case("https://acme.my.salesforce.com:8443", "names port 8443")]
    #[test_case("https://gateway.corp:8444", "gateway.corp is not a host")]
    #[test_case("https://sub.any.corp", "sub.any.corp is not a host")]
    #[test_case("https://169.254.169.254", "169.254.169.254 is not a host")]
    #[test_case(
        "https://acme.lightning.force.com",
        "acme.lightning.force.com is for browsers"
    )]
    fn not_trusted(url: &str, reason: &str) {
        let error = check(&url.parse().unwrap(), &ours()).unwrap_err();
        assert!(error.starts_with(reason), "{error}");
    }

    #[test_case("acme.lightning.force.com", "https://acme.my.salesforce.com")]
    #[test_case(
        "acme--uat.sandbox.lightning.force.com",
        "https://acme--uat.sandbox.my.salesforce.com"
    )]
    #[test_case("acme.my.salesforce-setup.com", "https://acme.my.salesforce.com")]
    #[test_case("acme--c.vf.force.com", "https://NAME.my.salesforce.com")]
    fn the_way_out_names_the_my_domain(host: &str, url: &str) {
        assert!(never_api(host).unwrap().ends_with(url));
    }

    fn ours() -> Vec<String> {
        ["gateway.corp:8443", "any.corp", "[::1]:9443"]
            .map(str::to_owned)
            .to_vec()
    }
}
