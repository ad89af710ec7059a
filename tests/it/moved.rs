//! An org that has moved to another host is found there, and what does not mean that costs nothing.

use futures_util::future::join_all;
use http::StatusCode;
use orgproxy::demo::TOKEN;
use serde_json::json;
use test_case::test_case;

use crate::support::{
    Fault, Org, Proxy,
    answer::{Answer, ask},
    client,
    path::{LIMITS, SINK, SOAP, USERINFO},
};

const JOB: &str = "/services/async/62.0/job";

/// An org that logs in at one host, was at another, and is at a third now.
struct Moved {
    login: Org,
    old: Org,
    new: Org,
    proxy: Proxy,
}

impl Moved {
    async fn start() -> Self {
        let both = Self::before().await;
        both.login
            .set(|knobs| knobs.instance_url = Some(both.new.instance_url()));
        both
    }

    /// One that is still where it was.
    async fn before() -> Self {
        let login = Org::start().await.unwrap();
        let (old, new) = (login.twin().await.unwrap(), login.twin().await.unwrap());
        login.set(|knobs| knobs.instance_url = Some(old.instance_url()));
        let proxy = Proxy::start(&login).await;
        assert_eq!(proxy.get(LIMITS).await.status(), 200);
        assert_eq!(old.counts().requests, 1);
        Self {
            login,
            old,
            new,
            proxy,
        }
    }

