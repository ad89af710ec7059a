//! Listening, being several, and stopping.

use std::{
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use orgproxy::{
    Server,
    config::{ClientKey, Config, Listen, LocalUsers},
};
use rustix::{
    net::sockopt::set_socket_linger,
    process::{Pid, Signal, kill_process},
};
use test_case::test_case;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream, UnixStream},
};

use crate::admin::admin_url;
use crate::support::{
    Binary, Fault, Files, Org, Proxy, SHORT, Seen,
    answer::{Answer, ask, talk},
    binary::run,
    chmod, client,
    cpu_time::CpuTime,
    curl,
    get::{get, get_and_close},
    path::{LIMITS, SINK},
    proxy, skip,
    user::NOBODY,
};

#[tokio::test]
async fn a_stop_lets_go_of_idle_connections_and_waits_for_what_is_in_flight() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let address = proxy.address;
    let mut fresh = proxy.connect().await;
    let mut idle = proxy.connect().await;
    idle.send(get(LIMITS)).await;
    idle.answer().await;
    let hold = org.hold(LIMITS);
    let mut waiting = proxy.connect().await;
    waiting.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 1).await;

    let stopped = tokio::spawn(proxy.stop());
    assert_eq!(idle.rest().await, "");
    assert_eq!(fresh.rest().await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!stopped.is_finished());

    hold.release();
    let answers = Answer::all(waiting.rest().await.as_bytes());
    assert_eq!(answers[0].status, 200);
    assert!(answers[0].body.contains("DailyApiRequests"));
    assert_eq!(stopped.await.unwrap(), 0);
}

#[tokio::test]
async fn what_outlasts_the_grace_period_is_cut_and_only_that_is_counted() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.threads = 1;
        config.grace = SHORT;
    })
    .await;
    let first = org.hold(LIMITS);
    let _second = org.hold("/services/data/v62.0/sobjects");
    let mut idle = proxy.connect().await;
    let mut waiting = proxy.connect().await;
    waiting.send(get(LIMITS)).await;
    let mut cut = proxy.connect().await;
    cut.send(get(LIMITS).replace("limits", "sobjects")).await;
    org.wait_for_requests(2).await;

    let stopped = tokio::spawn(proxy.stop());
    assert_eq!(idle.rest().await, "");
    first.release();
    assert!(waiting.rest().await.starts_with("HTTP/1.1 200"));
    assert_eq!(cut.rest().await, "");
    assert_eq!(stopped.await.unwrap(), 1);
}

