//! The way to the org: connections used again, requests never done twice, TLS that is what it says.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use http::{Method, StatusCode};
use orgproxy::demo::Then;
use rcgen::{CertificateParams, SanType, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use test_case::test_case;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    Fault, Gate, Org, Own, Proxy, Raw, SHORT, client,
    get::{get, get_and_close},
    in_time, json_of,
    path::{BYTES, ECHO, LIMITS},
};

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let (org, proxy) = warm(false).await;
    for _ in 0..5 {
        proxy.get(LIMITS).await.bytes().await.unwrap();
        post(&proxy).await.bytes().await.unwrap();
    }
    let first = org.requests()[0].connection;
    assert!(org.requests().iter().all(|seen| seen.connection == first));
}

#[test_case(Method::GET, false; "get")]
#[test_case(Method::POST, false; "post")]
#[test_case(Method::GET, true; "get over http 2")]
#[test_case(Method::POST, true; "post over http 2")]
#[tokio::test]
async fn a_connection_that_the_org_closed_while_it_was_idle_costs_no_request(
    method: Method,
    http2: bool,
) {
    let (org, proxy) = warm(http2).await;
    org.disconnect();
    org.wait_until(|org| org.counts().open == 0).await;
    let answer = send(&proxy, method).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(org.counts().requests, 2);
}

#[test_case(Then::Close; "in good order")]
#[test_case(Then::Cut; "without a word")]
#[test_case(Then::Reset; "with a reset")]
#[tokio::test]
async fn a_connection_that_ends_after_an_answer_costs_no_get(then: Then) {
    let (org, proxy) = warm(false).await;
    for _ in 0..5 {
        org.faults().next(1, LIMITS, Fault::EndAfter(then));
        let answer = proxy.get(LIMITS).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
        assert_eq!(proxy.get(LIMITS).await.status(), 200);
    }
}

#[test_case(Fault::no_answer(Then::Close); "closed")]
#[test_case(Fault::no_answer(Then::Cut); "cut")]
#[test_case(Fault::no_answer(Then::Reset); "reset")]
#[test_case(Fault::cut_head(); "cut within the head")]
#[test_case(Fault::raw("rubbish\r\n\r\n", Then::Close); "rubbish")]
#[tokio::test]
async fn what_may_have_been_done_is_not_done_again(fault: Fault) {
    for method in [Method::POST, Method::PATCH] {
        let (org, proxy) = warm(false).await;
        org.faults().always(ECHO, fault.clone());
        let answer = send(&proxy, method).await;
        assert_eq!(answer.status(), 502);
        let message = message(answer, "ORG_CLOSED").await;
        assert!(message.contains("may or may not"), "{message}");
        assert_eq!(org.counts().requests, 2);
    }
}

#[test_case(Fault::Hang; "at all")]
#[test_case(Fault::cut_length(); "but in part")]
#[test_case(Fault::cut_chunks(); "but in some chunks")]
#[tokio::test]
async fn what_was_not_answered_whole_is_not_done_again(fault: Fault) {
    for method in [Method::POST, Method::PATCH] {
        let org = Org::start().await.unwrap();
        let proxy = Proxy::with(&org, |config| config.limits.answer = SHORT).await;
        org.faults().always(ECHO, fault.clone());
        let answer = send(&proxy, method).await;
        assert!(answer.status() == 504 || answer.bytes().await.is_err());
        assert_eq!(org.counts().requests, 1);
    }
}

/// What the org makes of it the second time does not matter.
#[test_case(Method::GET; "get")]
#[test_case(Method::PUT; "put")]
#[test_case(Method::DELETE; "delete")]
#[tokio::test]
async fn what_may_be_done_again_is_tried_twice_and_no_more(method: Method) {
    let (org, proxy) = warm(false).await;
    org.faults().next(1, LIMITS, Fault::no_answer(Then::Reset));
    let answer = send_to(&proxy, method.clone(), LIMITS).await;
    assert_ne!(answer.status(), 502);
    answer.bytes().await.unwrap();
    assert_eq!(org.counts().requests, 3);

    org.faults().always(LIMITS, Fault::no_answer(Then::Reset));
    assert_eq!(send_to(&proxy, method, LIMITS).await.status(), 502);
    assert_eq!(org.counts().requests, 5);
}

