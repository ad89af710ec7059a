//! Other hosts and audiences that the login could be for: [`crate::salesforce::facts::jwt_bearer`].

use rustls::ClientConfig;
use url::Url;

use super::{login::words, report::Check};
use crate::{
    auth::{Login, Session},
    config::{Config, Org},
};

/// Tries one pair after the other. Returns the one that works, with its session.
pub(super) async fn check(
    config: &Config,
    org: &Org,
    tls: &ClientConfig,
) -> (Check, Option<(Org, Session)>) {
    let mut tried = Vec::new();
    for (login_url, audience) in pairs(org) {
        let place = format!("{} for {audience}", text(&login_url));
        let changed = Org {
            login_url,
            audience,
            ..org.clone()
        };
        let outcome = match Login::alone(config, &changed, tls.clone()) {
            Ok(login) => login.attempt().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(session) => {
                let says = format!("{place} works (try {})", tried.len() + 1);
                let check = Check::passed("audiences", says)
                    .advise("do: set in proxy.toml:")
                    .advise(format!("login_url = \"{}\"", text(&changed.login_url)))
                    .advise(format!("audience = \"{}\"", changed.audience));
                return (check, Some((changed, session)));
            }
            Err(error) => tried.push(format!("{place}: {}", words(&error))),
        }
    }
    let says = match tried.len() {
        0 => "there is no other pair of host and audience to try".to_owned(),
        1 => "one other was tried, without success".to_owned(),
        count => format!("{count} others were tried, each a login, without success"),
    };
    let check = Check::failed("audiences", says);
    (tried.into_iter().fold(check, Check::advise), None)
}

/// Hosts and audiences in the order of the Salesforce CLI, without the configured pair, which was
/// tried, and without pairs that mix production and sandboxes.
fn pairs(org: &Org) -> Vec<(Url, String)> {
    let own = text(&org.login_url);
    let audience = org.audience.as_str();
    let all = [
        (&*own, &*own),
        (TEST, TEST),
        (PRODUCTION, PRODUCTION),
        (audience, audience),
        (audience, PRODUCTION),
        (audience, TEST),
        (&own, audience),
        (&own, PRODUCTION),
        (&own, TEST),
        (PRODUCTION, audience),
        (TEST, audience),
    ];
    let mut pairs: Vec<(Url, String)> = Vec::new();
    for (host, audience) in all {
        let is_mix = [(TEST, PRODUCTION), (PRODUCTION, TEST)].contains(&(host, audience));
        let is_known = (host, audience) == (own.as_str(), org.audience.as_str());
        // The assertion goes only to Salesforce, and to the host that is configured.
        let Some(url) = host
            .parse::<Url>()
            .ok()
            .filter(|url| may_log_in_at(org, url))
        else {
            continue;
        };
        let pair = (url, audience.to_owned());
        if !is_mix && !is_known && !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

fn may_log_in_at(org: &Org, url: &Url) -> bool {
    let is_configured = text(url) == text(&org.login_url);
    is_configured || org.demo.is_none() && org.trusts(url).is_ok()
}

/// The form in `proxy.toml`.
fn text(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

const PRODUCTION: &str = "https://login.salesforce.com";
const TEST: &str = "https://test.salesforce.com";

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::{
        config::{Credential, PrivateKey},
        demo,
    };

    #[test_case(PRODUCTION, PRODUCTION => vec![(TEST, TEST)].into_iter().map(own).collect::<Vec<_>>(); "production")]
    #[test_case("https://a.my.salesforce.com", PRODUCTION => [
        ("https://a.my.salesforce.com", "https://a.my.salesforce.com"),
        (TEST, TEST),
        (PRODUCTION, PRODUCTION),
        ("https://a.my.salesforce.com", TEST),
    ].into_iter().map(own).collect::<Vec<_>>(); "my domain")]
    #[tokio::test]
    async fn pairs_come_in_the_order_of_the_sf_cli(
        login_url: &str,
        audience: &str,
    ) -> Vec<(String, String)> {
        let demo = demo::Org::start().await.unwrap();
        let pem = demo.private_key_pem().as_bytes();
        let key = PrivateKey::parse("the demo's key", pem, None).unwrap();
        let url = login_url.parse().unwrap();
        let credential = Credential::jwt_bearer(String::new(), key);
        let mut org = Org::new("x".to_owned(), url, String::new(), credential);
        org.audience = audience.to_owned();
        pairs(&org)
            .into_iter()
            .map(|(url, audience)| (text(&url), audience))
            .collect()
    }

    fn own((host, audience): (&str, &str)) -> (String, String) {
        (host.to_owned(), audience.to_owned())
    }
}
