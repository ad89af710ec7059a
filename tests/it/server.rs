//! Listening, being several, and stopping.

use std::{
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    process::Command,
};

use orgproxy::{
    Server,
    config::{Config, Listen},
};
use test_case::test_case;
use tokio::net::{TcpStream, UnixStream};

use crate::support::{
    Binary, Files, Org, Proxy, SHORT,
    answer::{Answer, ask, talk},
    chmod, client, curl,
    get::{get, get_and_close},
    path::LIMITS,
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
    config.orgs[0].guard.allow_uids = vec![NOBODY];
    config.orgs[0].hosts.push("localhost".into());
    let _proxy = Proxy::serve(config).await;
    let answer = tokio::task::spawn_blocking(move || as_nobody(&path))
        .await
        .unwrap();
    assert_eq!(answer, "");
    assert_eq!(one.counts().requests + two.counts().requests, 0);
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

async fn on_socket(org: &Org, path: &Path, uids: &[u32]) -> Proxy {
    Proxy::with(org, |config| {
        config.orgs[0].listen = vec![Listen::Unix(path.to_owned())];
        config.orgs[0].guard.allow_uids = uids.to_vec();
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