/// Whatever the method: a class, a page or a piece of code may write at a GET as well.
#[test_case(Method::GET, ECHO; "a class asked to get")]
#[test_case(Method::PUT, ECHO; "a class asked to put")]
#[test_case(Method::DELETE, ECHO; "a class asked to delete")]
#[test_case(Method::GET, "/apex/Pay"; "a page")]
#[test_case(Method::GET, "/cometd/62.0?message=x"; "messages")]
#[test_case(Method::GET, "/services/data/v62.0/tooling/executeAnonymous/?anonymousBody=x"; "code")]
#[test_case(Method::GET, "/services/data/v62.0/tooling/%65xecuteAnonymous?anonymousBody=x"; "code that is spelled oddly")]
#[test_case(Method::GET, "/services/data/v62.0/tooling/executeAnonymous.json?anonymousBody=x"; "code with a format")]
#[test_case(Method::GET, "/services/data./v62.0/tooling/executeAnonymous%20/?anonymousBody=x"; "code with what is cut off")]
#[test_case(Method::GET, "/services/apexrest.json/echo"; "a class with a format")]
#[test_case(Method::GET, "/services/data/v62.0/tooling/runTestsSynchronous/?classnames=x"; "tests")]
#[tokio::test]
async fn what_runs_code_of_the_orgs_own_is_not_done_again(method: Method, target: &str) {
    let (org, proxy) = warm(false).await;
    let path = target.split('?').next().unwrap();
    org.faults().always(path, Fault::no_answer(Then::Reset));
    assert_eq!(send_to(&proxy, method, target).await.status(), 502);
    assert_eq!(org.counts().requests, 2);
}

#[tokio::test]
async fn an_org_that_is_gone_is_reported() {
    let (org, proxy) = warm(false).await;
    let port = org.port();
    org.shutdown().await;
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 502);
    let message = message(answer, "ORG_UNREACHABLE").await;
    assert!(
        message.contains(&format!("cannot reach localhost:{port}")),
        "{message}"
    );
}

#[test_case(|_| (), false, "unknown issuer"; "of an authority that nobody trusts")]
#[test_case(|it| it.subject_alt_names = vec![name("other.example")], true, "not valid for the name"; "of another host")]
#[test_case(|it| it.subject_alt_names.clear(), true, "not valid for the name"; "with its name as that of its subject only")]
#[test_case(|it| it.not_after = date_time_ymd(2020, 1, 1), true, "has expired on 2020-01-01"; "that has expired")]
#[test_case(|it| it.not_before = date_time_ymd(2098, 1, 1), true, "not valid yet"; "that is not valid yet")]
#[tokio::test]
async fn an_instance_with_a_certificate_gets_nothing(
    change: fn(&mut CertificateParams),
    trusted: bool,
    reason: &str,
) {
    let own = Own::with("localhost", 2099, change);
    gets_nothing(&own, trusted, reason).await;
}

#[tokio::test]
async fn an_instance_that_signed_its_own_certificate_gets_nothing() {
    gets_nothing(&Own::of_itself("localhost"), false, "unknown issuer").await;
}

/// Asserts that an instance with the certificate of `own` is refused for `reason`.
async fn gets_nothing(own: &Own, trusted: bool, reason: &str) {
    let (port, heard) = listen(own).await;
    let text = refused(port, trusted.then(|| own.authority.der().clone())).await;
    assert!(text.contains("its TLS cannot be trusted"), "{text}");
    assert!(text.contains(reason), "{text}");
    // The handshake failed before the first byte of HTTP.
    assert_eq!(in_time(heard).await.unwrap(), None);
}

