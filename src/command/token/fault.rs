//! Faults of an assertion.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use url::Url;

use super::{moment::Moment, text::Jwt};
use crate::config::Org;

/// The reasons for which Salesforce would refuse an assertion, and its differences from the
/// configuration, a sentence each. `org` is the org that it is for, if known.
pub(super) fn faults(jwt: &Jwt, org: Option<&Org>, now: SystemTime) -> Vec<String> {
    let mut faults = Vec::new();
    let mut wrong = |fault: Option<String>| faults.extend(fault);
    wrong(jwt.is_broken_up.then(|| {
        "it has white space in it, ignored here: sent as it is, it would be refused".to_owned()
    }));
    wrong(algorithm(jwt.header.get("alg")));
    wrong(issuer(&jwt.claims));
    for fault in subject(&jwt.claims, org) {
        wrong(Some(fault));
    }
    wrong(audience(jwt.claims.get("aud"), org));
    wrong(expiry(jwt.claims.get("exp"), now));
    wrong(beginning(jwt.claims.get("nbf"), now));
    faults
}

fn algorithm(claim: Option<&Value>) -> Option<String> {
    match claim {
        Some(Value::String(name)) if name == "RS256" => None,
        _ => Some("alg must be RS256: Salesforce accepts no other".to_owned()),
    }
}

fn issuer(claims: &Map<String, Value>) -> Option<String> {
    match claims.get("iss") {
        Some(Value::String(_)) => None,
        _ => Some("iss must be the consumer key of the app".to_owned()),
    }
}

/// `prn` is the older name, and takes precedence if both are there.
fn subject(claims: &Map<String, Value>, org: Option<&Org>) -> Vec<String> {
    let mut faults = Vec::new();
    let (name, claim) = match (claims.get("prn"), claims.get("sub")) {
        (Some(prn), Some(sub)) if prn != sub => {
            faults.push("prn and sub differ: Salesforce uses prn, the older name".to_owned());
            ("prn", Some(prn))
        }
        (Some(prn), _) => ("prn", Some(prn)),
        (None, sub) => ("sub", sub),
    };
    match (claim.and_then(Value::as_str), org) {
        (None, _) => faults.push(format!("{name} must be the username to log in as")),
        (Some(user), Some(org)) if user != org.username => faults.push(format!(
            "{name} is not the username of org {}, which is {}",
            org.name, org.username
        )),
        _ => {}
    }
    faults
}

/// One string, and a whole origin: [`crate::salesforce::facts::jwt_bearer`].
fn audience(claim: Option<&Value>, org: Option<&Org>) -> Option<String> {
    let say = |fault: &str| Some(format!("aud {fault}"));
    let text = match claim {
        Some(Value::String(text)) => text,
        Some(Value::Array(_)) => return say("is a list: it must be one string"),
        _ => return say("must be a URL such as https://login.salesforce.com"),
    };
    let Some(url) = Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "https" && url.has_host())
    else {
        return say("must be a complete URL, such as https://login.salesforce.com");
    };
    // An Experience Cloud site has a path, but never a slash at the end.
    if text.ends_with('/') {
        return say("must not end with a slash");
    }
    if url.path().ends_with("/services/oauth2/token") {
        return say(
            "is the token endpoint, as some clients have it: Salesforce expects its origin alone",
        );
    }
    // A demo org has another port each time.
    let other = org.filter(|org| org.demo.is_none() && org.audience != *text)?;
    Some(format!(
        "aud is not the audience of org {}, which is {}",
        other.name, other.audience
    ))
}

fn expiry(claim: Option<&Value>, now: SystemTime) -> Option<String> {
    let Some(moment) = claim.and_then(Moment::of) else {
        return Some("exp must be the time when it expires, in seconds since 1970".to_owned());
    };
    if moment.is_in_milliseconds {
        return Some(
            "exp is in milliseconds: it must be in seconds, although Salesforce accepts it as a \
             time far in the future, as it does from the Salesforce CLI"
                .to_owned(),
        );
    }
    match moment.ahead_of(now) {
        None => Some(
            "exp is past: Salesforce would say \"expired authorization code\"; sign a new one, and \
             check the clock"
                .to_owned(),
        ),
        Some(ahead) if ahead > LONGEST + TOLERANCE => Some(
            "exp is too far ahead: 3 minutes are allowed, and some orgs refuse more than 5"
                .to_owned(),
        ),
        Some(_) => None,
    }
}

fn beginning(claim: Option<&Value>, now: SystemTime) -> Option<String> {
    let ahead = Moment::of(claim?)?.ahead_of(now)?;
    (ahead > TOLERANCE).then(|| "nbf is ahead: it is not valid yet".to_owned())
}