    /// Asks as a client that takes the proxy for its HTTP proxy and names the host of `org`.
    async fn by_name(&self, org: &Org) -> Answer {
        let host = org.instance_url().replace("https://", "");
        let head = format!(
            "GET http://{host}{LIMITS} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        ask(self.proxy.address, head).await
    }

    fn redirect(&self, status: u16, path: &str) -> Fault {
        let location = self.new.instance_url() + path;
        Fault::redirect(StatusCode::from_u16(status).unwrap(), &location)
    }
}

#[test_case(301; "301")]
#[test_case(302; "302")]
#[test_case(307; "307")]
#[test_case(308; "308")]
#[tokio::test]
async fn a_redirect_to_the_new_host_is_followed_after_a_login(status: u16) {
    let it = Moved::start().await;
    // The org says so itself, not only an Apex class.
    for path in [SINK, USERINFO] {
        it.old.faults().always(path, it.redirect(status, path));
    }
    let body = "x".repeat(300_000);
    for _ in 0..2 {
        let request = client().post(it.proxy.url(SINK)).body(body.clone());
        assert_eq!(request.send().await.unwrap().status(), 200);
        assert_eq!(it.new.last_request().length, 300_000);
        assert!(it.new.last_request().authorized);
    }
    assert_eq!(it.proxy.get(LIMITS).await.status(), 200);
    assert_eq!(it.new.counts().requests, 3);
    assert_eq!(it.old.counts().requests, 3);
    assert_eq!(it.login.logins(), 2);
}

/// An Apex class may have written something before it answers so.
#[test_case(302, ""; "sent elsewhere")]
#[test_case(307, ""; "sent elsewhere with all")]
#[test_case(400, r#"[{"errorCode":"URL_NOT_RESET","message":"x"}]"#; "of another org")]
#[tokio::test]
async fn the_answer_of_an_apex_class_is_no_reason_to_send_it_again(
    status: u16,
    body: &'static str,
) {
    let it = Moved::start().await;
    let fault = match body {
        "" => it.redirect(status, SINK),
        body => Fault::answer(
            StatusCode::from_u16(status).unwrap(),
            "application/json",
            body,
        ),
    };
    it.old.faults().always(SINK, fault);
    let request = client().post(it.proxy.url(SINK)).body("x");
    assert_eq!(request.send().await.unwrap().status(), status);
    let written = it
        .old
        .requests()
        .into_iter()
        .filter(|request| request.target == SINK);
    assert_eq!(written.count(), 1);
    assert_eq!(it.new.connections(), 0);
    assert_eq!(it.login.logins(), 1);
}

#[test_case(LIMITS, 400, "application/json", r#"[{"errorCode":"URL_NOT_RESET","message":"Destination URL not reset. The URL returned from login must be set"}]"#; "json")]
#[test_case(LIMITS, 400, "application/xml", "<Errors><Error><errorCode>URL_NOT_RESET</errorCode><message>Destination URL not reset.</message></Error></Errors>"; "xml")]
#[test_case(LIMITS, 404, "application/json;charset=UTF-8", r#"[{"errorCode":"URL_NOT_RESET","message":"x"}]"#; "another 4xx")]
#[test_case(SOAP, 500, "text/xml", "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><e:Fault><faultcode>sf:UNKNOWN_EXCEPTION</faultcode><faultstring>UNKNOWN_EXCEPTION: Destination URL not reset. The URL returned from login must be set in the SforceService</faultstring></e:Fault></e:Body></e:Envelope>"; "soap")]
#[test_case(JOB, 400, "application/xml", "<error><exceptionCode>ClientInputError</exceptionCode><exceptionMessage>Destination URL not reset. The URL returned from login must be set</exceptionMessage></error>"; "bulk")]
#[tokio::test]
async fn an_answer_that_says_that_the_org_has_moved_is_believed(
    path: &str,
    status: u16,
    content_type: &str,
    body: &'static str,
) {
    let it = Moved::start().await;
    let status = StatusCode::from_u16(status).unwrap();
    it.old
        .faults()
        .always(path, Fault::answer(status, content_type, body));
    let request = match path {
        LIMITS => client().get(it.proxy.url(path)),
        SOAP => client()
            .post(it.proxy.url(path))
            .header("content-type", "text/xml")
            .body(GET_USER_INFO),
        _ => client()
            .post(it.proxy.url(path))
            .header("content-type", "application/json")
            .body(r#"{"object":"Account","operation":"insert","contentType":"CSV"}"#),
    };
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    assert_eq!(it.new.last_request().target, path);
    assert_eq!(it.login.logins(), 2);
}

#[tokio::test]
async fn a_client_that_names_the_old_host_gets_the_org_where_it_is_now() {
    let it = Moved::start().await;
    it.old.faults().always(LIMITS, it.redirect(301, LIMITS));
    for asked in 1..=3 {
        let answer = it.by_name(&it.old).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(it.new.counts().requests, asked);
    }
    assert_eq!(it.by_name(&it.new).await.status, 200);
    // The first one found out.
    assert_eq!(it.old.counts().requests, 2);
    assert_eq!(it.login.logins(), 2);
    // A host where it never was is another org's.
    let other = it.login.twin().await.unwrap();
    it.by_name(&other).await.refusal(421, "WRONG_INSTANCE");
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_host_that_refuses_connections_is_left_for_the_new_one() {
    let Moved {
        login,
        old,
        new,
        proxy,
    } = Moved::start().await;
    old.shutdown().await;
    for length in [0, 300_000] {
        let request = client().post(proxy.url(SINK)).body("x".repeat(length));
        let answer = request.send().await.unwrap();
        // Nobody can know whether the first arrived.
        if length > 0 || answer.status() != 502 {
            assert_eq!(answer.status(), 200);
            assert_eq!(new.last_request().length, length as u64);
        }
    }
    assert_eq!(login.logins(), 2);
}

#[tokio::test]
async fn a_host_without_a_name_is_left_for_the_new_one() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.orgs[0].trusted_hosts.push("gone.invalid".to_owned());
    })
    .await;
    let gone = json!({ "access_token": "00D!x", "instance_url": "https://gone.invalid" });
    let login = Fault::answer(StatusCode::OK, "application/json", gone.to_string());
    org.faults().next(1, TOKEN, login);
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert_eq!(org.counts().token_requests, 2);
}

#[tokio::test]
async fn fifty_requests_to_the_old_host_cost_one_login() {
    let it = Moved::start().await;
    it.old.faults().always(LIMITS, it.redirect(307, LIMITS));
    let client = client();
    let url = it.proxy.url(LIMITS);
    for answer in join_all((0..50).map(|_| client.get(&url).send())).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(it.login.logins(), 2);
}