fn name(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

#[tokio::test]
async fn an_instance_with_a_good_certificate_of_ones_own_authority_is_served() {
    let own = Own::make("localhost", 2099);
    let (port, heard) = listen(&own).await;
    let text = refused(port, Some(own.authority.der().clone())).await;
    assert!(text.contains("ORG_CLOSED"), "{text}");
    let heard = in_time(heard).await.unwrap().unwrap();
    assert!(heard.starts_with(b"GET /services/"));
}

#[test_case(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"; "none at all")]
#[test_case(&server_hello([3, 2]); "1 1")]
#[test_case(&server_hello([3, 1]); "1 0")]
#[test_case(&server_hello([3, 0]); "ssl 3")]
#[tokio::test]
async fn an_instance_without_tls_of_today_gets_no_http(answer: &[u8]) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.to_owned();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = first_bytes(&mut stream).await;
        stream.write_all(&answer).await.unwrap();
        let _ = stream.read_to_end(&mut heard).await;
        heard
    });
    let text = refused(port, None).await;
    assert!(text.contains("its TLS cannot be trusted"), "{text}");
    let heard = in_time(heard).await.unwrap();
    assert_eq!(heard[0], 22, "a TLS handshake");
    let said = |word: &[u8]| heard.windows(word.len()).any(|bytes| bytes == word);
    assert!(!said(b"HTTP") && !said(b"Bearer") && !said(b"00Dxx"));
}

/// The answer to a greeting in this version of TLS: a random number, no session, AES128-SHA, and no
/// compression.
fn server_hello(version: [u8; 2]) -> Vec<u8> {
    let [major, minor] = version;
    let record = [22, major, minor, 0, 42, 2, 0, 0, 38, major, minor];
    [&record[..], &[7; 32], &[0, 0, 0x2f, 0]].concat()
}

/// The 502 for a request whose instance is at `port`, in a proxy that trusts `authority`.
async fn refused(port: u16, authority: Option<CertificateDer<'static>>) -> String {
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.instance_url = Some(format!("https://localhost:{port}")));
    let proxy = Proxy::with(&org, |config| config.orgs[0].ca.extend(authority)).await;
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    answer.text().await.unwrap()
}

/// Takes one connection, and returns the first bytes that came through TLS if that came about.
async fn listen(own: &Own) -> (u16, JoinHandle<Option<Vec<u8>>>) {
    let acceptor = TlsAcceptor::from(own.tls.clone());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.ok()?;
        Some(first_bytes(&mut stream).await)
    });
    (port, heard)
}

async fn first_bytes(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut heard = Vec::with_capacity(4096);
    stream.read_buf(&mut heard).await.unwrap();
    heard
}

/// An org, and a proxy of one thread that has a connection to it.
async fn warm(http2: bool) -> (Org, Proxy) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.threads = 1;
        config.orgs[0].http2 = http2;
    })
    .await;
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
    (org, proxy)
}

#[tokio::test]
async fn over_http2_the_next_connection_is_opened_before_one_is_full() {
    let (org, proxy) = warm(true).await;
    let before = org.connections();
    all_at_once(&org, &proxy, 130).await;
    assert_eq!(org.connections(), before + 2);
}

#[tokio::test]
async fn over_http2_requests_that_find_no_connection_open_one_for_all() {
    let (org, proxy) = warm(true).await;
    org.disconnect();
    org.wait_until(|org| org.counts().open == 0).await;
    let before = org.connections();
    all_at_once(&org, &proxy, 60).await;
    assert_eq!(org.connections(), before + 1);
}

#[tokio::test]
async fn over_http2_requests_share_what_there_is_where_no_other_connection_can_be_had() {
    let org = Org::start().await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    org.set(|knobs| knobs.instance_url = Some(format!("https://localhost:{port}")));
    let to = org.port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut org = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await.unwrap();
        // However it ends.
        let _ = copy_bidirectional(&mut client, &mut org).await;
    });
    let proxy = Proxy::with(&org, |config| {
        config.threads = 1;
        config.orgs[0].http2 = true;
    })
    .await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    all_at_once(&org, &proxy, 100).await;
}

