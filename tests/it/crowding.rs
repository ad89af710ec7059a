//! The copies of bodies, where there is no memory for all: who gets it, and who gives it back.

use std::pin::pin;

use bytes::Bytes;
use http::Request;
use orgproxy::config::{ApiVersion, Config};
use reqwest::Response;
use test_case::test_case;
use tokio::net::TcpStream;

use crate::support::{
    Both, Org, Proxy, client, in_time,
    path::{LIMITS, SINK},
};

#[test_case("Content-Length: 900000\r\n\r\n", 4, 900_000; "by their length")]
#[test_case("Transfer-Encoding: chunked\r\n\r\ne1000\r\n", 900_000, 0xe_1000; "by what came")]
#[tokio::test]
async fn an_upload_goes_on_without_its_copy_where_another_body_must_be_whole(
    framing: &str,
    sent: u64,
    all: u64,
) {
    let Both { org, proxy } = crowded().await;
    let mut upload = proxy.connect().await;
    let head = format!("POST {SINK} HTTP/1.1\r\nHost: localhost\r\n{framing}");
    upload.send(head + &"x".repeat(sent as usize)).await;
    org.wait_until(|org| last_length(org) == Some(sent)).await;

    assert_eq!(batch(&proxy).await.status(), 200);
    upload.send("x".repeat((all - sent) as usize)).await;
    if framing.contains("chunked") {
        upload.send("\r\n0\r\n\r\n").await;
    }
    let answer = upload.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_body_that_must_be_whole_and_drips_is_refused_and_one_that_comes_at_once_is_not() {
    let Both { org, proxy } = crowded().await;
    let mut slow = proxy.connect().await;
    slow.send(half_a_batch()).await;
    let answer = until_answered(&proxy, slow.answer()).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("OVERLOADED") && answer.contains("limits.replay_memory"));
    assert!(answer.to_lowercase().contains("retry-after"), "{answer}");
    assert_eq!(batch(&proxy).await.status(), 200);
    let at_org = org.requests();
    assert!(at_org.iter().all(|seen| seen.complete && seen.length != 1));
}

#[tokio::test]
async fn what_else_is_under_way_on_its_connection_goes_on() {
    let Both { org, proxy } = crowded().await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let hold = org.hold(LIMITS);
    let url = format!("http://localhost:{}", proxy.address.port());
    let asked = Request::get(format!("{url}{LIMITS}")).body(()).unwrap();
    let (waiting, _) = sender.send_request(asked, true).unwrap();
    org.wait_until(|_| hold.waiting() == 1).await;
    let half = Request::post(format!("{url}{BATCH}"))
        .header("content-type", "application/json")
        .header("content-length", "900000");
    let (refused, mut body) = sender.send_request(half.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(b"{"), false).unwrap();
    let refused = until_answered(&proxy, refused).await.unwrap();
    assert_eq!(refused.status(), 503);
    hold.release();
    assert_eq!(in_time(waiting).await.unwrap().status(), 200);
}

/// They would wait for each other if each had a part of what it needs.
#[tokio::test]
async fn of_many_at_once_each_has_its_turn() {
    let Both { org, proxy } = crowded().await;
    let hold = org.hold("/services/data");
    let all = (0..20).map(|_| tokio::spawn(batch(&proxy)));
    let all: Vec<_> = all.collect();
    // Four have room.
    org.wait_until(|_| hold.waiting() == 4).await;
    hold.release();
    for one in all {
        assert_eq!(one.await.unwrap().status(), 200);
    }
}

/// Where nobody gives anything back, it is the one who comes last that is refused, and may come again.
#[tokio::test]
async fn who_finds_no_memory_is_told_to_come_again() {
    let Both { org, proxy } = crowded().await;
    // Its body is complete, and waits for its turn to be sent.
    let hold = org.hold("/services/oauth2/token");
    let full = tokio::spawn(post(&proxy, 850_000));
    org.wait_until(|_| hold.waiting() == 1).await;
    let answer = batch(&proxy).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(answer.text().await.unwrap().contains("OVERLOADED"));
    hold.release();
    assert_eq!(full.await.unwrap().status(), 200);
    assert_eq!(batch(&proxy).await.status(), 200);
}

/// A proxy with little memory, that reads requests with requests in them whole.
async fn crowded() -> Both {
    Both::with(|config: &mut Config| {
        config.limits.replay_memory = 1_000_000;
        config.orgs[0].minimum_api_version = Some(ApiVersion::new(62));
    })
    .await
}

fn batch(proxy: &Proxy) -> impl Future<Output = Response> + use<> {
    post(proxy, 200_000)
}

/// Sends a batch with nothing in it but blanks.
fn post(proxy: &Proxy, blanks: usize) -> impl Future<Output = Response> + use<> {
    let body = format!(r#"{{"batchRequests": [{}]}}"#, " ".repeat(blanks));
    let asked = client().post(proxy.url(BATCH)).body(body);
    let asked = asked.header("content-type", "application/json").send();
    async { in_time(asked).await.unwrap() }
}

/// Sends one batch after another until `slow` has its answer: the proxy may not have seen it at first.
async fn until_answered<T>(proxy: &Proxy, slow: impl Future<Output = T>) -> T {
    let slow = async {
        let mut slow = pin!(slow);
        loop {
            tokio::select! {
                answer = &mut slow => return answer,
                batch = batch(proxy) => assert_eq!(batch.status(), 200),
            }
        }
    };
    in_time(slow).await
}

fn half_a_batch() -> String {
    format!(
        "POST {BATCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 900000\r\n\r\n{{"
    )
}

fn last_length(org: &Org) -> Option<u64> {
    org.requests().last().map(|seen| seen.length)
}

const BATCH: &str = "/services/data/v38.0/composite/batch";
