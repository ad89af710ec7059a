//! Bodies stream both ways, and what breaks off on one side breaks off on the other.

use std::io::{self, ErrorKind};

use bytes::Bytes;
use http::{Request, StatusCode};
use orgproxy::demo::Then;
use test_case::test_case;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    Fault, Files, Org, Proxy, SHORT, client,
    get::get,
    in_time, json_of,
    path::{BYTES, ECHO, LIMITS, SINK},
    tls::Client,
};

#[test_case(""; "with a length")]
#[test_case("&chunked=1"; "in chunks")]
#[tokio::test]
async fn the_beginning_of_an_answer_arrives_before_its_end(more: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let hold = org.hold_body(BYTES, 1000);
    let mut answer = proxy.get(&format!("{BYTES}?n=5000{more}")).await;
    let mut length = 0;
    while length < 1000 {
        length += answer.chunk().await.unwrap().unwrap().len();
    }
    assert_eq!(length, 1000);
    org.wait_until(|_| hold.waiting() == 1).await;
    hold.release();
    assert_eq!(answer.bytes().await.unwrap().len(), 4000);
}

#[test_case("Content-Length: 10", "hello", " you!"; "with a length")]
#[test_case("Transfer-Encoding: chunked", "5\r\nhello\r\n", "5\r\n you!\r\n0\r\n\r\n"; "in chunks")]
#[tokio::test]
async fn the_beginning_of_an_upload_arrives_before_its_end(framing: &str, first: &str, rest: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {SINK} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n{first}"
    ))
    .await;
    org.wait_until(|org| last_length(org, SINK) == 5).await;
    assert!(!org.last_request().complete);
    raw.send(rest).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(org.last_request().body, b"hello you!");
}

#[tokio::test]
async fn an_answer_comes_back_while_the_upload_goes_on() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {ECHO} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello"
    ))
    .await;
    let head = raw.head().await.to_lowercase();
    assert!(head.contains("content-length: 10"), "{head}");
    assert_eq!(raw.exactly(5).await, b"hello");
    raw.send(" you!").await;
    assert_eq!(raw.exactly(5).await, b" you!");
}

/// The rest of an answer stays with the org until the client reads on: the socket buffers between take
/// some megabytes, and this process must not take more.
#[tokio::test]
async fn a_client_that_does_not_read_holds_the_org_back() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    // Sent only once the whole body is out.
    let hold = org.hold_body(BYTES, 200 << 20);
    let mut raw = proxy.connect().await;
    raw.send(get(&format!("{BYTES}?n={}", 256 << 20))).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200"));
    // Other requests are served meanwhile, which takes long enough for a flood to show.
    for _ in 0..200 {
        assert_eq!(proxy.get(LIMITS).await.status(), 200);
    }
    assert_eq!(hold.waiting(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_the_orgs_side() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let hold = org.hold_body(BYTES, 1000);
    let mut raw = proxy.connect().await;
    raw.send(get(&format!("{BYTES}?n=5000"))).await;
    raw.head().await;
    raw.exactly(1000).await;
    let open = org.counts().open;
    drop(raw);
    org.wait_until(|org| org.counts().open < open).await;
    hold.release();
}

#[test_case("GET", "", ""; "without a body")]
#[test_case("POST", "Content-Length: 5\r\n", "hello"; "with a length")]
#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_cancels_the_orgs_side(
    method: &str,
    framing: &str,
    body: &str,
) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    proxy.get(LIMITS).await;
    let hold = org.hold(SINK);
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "{method} {SINK} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n{body}"
    ))
    .await;
    org.wait_until(|_| hold.waiting() == 1).await;
    drop(raw);
    org.wait_until(|_| hold.waiting() == 0).await;
}

#[test_case("Content-Length: 10", "hello"; "with a length")]
#[test_case("Transfer-Encoding: chunked", "5\r\nhello\r\n"; "in chunks")]
#[tokio::test]
async fn an_upload_that_breaks_off_is_never_complete(framing: &str, first: &str) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {SINK} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n{first}"
    ))
    .await;
    org.wait_until(|org| last_length(org, SINK) == 5).await;
    drop(raw);
    org.wait_until(|org| !org.last_request().sha256.is_empty())
        .await;
    assert!(!org.last_request().complete);
    let uploads = org
        .requests()
        .iter()
        .filter(|seen| seen.target == SINK)
        .count();
    assert_eq!(uploads, 1);
}

