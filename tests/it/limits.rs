//! Nothing that a client does, or leaves undone, is waited for without a bound.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use orgproxy::config::Config;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    Org, Proxy, Raw,
    answer::{Answer, PATIENCE, ask},
};

const LIMITS: &str = "/services/data/v62.0/limits";
const GET: &str = "GET /services/data/v62.0/limits HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_cut_off() {
    let (org, proxy) = with(|config| config.limits.header_read = SHORT).await;
    for beginning in [
        "",
        "\r\n",
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX",
        "PRI",
        "PRI * HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = proxy.connect().await;
        client.send(beginning).await;
        closes(&mut client, beginning).await;
    }
    assert_eq!(org.counts(), orgproxy::demo::Counts::default());
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_no_more_time_than_any() {
    let (_org, proxy) = with(|config| config.limits.header_read = SHORT).await;
    let mut client = proxy.connect().await;
    client.send("GET / HTTP/1.1\r\nX: ").await;
    let began = Instant::now();
    let mut pace = tokio::time::interval(SHORT / 10);
    while client.0.write_all(b"x").await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "never cut off");
        pace.tick().await;
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_and_one_with_a_request_under_way_is_not() {
    let (org, proxy) = with(|config| config.limits.header_read = SHORT).await;
    let hold = org.hold(LIMITS);
    let mut waiting = proxy.connect().await;
    waiting.send(GET).await;
    org.wait_until(|_| hold.waiting() == 1).await;
    // Each of these takes as long as the limit.
    for _ in 0..3 {
        let mut idle = proxy.connect().await;
        idle.send("GET /a#b HTTP/1.1\r\n").await;
        closes(&mut idle, "idle").await;
    }
    hold.release();
    assert!(waiting.answer().await.starts_with("HTTP/1.1 200"));
    closes(&mut waiting, "after its answer").await;
}

#[tokio::test]
async fn too_large_a_head_is_refused_with_the_setting_that_allows_more() {
    let (org, proxy) = with(|config| config.limits.header_bytes = 2000).await;
    let big = "x".repeat(2000);
    for head in [
        format!("GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\nX: {big}\r\n"),
        format!("GET {LIMITS}?{big} HTTP/1.1\r\nHost: localhost\r\n"),
    ] {
        let answer = ask(proxy.address, format!("{head}Connection: close\r\n\r\n")).await;
        let message = answer.refusal(431, "HEAD_TOO_LARGE");
        assert!(message.contains("limits.header_bytes"), "{message}");
    }
    assert_eq!(org.counts().token_requests, 0);
}

