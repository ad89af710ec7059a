//! The admin listener, and the commands that ask it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use orgproxy::{
    Server, StartupError,
    config::{Admin, Config, Listen},
    demo::Refusal,
};
use serde_json::Value;
use test_case::test_case;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixStream},
};

use crate::server::as_nobody_at;
use crate::support::{
    Binary, Files, Org, Own, PATIENCE, Proxy, Raw,
    answer::{Answer, ask, talk},
    binary::{Ended, run},
    proxy::client,
    skip,
    terminal::{on_terminal, on_terminal_until},
    user::connections_of_nobody,
};

const LIMITS: &str = "/services/data/v62.0/limits";

#[tokio::test]
async fn says_how_the_process_is() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let address = proxy.admin();
    for (path, body) in [
        ("/startup", "started\n"),
        ("/liveness", "alive\n"),
        ("/readiness", "ready\n"),
    ] {
        let answer = get(address, path).await;
        assert_eq!((answer.status, &*answer.body), (200, body), "{path}");
    }
    let missing = get(address, "/nothing").await;
    assert_eq!(missing.status, 404);
    for path in [
        "/startup",
        "/liveness",
        "/readiness",
        "/metrics",
        "/api/status",
    ] {
        assert!(missing.body.contains(path), "{missing:?}");
    }
    // None of it asked the org.
    assert!(org.requests().is_empty());
}

