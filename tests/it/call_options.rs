//! What the org is told of who calls (`name_clients`).

use orgproxy::{config::Listen, demo::Seen};
use test_case::test_case;

use crate::support::{
    Both, Fault,
    answer::ask,
    client,
    coding::gzip,
    namespace::{ENTERPRISE, ENVELOPE, PARTNER, TOOLING},
    path::{JOB, LIMITS},
    session,
};

const METADATA: &str = "http://soap.sforce.com/2006/04/metadata";
const APEX: &str = "http://soap.sforce.com/2006/08/apex";
const CLASS: &str = "http://soap.sforce.com/schemas/class/Greeter";

#[test_case("", "client=curl/8.5.0"; "nothing")]
#[test_case("Sforce-Call-Options: defaultNamespace=ns\r\n", "client=curl/8.5.0, defaultNamespace=ns"; "another option")]
#[test_case("sforce-call-options: client=theirs, defaultNamespace=ns\r\n", "client=theirs, defaultNamespace=ns"; "a client")]
#[test_case("Connection: sforce-call-options\r\nSforce-Call-Options: client=theirs\r\n", "client=curl/8.5.0"; "one that goes no further than here")]
#[tokio::test]
async fn an_api_with_headers_is_told_by_one_unless_the_client_does(lines: &str, expected: &str) {
    let both = naming().await;
    for (method, path) in [
        ("GET", LIMITS),
        (
            "GET",
            "//services/DATA/v62.0/tooling/query?q=SELECT+Id+FROM+ApexLog",
        ),
        ("POST", JOB),
    ] {
        let wire = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.5.0 (x)\r\n{lines}\
             Connection: close\r\nContent-Length: 0\r\n\r\n"
        );
        ask(both.proxy.address, wire).await;
        assert_eq!(options(&both.org.last_request()), [expected], "{path}");
    }
}

#[tokio::test]
async fn it_is_told_nothing_where_nothing_is_known_or_there_is_no_place_for_it() {
    let both = naming().await;
    for (path, agent) in [
        (LIMITS, ""),
        (LIMITS, "User-Agent: (x)\r\n"),
        ("/services/apexrest/hello", "User-Agent: curl/8.5.0\r\n"),
        ("/lightning/page/home", "User-Agent: curl/8.5.0\r\n"),
        ("/services/oauth2/userinfo", "User-Agent: curl/8.5.0\r\n"),
        ("/cometd/62.0", "User-Agent: curl/8.5.0\r\n"),
    ] {
        let wire =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{agent}Connection: close\r\n\r\n");
        ask(both.proxy.address, wire).await;
        let seen = both.org.last_request();
        assert_eq!((&*seen.target, options(&seen)), (path, Vec::new()));
    }
}

#[tokio::test]
async fn it_is_told_nothing_unless_that_is_set() {
    let both = Both::start().await;
    let asked = client().get(both.proxy.url(LIMITS));
    let asked = asked.header("user-agent", "curl/8.5.0");
    assert_eq!(asked.send().await.unwrap().status(), 200);
    assert!(options(&both.org.last_request()).is_empty());
    let text = posted_to_partner(&both).await;
    assert!(!text.contains("CallOptions"), "{text}");
}

#[test_case("/services/Soap/u/64.0", PARTNER; "partner")]
#[test_case("/services/Soap/c/64.0", ENTERPRISE; "enterprise")]
#[test_case("/services/Soap/m/64.0", METADATA; "metadata")]
#[test_case("/services/Soap/T/64.0", TOOLING; "tooling")]
#[test_case("/services/Soap/s/64.0", APEX; "apex")]
#[tokio::test]
async fn soap_is_told_in_the_envelope_unless_the_client_does(path: &str, namespace: &str) {
    let both = naming().await;
    let ours =
        format!("<CallOptions xmlns=\"{namespace}\"><client>curl/8.5.0</client></CallOptions>");
    let inner = format!("<client xmlns=\"{namespace}\">curl/8.5.0</client>");
    let options = |inner: &str| format!("<a:CallOptions>{inner}</a:CallOptions>");
    let session = "<a:SessionHeader><a:sessionId>x</a:sessionId></a:SessionHeader>";
    let other = "<a:defaultNamespace>ns</a:defaultNamespace>";
    for (header, expected) in [
        (String::new(), ours.clone()),
        ("<e:Header/>".to_owned(), ours.clone()),
        (format!("<e:Header>{session}</e:Header>"), ours.clone()),
        (
            format!("<e:Header>{}{session}</e:Header>", options(other)),
            options(&format!("{inner}{other}")),
        ),
        (
            format!(
                "<e:Header>{session}{}</e:Header>",
                options("<a:client>theirs</a:client>")
            ),
            options("<a:client>theirs</a:client>"),
        ),
    ] {
        for is_compressed in [false, true] {
            post(&both, path, &envelope(namespace, &header), is_compressed).await;
            let seen = both.org.last_request();
            let text = seen.text();
            assert!(text.contains(&expected), "{header}: {text}");
            assert_eq!(
                text.matches("<client").count() + text.matches("<a:client").count(),
                1,
                "{text}"
            );
            assert_eq!(seen.soap_session().as_deref(), Some(self::session(&seen)));
            assert!(self::options(&seen).is_empty());
            assert!(seen.complete);
        }
    }
}

