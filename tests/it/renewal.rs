//! A dead session is never the client's problem, and a login that fails is reported honestly.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::StatusCode;
use orgproxy::{
    config::Config,
    demo::{TOKEN, Then, blocks},
};
use rustix::process::{Resource, getrlimit, setrlimit};
use test_case::test_case;

use crate::support::{
    Fault, Org, Proxy, Seen, client,
    get::get,
    json_of,
    path::{LIMITS, REST, SINK, USERINFO},
    session, sha256, targets,
};

const IDENTITY: &str = "/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS";

#[test_case(LIMITS, "accept: */*"; "json")]
#[test_case(LIMITS, "accept: application/xml"; "xml")]
#[test_case(LIMITS, "accept-encoding: gzip"; "compressed")]
#[test_case(USERINFO, "accept: */*"; "userinfo")]
#[test_case(IDENTITY, "accept: */*"; "identity")]
#[tokio::test]
async fn a_session_that_dies_is_replaced_unseen(path: &str, header: &str) {
    let (org, proxy) = living().await;
    org.end_sessions();
    let (name, value) = header.split_once(": ").unwrap();
    let answer = client()
        .get(proxy.url(path))
        .header(name, value)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(org.logins(), 2);
    assert_eq!(org.counts().requests, 3);
}

#[tokio::test]
async fn a_head_request_is_renewed_though_its_answer_says_nothing() {
    let (org, proxy) = living().await;
    org.end_sessions();
    let answer = client().head(proxy.url(LIMITS)).send().await.unwrap();
    assert_ne!(answer.status(), 401);
    assert_eq!(org.logins(), 2);
}