/// Has the org answer so many requests once all have come.
async fn all_at_once(org: &Org, proxy: &Proxy, count: usize) {
    let hold = org.hold(ECHO);
    let calls: Vec<_> = (0..count)
        .map(|_| tokio::spawn(client().get(proxy.url(ECHO)).send()))
        .collect();
    org.wait_until(|_| hold.waiting() == count).await;
    hold.release();
    for call in calls {
        let answer = in_time(call).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn over_http2_answers_that_are_not_taken_hold_up_no_others() {
    let (_org, proxy) = warm(true).await;
    let mut untaken = Vec::new();
    for _ in 0..10 {
        let mut client = Raw::connect(proxy.address).await;
        let endless = format!("{BYTES}?n=1000000000");
        client.send(get_and_close(&endless)).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200"));
        untaken.push(client);
    }
    for _ in 0..3 {
        let answer = async {
            let answer = proxy.get(&format!("{BYTES}?n=3000000")).await;
            answer.bytes().await.unwrap().len()
        };
        assert_eq!(in_time(answer).await, 3_000_000);
    }
}

#[test_case(REFUSED_STREAM; "by refusing it")]
#[test_case(GO_AWAY_BEFORE; "by going away before it")]
#[tokio::test]
async fn over_http2_a_write_that_the_org_says_it_has_not_begun_is_sent_once_more(
    last: &'static [u8],
) {
    for (answers, status, times) in [(&[last, OK][..], 200, 2), (&[last, last, OK], 502, 2)] {
        let (org, proxy) = answering(answers).await;
        assert_eq!(post(&proxy).await.status(), status);
        assert_eq!(org.requests(), times);
    }
}

#[test_case(CANCEL; "gives it up")]
#[test_case(GO_AWAY_BEHIND; "goes away behind it")]
#[test_case(GO_AWAY_WITH_A_FAULT_BEHIND; "goes away behind it with a fault")]
#[tokio::test]
async fn over_http2_a_write_is_not_sent_again_if_the_org(last: &'static [u8]) {
    let (org, proxy) = answering(&[last, OK]).await;
    let answer = post(&proxy).await;
    assert_eq!(answer.status(), 502);
    message(answer, "ORG_CLOSED").await;
    assert_eq!(org.requests(), 1);
}

/// Frames for the first request on a connection (RFC 9113 section 6).
const OK: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
const REFUSED_STREAM: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
const CANCEL: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];
const GO_AWAY_BEFORE: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const GO_AWAY_BEHIND: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
const GO_AWAY_WITH_A_FAULT_BEHIND: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];

/// An instance that takes one request on each connection.
struct Answering {
    _org: Org,
    requests: Arc<AtomicUsize>,
}

