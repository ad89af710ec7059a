//! Nothing that a client does, or leaves undone, is waited for without a bound.

use std::time::{Duration, Instant};

use http::StatusCode;
use rustix::process::{Resource, getrlimit, setrlimit};
use test_case::test_case;
use tokio::{io::AsyncWriteExt, net::TcpStream, process::Command};

use crate::support::{
    Binary, Both, CpuTime, Fault, Files, Org, PATIENCE, Raw, SHORT,
    answer::{Answer, ask, talk},
    binary::ORGPROXY,
    curl,
    get::{get, get_and_close},
    path::{ECHO, LIMITS},
};

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_cut_off() {
    let Both { org, proxy } = Both::with(|config| config.limits.header_read = SHORT).await;
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
    let Both { org: _org, proxy } = Both::with(|config| config.limits.header_read = SHORT).await;
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
    let Both { org, proxy } = Both::with(|config| config.limits.header_read = SHORT).await;
    let hold = org.hold(LIMITS);
    let mut waiting = proxy.connect().await;
    waiting.send(get(LIMITS)).await;
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
    let Both { org, proxy } = Both::with(|config| config.limits.header_bytes = 2000).await;
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
    let Both { org, proxy } = Both::start().await;
    for (lines, setting) in [
        ("X: y\r\n".repeat(101), "limits.headers"),
        (
            format!("X: {}\r\n", "y".repeat(400_000)),
            "limits.header_bytes",
        ),
    ] {
        let wire = format!("GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        let answer = ask(proxy.address, wire).await;
        let message = answer.refusal(431, "HEAD_TOO_LARGE");
        assert!(message.contains(setting), "{message}");
    }
    assert_eq!(org.counts().token_requests, 0);
    let lines = "X: y\r\n".repeat(98);
    let wire =
        format!("GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
    assert_eq!(ask(proxy.address, wire).await.status, 200);
}

#[tokio::test]
async fn too_large_a_head_is_refused_in_the_same_words_over_http2() {
    let Both { org, proxy } = Both::with(|config| config.limits.header_bytes = 2000).await;
    let big = "x".repeat(3000);
    for more in [format!("-H X:{big}"), format!("-d {big} -G")] {
        let url = proxy.url(LIMITS);
        let answer = curl(&format!("curl --http2-prior-knowledge {more} {url}")).await;
        assert_eq!(answer.status(), "431", "{answer:?}");
        assert!(answer.body().contains("HEAD_TOO_LARGE"), "{answer:?}");
        assert!(answer.body().contains("limits.header_bytes"), "{answer:?}");
    }
    assert_eq!(org.counts().token_requests, 0);
}

/// The fault of each is found before anybody knows whom it is for.
#[test_case(usize::MAX; "at once")]
#[test_case(1000; "in pieces")]
#[tokio::test]
async fn what_cannot_be_read_at_all_gets_a_whole_answer_in_the_shape_of_its_api(size: usize) {
    let Both { org, proxy } = Both::start().await;
    let long = "x".repeat(70_000);
    let huge = "x".repeat(300_000);
    let many = "X: y\r\n".repeat(200);
    let rest = LIMITS;
    let soap = "/services/Soap/u/62.0";
    let bulk = "/services/async/62.0/job";
    let oauth = "/services/oauth2/token";
    let xml = "<exceptionCode>HEAD_TOO_LARGE</exceptionCode>";
    for (wire, status, body) in [
        (
            format!("GET {rest}?{long} HTTP/1.1\r\n"),
            431,
            "\"errorCode\":\"HEAD_TOO_LARGE\"",
        ),
        (
            format!("GET {rest}?{huge} HTTP/1.1\r\n"),
            431,
            "\"errorCode\":\"HEAD_TOO_LARGE\"",
        ),
        (
            format!("GET {rest} HTTP/1.1\r\n{many}"),
            431,
            "\"errorCode\":\"HEAD_TOO_LARGE\"",
        ),
        (
            format!("POST {soap}?{long} HTTP/1.1\r\n"),
            500,
            "<faultstring>HEAD_TOO_LARGE: ",
        ),
        (
            format!("POST {soap} HTTP/1.1\r\n{many}"),
            500,
            "<faultstring>HEAD_TOO_LARGE: ",
        ),
        (format!("GET {bulk}/{long} HTTP/1.1\r\n"), 431, xml),
        (format!("GET {bulk}/{huge} HTTP/1.1\r\n"), 431, xml),
        (
            format!("POST {oauth}?{long} HTTP/1.1\r\n"),
            431,
            "\"error\":\"invalid_request\"",
        ),
        (format!("GET /{long} HTTP/1.1\r\n"), 431, "HEAD_TOO_LARGE: "),
        (
            format!("GET {rest} HTTP/1.1\r\nA b: c\r\n"),
            400,
            "\"errorCode\":\"MALFORMED_REQUEST\"",
        ),
        (
            format!("GET {rest} HTTP/1.1\r\nA\r\n"),
            400,
            "\"errorCode\":\"MALFORMED_REQUEST\"",
        ),
        (
            format!("GET {rest} HTTP/7\r\n"),
            400,
            "\"errorCode\":\"MALFORMED_REQUEST\"",
        ),
        (
            format!("POST {soap} HTTP/1.1\r\nA\0: b\r\n"),
            500,
            "<faultstring>MALFORMED_REQUEST: ",
        ),
        (
            "\u{1}\u{2}\r\n".to_owned(),
            400,
            "\"errorCode\":\"MALFORMED_REQUEST\"",
        ),
    ] {
        let shown = &wire[..wire.len().min(60)];
        for before in [String::new(), get("/services/data")] {
            let stream = proxy.connect().await.0;
            let wire = format!("{before}{wire}Host: localhost\r\n\r\n");
            let mut answers = talk(stream, wire.as_bytes(), size).await;
            assert_eq!(
                answers.len(),
                1 + usize::from(!before.is_empty()),
                "{shown:?}"
            );
            let answer = answers.pop().unwrap();
            assert_eq!(answer.status, status, "{shown:?} got {answer:?}");
            assert!(answer.body.contains(body), "{shown:?} got {answer:?}");
            assert!(answer.header("proxy-status").is_some(), "{answer:?}");
            assert!(answer.header("date").is_some(), "{answer:?}");
            assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        }
    }
    assert!(
        org.requests()
            .iter()
            .all(|seen| seen.target == "/services/data")
    );
}

/// The answer of the org is what the org makes it, though it looks like what would be replaced.
#[tokio::test]
async fn an_answer_that_looks_like_a_refusal_arrives_as_it_is() {
    let Both { org, proxy } = Both::start().await;
    let body = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let fault = Fault::answer(StatusCode::OK, "text/plain", body);
    org.faults().always(ECHO, fault);
    let mut client = proxy.connect().await;
    for _ in 0..3 {
        client.send(get(ECHO)).await;
        let answer = client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(body), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_too_many_is_refused_in_time_and_those_before_it_go_on() {
    let Both { org, proxy } = Both::with(|config| {
        config.limits.connections = 1;
        config.limits.header_read = SHORT;
    })
    .await;
    let hold = org.hold(LIMITS);
    let mut first = proxy.connect().await;
    first.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 1).await;

    for _ in 0..2 {
        let mut surplus = proxy.connect().await;
        surplus.send(get(LIMITS)).await;
        let refused = &Answer::all(surplus.rest().await.as_bytes())[0];
        let message = refused.refusal(503, "OVERLOADED");
        assert!(message.contains("limits.connections"), "{message}");
        assert!(refused.header("retry-after").is_some());
        assert!(refused.header("date").is_some());
    }

    hold.release();
    let answer = first.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(org.counts().requests, 1);
}

#[tokio::test]
async fn that_there_is_no_room_is_said_once_in_a_while() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "[limits]\nconnections = 1\nheader_read = \"1s\"\n");
    let proxy = files.start();
    let address = proxy.address().await;
    let hold = org.hold(LIMITS);
    let mut first = Raw::connect(address).await;
    first.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 1).await;
    // It waits, and looks for room ten times.
    let mut surplus = Raw::connect(address).await;
    surplus.send(get(LIMITS)).await;
    let refused = surplus.rest().await;
    assert!(refused.contains("OVERLOADED"), "{refused}");
    hold.release();
    assert!(first.answer().await.starts_with("HTTP/1.1 200"));
    let said = proxy.stop().await.stderr;
    let lines = said.matches("limit of concurrent connections reached");
    assert_eq!(lines.count(), 1, "{said}");
}

