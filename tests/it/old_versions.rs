//! Old versions of the APIs, in front of an org that serves 41.0 and later only
//! (`minimum_api_version`).

use std::fs;

use http::Request;
use orgproxy::config::{ApiVersion, Config, Policies, Policy};
use serde_json::{Value, json};
use test_case::test_case;

use crate::{
    admin::{get, with_admin},
    support::{
        Binary, Both, Fault, Files, Org, PATIENCE, Proxy,
        answer::ask,
        client,
        coding::gzip,
        http2, json_of,
        old_clients::{self, Known, OldClient},
        path::LIMITS,
        targets,
    },
};

#[test_case(&old_clients::JSFORCE; "jsforce")]
#[test_case(&old_clients::SIMPLE_SALESFORCE; "simple_salesforce")]
#[test_case(&old_clients::BEATBOX; "beatbox")]
#[test_case(&old_clients::WSC_20; "wsc_20")]
#[test_case(&old_clients::WSC_30; "wsc_30")]
#[test_case(&old_clients::WSC_39; "wsc_39")]
#[test_case(&old_clients::RESTFORCE; "restforce")]
#[test_case(&old_clients::DATA_LOADER; "data_loader")]
#[test_case(&old_clients::COMETD; "cometd")]
#[tokio::test]
async fn an_old_client_lives_on_with_the_key_and_is_refused_without_it(client: &OldClient) {
    let org = Org::start().await.unwrap();
    org.set(|knobs| {
        knobs.oldest_version = 41;
        knobs.batch_size = 8;
    });
    let raising = Proxy::with(&org, raise).await;
    let mut knows = Known::new();
    for step in client.steps {
        let heard = step.send(raising.address, &knows).await;
        let (status, words) = step.good;
        assert_eq!(heard.status, status, "{}: {heard:?}", client.name);
        assert!(heard.body.contains(words), "{}: {heard:?}", client.name);
        assert_eq!(org.last_request().target, step.sent(&knows));
        assert!(org.last_request().authorized);
        knows.hear(&heard);
    }

    let plain = Proxy::start(&org).await;
    for step in client.steps {
        let heard = step.send(plain.address, &knows).await;
        let (status, words) = step.retired.unwrap_or(step.good);
        assert_eq!(heard.status, status, "{}: {heard:?}", client.name);
        assert!(heard.body.contains(words), "{}: {heard:?}", client.name);
    }
    assert!(client.steps.iter().any(|step| step.retired.is_some()));
}

#[test_case("/services/data/v20.0/limits", "/services/data/v41.0/limits"; "rest")]
#[test_case("//services/DATA/V7.0/sobjects/Account/Ext__c/a%2Fb?x=v7.0", "//services/DATA/V41.0/sobjects/Account/Ext__c/a%2Fb?x=v7.0"; "with an encoded slash")]
#[test_case("/services/Soap/T/33.0?wsdl", "/services/Soap/T/41.0?wsdl"; "tooling")]
#[test_case("/services/Soap/s/v29.0", "/services/Soap/s/v41.0"; "apex")]
#[test_case("/services/async/17.0/job/750", "/services/async/41.0/job/750"; "bulk")]
#[test_case("/cometd/24.0", "/cometd/41.0"; "cometd")]
#[test_case("/portal/services/data/v20.0/limits", "/portal/services/data/v41.0/limits"; "of a site")]
#[test_case("/soap/ajax/20.0/connection.js", "/soap/ajax/41.0/connection.js"; "the ajax toolkit")]
#[test_case("/services/data/v41.0/limits", "/services/data/v41.0/limits"; "the least")]
#[test_case("/services/data/v62.0/sobjects/v20.0", "/services/data/v62.0/sobjects/v20.0"; "a newer one")]
#[test_case("/services/apexrest/v20.0/x", "/services/apexrest/v20.0/x"; "not one of the API")]
#[test_case("/services/data", "/services/data"; "none")]
#[tokio::test]
async fn the_version_in_a_path_is_raised_and_nothing_else_of_it_changes(asked: &str, sent: &str) {
    let both = Both::with(raise).await;
    let wire = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    };
    ask(both.proxy.address, wire(asked)).await;
    assert_eq!(both.org.last_request().target, sent);
    // In absolute form, as clients of a proxy have it.
    ask(both.proxy.address, wire(&both.proxy.url(asked))).await;
    assert_eq!(both.org.last_request().target, sent);

    let plain = Proxy::start(&both.org).await;
    ask(plain.address, wire(asked)).await;
    assert_eq!(both.org.last_request().target, asked);
}

#[tokio::test]
async fn http2_is_raised_as_well() {
    let both = Both::with(raise).await;
    let url = both
        .proxy
        .url("/services/data/v20.0/query?q=SELECT+Id+FROM+Account");
    let asked = Request::get(url).body(String::new()).unwrap();
    assert_eq!(http2::send(both.proxy.address, asked).await.status(), 200);
    assert_eq!(
        both.org.last_request().target,
        "/services/data/v41.0/query?q=SELECT+Id+FROM+Account"
    );
}