#[tokio::test]
async fn a_unix_socket_is_ours_alone_and_goes_with_us() {
    let org = Org::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orgproxy.sock");
    let proxy = on_socket(&org, &path, &[]).await;

    let metadata = path.symlink_metadata().unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(through(&path).await[0].status, 200);
    assert_eq!(files(folder.path()), 1, "nothing else is left beside it");

    assert_eq!(proxy.stop().await, 0);
    assert_eq!(files(folder.path()), 0);
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced() {
    let org = Org::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orgproxy.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    // And what a killed process of our number left behind.
    let private = folder
        .path()
        .join(format!(".orgproxy-{}", std::process::id()));
    std::fs::create_dir(private).unwrap();
    let _proxy = on_socket(&org, &path, &[]).await;
    assert_eq!(through(&path).await[0].status, 200);
}

#[tokio::test]
async fn a_socket_in_use_and_a_file_are_left_alone() {
    let org = Org::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let used = folder.path().join("used.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&used).unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    for path in [&used, &file] {
        let mut config = proxy::config(&org);
        config.orgs[0].listen = vec![Listen::Unix(path.clone())];
        let error = Server::bind(config).await.err().expect("bound");
        let shown = path.display().to_string();
        assert!(error.to_string().contains(&shown), "{error}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}

#[tokio::test]
async fn another_user_reaches_a_unix_socket_only_if_allowed() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    for (uids, passes) in [(vec![], false), (vec![1], false), (vec![NOBODY], true)] {
        let folder = tempfile::tempdir().unwrap();
        chmod(folder.path(), 0o755);
        let path = folder.path().join("orgproxy.sock");
        let before = org.counts();
        let _proxy = on_socket(&org, &path, &uids).await;
        let answer = tokio::task::spawn_blocking(move || as_nobody(&path))
            .await
            .unwrap();
        assert_eq!(
            answer.contains("DailyApiRequests"),
            passes,
            "{uids:?}: {answer}"
        );
        assert_eq!(org.counts() != before, passes, "{uids:?}");
    }
}

#[tokio::test]
async fn another_user_who_is_not_let_in_is_named_in_the_log() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    // Where another is let in, the socket's mode keeps nobody out.
    let listen = "listen = \"unix:it.sock\"\nguard.allow_users = [1]\n";
    let files = Files::with(&org, listen);
    chmod(files.folder(), 0o755);
    let proxy = files.start();
    proxy.print("listening on").await;
    let path = files.path("it.sock");
    let answer = tokio::task::spawn_blocking(move || as_nobody(&path))
        .await
        .unwrap();
    assert_eq!(answer, "");
    let line = proxy.log("refused another user").await;
    assert!(
        line.contains("add it to guard.allow_users") && line.contains("uid=65534"),
        "{line}"
    );
}

#[tokio::test]
async fn orgs_that_share_a_listener_are_told_apart_by_host() {
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let mut config = two_orgs(&one, &two);
    // A fixed address, but a free one.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orgproxy.sock");
    for org in &mut config.orgs {
        org.listen = vec![Listen::Unix(path.clone())];
    }
    let _proxy = Proxy::serve(config).await;
    for (host, status) in [
        ("one.localhost", 200),
        ("TWO.localhost:80", 200),
        ("localhost", 421),
        ("three.localhost", 421),
        ("one.localhost.evil.com", 421),
    ] {
        let stream = UnixStream::connect(&path).await.unwrap();
        let wire = get_and_close(LIMITS).replace("localhost", host);
        let answers = talk(stream, wire.as_bytes(), usize::MAX).await;
        assert_eq!(answers[0].status, status, "{host} {answers:?}");
    }
    assert_eq!((one.counts().requests, two.counts().requests), (1, 1));
    assert!(one.last_request().authorized && two.last_request().authorized);
}

#[tokio::test]
async fn no_answer_of_one_org_reaches_a_client_of_another() {
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let mut config = two_orgs(&one, &two);
    config.threads = 1;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orgproxy.sock");
    for org in &mut config.orgs {
        org.listen = vec![Listen::Unix(path.clone())];
    }
    for (name, org) in [("one", &one), ("two", &two)] {
        let answer = Fault::answer(http::StatusCode::OK, "text/plain", format!("of {name}"));
        let answer = answer.header("set-cookie", &format!("from={name}"));
        org.faults().always(LIMITS, answer);
    }
    let _proxy = Proxy::serve(config).await;
    // All on one connection, one behind the other.
    let names = ["one", "two", "two", "one"].repeat(10);
    let mut wire: String = names
        .iter()
        .map(|name| get(LIMITS).replace("localhost", &format!("{name}.localhost")))
        .collect();
    wire.insert_str(wire.len() - 2, "Connection: close\r\n");
    let stream = UnixStream::connect(&path).await.unwrap();
    let answers = talk(stream, wire.as_bytes(), usize::MAX).await;
    assert_eq!(answers.len(), names.len());
    for (answer, name) in answers.iter().zip(&names) {
        assert_eq!(answer.body, format!("of {name}"));
        assert_eq!(answer.header("set-cookie"), Some(&*format!("from={name}")));
    }
    for org in [&one, &two] {
        let seen = org.requests();
        assert_eq!(seen.len(), names.len() / 2);
        let is_clean = |seen: &Seen| seen.authorized && !seen.headers.contains_key("cookie");
        assert!(seen.iter().all(is_clean));
    }
}

#[tokio::test]
async fn a_user_reaches_a_shared_socket_only_if_every_org_allows_it() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    chmod(folder.path(), 0o755);
    let path = folder.path().join("orgproxy.sock");
    let mut config = two_orgs(&one, &two);
    for org in &mut config.orgs {
        org.listen = vec![Listen::Unix(path.clone())];
    }
    config.orgs[0].guard.allow_users = LocalUsers::Only(vec![NOBODY]);
    config.orgs[0].hosts.push("localhost".into());
    let _proxy = Proxy::serve(config).await;
    let answer = tokio::task::spawn_blocking(move || as_nobody(&path))
        .await
        .unwrap();
    assert_eq!(answer, "");
    assert_eq!(one.counts().requests + two.counts().requests, 0);
}

/// Of those who may call by TCP, with what the client shows, and what comes of it.
#[test_case(LocalUsers::default(), &[], 403; "nobody else by default")]
#[test_case(LocalUsers::Only(vec![1]), &[], 403; "not those who are not named")]
#[test_case(LocalUsers::default(), &["--proxy", "PROXY"], 403; "nor by naming it as a proxy")]
#[test_case(LocalUsers::default(), &["--http2-prior-knowledge"], 403; "nor in version 2")]
#[test_case(LocalUsers::Only(vec![1, NOBODY]), &[], 200; "those who are named")]
#[test_case(LocalUsers::All, &[], 200; "all if that is wanted")]
#[tokio::test]
async fn other_users_of_this_machine_call_by_tcp_if_they_are_let_in(
    users: LocalUsers,
    arguments: &[&str],
    status: u16,
) {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.orgs[0].guard.allow_users = users).await;
    let address = format!("http://{}", proxy.address);
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| {
            if *argument == "PROXY" {
                &address
            } else {
                *argument
            }
        })
        .collect();
    let (got, body) = as_nobody_by_tcp(&proxy, &arguments).await;
    assert_eq!(got, status, "{body}");
    let is_refused = status == 403;
    assert_eq!(body.contains("OTHER_USER"), is_refused, "{body}");
    assert_eq!(body.contains("guard.allow_users"), is_refused, "{body}");
    assert_eq!(org.counts().requests, usize::from(!is_refused));
    assert_eq!(org.counts().token_requests, usize::from(!is_refused));
    // Whose proxy it is may call in any case.
    let answer = ask(proxy.address, get_and_close(LIMITS)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_client_key_says_more_than_a_user() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        config.orgs[0].guard.client_key = Some(ClientKey::new(KEY.as_bytes()).unwrap());
    })
    .await;
    let (status, body) = as_nobody_by_tcp(&proxy, &[]).await;
    assert_eq!(
        (status, body.contains("CLIENT_KEY_MISSING")),
        (403, true),
        "{body}"
    );
    let key = format!("any:{KEY}");
    let (status, body) = as_nobody_by_tcp(&proxy, &["--user", &key]).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(org.counts().requests, 1);
}