#[tokio::test]
async fn too_many_header_lines_or_bytes_end_the_connection() {
    let (org, proxy) = with(|_| {}).await;
    for lines in [
        "X: y\r\n".repeat(101),
        format!("X: {}\r\n", "y".repeat(400_000)),
    ] {
        let wire = format!("GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        assert_eq!(ask(proxy.address, wire).await.status, 431);
    }
    assert_eq!(org.counts().token_requests, 0);
    let lines = "X: y\r\n".repeat(98);
    let wire =
        format!("GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
    assert_eq!(ask(proxy.address, wire).await.status, 200);
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_those_before_it_go_on() {
    let (org, proxy) = with(|config| config.limits.connections = 2).await;
    let mut first = proxy.connect().await;
    first.send(GET).await;
    first.answer().await;
    let mut second = proxy.connect().await;
    second.send(GET).await;
    second.answer().await;

    let mut third = proxy.connect().await;
    third.send(GET).await;
    let refused = &Answer::all(third.rest().await.as_bytes())[0];
    let message = refused.refusal(503, "OVERLOADED");
    assert!(message.contains("limits.connections"), "{message}");
    assert!(refused.header("retry-after").is_some());
    assert!(refused.header("date").is_some());

    let _surplus = proxy.connect().await;
    first.send(GET).await;
    let answer = first.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(org.counts().requests, 3);
}

#[tokio::test]
async fn a_request_too_many_is_told_so_and_those_before_it_go_on() {
    let (org, proxy) = with(|config| config.limits.requests = 1).await;
    let hold = org.hold(LIMITS);
    let mut first = proxy.connect().await;
    first.send(GET).await;
    org.wait_until(|_| hold.waiting() == 1).await;

    let refused = ask(proxy.address, GET).await;
    let message = refused.refusal(503, "OVERLOADED");
    assert!(message.contains("limits.requests"), "{message}");
    assert!(refused.header("retry-after").is_some());

    hold.release();
    assert!(first.answer().await.starts_with("HTTP/1.1 200"));
    first.send(GET).await;
    assert!(first.answer().await.starts_with("HTTP/1.1 200"));
    assert_eq!(org.counts().requests, 2);
}

#[tokio::test]
async fn an_upload_that_stalls_is_told_so() {
    let (org, proxy) = with(|config| config.limits.idle_body = SHORT).await;
    for lines in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let wire = format!("POST /services/apexrest/a HTTP/1.1\r\nHost: localhost\r\n{lines}");
        let message = ask(proxy.address, wire).await.refusal(408, "STALLED_BODY");
        assert!(message.contains("limits.idle_body"), "{message}");
    }
    org.wait_until(|org| org.requests().iter().all(|seen| !seen.sha256.is_empty()))
        .await;
    let uploads = org.requests();
    assert!(
        uploads
            .iter()
            .all(|seen| seen.method != "POST" || !seen.complete)
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let (org, proxy) = with(|config| config.limits.idle_body = SHORT).await;
    let mut client = proxy.connect().await;
    client
        .send("GET /services/apexrest/bytes?n=1073741824 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    org.wait_for_requests(1).await;
    // The org sees that nobody wants the rest.
    tokio::time::timeout(PATIENCE, org.wait_until(|org| org.counts().open == 0))
        .await
        .expect("the client is waited for");
    closes(&mut client, "the rest of the answer").await;
}

#[tokio::test]
async fn a_thousand_slow_clients_do_not_slow_down_the_next() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let (_org, proxy) = with(|config| config.limits.connections = 1100).await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);

    let mut slow = Vec::new();
    for _ in 0..1000 {
        let mut client = proxy.connect().await;
        client.send("POST /services HTTP/1.1\r\nHost: loc").await;
        slow.push(client);
    }
    let began = Instant::now();
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn without_file_descriptors_it_waits_idly_and_recovers() {
    let mut program = Command::new("prlimit")
        .args(["--nofile=64:64", env!("CARGO_BIN_EXE_orgproxy")])
        .args(["demo", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let address = lines
        .find_map(|line| {
            let line = line.unwrap();
            let rest = line.split("http://").nth(1)?;
            rest.split([' ', '/']).next()?.parse().ok()
        })
        .unwrap();
    let wire = GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    assert_eq!(ask(address, &wire).await.status, 200);

    let mut hogs = Vec::new();
    for _ in 0..100 {
        hogs.push(Raw(TcpStream::connect(address).await.unwrap()));
    }
    // What is not accepted is not answered.
    let before = ticks(program.id());
    let mut waits = Raw(TcpStream::connect(address).await.unwrap());
    waits.send(&wire).await;
    let answer = tokio::time::timeout(Duration::from_secs(2), waits.rest()).await;
    assert!(answer.is_err(), "{answer:?}");
    let spent = ticks(program.id()) - before;
    assert!(spent < 40, "{spent} of 200 ticks");

    drop(hogs);
    assert_eq!(ask(address, &wire).await.status, 200);
    program.kill().unwrap();
    program.wait().unwrap();
}

/// What a process has used of processors, in hundredths of a second.
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

async fn with(change: impl FnOnce(&mut Config)) -> (Org, Proxy) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, change).await;
    (org, proxy)
}

async fn closes(client: &mut Raw, what: &str) {
    let closed = tokio::time::timeout(PATIENCE, client.rest()).await;
    assert!(closed.is_ok(), "left open: {what:?}");
}