#[test_case(LIMITS, 401; "rest")]
#[test_case(USERINFO, 403; "userinfo")]
#[test_case(IDENTITY, 403; "identity")]
#[test_case("/services/async/62.0/job/750", 400; "bulk")]
#[test_case("/services/Soap/u/62.0", 500; "soap")]
#[tokio::test]
async fn an_answer_without_a_body_alone_is_no_reason_for_a_login(path: &str, status: u16) {
    let (org, proxy) = living().await;
    let status = StatusCode::from_u16(status).unwrap();
    let fault = Fault::answer(status, "text/plain", "");
    for _ in 0..3 {
        org.faults().next(1, path, fault.clone());
        let answer = client().head(proxy.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(org.logins(), 1);
    let heads = org.requests().into_iter();
    assert_eq!(heads.filter(|seen| seen.method == "HEAD").count(), 3);
}

const SOAP: &str = "/services/Soap/u/62.0";
const JOB: &str = "/services/async/62.0/job/750";

#[test_case(LIMITS, unread(401).header("content-encoding", "br"); "in an unknown coding")]
#[test_case(LIMITS, unread(401).header("content-encoding", "gzip, gzip"); "in two codings")]
#[test_case(LIMITS, Fault::answer(StatusCode::UNAUTHORIZED, "text/plain", ""); "without a word")]
#[test_case(SOAP, unread(500).header("content-encoding", "zstd"); "soap")]
#[test_case(JOB, unread(400).header("content-encoding", "br"); "bulk")]
#[tokio::test]
async fn a_refusal_that_cannot_be_read_is_reason_to_ask_the_org(path: &str, fault: Fault) {
    let (org, proxy) = living().await;
    org.faults().next(1, path, fault.clone());
    assert!(proxy.get(path).await.status().as_u16() >= 400);
    assert_eq!(
        (times(&org, path), org.logins()),
        (1 + usize::from(path == LIMITS), 1)
    );

    org.end_sessions();
    org.faults().next(1, path, fault);
    proxy.get(path).await;
    assert_eq!(
        (times(&org, path), org.logins()),
        (3 + usize::from(path == LIMITS), 2)
    );
}

fn unread(status: u16) -> Fault {
    Fault::answer(StatusCode::from_u16(status).unwrap(), "text/plain", "?")
}

#[test_case("application/xml", "<jobInfo xmlns='http://www.force.com/2009/06/asyncapi/dataload'><operation>insert</operation><object>InvalidSessionId</object></jobInfo>"; "xml")]
#[test_case("application/json", r#"{"operation":"insert","object":"InvalidSessionId"}"#; "json")]
#[tokio::test]
async fn words_that_the_org_only_repeats_are_no_reason_for_a_login(
    content_type: &str,
    body: &'static str,
) {
    let (org, proxy) = living().await;
    let job = proxy.url("/services/async/62.0/job");
    let request = client().post(job).header("content-type", content_type);
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.text().await.unwrap();
    assert!(text.contains("InvalidSessionId"), "{text}");
    assert_eq!(org.counts().token_requests, 1);
    assert_eq!(org.counts().requests, 2);
}

#[test_case(LIMITS, Fault::not_for_rest(); "not for rest")]
#[test_case(LIMITS, Fault::not_attached_to_agent(); "agent")]
#[test_case(LIMITS, Fault::limit_exceeded(); "limit")]
#[test_case(LIMITS, Fault::answer(StatusCode::UNAUTHORIZED, "text/plain", "mine"); "apex")]
#[test_case(LIMITS, Fault::error(StatusCode::FORBIDDEN, "INVALID_SESSION_ID", "x"); "another 403")]
#[test_case(USERINFO, Fault::answer(StatusCode::FORBIDDEN, "text/plain", "Missing_OAuth_Token"); "missing")]
#[test_case(IDENTITY, Fault::answer(StatusCode::FORBIDDEN, "text/plain", "Wrong_Org"); "wrong org")]
#[tokio::test]
async fn what_no_login_can_mend_is_passed_on(path: &str, fault: Fault) {
    let (org, proxy) = living().await;
    org.faults().always(path, fault.clone());
    let answer = proxy.get(path).await;
    assert!(answer.status().is_client_error());
    assert!(!answer.headers().contains_key("proxy-status"));
    let length = answer.headers()["content-length"].to_str().unwrap().parse();
    assert_eq!(Ok(answer.bytes().await.unwrap().len()), length);
    assert_eq!(org.counts().token_requests, 1);
    assert_eq!(org.counts().requests, 2);
}

/// It may have written something before it said what a dead session says, at a GET as well.
#[test_case("POST"; "a post")]
#[test_case("GET"; "a get")]
#[tokio::test]
async fn words_of_an_apex_class_alone_are_no_reason_to_send_a_write_again(method: &str) {
    let (org, proxy) = living().await;
    let write = || async {
        let method = method.parse().unwrap();
        let request = client().request(method, proxy.url(SINK)).body("{}");
        request.send().await.unwrap().status()
    };
    org.faults().next(1, SINK, Fault::session_expired());
    assert_eq!(write().await, 401);
    assert_eq!((requests_to(&org, SINK), org.logins()), (1, 1));
    // If the session is dead, it is sent again.
    org.end_sessions();
    assert_eq!(write().await, 200);
    assert_eq!((requests_to(&org, SINK), org.logins()), (3, 2));
}

#[tokio::test]
async fn a_class_is_one_in_whatever_spelling_of_its_path() {
    const SPELT: &str = "/services/%61pexrest/sink";

    let (org, proxy) = living().await;
    org.faults().next(1, SPELT, Fault::session_expired());
    let write = client().post(proxy.url(SPELT)).body("{}").send();
    assert_eq!(write.await.unwrap().status(), 401);
    assert_eq!(requests_to(&org, SPELT), 1);
}

fn requests_to(org: &Org, path: &str) -> usize {
    let all = org.requests();
    all.iter().filter(|seen| seen.target == path).count()
}

#[tokio::test]
async fn a_thousand_requests_on_a_dead_session_cost_one_login() {
    const N: usize = 1000;
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let (org, proxy) = living().await;
    let before = org.counts().requests;
    let hold = org.hold(LIMITS);
    let client = client();
    let answers = tokio::spawn({
        let (client, url) = (client.clone(), proxy.url(LIMITS));
        async move { join_all((0..N).map(|_| client.get(&url).send())).await }
    });
    org.wait_until(|_| hold.waiting() == N).await;
    org.end_sessions();
    hold.release();
    for answer in answers.await.unwrap() {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(org.logins(), 2);
    assert_eq!(org.counts().requests, before + 2 * N);
}

#[tokio::test]
async fn a_body_within_the_copy_is_sent_again_whole() {
    let (org, proxy) = living().await;
    for chunked in [false, true] {
        org.end_sessions();
        let body = pattern(5_000_000);
        let answer = upload(&proxy, &body, chunked).await;
        assert_eq!(answer, (StatusCode::OK, sha256([&body])));
        let seen = org.last_request();
        assert!(seen.complete && seen.authorized);
        assert_eq!(seen.header("transfer-encoding") == "chunked", chunked);
    }
}

#[tokio::test]
async fn a_body_that_is_still_coming_is_sent_again_and_goes_on() {
    let (org, proxy) = living().await;
    org.end_sessions();
    org.faults().next(1, SINK, Fault::session_expired().early());
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {SINK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello"
    ))
    .await;
    // What came before the answer is with the org a second time.
    org.wait_until(|org| {
        org.last_request().target == SINK
            && org.last_request().authorized
            && org.last_request().length == 5
    })
    .await;
    raw.send(" you!").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(org.last_request().body, b"hello you!");
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn a_body_beyond_the_copy_cannot_be_sent_again_and_the_client_is_asked_to() {
    let (org, proxy) = living_with(|config| config.limits.replay_bytes = 1 << 20).await;
    org.end_sessions();
    let body = pattern(3 << 20);
    let answer = client()
        .post(proxy.url(SINK))
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(error_code(answer).await.0, "SEND_AGAIN");
    // And when it does, it goes well.
    assert_eq!(
        upload(&proxy, &body, false).await,
        (StatusCode::OK, sha256([&body]))
    );
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn large_bodies_at_once_on_a_dead_session_all_arrive_though_not_all_can_be_kept() {
    const N: usize = 12;
    // Room for three of them.
    let (org, proxy) = living_with(|config| config.limits.replay_memory = 10_000_000).await;
    for _ in 0..2 {
        org.end_sessions();
        let logins = org.logins();
        let body = pattern(3_000_000);
        let uploads = (0..N).map(|_| upload(&proxy, &body, false));
        for answer in join_all(uploads).await {
            assert_eq!(answer, (StatusCode::OK, sha256([&body])));
        }
        assert_eq!(org.logins(), logins + 1);
    }
    let requests = org.requests();
    let whole = |seen: &&Seen| seen.target == SINK && seen.complete && seen.authorized;
    assert_eq!(requests.iter().filter(whole).count(), 2 * N);
}

#[test_case(false; "with a length")]
#[test_case(true; "in chunks")]
#[tokio::test]
async fn before_a_large_body_the_session_is_asked_for_if_nobody_knows(chunked: bool) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    // It dies with the first request, which does not show that it lived.
    org.faults()
        .next(1, LIMITS, Fault::html(StatusCode::BAD_GATEWAY));
    proxy.get(LIMITS).await;
    let body = pattern(20 << 20);
    assert_eq!(
        upload(&proxy, &body, chunked).await,
        (StatusCode::OK, sha256([&body]))
    );
    let seen = targets(&org);
    assert_eq!(seen, [LIMITS, USERINFO, SINK]);
}

#[test_case("GET", LIMITS, ""; "a question")]
#[test_case("POST", "/services/data/v62.0/sobjects/Account", r#"{"Name":"x"}"#; "a record")]
#[tokio::test]
async fn a_stray_refusal_is_not_seen_though_the_login_gives_the_same_token(
    method: &str,
    path: &str,
    body: &'static str,
) {
    let (org, proxy) = living().await;
    let token = session(&org.last_request()).to_owned();
    // Each may be a stray one, however soon after the last.
    for round in 1..=3 {
        org.faults().next(1, path, Fault::session_expired());
        let method = method.parse().unwrap();
        let request = client().request(method, proxy.url(path)).body(body);
        let request = request.header("content-type", "application/json");
        assert!(request.send().await.unwrap().status().is_success());
        assert_eq!(session(&org.last_request()), token);
        assert_eq!(org.counts().requests, 1 + 2 * round);
    }
    // A login has only just said that it lives.
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn two_sessions_in_a_row_that_die_unaccepted_are_both_replaced() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for _ in 0..3 {
        let first = org.hold(LIMITS);
        let request = tokio::spawn(client().get(proxy.url(LIMITS)).send());
        org.wait_until(|_| first.waiting() == 1).await;
        org.end_sessions();
        let second = org.hold(LIMITS);
        first.release();
        org.wait_until(|_| second.waiting() == 1).await;
        org.end_sessions();
        second.release();
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_session_that_dies_while_requests_are_refused_for_good_is_replaced_all_the_same() {
    let (org, proxy) = living().await;
    org.faults().always(LIMITS, Fault::session_expired());
    for round in 0..3 {
        assert_eq!(proxy.get(LIMITS).await.status(), 401);
        org.end_sessions();
        assert_eq!(proxy.get(REST).await.status(), 200, "{round}");
    }
    // One in vain, and one for each that died.
    assert_eq!(org.logins(), 1 + 1 + 3);
}

#[tokio::test]
async fn an_org_that_refuses_whatever_it_is_asked_costs_few_logins() {
    let (org, proxy) = living().await;
    for path in ["/services/data", USERINFO] {
        org.faults().always(path, Fault::session_expired());
    }
    for same in [true, false] {
        org.set(|knobs| knobs.reuse_session = same);
        for _ in 0..10 {
            assert_eq!(proxy.get(LIMITS).await.status(), 401);
        }
    }
    assert!(org.logins() <= 10, "{}", org.logins());
}

#[tokio::test]
async fn the_same_token_again_is_passed_on_and_costs_few_logins() {
    let (org, proxy) = living().await;
    org.faults().always(LIMITS, Fault::session_expired());
    for _ in 0..10 {
        let answer = proxy.get(LIMITS).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(error_code(answer).await.0, "INVALID_SESSION_ID");
        // Elsewhere the session is as good as ever.
        assert_eq!(proxy.get(USERINFO).await.status(), 200);
    }
    assert_eq!(org.logins(), 2);
    // One is sent once more, after the login that it has cost.
    assert_eq!(times(&org, LIMITS), 1 + 10 + 1);
}

#[tokio::test]
async fn a_session_that_dies_before_it_was_ever_accepted_is_replaced_too() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let hold = org.hold(LIMITS);
    let request = tokio::spawn(client().get(proxy.url(LIMITS)).send());
    org.wait_until(|_| hold.waiting() == 1).await;
    org.end_sessions();
    hold.release();
    assert_eq!(request.await.unwrap().unwrap().status(), 200);
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn a_request_is_sent_once_more_and_not_twice() {
    let (org, proxy) = living().await;
    org.set(|knobs| knobs.reuse_session = false);
    org.faults().always(LIMITS, Fault::session_expired());
    assert_eq!(proxy.get(LIMITS).await.status(), 401);
    assert_eq!(times(&org, LIMITS), 3);
    // In between the org has said that it is not the session that it refuses.
    assert_eq!(org.last_request().target, USERINFO);
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn an_instance_that_moves_with_a_login_is_followed() {
    let (org, proxy) = living().await;
    let other = Org::start().await.unwrap();
    org.end_sessions();
    org.set(|knobs| knobs.instance_url = Some(other.instance_url()));
    proxy.get("/services/data").await;
    // The list of versions needs no session, so nobody saw that it is dead.
    assert_eq!(other.counts().requests, 0);
    proxy.get(LIMITS).await;
    other.wait_for_requests(1).await;
    let host = format!("localhost:{}", other.port());
    assert_eq!(other.last_request().header("host"), host);
    let before = org.counts().requests;
    assert_eq!(proxy.get("/services/data").await.status(), 200);
    assert_eq!(org.counts().requests, before);
}

#[tokio::test]
async fn a_session_that_was_idle_too_long_is_not_used() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.orgs[0].session_timeout = Duration::ZERO;
    })
    .await;
    org.set(|knobs| knobs.reuse_session = false);
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert_eq!(org.logins(), 2);
    assert_eq!(org.counts().requests, 2);
}

#[test_case("invalid_grant", "user hasn't approved this consumer", "pre-authorize the user"; "not approved")]
#[test_case("invalid_client_id", "client identifier invalid", "check client_id"; "client id")]
#[test_case("invalid_grant", "audience is invalid", "set audience"; "audience")]
#[test_case("invalid_grant", "invalid assertion", "certificate"; "assertion")]
#[test_case("invalid_grant", "expired authorization code", "clock"; "clock")]
#[test_case("inactive_user", "user is inactive", "reactivate"; "inactive")]
#[test_case("invalid_app_access", "user is not admin approved", "permission set"; "access")]
#[test_case("new_error", "never seen", "Login History"; "unheard of")]
#[tokio::test]
async fn a_refused_login_is_reported_in_the_orgs_words_with_a_way_out(
    error: &str,
    description: &str,
    remedy: &str,
) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults()
        .always(TOKEN, Fault::login_refused(error, description));
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.headers().contains_key("proxy-status"));
    let (code, message) = error_code(answer).await;
    assert_eq!(code, "LOGIN_REFUSED");
    for part in [error, description, remedy] {
        assert!(message.contains(part), "{message}");
    }
    // The second comes while the failure rests.
    assert_eq!(proxy.get(LIMITS).await.status(), 502);
    assert_eq!(org.counts().token_requests, 1);
    assert_eq!(org.counts().requests, 0);
}

#[test_case(Fault::html(StatusCode::OK), 503, "200 with a web page"; "web page")]
#[test_case(Fault::redirect(StatusCode::FOUND, "https://evil.example/x"), 502, "a redirect to evil.example"; "redirect")]
#[test_case(Fault::answer(StatusCode::OK, "text/plain", "hello"), 503, "content of type text/plain"; "content type")]
#[test_case(Fault::answer(StatusCode::OK, "application/json", "{\"access_"), 503, "malformed JSON"; "malformed")]
#[test_case(Fault::answer(StatusCode::OK, "application/json", vec![b' '; 100_000]), 503, "more than 64 KiB"; "oversized")]
#[test_case(Fault::answer(StatusCode::OK, "application/json", "{\"access_token\":\"x\"}"), 503, "without access_token and instance_url"; "missing fields")]
#[test_case(Fault::answer(StatusCode::OK, "application/json", "{\"access_token\":\"a\\nb\",\"instance_url\":\"https://localhost\"}"), 503, "malformed access token: it has a character that a header cannot contain"; "a token of two lines")]
#[test_case(granted(r#"{"access_token":"00Dxx!a\tb","instance_url":"https://localhost"}"#), 503, "malformed access token"; "a token with a tab")]
#[test_case(granted(r#"{"access_token":"00Dxx!a b","instance_url":"https://localhost"}"#), 503, "malformed access token"; "a token with a blank")]
#[test_case(granted(r#"{"access_token":"00Dxx!\u0007","instance_url":"https://localhost"}"#), 503, "malformed access token"; "a token with a control character")]
#[test_case(granted(r#"{"access_token":"00Dxx!\u00f6","instance_url":"https://localhost"}"#), 503, "malformed access token"; "a token beyond ASCII")]
#[test_case(granted(r#"{"access_token":"","instance_url":"https://localhost"}"#), 503, "malformed access token: it is empty"; "an empty token")]
#[test_case(granted(r#"{"access_token":null,"instance_url":"https://localhost"}"#), 503, "without access_token and instance_url"; "null for a token")]
#[test_case(granted(r#"{"access_token":"x","instance_url":""}"#), 503, "without access_token and instance_url"; "an empty instance")]
#[test_case(granted(""), 503, "an empty body"; "nothing")]
#[test_case(granted("[]"), 503, "malformed JSON"; "a list")]
#[test_case(Fault::answer(StatusCode::BAD_REQUEST, "application/json", "{}"), 503, "JSON without an error"; "no error")]
#[test_case(Fault::html(StatusCode::SERVICE_UNAVAILABLE), 503, "503 with a web page"; "maintenance")]
#[test_case(Fault::login_refused("unknown_error", "retry your request"), 503, "unknown_error"; "transient refusal")]
#[test_case(Fault::no_answer(Then::Close), 503, "cannot reach"; "closed")]
#[tokio::test]
async fn each_strange_answer_to_a_login_has_its_own_words(fault: Fault, status: u16, words: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().always(TOKEN, fault);
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
    let (code, message) = error_code(answer).await;
    let expected = match status {
        503 => "LOGIN_UNAVAILABLE",
        _ => "LOGIN_REFUSED",
    };
    assert_eq!(code, expected);
    assert!(message.contains(words), "{message}");
    // Only what may pass is tried again.
    let tries = if status == 503 { 3 } else { 1 };
    assert_eq!(org.counts().token_requests, tries);
}

#[test_case(r#""expires_in":"7200""#; "a string of digits")]
#[test_case(r#""expires_in":9223372036854775807"#; "just below 2 to the 63")]
#[test_case(r#""expires_in":18446744073709551615"#; "just below 2 to the 64")]
#[test_case(r#""expires_in":-1"#; "negative")]
#[test_case(r#""expires_in":0"#; "zero")]
#[test_case(r#""expires_in":null"#; "null for a number")]
#[test_case(r#""scope":[]"#; "an empty list")]
#[test_case(r#""scope":["api","web"]"#; "a list")]
#[test_case(r#""scope":null"#; "null for a string")]
#[test_case(r#""id":7,"issued_at":{},"token_type":[],"error":null"#; "types that nobody expects")]
#[tokio::test]
async fn odd_fields_of_a_login_do_no_harm(field: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    // The session is a real one, of a login that the proxy knows nothing of.
    let other = Proxy::start(&org).await;
    assert_eq!(other.get(LIMITS).await.status(), 200);
    let seen = org.last_request();
    let token = seen.header("authorization").trim_start_matches("Bearer ");
    let url = org.instance_url();
    let answer = format!(r#"{{"access_token":"{token}","instance_url":"{url}",{field}}}"#);
    org.faults().always(TOKEN, granted(&answer));
    for _ in 0..3 {
        assert_eq!(proxy.get(LIMITS).await.status(), 200);
    }
    assert_eq!(org.counts().token_requests, 2);
}

#[test_case("invalid_grant", "inactive user"; "inactive")]
#[test_case("invalid_grant", "user is frozen"; "frozen")]
#[tokio::test]
async fn a_frozen_user_is_not_logged_in_again_soon(error: &str, description: &str) {
    let (org, proxy) = living().await;
    org.end_sessions();
    org.faults()
        .always(TOKEN, Fault::login_refused(error, description));
    for _ in 0..3 {
        let answer = proxy.get(LIMITS).await;
        assert_eq!(answer.status(), 502);
        let (code, message) = error_code(answer).await;
        assert_eq!(code, "LOGIN_REFUSED");
        assert!(message.contains("Unfreeze"), "{message}");
        assert!(!message.contains("expired"), "{message}");
    }
    assert_eq!(org.counts().token_requests, 2);
}

#[test_case("http://localhost"; "plain")]
#[test_case("https://evil.example"; "another host")]
#[test_case("https://user:pass@acme.my.salesforce.com"; "with a user")]
#[test_case("https://acme.my.salesforce.com.evil.example"; "lookalike at the end")]
#[test_case("https://evilsalesforce.com"; "lookalike at the start")]
#[test_case("https://acme.my.salesforce.com:8443"; "another port")]
#[test_case("https://acme.my.salesforce.com/path"; "with a path")]
#[test_case("nonsense"; "nonsense")]
#[tokio::test]
async fn an_instance_that_must_not_have_the_session_is_refused(instance: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.set(|knobs| knobs.instance_url = Some(instance.to_owned()));
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 502);
    let (code, message) = error_code(answer).await;
    assert_eq!(code, "LOGIN_REFUSED");
    assert!(message.contains("trusted_hosts"), "{message}");
    assert!(!message.contains("00Dxx"), "{message}");
}

#[tokio::test]
async fn a_session_never_goes_to_a_port_that_was_not_named() {
    let org = Org::start().await.unwrap();
    let decoy = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.orgs[0].trusted_hosts = vec![format!("localhost:{}", org.port())];
    })
    .await;
    org.set(|knobs| knobs.instance_url = Some(decoy.instance_url()));
    assert_eq!(proxy.get(LIMITS).await.status(), 502);
    assert_eq!(decoy.connections(), 0);
}

