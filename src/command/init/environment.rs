//! The place of an org, in people's words.

use crate::config::check;

/// The login URL; nothing if it is the default.
///
/// # Errors
/// The message says what to give instead.
pub(super) fn login_url(environment: &str) -> Result<Option<String>, String> {
    let environment = environment.trim();
    let url = match environment.to_ascii_lowercase().as_str() {
        "production" | "login" => return Ok(None),
        // Scratch orgs log in as test orgs do.
        "sandbox" | "scratch" | "test" => TEST.to_owned(),
        url if url.contains("://") => environment.to_owned(),
        host if host.contains('.') => format!("https://{host}"),
        _ => {
            return Err(format!(
                "must be production, sandbox, scratch, or the org's My Domain, such as \
                 acme.my.salesforce.com, not {environment:?}"
            ));
        }
    };
    let url = check::login_url(&url)?;
    let url = url.as_str().trim_end_matches('/').to_owned();
    Ok((url != PRODUCTION).then_some(url))
}

const PRODUCTION: &str = "https://login.salesforce.com";
const TEST: &str = "https://test.salesforce.com";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("production", None)]
    #[test_case("Production", None; "capital")]
    #[test_case("https://login.salesforce.com/", None; "the login of production")]
    #[test_case("sandbox", Some("https://test.salesforce.com"))]
    #[test_case("scratch", Some("https://test.salesforce.com"))]
    #[test_case("acme.my.salesforce.com", Some("https://acme.my.salesforce.com"))]
    #[test_case(" https://ACME.my.salesforce.com/ ", Some("https://acme.my.salesforce.com"); "pasted")]
    #[test_case("acme.my.site.com/customers", Some("https://acme.my.site.com/customers"); "a site")]
    fn an_environment(environment: &str, expected: Option<&str>) {
        assert_eq!(login_url(environment).unwrap().as_deref(), expected);
    }

    #[test_case("prod", "must be production, sandbox")]
    #[test_case("", "must be production, sandbox"; "empty")]
    #[test_case("acme.lightning.force.com", "acme.lightning.force.com is for browsers")]
    #[test_case(
        "acme.my.salesforce-setup.com",
        "acme.my.salesforce-setup.com is for browsers"
    )]
    #[test_case("http://acme.my.salesforce.com", "must start with https://")]
    #[test_case("https://acme.my.salesforce.com/lightning", "must not have a path")]
    #[test_case("example.com", "example.com is not a Salesforce host")]
    fn no_environment(environment: &str, expected: &str) {
        let error = login_url(environment).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}
