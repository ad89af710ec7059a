//! The way out through a company's proxy, which `HTTPS_PROXY` and `NO_PROXY` name.

use test_case::test_case;

use crate::{
    binary::curl,
    support::{Binary, ConnectProxy, Org, binary::Files, proxy::client},
};

const LIMITS: &str = "/services/data/v62.0/limits";

/// The name that the certificate of the demo org has besides localhost.
const HOST: &str = "demo.my.salesforce.com";

/// An org under a real name, which only a proxy can lead to.
struct Far {
    org: Org,
    files: Files,
}

impl Far {
    async fn start() -> Self {
        let org = Org::start().await.unwrap();
        org.set(|knobs| knobs.instance_url = Some(format!("https://{HOST}")));
        let files = Files::with(&org, &format!("login_url = \"https://{HOST}\"\n"));
        Self { org, files }
    }

    fn run(&self, variables: &[(&str, &str)]) -> Binary {
        let mut command = Binary::command(&["--config", &self.files.config()]);
        command.envs(variables.iter().copied());
        Binary::spawn(command)
    }
}

#[test_case("HTTPS_PROXY")]
#[test_case("https_proxy")]
#[test_case("ALL_PROXY")]
#[tokio::test]
async fn logins_and_requests_go_through_the_proxy(variable: &str) {
    let far = Far::start().await;
    let way = ConnectProxy::start(far.org.port()).await;
    let proxy = far.run(&[(variable, &format!("http://{}", way.address))]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(far.org.last_request().header("host"), HOST);
    let heads = way.heads();
    assert_eq!(heads.len(), 2, "one for the login, one for the request");
    for head in heads {
        assert!(
            head.starts_with("CONNECT demo.my.salesforce.com:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn the_proxy_is_shown_its_password() {
    let far = Far::start().await;
    let way = ConnectProxy::with(far.org.port(), |head| {
        let known = head.contains("asic bWU6czNjcmV0");
        (!known)
            .then_some("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let with = format!("http://me:s3cret@{}", way.address);
    let proxy = far.run(&[("HTTPS_PROXY", &with)]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", way.heads());

    let without = format!("http://{}", way.address);
    let proxy = far.run(&[("HTTPS_PROXY", &without)]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("LOGIN_UNAVAILABLE") && text.contains("roxy"),
        "{text}"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_of() {
    let far = Far::start().await;
    let way = ConnectProxy::with(far.org.port(), |_| {
        Some("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("http://me:s3cret@{}", way.address))]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("cannot reach https://demo.my.salesforce.com"),
        "{text}"
    );
    let said = proxy.stop().await;
    assert!(!said.stderr.contains("s3cret"), "{}", said.stderr);
}

#[tokio::test]
async fn a_proxy_that_refuses_requests_only_is_told_of() {
    let far = Far::start().await;
    let way = ConnectProxy::start(far.org.port()).await;
    // The login goes straight, since the org is on this machine.
    let files = Files::new(&far.org);
    let refusing = ConnectProxy::with(far.org.port(), |_| {
        Some("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let mut command = Binary::command(&["--config", &files.config()]);
    command
        .env("HTTPS_PROXY", format!("http://{}", refusing.address))
        .env("NO_PROXY", "localhost");
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(text.contains("ORG_UNREACHABLE"), "{text}");
    assert!(
        text.contains("by the proxy 127.0.0.1 of HTTPS_PROXY"),
        "{text}"
    );
    assert_eq!(refusing.heads().len(), 1);
    assert_eq!(way.heads().len(), 0);
}

#[test_case("localhost"; "name")]
#[test_case("example.com,localhost"; "list")]
#[test_case("*"; "all")]
#[tokio::test]
async fn what_no_proxy_names_is_reached_without(names: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let way = ConnectProxy::start(org.port()).await;
    let mut command = Binary::command(&["--config", &files.config()]);
    command
        .env("HTTPS_PROXY", format!("http://{}", way.address))
        .env("NO_PROXY", names);
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(way.heads(), [""; 0]);
}

#[tokio::test]
async fn clients_may_take_us_for_their_proxy_and_name_the_org() {
    let far = Far::start().await;
    let way = ConnectProxy::start(far.org.port()).await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("http://{}", way.address))]);
    let us = proxy.address().await;
    let named = curl(&format!("curl -x http://{us} http://{HOST}{LIMITS}")).await;
    assert_eq!(named.status(), "200", "{named:?}");

    let other = format!("curl -x http://{us} http://acme.my.salesforce.com{LIMITS}");
    let other = curl(&other).await;
    assert_eq!(other.status(), "421", "{other:?}");
    assert!(other.body().contains("WRONG_INSTANCE"), "{other:?}");
}