#[tokio::test]
async fn a_version_in_an_encoded_form_is_refused_instead_of_sent_as_it_is() {
    let both = Both::with(raise).await;
    for path in [
        "/services/data/v20%2E0/limits",
        "/services/data/%7620.0/limits",
        "/services/async/1%37.0/job",
        "/services/data/v20.0%20/limits",
        "/services/data/%20v20.0/limits",
        "/services/data/v20.0%2e/limits",
        "/services/data/v20.0.json/limits",
        "/services/Soap/u/20.0.",
        "/services/async/20.0.xml/job",
        "/cometd/20.0%09",
        "/portal/services/data/v20.0./limits",
    ] {
        let wire = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let refusal = ask(both.proxy.address, &wire).await;
        refusal.is_marked("AMBIGUOUS_PATH");
        // A fault of SOAP has no other.
        let status = if path.contains("Soap") { 500 } else { 400 };
        assert_eq!(refusal.status, status);
        assert!(refusal.body.contains("minimum_api_version"), "{refusal:?}");
        both.untouched();
    }
    let new = "GET /services/data/v62%2E0/limits HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    ask(both.proxy.address, new).await;
    assert_eq!(
        both.org.last_request().target,
        "/services/data/v62%2E0/limits"
    );
}

#[test_case("/services/data/v38.0/composite"; "an old version")]
#[test_case("/services/data/v62.0/composite"; "a new version")]
#[tokio::test]
async fn requests_within_a_request_are_raised_with_it(path: &str) {
    let both = Both::with(raise).await;
    both.org.set(|knobs| knobs.oldest_version = 41);
    let body = r#"{ "compositeRequest" : [ {"method":"POST","url":"\/services\/data\/v38.0\/sobjects\/Account","referenceId":"made","body":{"Name":"Zürich v38.0"}}, {"method":"GET","url":"/services/data/v62.0/sobjects/Account/@{made.id}","referenceId":"got"} ] }"#;
    let sent = body.replacen("v38.0", "v41.0", 1);
    for is_compressed in [false, true] {
        // A session that dies does no harm.
        both.org.end_sessions();
        let asked = client().post(both.proxy.url(path));
        let asked = asked.header("content-type", "application/json");
        let asked = if is_compressed {
            asked.header("content-encoding", "gzip").body(gzip(body))
        } else {
            asked.body(body)
        };
        let answer = json_of(asked.send().await.unwrap()).await;
        let parts = answer["compositeResponse"].as_array().unwrap();
        let statuses: Vec<_> = parts.iter().map(|it| &it["httpStatusCode"]).collect();
        assert_eq!(statuses, [201, 200], "{answer}");
        assert_eq!(parts[1]["body"]["Name"], "Zürich v38.0");
        let seen = both.org.last_request();
        assert_eq!(
            (seen.text(), seen.header("content-encoding")),
            (sent.clone(), "")
        );
        assert_eq!(seen.header("content-length"), sent.len().to_string());
    }

    let plain = Proxy::start(&both.org).await;
    let asked = client().post(plain.url("/services/data/v62.0/composite"));
    let answer = json_of(asked.body(body).send().await.unwrap()).await;
    assert_eq!(answer["compositeResponse"][0]["httpStatusCode"], 410);
    assert_eq!(both.org.last_request().text(), body);
}

#[tokio::test]
async fn requests_within_a_request_are_raised_all_or_none() {
    let both = Both::with(|config| {
        raise(config);
        config.limits.replay_bytes = 4096;
    })
    .await;
    let url = both.proxy.url("/services/data/v38.0/composite/batch");
    let xml = "<batch><batchRequests><request><method>Get</method>\
        <url>v34.0/limits</url></request></batchRequests></batch>";
    let twice = r#"{"batchRequests":[{"method":"GET","url":"v34.0/a","url":"v34.0/b"}]}"#;
    let large = json!({"batchRequests": [
        {"method": "POST", "url": "v38.0/sobjects/Account", "richInput": {"Name": "x".repeat(8192)}},
    ]});
    for (body, status, advice) in [
        (xml.to_owned(), 400, "send JSON"),
        (twice.to_owned(), 400, "the same key twice"),
        (large.to_string(), 413, "limits.replay_bytes"),
    ] {
        let refused = client().post(&url).body(body).send().await.unwrap();
        assert_eq!(refused.status(), status);
        let told = json_of(refused).await;
        assert_eq!(told[0]["errorCode"], "OLD_VERSIONS_IN_BODY");
        let message = told[0]["message"].as_str().unwrap();
        assert!(message.contains(advice), "{message}");
        assert!(message.contains("minimum_api_version"), "{message}");
    }
    both.untouched();
    // What names no old version is not looked at as closely, and what is sent is what came.
    let fine = xml.replace("v34.0", "v62.0");
    client().post(&url).body(fine.clone()).send().await.unwrap();
    assert_eq!(both.org.last_request().text(), fine);
}

