//! The login URL, and the audience that follows from it.

use url::Url;

use super::{document::Value, given, host, value};
use crate::salesforce::hosts;

/// Reads the origin of the token endpoint. Only sites and the operator's hosts have a path.
pub(super) fn parse(value: &Value, trusted: &[String]) -> Result<Url, String> {
    let text = value::text(value)?;
    let mut url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            let word = given::word(text);
            format!(
                "{} is not a complete URL; write \"https://{word}\"",
                given::shown(text)
            )
        }
        error => format!("{} is not a URL: {error}", given::shown(text)),
    })?;
    host::check(&url, trusted)?;
    let host = url.host_str().unwrap_or_default();
    let has_path = !matches!(url.path(), "" | "/");
    let may_have_path = hosts::is_site(host) || !hosts::is_salesforce_host(host);
    if has_path && (!may_have_path || url.path().contains("/services/")) {
        return Err(format!(
            "must not have a path; write \"{}\"",
            url.origin().ascii_serialization()
        ));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// The `aud` claim that Salesforce wants for each environment:
/// [`crate::salesforce::facts::jwt_bearer`].
pub(super) fn audience(login_url: &Url) -> String {
    let host = login_url.host_str().unwrap_or_default();
    let labels: Vec<_> = host.split('.').collect();
    let own = login_url.as_str().trim_end_matches('/').to_owned();
    if !hosts::is_salesforce_host(host) || hosts::is_site(host) || GENERIC.contains(&host) {
        own
    } else if matches!(labels[..], ["gs1", ..]) {
        GS1.to_owned()
    } else if labels.iter().any(|label| is_test(label)) {
        TEST.to_owned()
    } else {
        PRODUCTION.to_owned()
    }
}

/// Returns whether users of any org log in at `host`.
pub(super) fn is_generic(host: &str) -> bool {
    GENERIC.contains(&host)
}

/// True for the partitions of orgs that are not for production, and the old instances `cs1`, `cs2`,
/// ….
fn is_test(label: &str) -> bool {
    let instance = label.strip_prefix("cs").unwrap_or_default();
    let is_instance = !instance.is_empty() && instance.bytes().all(|byte| byte.is_ascii_digit());
    matches!(label, "sandbox" | "scratch") || is_instance
}

/// The default login URL.
pub(super) const PRODUCTION: &str = "https://login.salesforce.com";
const TEST: &str = "https://test.salesforce.com";

/// A public-sector instance with an audience of its own.
const GS1: &str = "https://gs1.salesforce.com";

/// Hosts where users of any org log in.
const GENERIC: &[&str] = &[
    "login.salesforce.com",
    "test.salesforce.com",
    "prerellogin.pre.salesforce.com",
];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("https://login.salesforce.com", PRODUCTION)]
    #[test_case("https://test.salesforce.com/", TEST)]
    #[test_case("https://acme.my.salesforce.com", PRODUCTION)]
    #[test_case("https://acme.develop.my.salesforce.com", PRODUCTION)]
    #[test_case("https://acme--dev.sandbox.my.salesforce.com", TEST)]
    #[test_case("https://acme.scratch.my.salesforce.com", TEST)]
    #[test_case("https://acme--dev.cs42.my.salesforce.com", TEST)]
    #[test_case("https://cs42.salesforce.com", TEST)]
    #[test_case("https://css.my.salesforce.com", PRODUCTION)]
    #[test_case("https://sandbox-makers.my.salesforce.com", PRODUCTION)]
    #[test_case("https://gs1.my.salesforce.com", GS1)]
    #[test_case("https://acme.my.salesforce.mil", PRODUCTION)]
    #[test_case(
        "https://acme.my.site.com/customers/",
        "https://acme.my.site.com/customers"
    )]
    #[test_case("https://acme.force.com/customers", "https://acme.force.com/customers")]
    #[test_case("https://localhost:8443", "https://localhost:8443")]
    fn the_audience_follows_from_the_login_url(login_url: &str, expected: &str) {
        let value = Value::Text(login_url.to_owned());
        let login_url = parse(&value, &["localhost".to_owned()]).unwrap();
        assert_eq!(audience(&login_url), expected);
    }

    #[test_case(
        "login.salesforce.com",
        "\"login.salesforce.com\" is not a complete URL; write \"https://login.salesforce.com\""
    )]
    #[test_case(
        "https://login.salesforce.com/services/oauth2/token",
        "must not have a path; write \"https://login.salesforce.com\""
    )]
    #[test_case(
        "https://acme.my.site.com/x/services/oauth2/token",
        "must not have a path; write \"https://acme.my.site.com\""
    )]
    #[test_case("https://", "\"https://\" is not a URL: empty host")]
    fn a_wrong_login_url_is_put_right(login_url: &str, expected: &str) {
        let error = parse(&Value::Text(login_url.to_owned()), &[]).unwrap_err();
        assert_eq!(error, expected);
    }
}
