//! Bad days of those who watch: whatever becomes of the access log, of scrapers and of dashboards, and
//! whatever clients are called, requests go on and what is written is bounded.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::{
    admin::{admin_url, get},
    support::{
        Binary, Files, Org, Raw,
        answer::Answer,
        binary::ORGPROXY,
        files, in_time,
        path::{LIMITS, REST},
        proxy::client,
    },
};

#[tokio::test]
async fn a_flood_of_refusals_is_counted_to_the_last_and_does_not_fill_the_log() {
    let org = Org::start().await.unwrap();
    let files = with_admin(&org);
    let path = files.path("access.log");
    let proxy = start(&files, &path);
    let admin = admin(&proxy).await;
    let began = tokio::time::Instant::now();
    flood(proxy.address().await, "/secur/x", 100_000).await;
    let seconds = began.elapsed().as_secs();

    let metrics = settled(
        admin,
        "orgproxy_refusals_total{org=\"demo\",code=\"PATH_REFUSED\"} 100000",
    )
    .await;
    let dropped = value(&metrics, "orgproxy_access_log_dropped_total");
    assert_eq!(requests(&metrics), 100_000, "{metrics}");
    let ended = proxy.stop().await;
    // Five in each second, and what is said of the start and the end.
    let lines = ended.stderr.lines().count() as u64;
    assert!(lines <= 5 * (seconds + 3) + 20, "{lines} in {seconds} s");
    let (written, lost) = count(
        fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(str::to_owned),
    );
    assert_eq!((written + lost, lost), (100_000, dropped));
}

#[tokio::test]
async fn what_a_pipe_that_nobody_reads_has_lost_is_said_while_nobody_reads_it() {
    let org = Org::start().await.unwrap();
    let files = with_admin(&org);
    let path = files.path("pipe");
    let reader = files::pipe(&path);
    let proxy = start(&files, &path);
    let admin = admin(&proxy).await;
    // Each line has 2 KiB of it, and all that wait have 8 MiB.
    let long = format!("/secur/{}", "x".repeat(2048));
    flood(proxy.address().await, &long, 6000).await;
    let line = proxy.log("are lost").await;
    assert!(
        line.contains("pipe") && line.contains("left_out="),
        "{line}"
    );
    assert_eq!(
        client()
            .get(proxy.url(LIMITS).await)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );

    let reading = tokio::task::spawn_blocking(move || {
        let mut sum = (0, 0);
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        while sum.0 + sum.1 < 6001 {
            let (written, lost) = count(lines.by_ref().take(1));
            sum = (sum.0 + written, sum.1 + lost);
        }
        sum
    });
    let (written, lost) = in_time(reading).await.unwrap();
    let metrics = settled(
        admin,
        "orgproxy_requests_total{org=\"demo\",family=\"rest\"",
    )
    .await;
    let dropped = value(&metrics, "orgproxy_access_log_dropped_total");
    assert!(dropped > 0);
    assert_eq!((written + lost, lost), (6001, dropped));
    let said = proxy.stop().await.stderr;
    assert!(said.matches("are lost").count() <= 4, "{said}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_stalls_no_request() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let pipe = files.path("pipe");
    let _reader = files::pipe(&pipe);
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" 2> \"$0\""])
        .arg(&pipe)
        .args([ORGPROXY, "run", "--config", &files.config()])
        .args(["--log", "trace,h2=trace"]);
    let proxy = Binary::spawn(command);
    let url = proxy.url(LIMITS).await;
    // Each leaves some KiB of lines, and a pipe takes 64.
    for _ in 0..500 {
        let answer = in_time(client().get(&url).send()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(proxy.stop().await.code(), 0);
}

#[tokio::test]
async fn scrapers_that_hang_hold_up_nobody_and_take_no_more_connections_than_there_may_be() {
    let org = Org::start().await.unwrap();
    let files = with_admin(&org);
    let proxy = files.start();
    let admin = admin(&proxy).await;
    let files_before = descriptors(&proxy);
    let mut hanging = Vec::new();
    for number in 0..400 {
        let mut raw = Raw::connect(admin).await;
        if number % 2 == 0 {
            // More answers than fit on the way to one who reads none.
            let scrape = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let _ = raw.0.try_write(scrape.repeat(400).as_bytes());
        } else {
            raw.send("GET /metrics HTTP/1.1\r\nHost: loc").await;
        }
        hanging.push(raw);
        if number % 50 == 0 {
            let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert!(get(admin, "/metrics").await.body.ends_with("# EOF\n"));
        }
    }
    let open = descriptors(&proxy) - files_before;
    assert!(open <= 256 + 20, "{open}");
    assert!(proxy.peak_memory() < 200 << 20, "{}", proxy.peak_memory());
}

#[tokio::test]
async fn a_hundred_dashboards_that_nobody_reads_stall_no_request_and_take_little_memory() {
    let org = Org::start().await.unwrap();
    let files = with_admin(&org);
    let proxy = files.start();
    let admin = admin(&proxy).await;
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut raw = Raw::connect(admin).await;
        raw.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        assert!(raw.head().await.starts_with("HTTP/1.1 200"));
        open.push(raw);
    }
    let before = proxy.peak_memory();
    let client = client();
    let url = proxy.url(LIMITS).await;
    for number in 0..500 {
        let asked = client
            .get(&url)
            .header("user-agent", format!("tool-{number}/1"));
        assert_eq!(in_time(asked.send()).await.unwrap().status(), 200);
    }
    let grown = proxy.peak_memory().saturating_sub(before);
    assert!(grown < 100 << 20, "{grown}");
    let refused = get(admin, "/events").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.starts_with("orgproxy: "), "{refused:?}");
}