#[tokio::test]
async fn a_passing_failure_is_overcome_within_one_request() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let faults = org.faults();
    faults.next(1, TOKEN, Fault::html(StatusCode::SERVICE_UNAVAILABLE));
    faults.next(1, TOKEN, Fault::no_answer(Then::Reset));
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert_eq!(org.counts().token_requests, 3);
}

#[tokio::test]
async fn a_failure_rests_and_is_forgotten() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults()
        .next(3, TOKEN, Fault::html(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(proxy.get(LIMITS).await.status(), 503);
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(org.counts().token_requests, 3);
    // Nothing but time ends the rest, and this is how long the client is asked to wait.
    let seconds = answer.headers()["retry-after"].to_str().unwrap();
    tokio::time::sleep(Duration::from_secs(seconds.parse().unwrap())).await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert_eq!(org.counts().token_requests, 4);
}

#[tokio::test]
async fn a_hundred_requests_share_one_failed_login() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().always(
        TOKEN,
        Fault::login_refused("invalid_grant", "user is locked"),
    );
    let client = client();
    let url = proxy.url(LIMITS);
    for answer in join_all((0..100).map(|_| client.get(&url).send())).await {
        assert_eq!(answer.unwrap().status(), 502);
    }
    assert_eq!(org.counts().token_requests, 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_takes_nobody_elses_login_with_it() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let hold = org.hold(TOKEN);
    let mut first = proxy.connect().await;
    first.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 1).await;
    drop(first);
    let mut second = proxy.connect().await;
    second.send(get(LIMITS)).await;
    hold.release();
    assert!(second.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(org.counts().token_requests, 1);
}

#[tokio::test]
async fn no_error_shows_a_secret_that_the_org_echoes() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let token =
        "00Dxx0000001gPL!AQEAQIjDc300gIJ969brMw03trgRdbIiCcNfFf9s7nvrzajcuvAkHP6vAXp2iw0V7hj0yG2";
    let assertion = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl";
    org.faults().always(
        TOKEN,
        Fault::login_refused(
            &format!("no_{token}"),
            &format!("bad {assertion} and {token}, sorry"),
        ),
    );
    let (_, message) = error_code(proxy.get(LIMITS).await).await;
    assert!(message.contains("no_[session]"), "{message}");
    assert!(message.contains("sorry"), "{message}");
    assert!(!message.contains("c2lnbmF0dXJl"), "{message}");
    assert!(!message.contains("AQEAQIjDc"), "{message}");
}