#[tokio::test]
async fn a_request_too_many_is_refused_in_time_and_those_before_it_go_on() {
    let Both { org, proxy } = Both::with(|config| {
        config.limits.requests = 1;
        config.limits.header_read = SHORT;
    })
    .await;
    let hold = org.hold(LIMITS);
    let mut first = proxy.connect().await;
    first.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 1).await;

    let refused = ask(proxy.address, get(LIMITS)).await;
    let message = refused.refusal(503, "OVERLOADED");
    assert!(message.contains("limits.requests"), "{message}");
    assert!(refused.header("retry-after").is_some());

    hold.release();
    assert!(first.answer().await.starts_with("HTTP/1.1 200"));
    first.send(get(LIMITS)).await;
    assert!(first.answer().await.starts_with("HTTP/1.1 200"));
    assert_eq!(org.counts().requests, 2);
}

#[tokio::test]
async fn an_upload_that_stalls_is_refused() {
    let Both { org, proxy } = Both::with(|config| config.limits.idle_body = SHORT).await;
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
    let Both { org, proxy } = Both::with(|config| config.limits.idle_body = SHORT).await;
    let mut client = proxy.connect().await;
    client
        .send(get("/services/apexrest/bytes?n=1073741824"))
        .await;
    client.head().await;
    // The org sees that nobody wants the rest. A connection for logins may stay.
    let open = org.counts().open;
    tokio::time::timeout(PATIENCE, org.wait_until(|org| org.counts().open < open))
        .await
        .expect("the client is waited for");
    closes(&mut client, "the rest of the answer").await;
}

