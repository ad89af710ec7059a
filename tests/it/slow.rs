//! Clients that are slow, on purpose or not: they keep nobody else out, and are waited for no longer
//! than is said.

use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use test_case::test_case;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    Binary, Both, Files, Org, PATIENCE, Raw, SHORT,
    answer::{Answer, ask},
    binary::ORGPROXY,
    get::{get, get_and_close},
    path::{LIMITS, SINK},
};

#[test_case("", 1; "nothing")]
#[test_case("P", 1; "half a word")]
#[test_case("POST /services HTTP/1.1\r\nHost: loc", 1; "half a head")]
#[test_case("PRI * HTTP/2.0\r\n\r\nSM\r\n", 1; "half a preface")]
#[test_case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 1; "http2 without a request")]
#[test_case(&get(LIMITS), 1; "a request that has its answer")]
#[test_case("POST /services/apexrest/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf", 1; "half a body")]
#[test_case("POST /services/apexrest/sink HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", 1; "half a chunk")]
#[test_case(&get("/services/apexrest/bytes?n=1073741824"), 1; "an answer that is not read")]
#[test_case("http2", 4; "bodies on http2")]
#[tokio::test]
async fn slow_clients_do_not_keep_others_out(wire: &str, requests: usize) {
    const MOST: usize = 20;
    for by_connections in [true, false] {
        let Both { org: _org, proxy } = Both::with(|config| {
            if by_connections {
                config.limits.connections = MOST;
            } else {
                config.limits.requests = MOST;
            }
        })
        .await;
        let wire = match wire {
            "http2" => open_posts(requests),
            wire => wire.into(),
        };
        let mut slow = Vec::new();
        for _ in 0..MOST + 5 {
            let mut client = proxy.connect().await;
            client.send(&wire).await;
            slow.push(client);
        }
        for _ in 0..5 {
            let asked = tokio::time::timeout(PATIENCE, ask(proxy.address, get_and_close(LIMITS)));
            let answer = asked.await.expect("kept out");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_its_answer_keeps_its_place() {
    let Both { org, proxy } = Both::with(|config| {
        config.limits.connections = 2;
        config.limits.header_read = SHORT;
    })
    .await;
    let hold = org.hold(LIMITS);
    let (mut first, mut second) = (proxy.connect().await, proxy.connect().await);
    first.send(get(LIMITS)).await;
    second.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 2).await;
    let message = ask(proxy.address, get_and_close(LIMITS))
        .await
        .refusal(503, "OVERLOADED");
    assert!(message.contains("limits.connections"), "{message}");
    hold.release();
    for client in [&mut first, &mut second] {
        assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(org.counts().requests, 2);
}

#[tokio::test]
async fn what_comes_when_all_is_full_waits_for_its_turn() {
    for by_connections in [true, false] {
        let Both { org, proxy } = Both::with(|config| {
            if by_connections {
                config.limits.connections = 1;
            } else {
                config.limits.requests = 1;
            }
        })
        .await;
        let hold = org.hold(LIMITS);
        let mut first = proxy.connect().await;
        first.send(get_and_close(LIMITS)).await;
        org.wait_until(|_| hold.waiting() == 1).await;
        let waiting = tokio::spawn(ask(
            proxy.address,
            get_and_close(LIMITS).replace("limits", "sobjects"),
        ));
        hold.release();
        assert!(first.rest().await.starts_with("HTTP/1.1 200"));
        let answer = waiting.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(org.counts().requests, 2);
    }
}

#[tokio::test]
async fn a_thousand_requests_at_once_are_all_answered() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let Both { org, proxy } = Both::start().await;
    let hold = org.hold(LIMITS);
    let address = proxy.address;
    let asked: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(ask(address, get_and_close(LIMITS))))
        .collect();
    let all = org.wait_until(|_| hold.waiting() == 1000);
    tokio::time::timeout(PATIENCE, all).await.expect("kept out");
    hold.release();
    for answer in asked {
        assert_eq!(answer.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_body_that_drips_is_refused_and_one_that_comes_in_bursts_passes() {
    const PIECES: usize = 70;

    let Both { org, proxy } = Both::with(|config| {
        // Five times this is what a client may pause in all.
        config.limits.idle_body = Duration::from_secs(1);
        config.limits.body_rate = 100;
    })
    .await;
    let head = "POST /services/apexrest/sink HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let drip = async |bytes: usize| {
        let mut client = proxy.connect().await;
        let length = PIECES * bytes;
        client
            .send(format!("{head}Content-Length: {length}\r\n\r\n"))
            .await;
        let (mut reading, mut writing) = client.0.into_split();
        let sent = tokio::spawn(async move {
            for _ in 0..PIECES {
                // Bytes per second are what is limited, so its pace is what this is about.
                tokio::time::sleep(Duration::from_millis(100)).await;
                if writing.write_all(&vec![b'x'; bytes]).await.is_err() {
                    break;
                }
            }
            writing
        });
        let mut heard = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut heard).await;
        drop(sent.await);
        Answer::all(&heard).remove(0)
    };
    let message = drip(1).await.refusal(408, "STALLED_BODY");
    assert!(message.contains("limits.body_rate"), "{message}");
    assert_eq!(drip(100).await.status, 200);
    assert_eq!(org.last_request().length, 100 * PIECES as u64);
}

#[tokio::test]
async fn heads_that_do_not_end_take_no_more_memory_than_a_few() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let address = proxy.address().await;
    assert_eq!(ask(address, get_and_close(LIMITS)).await.status, 200);
    let before = proxy.peak_memory();
    for line in ["X: ", "X: y\r\nX: "] {
        let head = format!("GET / HTTP/1.1\r\n{line}{}", "y".repeat(240_000));
        let mut slow = Vec::new();
        for _ in 0..600 {
            let mut client = Raw::connect(address).await;
            // It may be cut off before it has said all.
            let _ = client.0.write_all(head.as_bytes()).await;
            slow.push(client);
        }
        assert_eq!(ask(address, get_and_close(LIMITS)).await.status, 200);
    }
    let more = proxy.peak_memory().saturating_sub(before);
    assert!(more < 160 << 20, "{} MiB", more >> 20);
}

#[test_case("G"; "half a word")]
#[test_case("GET / HTTP/1.1\r\nHost: localhost\r\nX"; "half a head")]
#[test_case("PRI * HTTP/2.0\r\n"; "half a preface")]
#[test_case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; "http2 without settings")]
#[test_case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0"; "half a frame")]
#[test_case("HALF A SECOND HEAD"; "half a second head")]
#[tokio::test]
async fn a_stop_does_not_wait_for_what_is_half_sent(wire: &str) {
    let Both { org, proxy } = Both::start().await;
    let hold = org.hold("/services/data/v62.0/sobjects");
    let mut waiting = proxy.connect().await;
    waiting
        .send(get_and_close(LIMITS).replace("limits", "sobjects"))
        .await;
    org.wait_until(|_| hold.waiting() == 1).await;
    let mut slow = proxy.connect().await;
    match wire {
        "HALF A SECOND HEAD" => {
            slow.send(get(LIMITS)).await;
            slow.answer().await;
            slow.send("GET / HTTP/1.1\r\nHo").await;
        }
        wire => slow.send(wire).await,
    }
    // What was accepted before it is served before it.
    assert_eq!(ask(proxy.address, get_and_close(LIMITS)).await.status, 200);
    let began = Instant::now();
    let stopped = tokio::spawn(proxy.stop());
    slow.rest().await;
    assert!(!stopped.is_finished(), "what is in flight is waited for");
    hold.release();
    assert!(waiting.rest().await.starts_with("HTTP/1.1 200"));
    assert_eq!(stopped.await.unwrap(), 0);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_logged_with_what_it_asked() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = Binary::start(&["--config", &files.config(), "--idle-body", "300ms"]);
    let mut client = Raw::connect(proxy.address().await).await;
    let path = "/services/apexrest/bytes/00Dxx0000001gPL!AQ.secret?n=1073741824&secret=word";
    client.send(get(path)).await;
    let line = proxy.log("limits.idle_body").await;
    assert!(
        line.contains("GET /services/apexrest/bytes/[session]"),
        "{line}"
    );
    let ended = proxy.stop().await;
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}

#[tokio::test]
async fn clients_that_do_not_wait_for_their_tunnels_fill_no_log() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "intercept = true\n");
    let proxy = files.start_with_state();
    let address = proxy.address().await;
    let wire = "CONNECT acme.my.salesforce.com:443 HTTP/1.1\r\nHost: acme.my.salesforce.com:443\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let began = Instant::now();
    for _ in 0..1000 {
        let mut client = Raw::connect(address).await;
        client.send(wire).await;
        client.rest().await;
    }
    proxy.log("did not wait").await;
    let ended = proxy.stop().await;
    let lines = ended.stderr.matches("did not wait").count() as u64;
    // Twenty in each second that has begun.
    let most = 20 * (began.elapsed().as_secs() + 2);
    assert!(lines <= most.min(900), "{lines} lines");
}

#[tokio::test]
async fn a_file_limit_that_is_low_lowers_what_is_taken_on() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let config = files.config();
    let mut command = tokio::process::Command::new("prlimit");
    command.args(["--nofile=128:128", ORGPROXY]);
    command.args(["run", "--config", &config]);
    let proxy = Binary::spawn(command);
    let address = proxy.address().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(Raw(TcpStream::connect(address).await.unwrap()));
    }
    assert_eq!(ask(address, get_and_close(LIMITS)).await.status, 200);
    let ended = proxy.stop().await;
    assert!(!ended.stderr.contains("cannot accept"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("limits.connections"),
        "{}",
        ended.stderr
    );
}

/// So many requests on one connection, whose bodies never come.
fn open_posts(count: usize) -> Vec<u8> {
    let mut wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let path = SINK;
    for number in 0..count {
        // RFC 7541: POST, http, a path and an authority as they are.
        let mut block = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
        block.extend_from_slice(path.as_bytes());
        block.extend_from_slice(b"\x01\x09localhost");
        wire.extend([0, 0, u8::try_from(block.len()).unwrap(), 1, 4, 0, 0, 0]);
        wire.push(u8::try_from(2 * number + 1).unwrap());
        wire.extend(block);
    }
    wire
}
