//! The Bulk APIs: 1.0, which has a header of its own for the session and errors of its own, and 2.0.

use http::{Method, StatusCode};
use orgproxy::demo::Counts;
use reqwest::{Body, Response};
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::{
    Both, Fault,
    answer::{Answer, ask},
    client, json_of,
    path::{JOB, LIMITS},
    session,
};

const INGEST: &str = "/services/data/v67.0/jobs/ingest";
const XML: &str = "application/xml; charset=UTF-8";
const JSON: &str = "application/json";
const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

#[test_case(""; "nothing")]
#[test_case("X-SFDC-Session: THEIRS"; "the header")]
#[test_case("X-SFDC-Session: Bearer THEIRS"; "a scheme that does not belong there")]
#[test_case("x-sfdc-session: THEIRS\r\nX-SFDC-SESSION: THEIRS"; "twice")]
#[test_case("X-SFDC-Session:"; "empty")]
#[test_case("X_SFDC_Session: THEIRS"; "underscores")]
#[test_case("X-SFDC_session: Bearer THEIRS\r\nX-Sfdc-Session: THEIRS"; "an underscore")]
#[test_case("Authorization: Bearer THEIRS"; "the other header")]
#[test_case("Authorization: OAuth THEIRS\r\nX-SFDC-Session: THEIRS"; "both headers")]
#[test_case("Connection: x-sfdc-session, authorization\r\nX-SFDC-Session: THEIRS"; "named in Connection")]
#[tokio::test]
async fn the_session_is_in_both_headers_whatever_the_client_sent(lines: &str) {
    let both = Both::start().await;
    let lines = match lines {
        "" => String::new(),
        lines => format!("{lines}\r\n"),
    };
    let lines = lines.replace("THEIRS", "00Dxx0000001gPL!AQ.theirs");
    let answer = ask_for_job(
        &both,
        JOB,
        &format!("Host: localhost\r\nContent-Type: {XML}\r\n{lines}"),
    )
    .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let seen = both.org.last_request();
    assert!(seen.authorized);
    let own: Vec<_> = seen
        .lines()
        .into_iter()
        .filter(|(name, _)| name.to_lowercase().replace('_', "-") == "x-sfdc-session")
        .map(|(_, value)| value)
        .collect();
    assert_eq!(own, [session(&seen)]);
    assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
    let lines = format!("{:?}", seen.lines());
    assert!(!lines.contains("theirs"), "{lines}");
}

#[tokio::test]
async fn the_header_means_nothing_elsewhere_and_is_dropped() {
    let both = Both::start().await;
    for (path, header) in [
        (LIMITS, "x-sfdc-session"),
        (LIMITS, "x_sfdc_session"),
        ("/services/oauth2/userinfo", "x-sfdc-session"),
        ("/services/apexrest/services/async", "x-sfdc-session"),
    ] {
        let request = client().get(both.proxy.url(path)).header(header, "theirs");
        request.send().await.unwrap();
        let seen = both.org.last_request();
        assert!(seen.authorized);
        assert!(!seen.headers.contains_key(header), "{path}");
        assert!(!format!("{:?}", seen.lines()).contains("theirs"));
    }
}

#[test_case(XML; "xml")]
#[test_case(JSON; "json")]
#[tokio::test]
async fn a_session_that_ends_within_a_job_is_replaced_unseen(format: &str) {
    let both = Both::start().await;
    both.proxy.get(LIMITS).await;
    both.org.end_sessions();
    let created = send(&both, Method::POST, JOB, format, new_job(format)).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let path = format!("{JOB}/{}", id_of(created, format).await);
    assert_eq!(both.org.logins(), 2);
    // What was sent again is what was sent first.
    let [.., first, again] = &both.org.requests()[..] else {
        panic!("two requests")
    };
    assert_eq!((&first.target, &first.body), (&again.target, &again.body));
    assert_ne!(
        first.header("x-sfdc-session"),
        again.header("x-sfdc-session")
    );
    assert_eq!(again.header("x-sfdc-session"), session(again));

    both.org.end_sessions();
    let status = send(&both, Method::GET, &path, format, "").await;
    assert_eq!(status.status(), StatusCode::OK);
    assert!(path.ends_with(&id_of(status, format).await));
    assert_eq!(both.org.logins(), 3);

    // XML, as for curl, which names no type.
    both.org.end_sessions();
    assert_eq!(both.proxy.get(&path).await.status(), StatusCode::OK);
    assert_eq!(both.org.logins(), 4);
    assert_eq!(both.org.counts().requests, 1 + 3 * 2);
}

#[test_case(XML, "<exceptionCode>InvalidJob</exceptionCode><exceptionMessage>Unable to find object: Nope</exceptionMessage>"; "xml")]
#[test_case(JSON, "{\"exceptionCode\":\"InvalidJob\",\"exceptionMessage\":\"Unable to find object: Nope\"}"; "json")]
#[tokio::test]
async fn another_mistake_is_passed_on(format: &str, words: &str) {
    let both = Both::start().await;
    let job = new_job(format).replace("Account", "Nope");
    let answer = send(&both, Method::POST, JOB, format, job).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(!answer.headers().contains_key("proxy-status"));
    let length = answer.headers()["content-length"].to_str().unwrap().parse();
    let text = answer.text().await.unwrap();
    assert!(text.contains(words), "{text}");
    assert_eq!(length, Ok(text.len()));
    assert_eq!(both.org.counts().requests, 1);
    assert_eq!(both.org.counts().token_requests, 1);
}