#[tokio::test]
async fn a_thousand_slow_clients_do_not_slow_down_the_next() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let Both { org: _org, proxy } = Both::with(|config| config.limits.connections = 1100).await;
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
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn with_few_file_descriptors_it_serves_one_after_the_other_and_idly() {
    let mut program = Command::new("prlimit");
    program
        .args(["--nofile=64:64", ORGPROXY])
        .args(["demo", "--port", "0"]);
    let program = Binary::spawn(program);
    let line = program.print("http://").await;
    let (_, address) = line.split_once("http://").unwrap();
    let address = address.split([' ', '/']).next().unwrap().parse().unwrap();
    let wire = get_and_close(LIMITS);
    assert_eq!(ask(address, &wire).await.status, 200);

    let mut hogs = Vec::new();
    for _ in 0..20 {
        hogs.push(Raw(TcpStream::connect(address).await.unwrap()));
    }
    let before = CpuTime::of(program.id());
    let began = Instant::now();
    assert_eq!(ask(address, &wire).await.status, 200);
    let spent = CpuTime::of(program.id()).since(&before);
    let all = began.elapsed();
    let most = Duration::from_millis(200) + all / 5;
    assert!(spent < most, "{spent:?} of {all:?}");
}

/// A client must not fill a disk by doing something as often as it likes.
#[test]
fn every_line_that_a_client_can_cause_is_throttled() {
    // These come with a start, a stop, a reload, a certificate, a login, of which there are few, a
    // sleep, with Redis that goes and comes, or with a thread that hangs.
    const RARE: [&str; 33] = [
        "anybody can put a socket of that name",
        "what clients send to http",
        "\"stopping\"",
        "cut off what was not finished",
        "cannot renew the certificate",
        "making a certificate",
        "the local authority is valid from",
        "the clock jumped",
        "logged in",
        "cannot log in",
        "the key{place} has changed",
        "the key has changed but",
        "no admin listener",
        "process goes on alone",
        "Redis is not used",
        "Redis has led to no session",
        "reloaded the configuration",
        "did not reload the configuration",
        "escape::line(mistake)",
        "restart orgproxy to apply",
        "listening on {listen}, too",
        "no longer listening on",
        "cannot change who may connect",
        "{inherited_fault}",
        "the inherited socket {name}",
        "no inherited socket is for",
        "does not tell which user connects",
        "other machines reach {listen}",
        "a thread is gone",
        "handed over to a new process",
        "did not hand over",
        "pid_file does not name this process",
        "thread orgproxy-{number}",
    ];
    let mut folders = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_of_commands = ["demo", "command", "system/signal.rs"]
                .iter()
                .any(|name| path.ends_with(format!("src/{name}")));
            if path.is_dir() && !is_of_commands {
                folders.push(path);
                continue;
            }
            if path.is_dir() || is_of_commands {
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for level in ["tracing::info!(", "tracing::warn!(", "tracing::error!("] {
                for line in source.split(level).skip(1) {
                    let line = line.split(");\n").next().unwrap();
                    let is_rare = RARE.iter().any(|rare| line.contains(rare));
                    let shown = path.display();
                    assert!(line.contains("left_out") || is_rare, "{shown}: {line}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

async fn closes(client: &mut Raw, what: &str) {
    let closed = tokio::time::timeout(PATIENCE, client.rest()).await;
    assert!(closed.is_ok(), "left open: {what:?}");
}