/// HTTP/2 has a way to give up that libraries show as an end.
#[tokio::test]
async fn an_upload_that_is_given_up_without_an_error_is_never_complete() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://localhost{SINK}")).body(());
    let (_answer, mut body) = sender.send_request(request.unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(b"half"), false).unwrap();
    org.wait_until(|org| org.requests().last().is_some_and(|seen| seen.length == 4))
        .await;

    body.send_reset(h2::Reason::NO_ERROR);
    org.wait_until(|org| !org.last_request().sha256.is_empty())
        .await;
    assert!(!org.last_request().complete);
}

#[tokio::test]
async fn an_upload_that_stalls_is_refused_and_never_complete() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.limits.idle_body = SHORT;
    })
    .await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {SINK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello"
    ))
    .await;
    let answer = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("STALLED_BODY"), "{answer}");
    org.wait_until(|org| !org.last_request().sha256.is_empty())
        .await;
    assert!(!org.last_request().complete);
}

#[test_case(Fault::cut_length(); "with a length")]
#[test_case(Fault::cut_chunks(); "in chunks")]
#[test_case(Fault::CutBody(10); "reset")]
#[test_case(Fault::raw("HTTP/1.0 200 OK\r\n\r\n0123456789", Then::Cut); "until the end of a connection that is cut")]
#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_whole(fault: Fault) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().next(1, BYTES, fault);
    let answer = client()
        .get(proxy.url(&format!("{BYTES}?n=100")))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
}

/// It takes the end of the connection for the end of an answer, unless that is a reset.
#[test_case(Fault::cut_chunks(); "in chunks")]
#[test_case(Fault::CutBody(10); "reset")]
#[test_case(Fault::raw("HTTP/1.0 200 OK\r\n\r\n0123456789", Then::Cut); "until the end of a connection that is cut")]
#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_whole_in_http_1_0(fault: Fault) {
    let org = Org::start().await.unwrap();
    let files = Files::with(
        &org,
        "listen = [\"127.0.0.1:0\", \"https://127.0.0.1:0\"]\n",
    );
    let proxy = files.start_with_state();
    let address = proxy.address().await;
    let tls = Client::trusting(&files.local_ca());
    let port = proxy.secure_port().await;
    let wire = format!("GET {BYTES}?n=100&chunked=1 HTTP/1.0\r\nHost: localhost\r\n\r\n");
    for by_tls in [false, true] {
        let ask = async || {
            if by_tls {
                heard(tls.connect(port).await.unwrap(), &wire).await
            } else {
                heard(TcpStream::connect(address).await.unwrap(), &wire).await
            }
        };
        org.faults().next(1, BYTES, fault.clone());
        let (body, ended) = ask().await;
        assert_eq!(body.len(), 10);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
        let (body, ended) = ask().await;
        assert_eq!(body.len(), 100);
        ended.unwrap();
    }
}

/// The body of the answer to `wire`, and how the connection ended.
async fn heard(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    wire: &str,
) -> (Vec<u8>, io::Result<usize>) {
    stream.write_all(wire.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let ended = in_time(stream.read_to_end(&mut heard)).await;
    let end = heard.windows(4).position(|four| four == b"\r\n\r\n");
    (heard.split_off(end.expect("a head") + 4), ended)
}

#[tokio::test]
async fn an_answer_that_is_not_taken_in_time_is_never_taken_for_whole_in_http_1_0() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.limits.idle_body = SHORT).await;
    // Fits into no buffer on the way, and its client reads nothing before the connection has ended.
    let length = 64 << 20;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {BYTES}?n={length}&chunked=1 HTTP/1.0\r\nHost: localhost\r\n\r\n"
    ))
    .await;
    raw.head().await;
    org.wait_until(|org| org.counts().open == 0).await;
    let mut body = Vec::new();
    let ended = in_time(raw.0.read_to_end(&mut body)).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(body.len() < length, "{}", body.len());
}