/// An org and a proxy whose session the org has just accepted.
async fn living() -> (Org, Proxy) {
    living_with(|_| {}).await
}

/// The same, with a configuration that `change` has had its way with.
async fn living_with(change: impl FnOnce(&mut Config)) -> (Org, Proxy) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, change).await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert_eq!(org.logins(), 1);
    (org, proxy)
}

/// Counts the requests for `path`.
fn times(org: &Org, path: &str) -> usize {
    let seen = org.requests();
    seen.iter().filter(|seen| seen.target == path).count()
}

async fn upload(proxy: &Proxy, body: &Bytes, chunked: bool) -> (StatusCode, String) {
    let request = client().post(proxy.url(SINK));
    let request = if chunked {
        request.body(reqwest::Body::wrap(http_body_util::StreamBody::new(
            futures_util::stream::iter(
                blocks(body.len() as u64)
                    .map(|block| Ok::<_, std::io::Error>(hyper::body::Frame::data(block))),
            ),
        )))
    } else {
        request.body(body.clone())
    };
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = json_of(answer).await;
    (
        status,
        body["sha256"].as_str().unwrap_or_default().to_owned(),
    )
}

/// Code and message of an error in the shape of the REST API.
async fn error_code(answer: reqwest::Response) -> (String, String) {
    let body = json_of(answer).await;
    let text = |name: &str| body[0][name].as_str().unwrap().to_owned();
    (text("errorCode"), text("message"))
}

/// A login that goes well, or looks like it.
fn granted(answer: &str) -> Fault {
    let kind = "application/json;charset=UTF-8";
    Fault::answer(StatusCode::OK, kind, answer.to_owned())
}

fn pattern(length: u64) -> Bytes {
    blocks(length).flatten().collect()
}