#[test_case("127.0.0.2:0", "127.0.0.2"; "another address of this machine")]
#[test_case("[::1]:0", "[::1]"; "version 6")]
#[test_case("127.0.0.1:0", "localhost"; "the usual one")]
#[tokio::test]
async fn the_address_that_is_listened_on_can_be_called(listen: &str, host: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &format!("listen = {listen:?}\n"));
    let proxy = files.start();
    let address = proxy.address().await;
    let line = proxy.print("try:").await;
    assert!(line.contains(&format!("http://{host}:")), "{line}");
    let url = line.split_whitespace().last().unwrap();
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    for (named, status) in [
        (&*address.to_string(), 200),
        ("localhost", 200),
        ("127.0.0.3", 421),
        ("0.0.0.0", 421),
        ("127.0.0.2.evil.com", 421),
    ] {
        let answer = ask(address, get_and_close(LIMITS).replace("localhost", named)).await;
        assert_eq!(answer.status, status, "{named}: {answer:?}");
    }
    assert_eq!(org.counts().requests, 3);
}

#[tokio::test]
async fn a_certificate_is_for_the_address_that_is_listened_on() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "listen = \"https://127.0.0.2:0\"\n");
    let proxy = files.start_with_state();
    let line = proxy.print("try: curl").await;
    assert!(line.contains("https://127.0.0.2:"), "{line}");
    let answer = curl(line.split_once("try: ").unwrap().1).await;
    assert_eq!(answer.code(), 0, "{answer:?}");
    assert_eq!(org.counts().requests, 1);
}

#[tokio::test]
async fn orgs_that_share_an_address_are_not_told_apart_by_it() {
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let port = std::net::TcpListener::bind("127.0.0.2:0")
        .and_then(|listener| listener.local_addr())
        .unwrap();
    let mut config = two_orgs(&one, &two);
    for org in &mut config.orgs {
        org.listen = vec![Listen::Tcp(port)];
    }
    let _proxy = Proxy::serve(config).await;
    let named = |host: &str| ask(port, get_and_close(LIMITS).replace("localhost", host));
    assert_eq!(named(&port.to_string()).await.status, 421);
    assert_eq!(named("two.localhost").await.status, 200);
    assert_eq!((one.counts().requests, two.counts().requests), (0, 1));
}