#[test_case(Fault::cut_length(); "with a length")]
#[test_case(Fault::cut_chunks(); "in chunks")]
#[test_case(Fault::CutBody(10); "reset")]
#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_whole_over_http_2(fault: Fault) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().next(1, BYTES, fault);
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let end = async |sender: &mut h2::client::SendRequest<Bytes>| {
        let request = Request::get(format!("http://localhost{BYTES}?n=100")).body(());
        let (answer, _) = sender.send_request(request.unwrap(), true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        let mut length = 0;
        while let Some(data) = body.data().await {
            length += data?.len();
        }
        Ok::<_, h2::Error>(length)
    };
    in_time(end(&mut sender)).await.unwrap_err();
    // It is the stream that ends so, and not the connection.
    assert_eq!(in_time(end(&mut sender)).await.unwrap(), 100);
}

#[tokio::test]
async fn an_answer_that_stalls_is_broken_off() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.limits.idle_body = SHORT;
    })
    .await;
    let _hold = org.hold_body(BYTES, 10);
    let answer = proxy.get(&format!("{BYTES}?n=100")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.limits.answer = SHORT;
    })
    .await;
    org.faults().next(1, LIMITS, Fault::Hang);
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), 504);
    assert_eq!(
        answer.headers()["proxy-status"],
        "orgproxy; error=http_response_timeout; details=\"ORG_TIMED_OUT\""
    );
    let body = json_of(answer).await;
    assert_eq!(body[0]["errorCode"], "ORG_TIMED_OUT");
    assert!(
        body[0]["message"]
            .as_str()
            .unwrap()
            .contains("limits.answer")
    );
    assert_eq!(org.counts().requests, 1);
}

#[tokio::test]
async fn an_upload_that_takes_its_time_does_not_count_as_waiting_for_the_answer() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.limits.answer = SHORT;
        config.limits.idle_body = SHORT;
    })
    .await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {SINK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
    ))
    .await;
    for (index, byte) in b"hello".iter().enumerate() {
        org.wait_until(|org| last_length(org, SINK) == index as u64)
            .await;
        // Each pause is shorter than the limit and all together are longer, which only time tells.
        tokio::time::sleep(SHORT / 4).await;
        raw.send([*byte]).await;
    }
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn bytes_behind_an_answer_reach_nobody() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.threads = 1).await;
    proxy.get(LIMITS).await;
    org.faults().next(1, LIMITS, Fault::extra_bytes());
    let mut raw = proxy.connect().await;
    raw.send(get(LIMITS)).await;
    assert!(raw.answer().await.ends_with("\r\n\r\nok"));
    for _ in 0..3 {
        raw.send(get("/services/data")).await;
        assert!(raw.answer().await.contains("Summer"));
    }
}

#[tokio::test]
async fn an_unasked_switch_of_protocols_is_an_error_of_the_orgs() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().next(1, LIMITS, Fault::unasked_switch());
    let answer = proxy.get(LIMITS).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let text = answer.text().await.unwrap();
    assert!(text.contains("ORG_UPGRADED"), "{text}");
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
}

#[tokio::test]
async fn of_two_framings_chunks_win_and_the_length_is_not_passed_on() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    org.faults().next(1, LIMITS, Fault::two_framings());
    let answer = proxy.get(LIMITS).await;
    // An error would do as well; a wrong length would not.
    assert!(!answer.headers().contains_key("content-length"));
    assert_eq!(answer.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn an_early_refusal_is_passed_on_and_nobody_waits_for_its_upload() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.threads = 1).await;
    proxy.get(LIMITS).await;
    let fault = Fault::answer(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "too much");
    org.faults().next(1, SINK, fault.early());
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "POST {SINK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhello"
    ))
    .await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 413"));
    // The upload has not ended, and never will.
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
}

#[tokio::test]
async fn a_large_body_arrives_whole_both_ways() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let body: Vec<u8> = orgproxy::demo::blocks(30 << 20).flatten().collect();
    let answer = client()
        .post(proxy.url(ECHO))
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert!(answer.bytes().await.unwrap() == body);
}

#[tokio::test]
async fn a_stop_waits_for_the_end_of_an_answer() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let hold = org.hold_body(BYTES, 1000);
    let mut raw = proxy.connect().await;
    raw.send(get(&format!("{BYTES}?n=5000"))).await;
    raw.head().await;
    raw.exactly(1000).await;
    let stopped = tokio::spawn(proxy.stop());
    hold.release();
    raw.exactly(4000).await;
    assert_eq!(stopped.await.unwrap(), 0);
}

fn last_length(org: &Org, path: &str) -> u64 {
    org.requests()
        .iter()
        .rfind(|seen| seen.target == path)
        .map_or(u64::MAX, |seen| seen.length)
}