#[tokio::test]
async fn a_session_that_bulk_never_takes_is_not_renewed_in_vain() {
    let both = Both::start().await;
    both.org.set(|knobs| knobs.jwt_tokens = true);
    let error =
        "{\"exceptionCode\":\"InvalidSessionId\",\"exceptionMessage\":\"Invalid session id\"}";
    let invalid = Fault::answer(StatusCode::BAD_REQUEST, JSON, error);
    both.org.faults().always(JOB, invalid);
    for _ in 0..3 {
        let answer = send(&both, Method::POST, JOB, JSON, new_job(JSON)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.text().await.unwrap(), error);
    }
    assert_eq!(both.org.counts().requests, 3);
    assert_eq!(both.org.counts().token_requests, 1);
}

#[tokio::test]
async fn errors_of_the_proxy_have_the_format_of_the_request() {
    let both = Both::start().await;
    let evil = "Host: evil.com\r\n";
    for lines in [
        format!("{evil}Content-Type: {XML}\r\n"),
        format!("{evil}Content-Type: text/csv\r\n"),
        evil.to_owned(),
    ] {
        let answer = ask_for_job(&both, JOB, &lines).await;
        assert_eq!(answer.status, 421);
        assert_eq!(answer.header("content-type"), Some("application/xml"));
        answer.is_marked("WRONG_HOST");
        let start = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><error xmlns=\"{NAMESPACE}\"><exceptionCode>WRONG_HOST</exceptionCode><exceptionMessage>orgproxy: unknown host \"evil.com\""
        );
        assert!(answer.body.starts_with(&start), "{answer:?}");
        assert!(answer.body.ends_with("</exceptionMessage></error>"));
    }
    let answer = ask_for_job(&both, JOB, &format!("{evil}Content-Type: {JSON}\r\n")).await;
    assert_eq!(answer.status, 421);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json;charset=utf-8")
    );
    answer.is_marked("WRONG_HOST");
    let error: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(error["exceptionCode"], "WRONG_HOST");
    let message = error["exceptionMessage"].as_str().unwrap();
    assert!(message.contains("unknown host \"evil.com\""), "{message}");
    assert_eq!(both.org.counts(), Counts::default());

    let refused = Fault::login_refused("invalid_grant", "user is locked");
    both.org.faults().always("/services/oauth2", refused);
    let answer = ask_for_job(&both, JOB, "Host: localhost\r\n").await;
    assert_eq!(answer.status, 502);
    let code = "<exceptionCode>LOGIN_REFUSED</exceptionCode>";
    assert!(answer.body.contains(code), "{answer:?}");
}

#[tokio::test]
async fn bulk_2_loads_rows_though_its_session_ends_within() {
    let both = Both::start().await;
    let job = json!({"object": "Account", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"});
    let created = send(&both, Method::POST, INGEST, JSON, job.to_string()).await;
    let id = id_of(created, JSON).await;
    let path = format!("{INGEST}/{id}");

    let rows = "Name,Industry\n\"Z\u{fc}rich, Inc.\",Paper\n,Bad\n";
    let uploaded = send(
        &both,
        Method::PUT,
        &format!("{path}/batches"),
        "text/csv",
        rows,
    )
    .await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let seen = both.org.last_request();
    assert_eq!(seen.body, rows.as_bytes());
    assert_eq!(seen.header("content-type"), "text/csv");
    assert!(!seen.headers.contains_key("x-sfdc-session"));

    both.org.end_sessions();
    let complete = json!({"state": "UploadComplete"}).to_string();
    let closed = send(&both, Method::PATCH, &path, JSON, complete).await;
    assert_eq!(closed.status(), StatusCode::OK);
    assert_eq!(both.org.logins(), 2);

    let info: Value = json_of(both.proxy.get(&path).await).await;
    assert_eq!(info["state"], "JobComplete");
    assert_eq!(info["numberRecordsProcessed"], 2);
    assert_eq!(info["numberRecordsFailed"], 1);
    both.org.end_sessions();
    let good = both.proxy.get(&format!("{path}/successfulResults/")).await;
    assert_eq!(good.headers()["content-type"], "text/csv");
    let good = good.text().await.unwrap();
    assert!(
        good.ends_with(",\"true\",\"Z\u{fc}rich, Inc.\",\"Paper\"\n"),
        "{good}"
    );
    assert_eq!(both.org.logins(), 3);
}

/// Asks for a job in XML by a head with these `lines`.
async fn ask_for_job(both: &Both, path: &str, lines: &str) -> Answer {
    let body = new_job(XML);
    let length = body.len();
    let wire = format!(
        "POST {path} HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    ask(both.proxy.address, wire).await
}

/// Sends it as clients do, with something that they take for a session.
async fn send(
    both: &Both,
    method: Method,
    path: &str,
    content_type: &str,
    body: impl Into<Body>,
) -> Response {
    let request = client()
        .request(method, both.proxy.url(path))
        .header("x-sfdc-session", "theirs")
        .header("content-type", content_type);
    request.body(body).send().await.unwrap()
}

fn new_job(format: &str) -> String {
    match format {
        JSON => {
            json!({"operation": "insert", "object": "Account", "contentType": "CSV"}).to_string()
        }
        _ => format!(
            "<?xml version=\"1.0\"?><jobInfo xmlns=\"{NAMESPACE}\"><operation>insert</operation>\
             <object>Account</object><contentType>CSV</contentType></jobInfo>"
        ),
    }
}

async fn id_of(answer: Response, format: &str) -> String {
    if format == JSON {
        return json_of(answer).await["id"].as_str().unwrap().to_owned();
    }
    let text = answer.text().await.unwrap();
    let (_, rest) = text.split_once("<id>").expect(&text);
    rest.split_once("</id>").unwrap().0.to_owned()
}