#[test_case("listen = \"0.0.0.0:0\"\n", true; "all addresses")]
#[test_case("listen = [\"127.0.0.1:0\", \"[::]:0\"]\n", true; "one of several")]
#[test_case("listen = \"https://0.0.0.0:0\"\n", false; "with tls")]
#[test_case("listen = \"127.0.0.1:0\"\n", false; "this machine only")]
#[tokio::test]
async fn a_client_key_that_crosses_the_network_in_clear_gets_a_warning(listen: &str, warns: bool) {
    let org = Org::start().await.unwrap();
    let guard = "[org.demo.guard]\nallow_remote = true\nclient_key = { env = \"KEY\" }\n";
    let files = Files::with(&org, &format!("{listen}{guard}"));
    let state = files.path("state").display().to_string();
    let config = files.config();
    let mut command = Binary::command(&["run", "--config", &config, "--state-dir", &state]);
    command.env("KEY", "a-key-of-some-length");
    let proxy = Binary::spawn(command);
    proxy.print("listening on").await;
    let ended = proxy.stop().await;
    assert_eq!(
        ended.stderr.contains("crosses the network unencrypted"),
        warns,
        "{}",
        ended.stderr
    );
}

#[test_case("[\"127.0.0.1:0\", \"0.0.0.0:0\"]", "unencrypted"; "in plain")]
#[test_case("[\"127.0.0.1:0\", \"https://0.0.0.0:0\"]", "other machines reach https://0.0.0.0:0"; "with tls")]
#[tokio::test]
async fn a_listener_that_other_machines_reach_is_pointed_out(listen: &str, warning: &str) {
    let org = Org::start().await.unwrap();
    let guard = "allow_remote = true\nclient_key = { env = \"KEY\" }\n";
    let more = format!("listen = {listen}\n[org.demo.guard]\n{guard}");
    let files = Files::with(&org, &more);
    let (state, config) = (files.path("state").display().to_string(), files.config());
    let admin = ["--admin-listen", "127.0.0.1:0"];
    let mut arguments = vec!["run", "--config", &config, "--state-dir", &state];
    arguments.extend(admin);
    let mut command = Binary::command(&arguments);
    command.env("KEY", KEY);
    let proxy = Binary::spawn(command);
    let url = admin_url(&proxy).await;
    let status = client()
        .get(format!("{url}/api/status"))
        .send()
        .await
        .unwrap();
    let status: serde_json::Value = serde_json::from_str(&status.text().await.unwrap()).unwrap();
    let listeners = status["orgs"][0]["listeners"].as_array().unwrap();
    let remote: Vec<_> = listeners.iter().map(|it| it["remote"].as_bool()).collect();
    assert_eq!(remote, [Some(false), Some(true)], "{status}");

    let shown = run(&["status", "--url", &url]).await.stdout;
    let line = shown
        .lines()
        .find(|line| line.contains("listens on"))
        .unwrap();
    let marks = line.matches("other machines reach it").count();
    assert_eq!(marks, 1, "{line}");
    assert!(line.ends_with("(other machines reach it)"), "{line}");
    let ended = proxy.stop().await;
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
}

#[tokio::test]
async fn orgs_on_ports_of_their_own_never_see_each_others_session() {
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let server = Server::bind(two_orgs(&one, &two)).await.unwrap();
    let ports: Vec<_> = server
        .bound()
        .into_iter()
        .map(|bound| bound.listen.address().unwrap())
        .collect();
    tokio::spawn(server.serve(std::future::pending()));
    for _ in 0..5 {
        for address in &ports {
            assert_eq!(ask(*address, get_and_close(LIMITS)).await.status, 200);
        }
    }
    for org in [&one, &two] {
        let seen = org.requests();
        assert_eq!(seen.len(), 5);
        assert!(seen.iter().all(|seen| seen.authorized));
        assert_eq!(org.counts().token_requests, 1);
    }
    let sessions = [&one, &two].map(|org| org.last_request().header("authorization").to_owned());
    assert_ne!(sessions[0], sessions[1]);
}

const KEY: &str = "correct-horse-battery";

