//! Clients that take the proxy for an HTTP proxy and name Salesforce's hosts: who is answered, and
//! where the answer sends them.

use orgproxy::{
    config::{ClientKey, Clients},
    demo::{Counts, TOKEN},
};
use serde_json::Value;
use test_case::test_case;

use crate::support::{
    Both,
    answer::{Answer, ask},
    path::LIMITS,
};

const INTROSPECT: &str = "/services/oauth2/introspect";
const REVOKE: &str = "/services/oauth2/revoke";
const LOGOUT: &str = "/secur/logout.jsp";
const SOAP: &str = "/services/Soap/u/64.0";

#[test_case("login.salesforce.com")]
#[test_case("LOGIN.salesforce.com:443"; "with the port")]
#[test_case("INSTANCE"; "the instance")]
#[tokio::test]
async fn a_login_sends_the_client_to_where_its_calls_work(host: &str) {
    let both = production().await;
    let host = host.replace("INSTANCE", &instance(&both));
    let answer = post(&both, &host, TOKEN, FORM, "grant_type=password").await;
    let told: Value = serde_json::from_str(&answer.body).expect(&answer.body);
    let instance = format!("http://{}", instance(&both));
    assert_eq!(told["instance_url"], instance);
    let id = told["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("{instance}/id/00D")), "{id}");

    let answer = post(&both, &host, SOAP, XML, &login()).await;
    let server_url = format!("<serverUrl>{instance}{SOAP}/00D");
    assert!(answer.body.contains(&server_url), "{answer:?}");

    // As the client does it then, by way of the proxy.
    let head = format!("GET {instance}{LIMITS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = ask(both.proxy.address, head).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_is_asked_where_users_log_in_reaches_the_org_as_in_a_tunnel() {
    let both = production().await;
    let wire = "GET http://login.salesforce.com/services/data/v62.0 HTTP/1.1\r\nHost: x\r\n\
                Connection: close\r\n\r\n";
    let answer = ask(both.proxy.address, wire).await;
    let told: Value = serde_json::from_str(&answer.body).expect(&answer.body);
    let identity = told["identity"].as_str().unwrap();
    let instance = format!("http://{}/id/", instance(&both));
    assert!(identity.starts_with(&instance), "{identity}");
}

#[test_case("somebody-else.my.salesforce.com")]
#[test_case("test.salesforce.com")]
#[test_case("na1.salesforce.com")]
#[test_case("na1.salesforce.com:443"; "with the port")]
#[test_case("acme--dev.sandbox.my.salesforce.com")]
#[tokio::test]
async fn a_host_of_another_org_gets_no_answer(host: &str) {
    let both = production().await;
    let form = "grant_type=password&username=me&password=x&token=x";
    for path in [TOKEN, INTROSPECT, REVOKE, LOGOUT] {
        let answer = post(&both, host, path, FORM, form).await;
        assert_eq!(answer.status, 421, "{path} {answer:?}");
        answer.is_marked("WRONG_INSTANCE");
        assert!(answer.body.contains(host), "{answer:?}");
        assert!(!answer.body.contains("instance_url"), "{answer:?}");
    }
    let logout = login().replace("login", "logout");
    for body in [&login(), &logout] {
        let answer = post(&both, host, SOAP, XML, body).await;
        answer.fault("INVALID_OPERATION", "WRONG_INSTANCE");
        assert!(!answer.body.contains("serverUrl"), "{answer:?}");
    }
    assert_eq!(both.org.counts().requests, 0);
}

#[test_case("evil.example"; "anybody's")]
#[test_case("login.salesforce.com:80"; "a port that salesforce has not")]
#[test_case("login.salesforce.com:8443"; "another one")]
#[test_case("login.salesforce.com.evil.example"; "one that begins alike")]
#[test_case("localhost:1"; "another service of this machine")]
#[tokio::test]
async fn a_host_that_is_not_salesforces_gets_no_answer(host: &str) {
    let both = production().await;
    let answer = post(&both, host, TOKEN, FORM, "grant_type=password").await;
    assert_eq!(answer.status, 421, "{answer:?}");
    let answer = post(&both, host, SOAP, XML, &login()).await;
    assert!(answer.body.contains("WRONG_"), "{answer:?}");
    assert_eq!(both.org.counts().requests, 0);
}

#[tokio::test]
async fn where_not_everybody_may_log_in_the_host_does_not_change_that() {
    let both = Both::with(|config| {
        config.orgs[0].audience = "https://login.salesforce.com".to_owned();
        config.orgs[0].clients = Some(Clients::default());
    })
    .await;
    let form = "grant_type=password&username=me&password=x";
    let answer = post(&both, "login.salesforce.com", TOKEN, FORM, form).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("invalid_grant"), "{answer:?}");
}

#[tokio::test]
async fn a_client_without_the_key_learns_of_no_host_and_costs_no_login() {
    let both = Both::with(|config| {
        let key = ClientKey::new(b"0123456789abcdef-the-key").unwrap();
        config.orgs[0].guard.client_key = Some(key);
        config.orgs[0].clients = Some(Clients::default());
    })
    .await;
    for host in [
        "login.salesforce.com",
        "na1.salesforce.com",
        &instance(&both),
    ] {
        for path in [REVOKE, LIMITS] {
            let answer = post(&both, host, path, FORM, "token=x").await;
            answer.refusal(403, "CLIENT_KEY_MISSING");
        }
    }
    assert_eq!(both.org.counts(), Counts::default());
}

const FORM: &str = "application/x-www-form-urlencoded";
const XML: &str = "text/xml";

fn login() -> String {
    "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
     <login xmlns=\"urn:partner.soap.sforce.com\"><username>me</username><password>x</password>\
     </login></e:Body></e:Envelope>"
        .to_owned()
}

/// Starts a proxy for an org whose logins are for `login.salesforce.com`.
async fn production() -> Both {
    Both::with(|config| {
        config.orgs[0].audience = "https://login.salesforce.com".to_owned();
    })
    .await
}

/// Host and port.
fn instance(both: &Both) -> String {
    both.org.instance_url().replace("https://", "")
}

/// Posts as `curl -x` does.
async fn post(both: &Both, host: &str, path: &str, kind: &str, body: &str) -> Answer {
    let length = body.len();
    let wire = format!(
        "POST http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    ask(both.proxy.address, wire).await
}