#[tokio::test]
async fn what_is_raised_is_still_judged_by_the_policy() {
    let both = Both::with(|config| {
        raise(config);
        let policy = Policy {
            read_only: true,
            ..Policy::default()
        };
        config.orgs[0].policies = Some(Policies {
            org: Some(policy),
            of_clients: Vec::new(),
        });
    })
    .await;
    both.org.set(|knobs| knobs.oldest_version = 41);
    let url = both.proxy.url("/services/data/v38.0/composite/batch");
    let reads = r#"{"batchRequests":[{"method":"GET","url":"v38.0/limits"}]}"#;
    let writes = r#"{"batchRequests":[{"method":"POST","url":"v38.0/sobjects/Account","richInput":{"Name":"x"}}]}"#;
    for body in [gzip(writes), writes.into()] {
        let mut asked = client().post(&url);
        if body != writes.as_bytes() {
            asked = asked.header("content-encoding", "gzip");
        }
        let refused = asked.body(body).send().await.unwrap();
        assert_eq!(refused.status(), 403);
        assert_eq!(json_of(refused).await[0]["errorCode"], "POLICY_REFUSED");
    }
    both.untouched();
    for body in [gzip(reads), reads.into()] {
        let mut asked = client().post(&url);
        if body != reads.as_bytes() {
            asked = asked.header("content-encoding", "gzip");
        }
        let answer = json_of(asked.body(body).send().await.unwrap()).await;
        assert_eq!(answer["hasErrors"], false, "{answer}");
        let sent = both.org.last_request().text();
        assert_eq!(sent, reads.replace("v38.0", "v41.0"));
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_sent_at_the_same_version() {
    let both = Both::with(raise).await;
    let path = "/services/data/v20.0/limits";
    let raised = "/services/data/v41.0/limits";
    both.org.faults().next(1, raised, Fault::session_expired());
    assert_eq!(both.proxy.get(path).await.status(), 200);
    let targets = targets(&both.org);
    assert_eq!(targets, [raised, raised]);
}

#[tokio::test]
async fn radar_metrics_and_status_say_that_it_lives_on() {
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.oldest_version = 41);
    let proxy = with_admin(&org, raise).await;
    for (path, agent) in [
        ("/services/data/v20.0/limits", "old/1"),
        ("/services/data/v35.0/limits", "old/1"),
        (LIMITS, "new/2"),
    ] {
        let asked = client().get(proxy.url(path)).header("user-agent", agent);
        assert_eq!(asked.send().await.unwrap().status(), 200);
    }
    let seen = async {
        loop {
            let status = get(proxy.admin(), "/api/status").await;
            let status: Value = serde_json::from_str(&status.body).unwrap();
            let org = status["orgs"][0].clone();
            if org["radar"][0]["clients"][0]["times"] == 2 {
                break org;
            }
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await.unwrap();
    assert_eq!(seen["minimum_api_version"], "41.0");
    assert_eq!(seen["radar"].as_array().unwrap().len(), 1, "{seen}");
    let radar = &seen["radar"][0];
    assert_eq!(
        (&radar["name"], &radar["fate"]),
        (&"old-version-raised".into(), &"Lives on".into())
    );
    assert_eq!(radar["clients"][0]["client"], "old/1");
    let advice = radar["advice"].as_str().unwrap();
    assert!(advice.contains("Nothing breaks"), "{advice}");

    // A label is the version that the client asked for.
    let metrics = get(proxy.admin(), "/metrics").await.body;
    for line in [
        "status=\"2xx\",api_version=\"20.0\"} 1",
        "status=\"2xx\",api_version=\"35.0\"} 1",
        "orgproxy_retiring_requests_total{org=\"demo\",what=\"old-version-raised\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let page = get(proxy.admin(), "/").await.body;
    assert!(
        page.contains("sent at version 41.0 instead of 20.0"),
        "{page}"
    );
    assert!(page.contains("What lives on"), "{page}");
}

#[tokio::test]
async fn the_access_log_has_both_versions() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "minimum_api_version = \"v41.0\"\n");
    let log = files.path("access.log");
    for format in ["json", "text"] {
        let log = log.display().to_string();
        let proxy = Binary::start(&[
            "run",
            "--config",
            &files.config(),
            "--access-log",
            &log,
            "--access-log-format",
            format,
        ]);
        for path in ["/services/data/v20.0/limits", LIMITS] {
            let asked = client().get(proxy.url(path).await).send().await;
            assert_eq!(asked.unwrap().status(), 200);
        }
        proxy.stop().await;
    }
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let raised: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(
        (
            &raised["api_version"],
            &raised["raised_from"],
            &raised["raised_to"]
        ),
        (&20.into(), &20.into(), &41.into())
    );
    assert_eq!(raised["path"], "/services/data/v20.0/limits");
    assert!(!lines[1].contains("raised"), "{}", lines[1]);
    assert!(
        lines[2].ends_with(" rest v20 raised=v20:v41"),
        "{}",
        lines[2]
    );
    assert!(lines[3].ends_with(" rest v62"), "{}", lines[3]);
}

/// Has requests sent at 41.0 or later.
fn raise(config: &mut Config) {
    config.orgs[0].minimum_api_version = Some(ApiVersion::new(41));
}