#[tokio::test]
async fn a_class_with_a_namespace_of_its_own_is_told_nothing() {
    let both = naming().await;
    post(
        &both,
        "/services/Soap/class/Greeter",
        &envelope(CLASS, ""),
        false,
    )
    .await;
    assert!(!both.org.last_request().text().contains("CallOptions"));
}

#[tokio::test]
async fn what_is_sent_again_says_it_as_well() {
    let both = naming().await;
    for path in [LIMITS, "/services/Soap/u/64.0"] {
        let fault = if path == LIMITS {
            Fault::session_expired()
        } else {
            Fault::soap_session_expired()
        };
        both.org.faults().next(1, path, fault);
        let count = both.org.requests().len();
        if path == LIMITS {
            let asked = client().get(both.proxy.url(path));
            let asked = asked.header("user-agent", "curl/8.5.0");
            assert_eq!(asked.send().await.unwrap().status(), 200);
        } else {
            post(&both, path, &envelope(PARTNER, ""), false).await;
        }
        let sent = both.org.requests().split_off(count);
        assert_eq!(sent.len(), 2, "{path}");
        for seen in &sent {
            let said = format!("{:?} {}", options(seen), seen.text());
            assert!(said.contains("curl/8.5.0"), "{said}");
        }
    }
}

#[test_case("a\"b'<c>&d", "a_b__c__d"; "quotes and tags")]
#[test_case("a\r\nX-Evil: 1\n", "a_r_nX-Evil__1_n"; "line ends")]
#[test_case("Z\u{fc}rich, client=x", "Z_rich__client_x"; "what options are made of")]
#[tokio::test]
async fn no_name_can_be_anything_else(name: &str, expected: &str) {
    let both = Both::with(|config| {
        config.orgs[0].name_clients = true;
        config.orgs[0].client_names.add(Listen::loopback(0), name);
    })
    .await;
    let asked = client().get(both.proxy.url(LIMITS)).send().await;
    assert_eq!(asked.unwrap().status(), 200);
    let seen = both.org.last_request();
    assert_eq!(options(&seen), [format!("client={expected}")]);
    assert_eq!(seen.header("x-evil"), "");
    let text = posted_to_partner(&both).await;
    assert!(
        text.contains(&format!("<client>{expected}</client>")),
        "{text}"
    );
}

/// The envelope that the org gets from a client that says nothing of itself.
async fn posted_to_partner(both: &Both) -> String {
    let empty = envelope(PARTNER, "");
    post(both, "/services/Soap/u/64.0", &empty, false).await;
    both.org.last_request().text()
}

/// Both, where the org is told who calls.
async fn naming() -> Both {
    Both::with(|config| config.orgs[0].name_clients = true).await
}

fn options(seen: &Seen) -> Vec<String> {
    let lines = seen.lines().into_iter();
    let lines = lines.filter(|(name, _)| name.eq_ignore_ascii_case("sforce-call-options"));
    lines.map(|(_, value)| value).collect()
}

fn envelope(namespace: &str, header: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"{ENVELOPE}\" xmlns:a=\"{namespace}\">{header}<e:Body>\
         <a:getUserInfo/></e:Body></e:Envelope>"
    )
}

async fn post(both: &Both, path: &str, envelope: &str, is_compressed: bool) {
    let mut asked = client()
        .post(both.proxy.url(path))
        .header("user-agent", "curl/8.5.0")
        .header("content-type", "text/xml; charset=UTF-8")
        .header("soapaction", "\"\"");
    asked = if is_compressed {
        let body = gzip(envelope);
        asked.header("content-encoding", "gzip").body(body)
    } else {
        asked.body(envelope.to_owned())
    };
    asked.send().await.unwrap().bytes().await.unwrap();
}
