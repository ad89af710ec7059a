//! The hosts of Salesforce, compared on label boundaries.

/// Returns whether Salesforce serves its APIs on this host, which is in lower case, without port.
pub fn is_salesforce_host(host: &str) -> bool {
    SALESFORCE.iter().any(|domain| is_within(host, domain))
        && never_api(host).is_none()
        && host.split('.').all(is_label)
}

/// Returns whether it can be one part of the name of a host (RFC 1123 section 2.1).
fn is_label(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Returns whether the host is a site, which has a path and a login of its own.
pub(crate) fn is_site(host: &str) -> bool {
    ["my.site.com", "force.com"]
        .iter()
        .any(|domain| is_within(host, domain))
}

/// The advice for a Salesforce host that serves only browsers: it takes no tokens, and responds
/// with pages.
pub(crate) fn never_api(host: &str) -> Option<String> {
    let domain = BROWSERS.iter().find(|domain| is_within(host, domain))?;
    let name = host
        .strip_suffix(domain)
        .map(|name| name.trim_end_matches('.'))
        .filter(|name| !name.is_empty())
        .unwrap_or("NAME");
    // Visualforce adds the package to the name of the org: acme--c.vf.force.com.
    let name = if domain.contains("vf.") || domain.contains("visualforce") {
        "NAME"
    } else {
        name
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

/// The longer of two that match is first.
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
}