impl Answering {
    fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

/// An org with an instance that answers its requests so, one after another, and ends their connections;
/// and a proxy of one thread.
async fn answering(answers: &[&'static [u8]]) -> (Answering, Proxy) {
    let own = Own::make("localhost", 2099);
    let mut tls = ServerConfig::clone(&own.tls);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests: Arc<AtomicUsize> = Arc::default();
    let seen = requests.clone();
    let answers = answers.to_vec();
    tokio::spawn(async move {
        for answer in answers {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let settings = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
            stream.write_all(settings).await.unwrap();
            stream.read_exact(&mut [0; 24]).await.unwrap();
            until_the_end_of_a_request(&mut stream).await;
            seen.fetch_add(1, Relaxed);
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.instance_url = Some(format!("https://localhost:{port}")));
    let proxy = Proxy::with(&org, |config| {
        config.threads = 1;
        config.orgs[0].http2 = true;
        config.orgs[0].ca.push(own.authority.der().clone());
    })
    .await;
    (
        Answering {
            _org: org,
            requests,
        },
        proxy,
    )
}

/// Reads frames, until one ends a stream.
async fn until_the_end_of_a_request(stream: &mut (impl AsyncRead + Unpin)) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let [_, high, low, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        stream.read_exact(&mut payload).await.unwrap();
        if kind <= 1 && flags & 1 == 1 {
            return;
        }
    }
}

async fn post(proxy: &Proxy) -> reqwest::Response {
    send(proxy, Method::POST).await
}

async fn send(proxy: &Proxy, method: Method) -> reqwest::Response {
    send_to(proxy, method, ECHO).await
}

async fn send_to(proxy: &Proxy, method: Method, target: &str) -> reqwest::Response {
    let request = client().request(method.clone(), proxy.url(target));
    let request = match method {
        Method::GET | Method::DELETE => request,
        _ => request.body("hello"),
    };
    request.send().await.unwrap()
}

async fn message(answer: reqwest::Response, code: &str) -> String {
    assert!(answer.headers().contains_key("proxy-status"));
    let body = json_of(answer).await;
    assert_eq!(body[0]["errorCode"], code);
    body[0]["message"].as_str().unwrap().to_owned()
}

#[test_case(Fault::cut_head(); "cut within the head")]
#[test_case(Fault::raw("H", Then::Close); "a single byte")]
#[test_case(Fault::raw("rubbish\r\n\r\n", Then::Close); "rubbish")]
#[test_case(Fault::raw("HTTP/1.1 100 Continue\r\n\r\n", Then::Close); "an interim answer and no more")]
#[test_case(Fault::raw("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", Then::Close); "a length of 2 to the 63")]
#[test_case(Fault::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Then::Close); "an unknown coding")]
#[test_case(Fault::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Then::Close); "no coding that is known")]
#[tokio::test]
async fn what_was_answered_in_part_is_not_asked_again(fault: Fault) {
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let (org, proxy) = warm(false).await;
        org.faults().always(ECHO, fault.clone());
        let answer = send(&proxy, method).await;
        assert_eq!(answer.status(), 502);
        message(answer, "ORG_CLOSED").await;
        assert_eq!(org.counts().requests, 2);
    }
}

#[tokio::test]
async fn a_malformed_answer_over_http_2_is_not_asked_for_again() {
    for length in ["9223372036854775808", "-1"] {
        let (org, proxy) = warm(true).await;
        let fault =
            Fault::answer(StatusCode::OK, "text/plain", "").header("content-length", length);
        org.faults().always(ECHO, fault);
        let answer = send(&proxy, Method::GET).await;
        assert_eq!(answer.status(), 502);
        message(answer, "ORG_CLOSED").await;
        assert_eq!(org.counts().requests, 2);
    }
}

#[tokio::test]
async fn a_length_over_http_2_that_no_body_has_is_not_asked_for_again() {
    let (org, proxy) = warm(true).await;
    let fault = Fault::answer(StatusCode::OK, "text/plain", "x");
    let fault = fault.header("content-length", "9223372036854775808");
    org.faults().always(ECHO, fault);
    let answer = send(&proxy, Method::GET).await;
    assert_eq!(answer.status(), 502);
    message(answer, "ORG_CLOSED").await;
    assert_eq!(org.counts().requests, 2);
}

/// An org whose instance is behind a gate, and a proxy of one thread that knows so.
async fn gated(gate: &Gate) -> (Org, Proxy) {
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.instance_url = Some(format!("https://localhost:{}", gate.port)));
    let proxy = Proxy::with(&org, |config| config.threads = 1).await;
    (org, proxy)
}

#[tokio::test]
async fn a_connection_outlives_the_request_that_it_was_opened_for() {
    let gate = Gate::closed().await;
    let (org, proxy) = gated(&gate).await;
    let request = get(LIMITS);
    let mut client = proxy.connect().await;
    client.send(&request).await;
    gate.wait_for(1).await;
    drop(client);
    gate.open(org.port());
    for _ in 0..3 {
        let answer = proxy.get(LIMITS).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
    assert_eq!(gate.accepted(), 1);
}

#[tokio::test]
async fn requests_that_are_given_up_do_not_become_connections() {
    let gate = Gate::closed().await;
    let (org, proxy) = gated(&gate).await;
    let request = get(LIMITS);
    for _ in 0..5 {
        let mut clients = Vec::new();
        for _ in 0..100 {
            let mut client = proxy.connect().await;
            client.send(&request).await;
            clients.push(client);
        }
        gate.wait_for(64).await;
        // It came after them.
        let mut last = proxy.connect().await;
        last.send("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        last.answer().await;
    }
    assert_eq!(gate.accepted(), 64, "at a time");
    gate.open(org.port());
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
}

#[tokio::test]
async fn an_org_that_does_not_end_its_handshake_is_not_waited_for() {
    let gate = Gate::closed().await;
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.instance_url = Some(format!("https://localhost:{}", gate.port)));
    let proxy = Proxy::with(&org, |config| config.limits.connect = SHORT).await;
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 502);
    let message = message(answer, "ORG_UNREACHABLE").await;
    assert!(message.contains("limits.connect"), "{message}");
    gate.open(org.port());
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
}

#[tokio::test]
async fn an_instance_that_is_the_proxy_itself_is_reported() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let port = proxy.address.port();
    org.set(|knobs| knobs.instance_url = Some(format!("https://localhost:{port}")));
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 502);
    let message = message(answer, "PROXY_LOOP").await;
    assert!(message.contains("/etc/hosts"), "{message}");
}