/// The documented bound: [`crate::salesforce::facts::jwt_bearer`].
const LONGEST: Duration = Duration::from_secs(180);

/// A difference of clocks that is not reported.
const TOLERANCE: Duration = Duration::from_secs(10);

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;
    use test_case::test_case;

    use super::*;
    use crate::{
        config::{Credential, PrivateKey},
        demo,
    };

    const NOW: u64 = 1_764_000_000;

    #[test_case(json!({}), &[]; "as ours are")]
    #[test_case(json!({"exp": (NOW + 180).to_string()}), &[]; "exp as digits")]
    #[test_case(json!({"exp": NOW}), &[]; "at the last moment")]
    #[test_case(json!({"sub": null, "prn": "me@example.com"}), &[]; "the older name")]
    #[test_case(json!({"iat": NOW, "jti": "1"}), &[]; "claims more than needed")]
    #[test_case(json!({"iss": null}), &["iss must be the consumer key"])]
    #[test_case(json!({"sub": null}), &["sub must be the username"])]
    #[test_case(json!({"sub": "you@example.com"}), &["sub is not the username of org main, which is me@example.com"])]
    #[test_case(json!({"prn": "you@example.com"}), &["prn and sub differ", "prn is not the username of org main"])]
    #[test_case(json!({"aud": null}), &["aud must be a URL such as"])]
    #[test_case(json!({"aud": ["https://login.salesforce.com"]}), &["aud is a list"])]
    #[test_case(json!({"aud": "login.salesforce.com"}), &["aud must be a complete URL"]; "a bare host")]
    #[test_case(json!({"aud": "http://login.salesforce.com"}), &["aud must be a complete URL"]; "plain")]
    #[test_case(json!({"aud": "https://login.salesforce.com/"}), &["aud must not end with a slash"])]
    #[test_case(json!({"aud": "https://login.salesforce.com/services/oauth2/token"}), &["aud is the token endpoint"])]
    #[test_case(json!({"aud": "https://test.salesforce.com"}), &["aud is not the audience of org main, which is https://login.salesforce.com"])]
    #[test_case(json!({"exp": null}), &["exp must be the time"])]
    #[test_case(json!({"exp": "soon"}), &["exp must be the time"]; "exp in words")]
    #[test_case(json!({"exp": (NOW + 300) * 1000}), &["exp is in milliseconds"])]
    #[test_case(json!({"exp": NOW - 1}), &["exp is past"])]
    #[test_case(json!({"exp": NOW + 3600}), &["exp is too far ahead"])]
    #[test_case(json!({"nbf": NOW + 60}), &["nbf is ahead"])]
    #[test_case(json!({"aud": [], "exp": 1}), &["aud is a list", "exp is past"]; "several")]
    #[tokio::test]
    async fn a_claim_that_is(changed: Value, expected: &[&str]) {
        let org = org().await;
        let mut claims = json!({
            "iss": "3MVG9", "sub": "me@example.com", "aud": "https://login.salesforce.com",
            "exp": NOW + 180,
        });
        for (name, value) in changed.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims
                    .as_object_mut()
                    .unwrap()
                    .insert(name.clone(), value.clone()),
            };
        }
        let found = faults(&jwt(json!({"alg": "RS256"}), claims), Some(&org), now());
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (fault, expected) in found.iter().zip(expected) {
            assert!(fault.starts_with(expected), "{fault}");
        }
    }

    #[test_case(json!({"alg": "HS256"}))]
    #[test_case(json!({"alg": "none"}))]
    #[test_case(json!({}))]
    fn another_algorithm(header: Value) {
        let claims = json!({
            "iss": "3MVG9", "sub": "me@example.com", "aud": "https://acme.my.salesforce.com",
            "exp": NOW + 180,
        });
        let found = faults(&jwt(header, claims), None, now());
        assert_eq!(found, ["alg must be RS256: Salesforce accepts no other"]);
    }

    fn jwt(header: Value, claims: Value) -> Jwt {
        let object = |value: Value| value.as_object().unwrap().clone();
        Jwt {
            header: object(header),
            claims: object(claims),
            signed: String::new().into(),
            signature: String::new(),
            is_broken_up: false,
        }
    }

    async fn org() -> Org {
        let demo = demo::Org::start().await.unwrap();
        let pem = demo.private_key_pem().as_bytes();
        let key = PrivateKey::parse("the demo's key", pem, None).unwrap();
        Org::new(
            "main".to_owned(),
            "https://login.salesforce.com".parse().unwrap(),
            "me@example.com".to_owned(),
            Credential::jwt_bearer("3MVG9".to_owned(), key),
        )
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }
}