/// Runs curl as another user, and returns what it gets: nothing if it is not let in.
fn as_nobody(path: &Path) -> String {
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["curl", "--silent", "--max-time", "20", "--unix-socket"])
        .arg(path)
        .arg(format!("http://localhost{LIMITS}"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Who connects is asked of the system by the addresses, which may be another user's by then.
#[tokio::test]
async fn a_connection_that_was_reset_does_not_pass_for_the_next_from_its_port() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let log = files.path("access.log").display().to_string();
    let proxy = Binary::start(&["--config", &files.config(), "--access-log", &log]);
    let address = proxy.address().await;
    let id = Pid::from_raw(proxy.id().cast_signed()).unwrap();
    kill_process(id, Signal::STOP).unwrap();
    let mut others = Vec::new();
    for _ in 0..20 {
        let socket = TcpSocket::new_v4().unwrap();
        // Nobody else here is at this address, and could take the port meanwhile.
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut first = socket.connect(address).await.unwrap();
        let wire = format!("POST {SINK} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        first.write_all(wire.as_bytes()).await.unwrap();
        let port = first.local_addr().unwrap();
        set_socket_linger(&first, Some(Duration::ZERO)).unwrap();
        drop(first);
        let next = TcpSocket::new_v4().unwrap();
        next.set_reuseaddr(true).unwrap();
        next.bind(port).unwrap();
        others.push(next.connect(address).await.unwrap());
    }
    let count = others.len();
    kill_process(id, Signal::CONT).unwrap();
    for other in others {
        let request = get_and_close(LIMITS);
        let answer = talk(other, request.as_bytes(), usize::MAX).await.remove(0);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // The org may see nothing of what is given up at once, but the log does.
    proxy.stop().await;
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(!lines.contains("POST"), "{lines}");
    assert_eq!(
        (lines.lines().count(), org.counts().requests),
        (count, count)
    );
}

/// What it costs to ask who connects: processor time of the proxy for each connection, without and
/// with it.
#[tokio::test]
#[ignore = "a measurement: cargo test --release --test it -- --ignored --nocapture what_asking"]
async fn what_asking_for_the_user_costs() {
    let org = Org::start().await.unwrap();
    for (words, guard) in [
        ("without", "[org.demo.guard]\nallow_users = \"*\"\n"),
        ("with", ""),
        ("without", "[org.demo.guard]\nallow_users = \"*\"\n"),
        ("with", ""),
    ] {
        let files = Files::with(&org, &format!("listen = \"127.0.0.1:0\"\n{guard}"));
        let proxy = files.start();
        let address = proxy.address().await;
        let (began, before) = (Instant::now(), CpuTime::of(proxy.id()));
        tokio::task::spawn_blocking(move || {
            for _ in 0..CONNECTIONS {
                std::net::TcpStream::connect(address).unwrap();
            }
        })
        .await
        .unwrap();
        let wall = began.elapsed();
        // Connections are accepted in turn, so all of them have been.
        assert_eq!(ask(address, get_and_close(LIMITS)).await.status, 200);
        let spent = CpuTime::of(proxy.id()).since(&before);
        let each = spent / CONNECTIONS;
        let rate = f64::from(CONNECTIONS) / wall.as_secs_f64();
        eprintln!("{words}: {each:?} of processor time a connection, {rate:.0} connections/s");
    }
}

const CONNECTIONS: u32 = 20_000;

/// Runs curl as another user with more `arguments`, and returns the status and what it gets.
async fn as_nobody_by_tcp(proxy: &Proxy, arguments: &[&str]) -> (u16, String) {
    as_nobody_at(&format!("http://{}{LIMITS}", proxy.address), arguments).await
}

/// The same of any `url`.
pub(crate) async fn as_nobody_at(url: &str, arguments: &[&str]) -> (u16, String) {
    let output = tokio::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl"])
        .args([
            "--silent",
            "--max-time",
            "20",
            "--write-out",
            "%{http_code}",
        ])
        .args(arguments)
        .arg(url)
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.split_at(text.len() - 3);
    (status.parse().unwrap(), body.to_owned())
}

async fn on_socket(org: &Org, path: &Path, uids: &[u32]) -> Proxy {
    Proxy::with(org, |config| {
        config.orgs[0].listen = vec![Listen::Unix(path.to_owned())];
        config.orgs[0].guard.allow_users = LocalUsers::Only(uids.to_vec());
    })
    .await
}

async fn through(path: &Path) -> Vec<Answer> {
    let stream = UnixStream::connect(path).await.unwrap();
    talk(stream, get_and_close(LIMITS).as_bytes(), usize::MAX).await
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Each with a host of its own.
fn two_orgs(one: &Org, two: &Org) -> Config {
    let mut config = proxy::config(one);
    config.orgs.push(proxy::org(two));
    for (org, name) in config.orgs.iter_mut().zip(["one", "two"]) {
        org.name = name.to_owned();
        org.hosts = vec![format!("{name}.localhost")];
    }
    config
}