#[tokio::test]
async fn says_how_each_org_is() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let before = status(&proxy).await;
    assert_eq!(before["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(before["ready"], true);
    assert_eq!(before["process"]["threads"], 2);
    let main = &before["orgs"][0];
    assert_eq!(main["name"], "demo");
    assert_eq!(main["username"], org.username());
    assert_eq!(main["session"]["state"], "absent");
    assert_eq!(main["last_login"], Value::Null);
    let listener = format!("localhost:{}", proxy.address.port());
    assert_eq!(main["listeners"][0]["address"], listener);

    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    let after = status(&proxy).await;
    let main = &after["orgs"][0];
    assert_eq!(main["session"]["state"], "live");
    assert_eq!(main["last_login"]["succeeded"], true);
    assert_eq!(main["session"]["instance"], org.instance_url());
    assert!(main["session"]["age_seconds"].as_u64().unwrap() < 60);
    assert_eq!(after["process"]["requests"], 0);
}

#[tokio::test]
async fn says_what_prometheus_asks_and_what_the_org_allows() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let answer = proxy.get(LIMITS).await;
    let usage = answer.headers()["sforce-limit-info"].to_str().unwrap();
    let usage = usage.trim_start_matches("api-usage=").to_owned();
    answer.bytes().await.unwrap();
    // It is counted when its last byte has gone, and shown when somebody has taken it in.
    let shown = async {
        loop {
            let usage = status(&proxy).await["orgs"][0]["api_usage"].clone();
            if !usage.is_null() {
                break format!("{}/{}", usage["used"], usage["allowed"]);
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, shown).await.unwrap(), usage);

    let scraped = get(proxy.admin(), "/metrics").await;
    let media = scraped.header("content-type").unwrap();
    assert!(media.starts_with("application/openmetrics-text"), "{media}");
    for words in [
        "orgproxy_requests_total{org=\"demo\",",
        "orgproxy_logins_total{org=\"demo\",outcome=\"ok\"} 1\n",
        "orgproxy_requests_in_flight 0\n",
    ] {
        assert!(scraped.body.contains(words), "{words}: {}", scraped.body);
    }
    assert!(scraped.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn connections_and_requests_are_counted_while_they_last() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let held = org.hold(LIMITS);
    let mut client = proxy.connect().await;
    client
        .send(format!("GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .await;
    org.wait_until(|_| held.waiting() == 1).await;
    let process = status(&proxy).await["process"].clone();
    assert_eq!(
        (&process["connections"], &process["requests"]),
        (&1.into(), &1.into())
    );
    drop(held);
    assert!(client.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn readiness_follows_a_refused_login_and_recovers_once_it_is_mended() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    // One after which the next login comes soon.
    org.set(|knobs| knobs.refusal = Refusal::named("unknown-error"));
    assert_eq!(proxy.get(LIMITS).await.status(), 503);
    let answer = get(proxy.admin(), "/readiness").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer
            .body
            .starts_with("not ready: org demo cannot log in: "),
        "{answer:?}"
    );
    assert_eq!(get(proxy.admin(), "/liveness").await.status, 200);
    let failed = status(&proxy).await;
    assert_eq!(failed["ready"], false);
    let login = &failed["orgs"][0]["last_login"];
    assert_eq!(login["succeeded"], false);
    assert!(
        login["fix"].as_str().unwrap().contains("try again"),
        "{login}"
    );

    org.set(|knobs| knobs.refusal = None);
    let url = format!("http://{}", proxy.admin());
    let waited = run(&["wait", "--url", &url]).await;
    assert_eq!(
        (waited.code(), &*waited.stdout),
        (0, "ready\n"),
        "{waited:?}"
    );
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    let mended = status(&proxy).await;
    assert_eq!(mended["orgs"][0]["session"]["state"], "live");
    assert_eq!(mended["orgs"][0]["last_login"]["succeeded"], true);
}

#[tokio::test]
async fn who_waits_is_patient_to_the_end() {
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.refusal = Refusal::named("user-not-approved"));
    let proxy = with_admin(&org, |_| {}).await;
    proxy.get(LIMITS).await;
    let url = format!("http://{}", proxy.admin());
    let began = Instant::now();
    let waited = run(&["wait", "--url", &url, "--timeout", "1s"]).await;
    assert_eq!(waited.code(), 1, "{waited:?}");
    assert!(began.elapsed() >= Duration::from_secs(1), "{waited:?}");
    let reason = "not ready within 1s: not ready: org demo cannot log in";
    assert!(waited.stderr.contains(reason), "{waited:?}");
}

#[tokio::test]
async fn the_certificates_that_people_renew_are_metrics() {
    let (org, own) = (Org::start().await.unwrap(), Own::make("localhost", 2099));
    let files = Files::with(&org, "");
    files.write("server.crt", &own.authority.pem());
    let admin = ["--admin-listen", "127.0.0.1:0"];
    let proxy = Binary::start(&[&["--config", &files.config()][..], &admin].concat());
    let url = admin_url(&proxy).await;
    let text = client().get(format!("{url}/metrics")).send().await.unwrap();
    let text = text.text().await.unwrap();
    let days = text.lines().find_map(|line| {
        line.strip_prefix(r#"orgproxy_certificate_expiry_days{name="org:demo"} "#)
    });
    let days: f64 = days.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!(days > 1000.0, "{days}");
    drop(proxy);
}

#[tokio::test]
async fn it_says_that_it_is_stopping_until_what_is_in_flight_is_done() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let admin = proxy.admin();
    let held = org.hold(LIMITS);
    let mut client = proxy.connect().await;
    client
        .send(format!("GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .await;
    org.wait_until(|_| held.waiting() == 1).await;
    let stopping = tokio::spawn(proxy.stop());
    let told = async {
        loop {
            let answer = get(admin, "/readiness").await;
            if answer.status == 503 {
                break answer.body;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert_eq!(told, "not ready: it is stopping\n");
    assert_eq!(get(admin, "/liveness").await.status, 200);
    drop(held);
    assert_eq!(stopping.await.unwrap(), 0);
    assert!(tokio::net::TcpStream::connect(admin).await.is_err());
}

#[test_case("Host: localhost:1", 200; "another port")]
#[test_case("Host: 127.0.0.1", 200; "an address")]
#[test_case("Host: [::1]:9180", 200; "the other address")]
#[test_case("Host: LOCALHOST", 200; "capitals")]
#[test_case("Host: evil.example", 403; "a foreign name")]
#[test_case("Host: localhost.evil.example", 403; "a name that begins well")]
#[test_case("Host: 127.0.0.1@evil.example", 403; "user info")]
#[test_case("Host: 192.0.2.1", 403; "another address")]
#[test_case("X: y", 400; "no host")]
#[test_case("Host: localhost\r\nHost: localhost", 400; "two hosts")]
#[test_case("Host: localhost:9180\r\nOrigin: http://localhost:9180", 200; "its own origin")]
#[test_case("Host: localhost:9180\r\nOrigin: http://localhost:8080", 403; "the origin of another port")]
#[test_case("Host: localhost:9180\r\nOrigin: https://localhost:9180", 403; "the origin of another scheme")]
#[test_case("Host: localhost\r\nOrigin: https://evil.example", 403; "a foreign origin")]
#[test_case("Host: localhost\r\nOrigin: null", 403; "a hidden origin")]
#[test_case("Host: localhost\r\nOrigin: http://localhost\r\nOrigin: null", 403; "a second origin")]
#[test_case("Host: localhost\r\nSec-Fetch-Site: none", 200; "typed")]
#[test_case("Host: localhost\r\nSec-Fetch-Site: same-origin", 200; "its own page")]
#[test_case("Host: localhost\r\nSec-Fetch-Site: same-site", 403; "a page of another port")]
#[test_case("Host: localhost\r\nSec-Fetch-Site: cross-site", 403; "a foreign page")]
#[test_case("Host: localhost\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site", 403; "a second word")]
#[tokio::test]
async fn pages_of_others_may_not_ask(lines: &str, expected: u16) {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    for path in ["/readiness", "/api/status", "/nothing"] {
        let wire = format!("GET {path} HTTP/1.1\r\n{lines}\r\nConnection: close\r\n\r\n");
        let answer = ask(proxy.admin(), wire).await;
        if expected == 200 {
            assert_ne!(answer.status, 403, "{answer:?}");
        } else {
            assert_eq!(answer.status, expected, "{answer:?}");
            assert!(answer.body.starts_with("orgproxy: "), "{answer:?}");
            assert_eq!(answer.body.lines().count(), 1, "{answer:?}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test_case("GET /readiness", 200)]
#[test_case("HEAD /readiness", 200)]
#[test_case("GET http://localhost/readiness", 200; "absolute")]
#[test_case("GET http://evil.example/readiness", 403; "absolute and foreign")]
#[test_case("POST /readiness", 405)]
#[test_case("PUT /nothing", 405)]
#[test_case("DELETE /api/status", 405)]
#[test_case("OPTIONS /readiness", 405)]
#[test_case("OPTIONS *", 405)]
#[test_case("TRACE /readiness", 405)]
#[test_case("CONNECT localhost:80", 405)]
#[test_case("PURGE /readiness", 405)]
#[tokio::test]
async fn nothing_but_reading_is_possible(line: &str, expected: u16) {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let wire = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = ask(proxy.admin(), wire).await;
    assert_eq!(answer.status, expected, "{answer:?}");
    if expected == 405 {
        assert_eq!(answer.header("allow"), Some("get, head"));
    }
}

#[tokio::test]
async fn a_socket_is_for_its_owner_whatever_the_host() {
    let org = Org::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let proxy = with_admin(&org, |config| {
        config.admin = Some(Admin::at(Listen::Unix(socket.clone())));
    })
    .await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&socket.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    for (lines, expected) in [
        ("Host: orgproxy", 200),
        ("Host: orgproxy\r\nOrigin: https://evil.example", 403),
    ] {
        let stream = UnixStream::connect(&socket).await.unwrap();
        let wire = format!("GET /startup HTTP/1.1\r\n{lines}\r\nConnection: close\r\n\r\n");
        let answers = talk(stream, wire.as_bytes(), usize::MAX).await;
        assert_eq!(answers[0].status, expected, "{answers:?}");
    }
    proxy.stop().await;
    assert!(!socket.exists());
}

/// Of those who may ask by TCP or at the socket, and what comes of it.
#[test_case("", 403; "nobody else by default")]
#[test_case("allow_users = [1]\n", 403; "not those who are not named")]
#[test_case("allow_users = [1, \"nobody\"]\n", 200; "those who are named")]
#[test_case("allow_users = \"*\"\n", 200; "all if that is wanted")]
#[tokio::test]
async fn another_user_of_this_machine_asks_only_if_it_is_let_in(users: &str, expected: u16) {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    let admin = format!("[admin]\nlisten = \"127.0.0.1:0\"\n{users}");
    let files = Files::with(&org, &format!("listen = \"127.0.0.1:0\"\n{admin}"));
    let proxy = files.start();
    let url = admin_url(&proxy).await;
    let is_refused = expected == 403;
    let reload: &[&str] = &["--request", "POST"];
    for (path, arguments) in [
        ("/api/status", &[][..]),
        ("/", &[]),
        ("/api/reload", reload),
    ] {
        let (status, body) = as_nobody_at(&format!("{url}{path}"), arguments).await;
        assert_eq!(status, expected, "{path}: {body}");
        assert_eq!(body.contains("OTHER_USER"), is_refused, "{body}");
        assert_eq!(body.contains("admin.allow_users"), is_refused, "{body}");
    }
    // Whose proxy it is may ask in any case.
    let status = client().get(format!("{url}/api/status")).send().await;
    assert_eq!(status.unwrap().status(), 200);
    let ended = proxy.stop().await;
    let said = ended
        .stderr
        .contains("refused another user at the admin listener");
    assert_eq!(said, is_refused, "{}", ended.stderr);
    let reloads = ended.stderr.contains("reloaded the configuration");
    assert_eq!(reloads, !is_refused, "{}", ended.stderr);
}

#[tokio::test]
async fn a_taken_address_is_an_error_unless_nobody_asked_for_it() {
    let org = Org::start().await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = crate::support::proxy::config(&org);
    config.admin = Some(Admin::at(Listen::Tcp(address)));
    let error = Server::bind(config.clone()).await.err().unwrap();
    assert!(matches!(error, StartupError::BindAdmin(..)), "{error:?}");

    config.admin.as_mut().unwrap().is_optional = true;
    let server = Server::bind(config).await.unwrap();
    assert_eq!(server.admin(), None);

    let listen = address.to_string();
    let demo = run(&["demo", "--port", "0", "--admin-listen", &listen]).await;
    assert_eq!(demo.code(), 1, "{demo:?}");
    let words = format!("cannot listen on {listen} for admin: ");
    assert!(demo.stderr.contains(&words), "{demo:?}");
    assert!(demo.stderr.contains("--admin-listen"), "{demo:?}");
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let config = files.config();
    for (listen, words) in [
        (
            "0.0.0.0:9180",
            "--admin-listen: 0.0.0.0:9180 is open to other machines",
        ),
        ("https://127.0.0.1:9180", "remove https://"),
    ] {
        let ended = run(&["run", "--config", &config, "--admin-listen", listen]).await;
        assert_eq!(ended.code(), 64, "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
    let demo = run(&["demo", "--port", "0", "--admin-listen", "0.0.0.0:0"]).await;
    assert_eq!(demo.code(), 2, "{demo:?}");
}

#[test_case("", 0; "nothing")]
#[test_case("GET /star", 0; "half a line")]
#[test_case("GET /startup HTTP/1.1\r\nHost: localhost\r\nX: ", 0; "half a head")]
#[test_case("GET /startup HTTP/1.1\r\nHost: localhost\r\n\r\n", 1; "a request that has its answer")]
#[tokio::test]
async fn who_sends_no_request_is_not_waited_for(wire: &str, answers: usize) {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |config| {
        config.limits.header_read = Duration::from_millis(300);
    })
    .await;
    let stream = tokio::net::TcpStream::connect(proxy.admin()).await.unwrap();
    let told = talk(stream, wire.as_bytes(), usize::MAX).await;
    let good = told.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(good, answers, "{told:?}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let long = "x".repeat(60_000);
    for wire in [
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /startup HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
    ] {
        let answer = ask(proxy.admin(), wire).await;
        assert!([414, 431].contains(&answer.status), "{answer:?}");
    }
}

#[tokio::test]
async fn a_flood_of_connections_keeps_no_probe_out() {
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(Raw::connect(proxy.admin()).await);
    }
    assert_eq!(get(proxy.admin(), "/readiness").await.status, 200);
    // The oldest had to go; the youngest are still served.
    assert_eq!(idle[0].rest().await, "");
    let youngest = idle.last_mut().unwrap();
    youngest.send(request("/startup")).await;
    assert!(youngest.answer().await.starts_with("HTTP/1.1 200"));
    // Who asks the orgs is not among them.
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
}

#[tokio::test]
async fn a_user_who_is_refused_takes_no_connection_of_those_who_are_not() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    let proxy = with_admin(&org, |_| {}).await;
    let mut first = Raw::connect(proxy.admin()).await;
    let _connected = connections_of_nobody(proxy.admin().port()).await;
    assert_eq!(get(proxy.admin(), "/readiness").await.status, 200);
    first.send(request("/startup")).await;
    assert!(first.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn no_secret_is_in_anything_that_it_says() {
    let org = Org::start().await.unwrap();
    let key = "canary-client-key-91c2d4e6";
    let files = Files::with(
        &org,
        "guard.client_key = { file = \"client.key\" }\n[admin]\nlisten = \"127.0.0.1:0\"\n",
    );
    files.write("client.key", key);
    let proxy = files.start();
    let url = admin_url(&proxy).await;
    let login = proxy.url("/services/oauth2/token").await;
    let answer = log_in(&login, key).await;
    let placeholder: Value = serde_json::from_str(&answer).unwrap();
    let placeholder = placeholder["access_token"].as_str().unwrap().to_owned();
    let asked = client()
        .get(proxy.url(LIMITS).await)
        .bearer_auth(key)
        .send()
        .await;
    assert_eq!(asked.unwrap().status(), 200);
    let mut said = everything(&url).await;
    org.set(|knobs| knobs.refusal = Refusal::named("user-not-approved"));
    org.end_sessions();
    let asked = client()
        .get(proxy.url(LIMITS).await)
        .bearer_auth(key)
        .send()
        .await;
    assert_eq!(asked.unwrap().status(), 502);
    said += &everything(&url).await;
    assert!(said.contains("not ready"), "{said}");

    let requests = org.requests();
    let tokens = requests
        .iter()
        .filter_map(|seen| seen.header("authorization").strip_prefix("Bearer "))
        .map(str::to_owned);
    let secrets: Vec<String> = tokens
        .chain(org.private_key_pem().lines().skip(1).map(str::to_owned))
        .chain([key.to_owned(), placeholder, org.client_id().to_owned()])
        .collect();
    assert!(secrets.len() > 10);
    for secret in secrets.iter().filter(|secret| !secret.starts_with("---")) {
        let piece = &secret[secret.len() / 2..];
        assert!(!said.contains(piece), "{secret}: {said}");
    }
}

#[tokio::test]
async fn status_shows_people_how_it_is() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "[admin]\nlisten = \"unix:admin.sock\"\n");
    let proxy = files.start();
    proxy.print("admin listener on").await;
    let config = files.config();
    let shown = run(&["status", "--config", &config]).await;
    assert_eq!(shown.code(), 0, "{shown:?}");
    assert!(shown.stdout.starts_with("orgproxy "), "{shown:?}");
    assert!(shown.stdout.contains(" ready\n"), "{shown:?}");
    assert!(
        shown.stdout.contains("\ndemo\n  session     none yet"),
        "{shown:?}"
    );
    assert!(!shown.stdout.contains('\u{1b}'), "{shown:?}");

    let json = run(&["status", "--json", "--config", &config]).await;
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["orgs"][0]["name"], "demo");

    let command = || Binary::command(&["status", "--config", &config]);
    let coloured = on_terminal(command(), 80).await;
    assert!(coloured.contains("\u{1b}[32mready"), "{coloured:?}");
    for line in coloured.lines() {
        let plain = strip(line);
        assert!(plain.trim_end().chars().count() <= 80, "{plain}");
    }

    org.set(|knobs| knobs.refusal = Refusal::named("user-not-approved"));
    let asked = client().get(proxy.url(LIMITS).await).send().await;
    assert_eq!(asked.unwrap().status(), 502);
    let failed = run(&["status", "--config", &config]).await;
    assert_eq!(failed.code(), 1, "{failed:?}");
    for words in [
        "not ready",
        "none: the login failed",
        "why",
        "pre-authorize",
    ] {
        assert!(failed.stdout.contains(words), "{words}: {failed:?}");
    }
}

#[tokio::test]
async fn status_goes_on_showing_it_on_a_terminal() {
    let demo = Binary::start(&["demo", "--port", "0"]);
    let url = admin_url(&demo).await;
    let watch = ["status", "--watch", "--url", &url];
    let shown = on_terminal_until(Binary::command(&watch), 80, "connections", 2).await;
    assert_eq!(shown.matches("\u{1b}[H\u{1b}[J").count(), 2, "{shown:?}");

    let piped = run(&watch).await;
    assert_eq!(piped.code(), 1);
    assert!(
        piped.stderr.contains("--watch is for a terminal"),
        "{piped:?}"
    );
}

#[tokio::test]
async fn status_of_what_cannot_be_asked_says_how_it_could() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = format!("unix:{}", folder.path().join("admin.sock").display());
    let unreachable = run(&["status", "--url", &nowhere]).await;
    is_told_how(&unreachable);

    // Something else listens there.
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let other = run(&["status", "--url", &proxy.url("")]).await;
    is_told_how(&other);
    assert!(other.stderr.contains("something else answers"), "{other:?}");

    // Another proxy, such as the demo, is not taken for the one of a configuration without any.
    let files = Files::new(&org);
    for command in ["status", "wait"] {
        let none = run(&[command, "--config", &files.config()]).await;
        is_told_how(&none);
        assert!(
            none.stderr.contains("the configuration has none"),
            "{none:?}"
        );
    }

    fn is_told_how(ended: &Ended) {
        assert_eq!((ended.code(), &*ended.stdout), (1, ""), "{ended:?}");
        for words in ["[admin] listen = ", "--admin-listen", "--url"] {
            assert!(ended.stderr.contains(words), "{ended:?}");
        }
    }
}

#[tokio::test]
async fn wait_returns_once_it_is_ready_and_not_before() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "[admin]\nlisten = \"unix:admin.sock\"\n");
    let config = files.config();
    let waiting = Binary::start(&["wait", "--config", &config]);
    let late = run(&["wait", "--config", &config, "--timeout", "200ms"]).await;
    assert_eq!((late.code(), &*late.stdout), (1, ""), "{late:?}");
    let words = "orgproxy: not ready within 200ms: cannot ask the admin listener at unix:";
    assert!(late.stderr.starts_with(words), "{late:?}");

    let proxy = files.start();
    let waited = waiting.end().await;
    assert_eq!(
        (waited.code(), &*waited.stdout),
        (0, "ready\n"),
        "{waited:?}"
    );

    // One after which there is no other login for long.
    org.set(|knobs| knobs.refusal = Refusal::named("locked-user"));
    let asked = client().get(proxy.url(LIMITS).await).send().await;
    assert_eq!(asked.unwrap().status(), 502);
    let shown = run(&["status", "--config", &config]).await;
    assert!(shown.stdout.contains(" at the earliest\n"), "{shown:?}");
    let failed = run(&["wait", "--config", &config, "--timeout", "200ms"]).await;
    assert_eq!((failed.code(), &*failed.stdout), (1, ""), "{failed:?}");
    assert!(
        failed.stderr.contains("org demo cannot log in"),
        "{failed:?}"
    );
}

#[test_case("ready\n", 0; "as orgproxy does")]
#[test_case("ready", 1; "nearly as orgproxy does")]
#[test_case("<html>", 1; "otherwise")]
#[tokio::test]
async fn wait_believes_the_answer_of_orgproxy_alone(body: &'static str, code: i32) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nServer: orgproxy\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Until it has read that.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let waited = run(&["wait", "--url", &url, "--timeout", "100ms"]).await;
    assert_eq!(waited.code(), code, "{waited:?}");
    let said = waited.stderr.contains("something else answers there");
    assert_eq!(said, code != 0, "{waited:?}");
}

pub(crate) async fn with_admin(org: &Org, change: impl FnOnce(&mut Config)) -> Proxy {
    Proxy::with(org, |config| {
        config.admin = Some(Admin::at(Listen::Tcp(([127, 0, 0, 1], 0).into())));
        change(config);
    })
    .await
}

pub(crate) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, request(path)).await
}

async fn status(proxy: &Proxy) -> Value {
    let answer = get(proxy.admin(), "/api/status").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_str(&answer.body).unwrap()
}

/// Where a program says that it can be asked.
pub(crate) async fn admin_url(program: &Binary) -> String {
    let line = program.print("admin listener on ").await;
    format!("http://{}", line.trim_start_matches("admin listener on "))
}

/// All paths, and what the command makes of them.
pub(crate) async fn everything(url: &str) -> String {
    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let mut said = String::new();
    for path in [
        "/startup",
        "/liveness",
        "/readiness",
        "/metrics",
        "/api/status",
        "/",
    ] {
        let answer = get(address, path).await;
        said += &answer.head;
        said += &answer.body;
    }
    let shown = run(&["status", "--url", url]).await;
    let json = run(&["status", "--json", "--url", url]).await;
    said + &shown.stdout + &shown.stderr + &json.stdout + &json.stderr
}

/// The answer to a client that logs in to the proxy and shows its key.
async fn log_in(url: &str, key: &str) -> String {
    let sent = client()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-orgproxy-key", key)
        .body("grant_type=password&client_id=x&client_secret=x&username=x&password=x")
        .send()
        .await;
    sent.unwrap().text().await.unwrap()
}

/// Without colours.
fn strip(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += piece.split_once('m').map_or("", |(_, rest)| rest);
    }
    text
}
