//! What clients may ask of the org: what a policy refuses does not reach it, whatever API it is for.

use std::net::SocketAddr;

use http::HeaderMap;
use orgproxy::{
    config::{ClientLabel, Config, Fields, Listen, Names, Policies, Policy},
    demo::TOKEN,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    admin::{get, with_admin},
    callers::{ETL, log_in, with_etl},
    support::{
        Binary, Both, Files, Org, Proxy,
        answer::{Answer, ask},
        binary::run,
        coding::{gzip, zlib},
        grpc::{Caller, TOPIC, named},
        namespace::ENVELOPE,
        path::LIMITS,
        proxy::{client, listen_for_calls},
    },
};

const COMPOSITE: &str = "/services/data/v67.0/composite";
const READS: &str = r#"{"compositeRequest":[{"method":"GET","url":"/services/data/v67.0/limits","referenceId":"a"}]}"#;
const WRITES: &str = r#"{"compositeRequest":[{"method":"GET","url":"/services/data/v67.0/limits","referenceId":"a"},{"method":"POST","url":"/services/data/v67.0/sobjects/Account","referenceId":"b","body":{"Name":"x"}}]}"#;

#[tokio::test]
async fn a_read_only_org_is_read_and_not_written() {
    let both = read_only().await;
    let query = "/services/data/v67.0/query?q=SELECT+Id+FROM+Account";
    for (method, path, body) in [
        ("GET", LIMITS, ""),
        ("GET", query, ""),
        ("POST", COMPOSITE, READS),
    ] {
        let answer = send(&both, method, path, "", body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    let before = both.org.counts();
    assert_eq!(before.requests, 3);
    let account = "/services/data/v67.0/sobjects/Account";
    let anonymous = "/services/data/v67.0/tooling/executeAnonymous?anonymousBody=x();";
    for (method, path, body) in [
        ("POST", account, r#"{"Name":"x"}"#),
        (
            "DELETE",
            "/services/data/v67.0/sobjects/Account/001000000000001AAA",
            "",
        ),
        ("POST", COMPOSITE, WRITES),
        ("GET", anonymous, ""),
        ("GET", &format!("{query}+FOR+VIEW"), ""),
        ("GET", "/services/apexrest/anything", ""),
        (
            "POST",
            "/services/data/v67.0/jobs/ingest",
            r#"{"object":"Account","operation":"insert"}"#,
        ),
    ] {
        let answer = send(&both, method, path, "", body.as_bytes()).await;
        let message = answer.refusal(403, "POLICY_REFUSED");
        assert!(message.contains("[org.demo.policy]"), "{message}");
    }
    assert_eq!(both.org.counts(), before);
    let answer = send(&both, "POST", account, "", b"{}").await;
    assert_eq!(
        answer.refusal(403, "POLICY_REFUSED"),
        "orgproxy: refused by policy: POST /services/data/v67.0/sobjects/Account changes something, \
         and only reading is allowed; to allow it, set read_only = false in [org.demo.policy]"
    );
}

#[tokio::test]
async fn what_comes_compressed_goes_on_as_it_was_judged() {
    for (coding, compress) in [("gzip", gzip as fn(&str) -> Vec<u8>), ("deflate", zlib)] {
        let both = read_only().await;
        let lines = format!("Content-Encoding: {coding}\r\n");
        let answer = send(&both, "POST", COMPOSITE, &lines, &compress(WRITES)).await;
        answer.refusal(403, "POLICY_REFUSED");
        both.untouched();
        let answer = send(&both, "POST", COMPOSITE, &lines, &compress(READS)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = both.org.last_request();
        assert_eq!(String::from_utf8_lossy(&seen.body), READS);
        assert_eq!(seen.header("content-encoding"), "");
        assert_eq!(seen.header("content-length"), READS.len().to_string());
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let both = read_only().await;
    let twice = gzip(&String::from_utf8_lossy(&gzip(READS)));
    let utf16: Vec<_> = READS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xEF\xBB\xBF", READS.as_bytes()].concat();
    for (lines, body) in [
        ("Content-Encoding: br\r\n", READS.as_bytes()),
        ("Content-Encoding: gzip, gzip\r\n", &twice),
        ("Content-Encoding: gzip\r\n", &twice),
        ("", &utf16),
        ("", &marked),
    ] {
        let answer = send(&both, "POST", COMPOSITE, lines, body).await;
        let message = answer.refusal(403, "POLICY_REFUSED");
        assert!(message.contains("cannot be judged"), "{message}");
    }
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    let answer = client().post(both.proxy.url(COMPOSITE)).body(large).send();
    assert_eq!(answer.await.unwrap().status(), 403);
    both.untouched();
}

#[tokio::test]
async fn an_operation_of_soap_is_judged_and_so_is_the_one_behind_it() {
    let both = read_only().await;
    let query = "<query><queryString>SELECT Id FROM Account</queryString></query>";
    let create = "<create><sObjects><type>Account</type><Name>x</Name></sObjects></create>";
    let denied = [
        create.to_owned(),
        format!("{query}{create}"),
        format!("<!-- -->{create}"),
    ];
    for body in &denied {
        for lines in ["", "Content-Encoding: gzip\r\n"] {
            let envelope = envelope(body);
            let body = if lines.is_empty() {
                envelope.into_bytes()
            } else {
                gzip(&envelope)
            };
            let answer = send(&both, "POST", "/services/Soap/u/64.0", lines, &body).await;
            let message = answer.fault("INSUFFICIENT_ACCESS", "POLICY_REFUSED");
            assert!(message.contains("refused by policy"), "{message}");
        }
    }
    both.untouched();
    for lines in ["", "Content-Encoding: gzip\r\n"] {
        let body = if lines.is_empty() {
            envelope(query).into_bytes()
        } else {
            gzip(&envelope(query))
        };
        let answer = send(&both, "POST", "/services/Soap/u/64.0", lines, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(both.org.counts().requests, 2);
}

#[tokio::test]
async fn a_bulk_job_that_writes_is_refused_in_the_shape_of_its_api() {
    let both = read_only().await;
    let job = |operation: &str| {
        format!("{{\"operation\":\"{operation}\",\"object\":\"Account\",\"contentType\":\"JSON\"}}")
    };
    let path = "/services/async/64.0/job";
    let answer = send(&both, "POST", path, "", job("insert").as_bytes()).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said["exceptionCode"], "POLICY_REFUSED");
    let xml = "<jobInfo><operation>insert</operation><object>Account</object></jobInfo>";
    let wire = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/xml\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{xml}",
        xml.len()
    );
    let answer = ask(both.proxy.address, wire).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(
        answer
            .body
            .contains("<exceptionCode>POLICY_REFUSED</exceptionCode>"),
        "{answer:?}"
    );
    both.untouched();
    let answer = send(&both, "POST", path, "", job("query").as_bytes()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn subscribers_listen_and_do_not_publish() {
    let both = read_only().await;
    let path = "/cometd/64.0";
    let publish = r#"[{"channel":"/event/Order__e","data":{},"clientId":"x"}]"#;
    let answer = send(&both, "POST", path, "", publish.as_bytes()).await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    let error = said[0]["error"].as_str().unwrap();
    assert!(error.starts_with("403::POLICY_REFUSED: "), "{error}");
    both.untouched();
    let hello = r#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}]"#;
    let answer = send(&both, "POST", path, "", hello.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(both.org.counts().requests, 1);

    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.orgs[0].policies = of_all(policy());
        listen_for_calls(config, &org);
    })
    .await;
    let stream = TcpStream::connect(proxy.calls()).await.unwrap();
    let host = format!("http://localhost:{}", proxy.calls().port());
    let caller = Caller::new(stream, &host).await;
    let answer = caller
        .call("Publish", &HeaderMap::new(), &named(TOPIC))
        .await;
    assert_eq!(answer.head["grpc-status"], "7");
    let message = answer.head["grpc-message"].to_str().unwrap();
    assert!(message.starts_with("POLICY_REFUSED: "), "{message}");
    assert_eq!(org.counts().requests, 0);
    let answer = caller
        .call("GetTopic", &HeaderMap::new(), &named(TOPIC))
        .await;
    assert!(
        !answer.head.contains_key("grpc-status"),
        "{:?}",
        answer.head
    );
    assert_eq!(org.counts().requests, 1);
}

#[tokio::test]
async fn pages_are_refused_and_logins_are_not() {
    let both = read_only().await;
    let answer = send(&both, "GET", "/apex/Anything", "", b"").await;
    answer.refusal(403, "POLICY_REFUSED");
    let answer = send(&both, "POST", "/aura?r=1", "", b"{}").await;
    answer.refusal(403, "POLICY_REFUSED");
    both.untouched();
    let form = "grant_type=password&username=me&password=any";
    let asked = client()
        .post(both.proxy.url(TOKEN))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    let login = "<login><username>me</username><password>any</password></login>";
    let path = "/services/Soap/u/64.0";
    let answer = send(&both, "POST", path, "", envelope(login).as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn lists_of_objects_and_fields_hold_for_reading_and_writing() {
    let limited = Policy {
        read_objects: Some(Names::of(&["Account", "Contact"])),
        write_objects: Some(Names::of(&["Account"])),
        deny_fields: Fields::of(&["Contact.Email"]),
        ..policy()
    };
    let limited = Policy {
        read_only: false,
        ..limited
    };
    let both = Both::with(|config| config.orgs[0].policies = of_all(limited)).await;
    let query = |soql: &str| format!("/services/data/v67.0/query?q={}", soql.replace(' ', "+"));
    for (soql, key) in [
        ("SELECT Id FROM Opportunity", "read_objects"),
        ("SELECT Email FROM Contact", "deny_fields"),
        ("SELECT Id FROM Contact WHERE Email = 'x'", "deny_fields"),
    ] {
        let message = send(&both, "GET", &query(soql), "", b"").await;
        let message = message.refusal(403, "POLICY_REFUSED");
        assert!(message.contains(key), "{message}");
    }
    let contact = "/services/data/v67.0/sobjects/Contact";
    let answer = send(&both, "POST", contact, "", br#"{"LastName":"x"}"#).await;
    let message = answer.refusal(403, "POLICY_REFUSED");
    assert!(message.contains("write_objects"), "{message}");
    both.untouched();
    let answer = send(
        &both,
        "GET",
        &query("SELECT Id, Name FROM Contact"),
        "",
        b"",
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let account = "/services/data/v67.0/sobjects/Account";
    let answer = send(&both, "POST", account, "", br#"{"Name":"x"}"#).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn a_policy_that_observes_lets_pass_and_counts() {
    let org = Org::start().await.unwrap();
    let observing = Policy {
        observe: true,
        ..policy()
    };
    let proxy = with_admin(&org, |config| config.orgs[0].policies = of_all(observing)).await;
    let both = Both { org, proxy };
    let account = "/services/data/v67.0/sobjects/Account";
    let answer = send(&both, "POST", account, "", br#"{"Name":"x"}"#).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let answer = send(&both, "GET", LIMITS, "", b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(both.org.counts().requests, 2);
    let status = get(both.proxy.admin(), "/api/status").await.body;
    let status: Value = serde_json::from_str(&status).unwrap();
    let policies = &status["orgs"][0]["policies"];
    assert_eq!(policies, &json!(["all clients: only observed, read only"]));
    let url = format!("http://{}", both.proxy.admin());
    let shown = run(&["status", "--url", &url]).await.stdout;
    assert!(
        shown.contains("all clients: only observed, read only"),
        "{shown}"
    );
    let metrics = get(both.proxy.admin(), "/metrics").await.body;
    let line = "\norgproxy_policy_observed_total{org=\"demo\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    assert!(!metrics.contains("POLICY_REFUSED"), "{metrics}");
}

#[tokio::test]
async fn what_a_policy_observes_is_in_the_log_with_the_reason() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "policy = { mode = \"observe\", read_only = true }\n");
    let proxy = Binary::start(&["run", "--config", &files.config()]);
    let account = "/services/data/v67.0/sobjects/Account";
    let address = proxy.address().await;
    let answer = ask(address, wire("POST", account, "", br#"{"Name":"x"}"#)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let line = proxy.log("would be refused by policy: ").await;
    for part in [
        "POST /services/data/v67.0/sobjects/Account changes something",
        "set read_only = false in [org.demo.policy]",
        "org=\"demo\"",
    ] {
        assert!(line.contains(part), "{line}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_client_has_the_policy_of_what_it_has_shown_and_not_of_what_it_says() {
    let both = Both::with(|config| {
        with_names(config);
        let free = Policy {
            read_only: false,
            ..policy()
        };
        config.orgs[0].policies = Some(Policies {
            org: Some(policy()),
            of_clients: vec![(ClientLabel::Name(ETL.into()), free)],
        });
    })
    .await;
    let account = "/services/data/v67.0/sobjects/Account";
    let body = br#"{"Name":"x"}"#;
    for lines in [
        String::new(),
        format!("User-Agent: {ETL}\r\n"),
        "Authorization: Bearer 00Dxx0000001gPL!AQ.theirs\r\n".to_owned(),
    ] {
        let answer = send(&both, "POST", account, &lines, body).await;
        answer.refusal(403, "POLICY_REFUSED");
    }
    both.untouched();
    let placeholder = log_in(&both.proxy).await;
    let lines = format!("Authorization: Bearer {placeholder}\r\n");
    let answer = send(&both, "POST", account, &lines, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let create = "<create><sObjects><type>Account</type><Name>x</Name></sObjects></create>";
    let header = format!("<SessionHeader><sessionId>{placeholder}</sessionId></SessionHeader>");
    let envelope = envelope(create).replace(
        "<e:Body>",
        &format!("<e:Header>{header}</e:Header><e:Body>"),
    );
    let answer = send(
        &both,
        "POST",
        "/services/Soap/u/64.0",
        "",
        envelope.as_bytes(),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn the_file_gives_each_listener_a_policy_of_its_own() {
    let (org, proxy, files) = with_agent("setup = true", "read_only = true\nsetup = false").await;
    let account = "/services/data/v67.0/sobjects/Account";
    let account = wire("POST", account, "", br#"{"Name":"x"}"#);
    let answer = ask(listener(&proxy, "127.0.0.1").await, account.clone()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let answer = ask(listener(&proxy, "127.0.0.2").await, account).await;
    let message = answer.refusal(403, "POLICY_REFUSED");
    assert!(
        message.ends_with("[org.demo.policies.\"listener:agent\"]"),
        "{message}"
    );
    assert_eq!(org.counts().requests, 1);
    proxy.stop().await;
    drop(files);
}

/// Which the proxy cannot know, and so believes the file.
#[tokio::test]
async fn whole_accounts_pass_beside_denied_contacts_where_there_are_no_person_accounts() {
    let denied = "deny_objects = [\"Contact\"]";
    let (org, proxy, files) = with_agent(denied, "person_accounts = false").await;
    let account = "/services/data/v67.0/sobjects/Account/001000000000001AAA";
    let account = wire("GET", account, "", b"");
    let answer = ask(listener(&proxy, "127.0.0.1").await, account.clone()).await;
    let message = answer.refusal(403, "POLICY_REFUSED");
    let way = "name the fields, or set person_accounts = false if the org";
    assert!(message.contains(way), "{message}");
    assert_eq!(org.counts().requests, 0);
    let agent = listener(&proxy, "127.0.0.2").await;
    let answer = ask(agent, account).await;
    assert_ne!(answer.status, 403, "{answer:?}");
    assert_eq!(org.counts().requests, 1);
    let contact = "/services/data/v67.0/sobjects/Contact/003000000000001AAA";
    let answer = ask(agent, wire("GET", contact, "", b"")).await;
    answer.refusal(403, "POLICY_REFUSED");
    assert_eq!(org.counts().requests, 1);
    proxy.stop().await;
    drop(files);
}

/// A proxy with a policy for 127.0.0.1, and one with another beside it for 127.0.0.2.
async fn with_agent(policy: &str, of_agent: &str) -> (Org, Binary, Files) {
    let org = Org::start().await.unwrap();
    let more = format!(
        "listen = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\n\
         client_names = {{ \"127.0.0.2:0\" = \"agent\" }}\n\
         [org.demo.policy]\n{policy}\n\
         [org.demo.policies.\"listener:agent\"]\n{of_agent}\n"
    );
    let files = Files::with(&org, &more);
    let proxy = Binary::start(&["run", "--config", &files.config()]);
    (org, proxy, files)
}

/// Where the listener of this host is.
async fn listener(proxy: &Binary, host: &str) -> SocketAddr {
    let line = proxy.print(&format!("listening on http://{host}:")).await;
    let (_, address) = line.split_once("http://").unwrap();
    let (address, _) = address.split_once(' ').unwrap();
    address.parse().unwrap()
}

/// That only reading is allowed.
fn policy() -> Policy {
    Policy {
        table: "org.demo.policy".to_owned(),
        read_only: true,
        ..Policy::default()
    }
}

fn of_all(policy: Policy) -> Option<Policies> {
    Some(Policies {
        org: Some(policy),
        of_clients: Vec::new(),
    })
}

async fn read_only() -> Both {
    Both::with(|config| config.orgs[0].policies = of_all(policy())).await
}

/// Whoever is not [`ETL`] has a name, too.
fn with_names(config: &mut Config) {
    with_etl(config);
    config.orgs[0]
        .client_names
        .add(Listen::loopback(0), "anybody");
}

fn envelope(body: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"{ENVELOPE}\" xmlns=\"urn:partner.soap.sforce.com\"><e:Body>{body}</e:Body>\
         </e:Envelope>"
    )
}

fn wire(method: &str, path: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let kind = if path.contains("/Soap/") {
        "text/xml; charset=UTF-8"
    } else {
        "application/json"
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\nConnection: close\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn send(both: &Both, method: &str, path: &str, lines: &str, body: &[u8]) -> Answer {
    ask(both.proxy.address, wire(method, path, lines, body)).await
}