#[test_case("/services/apexrest/sink", 302; "a path")]
#[test_case("https://INSTANCE/services/apexrest/sink", 302; "the same host")]
#[test_case("https://NEW/services/apexrest/other", 302; "another path")]
#[test_case("https://NEW/services/apexrest/sink", 303; "see other")]
#[test_case("https://login.salesforce.com/services/apexrest/sink", 301; "where all log in")]
#[test_case("https://acme.lightning.force.com/services/apexrest/sink", 302; "lightning")]
#[test_case("https://acme.my.site.com/services/apexrest/sink", 302; "a site")]
#[test_case("https://acme.file.force.com/services/apexrest/sink", 302; "files")]
#[test_case("https://acme.example/services/apexrest/sink", 302; "somebody else")]
#[test_case("http://NEW/services/apexrest/sink", 302; "not https")]
#[test_case("https://user@NEW/services/apexrest/sink", 302; "with a user")]
#[tokio::test]
async fn an_ordinary_redirect_passes_and_costs_no_login(location: &str, status: u16) {
    let it = Moved::start().await;
    let host = |org: &Org| format!("localhost:{}", org.port());
    let location = location
        .replace("INSTANCE", &host(&it.old))
        .replace("NEW", &host(&it.new));
    let status = StatusCode::from_u16(status).unwrap();
    it.old
        .faults()
        .always(SINK, Fault::redirect(status, &location));
    for _ in 0..3 {
        let answer = it.proxy.get(SINK).await;
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("proxy-status"));
    }
    assert_eq!(it.login.counts().token_requests, 1);
    assert_eq!(it.old.counts().requests, 4);
    assert_eq!(it.new.connections(), 0);
}

#[tokio::test]
async fn what_the_login_does_not_confirm_is_passed_on_and_costs_one_login_in_a_while() {
    let it = Moved::before().await;
    it.old.faults().always(LIMITS, it.redirect(301, LIMITS));
    for _ in 0..10 {
        let answer = it.proxy.get(LIMITS).await;
        assert_eq!(answer.status(), 301);
        assert_eq!(
            answer.headers()["location"],
            format!("{}{LIMITS}", it.new.instance_url())
        );
    }
    assert_eq!(it.login.logins(), 2);
    assert_eq!(it.old.counts().requests, 11);
    assert_eq!(it.new.connections(), 0);
}

#[tokio::test]
async fn an_org_that_is_away_costs_one_login_in_a_while() {
    let Moved {
        login, old, proxy, ..
    } = Moved::before().await;
    old.shutdown().await;
    let mut unreachable = 0;
    for _ in 0..5 {
        let answer = proxy.get(LIMITS).await;
        assert_eq!(answer.status(), 502);
        let text = answer.text().await.unwrap();
        unreachable += usize::from(text.contains("ORG_UNREACHABLE"));
    }
    assert!(unreachable >= 4);
    assert_eq!(login.logins(), 2);
}

#[tokio::test]
async fn a_move_never_leads_to_a_host_that_is_not_trusted() {
    let login = Org::start().await.unwrap();
    let (old, decoy) = (login.twin().await.unwrap(), login.twin().await.unwrap());
    login.set(|knobs| knobs.instance_url = Some(old.instance_url()));
    let proxy = Proxy::with(&login, |config| {
        config.orgs[0].trusted_hosts = [&login, &old]
            .map(|org| format!("localhost:{}", org.port()))
            .to_vec();
    })
    .await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    login.set(|knobs| knobs.instance_url = Some(decoy.instance_url()));
    let location = decoy.instance_url() + LIMITS;
    let redirect = Fault::redirect(StatusCode::MOVED_PERMANENTLY, &location);
    old.faults().always(LIMITS, redirect);
    assert_eq!(proxy.get(LIMITS).await.status(), 301);
    old.faults().clear();
    old.faults().always(
        LIMITS,
        Fault::error(StatusCode::BAD_REQUEST, "URL_NOT_RESET", "x"),
    );
    assert_eq!(proxy.get(LIMITS).await.status(), 400);
    assert_eq!(decoy.connections(), 0);
}

#[tokio::test]
async fn a_body_that_is_gone_when_the_org_turns_out_moved_is_not_sent_in_part() {
    let login = Org::start().await.unwrap();
    let (old, new) = (login.twin().await.unwrap(), login.twin().await.unwrap());
    login.set(|knobs| knobs.instance_url = Some(old.instance_url()));
    let proxy = Proxy::with(&login, |config| config.limits.replay_bytes = 10_000).await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    login.set(|knobs| knobs.instance_url = Some(new.instance_url()));
    for path in [SINK, USERINFO] {
        let location = new.instance_url() + path;
        let redirect = Fault::redirect(StatusCode::PERMANENT_REDIRECT, &location);
        old.faults().always(path, redirect);
    }
    let request = client().post(proxy.url(SINK)).body("x".repeat(20_000));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.text().await.unwrap().contains("SEND_AGAIN"));
    assert_eq!(new.counts().requests, 0);
    // And when it is, it goes well.
    let request = client().post(proxy.url(SINK)).body("x".repeat(20_000));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(new.last_request().length, 20_000);
}

const GET_USER_INFO: &str = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><getUserInfo xmlns='urn:partner.soap.sforce.com'/></e:Body></e:Envelope>";