#[tokio::test]
async fn long_paths_and_odd_names_break_no_line_and_are_cut() {
    let org = Org::start().await.unwrap();
    let files = with_admin(&org);
    let path = files.path("access.log");
    let proxy = start(&files, &path);
    let admin = admin(&proxy).await;
    let long = "y".repeat(10_000);
    let agents = [
        "\"a\" \\\"b",
        "a%0Ab%22",
        "a\tb\u{e9}",
        "<script>x</script>",
        &long,
    ];
    for agent in agents {
        let mut raw = Raw::connect(proxy.address().await).await;
        raw.send(format!(
            "GET {REST}/limits HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
        ))
        .await;
        assert!(raw.rest().await.starts_with("HTTP/1.1 200"), "{agent}");
    }
    let mut raw = Raw::connect(proxy.address().await).await;
    raw.send(format!(
        "GET {REST}/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "z".repeat(60_000)
    ))
    .await;
    assert!(raw.rest().await.starts_with("HTTP/1.1 4"));

    let metrics = settled(admin, "family=\"rest\",method=\"GET\",status=\"4xx\"").await;
    assert!(
        metrics.len() < 100_000 && !metrics.contains("yyyy"),
        "{metrics}"
    );
    let status = get(admin, "/api/status").await;
    serde_json::from_str::<Value>(&status.body).unwrap();
    let page = get(admin, "/").await;
    assert!(!page.body.contains("<script>x") && page.body.len() < 500_000);
    assert!(!page.body.contains(&"z".repeat(5000)) && !page.body.contains(&"y".repeat(500)));
    proxy.stop().await;
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), agents.len() + 1, "{text}");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
        assert!(line.len() < 4096, "{}", line.len());
    }
}

fn with_admin(org: &Org) -> Files {
    Files::with(
        org,
        "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
    )
}

/// One whose access log goes to `path`.
fn start(files: &Files, path: &Path) -> Binary {
    let (config, path) = (files.config(), path.to_str().unwrap().to_owned());
    Binary::start(&[
        "run",
        "--config",
        &config,
        "--access-log",
        &path,
        "--access-log-format",
        "json",
    ])
}

async fn admin(proxy: &Binary) -> SocketAddr {
    let url = admin_url(proxy).await;
    url.trim_start_matches("http://").parse().unwrap()
}

/// Sends requests that are refused, all on one connection, and takes the answers.
async fn flood(address: SocketAddr, path: &str, count: usize) {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let sending = tokio::spawn(async move {
        for _ in 0..count / 100 {
            write
                .write_all(request.repeat(100).as_bytes())
                .await
                .unwrap();
        }
        write
    });
    let mut buffer = Vec::new();
    let mut answers = 0;
    while answers < count {
        let length = in_time(read.read_buf(&mut buffer)).await.unwrap();
        assert_ne!(length, 0, "{answers}");
        answers += buffer
            .windows(12)
            .filter(|part| part == b"HTTP/1.1 403")
            .count();
        // What may be the beginning of one is kept.
        buffer.drain(..buffer.len() - buffer.len().min(11));
    }
    sending.await.unwrap();
}

/// The metrics once they have `words`.
async fn settled(admin: SocketAddr, words: &str) -> String {
    in_time(async {
        loop {
            let Answer { body, .. } = get(admin, "/metrics").await;
            if body.contains(words) {
                break body;
            }
        }
    })
    .await
}

fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// All that were counted.
fn requests(metrics: &str) -> u64 {
    let lines = metrics.lines();
    let lines = lines.filter(|line| line.starts_with("orgproxy_requests_total{"));
    lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// The requests that have a line of their own, and those that are said to be lost.
fn count(lines: impl Iterator<Item = String>) -> (u64, u64) {
    let (mut written, mut lost) = (0, 0);
    for line in lines {
        let line: Value = serde_json::from_str(&line).unwrap();
        match line["lost"].as_u64() {
            Some(count) => lost += count,
            None => written += 1,
        }
    }
    (written, lost)
}

fn descriptors(proxy: &Binary) -> usize {
    fs::read_dir(proxy.proc("fd")).unwrap().count()
}
