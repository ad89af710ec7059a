//! A running proxy takes a changed configuration, all of it or nothing, and drops nobody.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use orgproxy::demo::TOKEN;
use rcgen::{CertificateParams, KeyPair};
use reqwest::{Client, StatusCode};
use rustix::process::Signal;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    process::Command,
};

use crate::{
    http2::{HEADERS, OK, begun, read_frame, request_for},
    support::{
        Binary, Ended, Files, Keys, Org, Raw,
        binary::run,
        client,
        files::config,
        get::{get, get_and_close},
        in_time, json_of,
        path::{ECHO, LIMITS},
        tls,
    },
};

const KEYED: &str = "[org.demo.guard]\nclient_key = { file = \"client.key\" }\n";
const ETL: &str = "[org.demo.clients.etl]\nfile = \"etl.pass\"\n";
const BI: &str = "[org.demo.clients.bi]\nfile = \"bi.pass\"\n";

#[tokio::test]
async fn what_is_in_flight_goes_on_and_the_next_request_finds_the_new_state() {
    let it = Reloads::start("").await;
    let address = it.proxy.address().await;
    let (mut held, mut idle) = (Raw::connect(address).await, Raw::connect(address).await);
    let named = get(LIMITS).replace("localhost", "acme.test");
    idle.send(&named).await;
    assert!(idle.answer().await.starts_with("HTTP/1.1 4"));

    let hold = it.org.hold_body(LIMITS, 1);
    held.send(get(LIMITS)).await;
    let head = held.head().await;
    it.write("hosts = [\"acme.test\"]\n");
    assert_eq!(it.reload().await.0, 200);
    hold.release();
    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| Some(line.strip_prefix("content-length: ")?.parse().unwrap()));
    let body = held.exactly(length.expect(&head)).await;
    assert!(body.ends_with(b"}"), "{head}");
    // On the very connections.
    for connection in [&mut held, &mut idle] {
        connection.send(&named).await;
        let answer = connection.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(it.org.counts().token_requests, 1);
}

#[tokio::test]
async fn a_listener_that_stays_refuses_nobody_while_it_reloads_a_hundred_times() {
    let it = Reloads::start("").await;
    let url = it.proxy.url(LIMITS).await;
    let (asked, is_over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (url, asked, is_over) = (url.clone(), asked.clone(), is_over.clone());
            let kept = client();
            tokio::spawn(async move {
                while !is_over.load(Relaxed) {
                    // Half of them with a new connection each time.
                    let client = if number % 2 == 0 {
                        kept.clone()
                    } else {
                        client()
                    };
                    let answer = client.get(&url).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    assert!(answer.text().await.unwrap().ends_with('}'));
                    asked.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for turn in 0..100 {
        let before = asked.load(Relaxed);
        it.write(&format!("hosts = [\"acme{turn}.test\"]\n"));
        assert_eq!(it.reload().await.0, 200);
        in_time(async {
            while asked.load(Relaxed) < before + 8 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    is_over.store(true, Relaxed);
    for client in clients {
        in_time(client).await.unwrap();
    }
    assert!(asked.load(Relaxed) >= 800);
    // A session is the org's, and so is a reload none of its business.
    assert_eq!(it.org.counts().token_requests, 1);
}

#[tokio::test]
async fn a_new_address_is_reached_and_one_that_is_no_more_is_closed() {
    let it = Reloads::start("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n").await;
    let [first, second] = it.listeners().await.try_into().unwrap();
    it.write("listen = [\"127.0.0.1:0\", \"unix:new.sock\"]\n");
    assert_eq!(it.reload().await.0, 200);
    let listeners = it.listeners().await;
    let socket = it.files.path("new.sock");
    assert_eq!(
        listeners,
        [first.clone(), format!("unix:{}", socket.display())]
    );
    UnixStream::connect(&socket).await.unwrap();
    let url = format!("http://{first}{LIMITS}");
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    in_time(async {
        while TcpStream::connect(&second).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // Also by the whole of an address of which a part was there.
    let port = first.split_once(':').unwrap().1;
    it.write(&format!("listen = [\"localhost:{port}\"]\n"));
    assert_eq!(it.reload().await.0, 200);
    let url = format!("http://127.0.0.1:{port}{LIMITS}");
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    in_time(async {
        while socket.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_mistake_changes_nothing_and_all_of_them_are_reported_everywhere() {
    let it = Reloads::start("").await;
    it.write("hosts = [\"acme.test\"]\nlistn = 1\nhttp2 = 7\n");
    let told = it.command().await;
    assert_eq!(told.code(), 64, "{told:?}");
    let (status, answer) = it.reload().await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let mistakes = answer["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.len(), 2, "{answer}");
    assert_eq!(
        it.status().await["last_reload"]["mistakes"],
        answer["mistakes"]
    );
    for mistake in mistakes {
        let mistake = mistake.as_str().unwrap();
        assert!(told.stderr.contains(mistake), "{told:?}");
        it.proxy.log(mistake).await;
    }
    let shown = run(&["status", "--url", &it.admin]).await.stdout;
    assert!(
        shown.contains("refused") && shown.contains("listn"),
        "{shown}"
    );
    let metrics = it.metrics().await;
    let has = |line: &str| metrics.lines().any(|it| it == line);
    assert!(
        has("orgproxy_config_reloads_total{outcome=\"refused\"} 2"),
        "{metrics}"
    );
    assert!(has("orgproxy_config_last_reload_successful 0"), "{metrics}");
    let url = it.proxy.url(LIMITS).await;
    let named = || client().get(&url).header("host", "acme.test").send();
    assert_eq!(named().await.unwrap().status(), 421);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);

    it.write("hosts = [\"acme.test\"]\nthreads = 3\n");
    let told = it.command().await;
    assert_eq!(told.code(), 64, "threads belong to the top: {told:?}");
    it.write("hosts = [\"acme.test\"]\n[limits]\nrequests = 17\n");
    let told = it.command().await;
    assert_eq!(told.code(), 0, "{told:?}");
    assert!(told.stdout.contains("limits.requests"), "{told:?}");
    assert_eq!(named().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_mistake_like_any_other() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = other.local_addr().unwrap();
    let it = Reloads::start("").await;
    it.write(&format!("listen = [\"{taken}\", \"unix:none/a.sock\"]\n"));
    let (status, answer) = it.reload().await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer["mistakes"].as_array().unwrap().len(), 2, "{answer}");
    let url = it.proxy.url(LIMITS).await;
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_next_login_is_signed_with_a_new_key_and_placeholders_stay_valid() {
    let more = format!("{KEYED}{ETL}");
    let it = Reloads::with(&more, &[("client.key", KEY), ("etl.pass", "correct-horse")]).await;
    let placeholder = it.log_in("etl", "correct-horse").await;
    assert_eq!(it.ask_with(&placeholder).await, 200);

    let keys = Keys::new();
    keys.openssl("req -x509 -key key.pem -subj /CN=next -days 2 -out next.crt");
    let certificate = CertificateDer::from_pem_file(keys.path("next.crt")).unwrap();
    it.org.replace_certificate(certificate);
    let pem = fs::read_to_string(keys.path("key.pem")).unwrap();
    it.files.write("server.key", &pem);
    assert_eq!(it.reload().await.0, 200);
    assert_eq!(it.ask_with(&placeholder).await, 200);
    assert_eq!(it.org.counts().token_requests, 1, "what is in use goes on");
    it.org.end_sessions();
    assert_eq!(it.ask_with(&placeholder).await, 200);
    assert_eq!((it.org.logins(), it.org.counts().token_requests), (2, 2));
    it.proxy.log("the new one is used from now on").await;
}

#[tokio::test]
async fn a_login_that_fails_by_what_a_reload_has_mended_is_tried_again_at_once() {
    let keys = Keys::new();
    let wrong = "private_key = \"wrong.key\"\n";
    let it = Reloads::with(
        wrong,
        &[(
            "wrong.key",
            &fs::read_to_string(keys.path("key.pem")).unwrap(),
        )],
    )
    .await;
    assert_eq!(it.reload_within_a_login("").await, 502);
    let url = it.proxy.url(LIMITS).await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_session_on_a_host_that_is_trusted_no_more_is_not_used() {
    let it = Reloads::start("trusted_hosts = [\"localhost\", \"127.0.0.1\"]\n").await;
    let instance = it.org.instance_url().replace("localhost", "127.0.0.1");
    it.org.set(|knobs| knobs.instance_url = Some(instance));
    // By what was true when it came.
    assert_eq!(it.reload_within_a_login("").await, 200);
    let url = it.proxy.url(LIMITS).await;
    let before = it.org.counts().requests;
    let answer = client().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let said = answer.text().await.unwrap();
    assert!(said.contains("trusted_hosts"), "{said}");
    assert_eq!(it.org.counts().requests, before);
}

#[tokio::test]
async fn who_is_accepted_by_the_rules_of_before_is_not_served_by_those_after() {
    let before = "[org.demo.guard]\nallow_users = [\"*\"]\n[limits]\nconnections = 1\n";
    let it = Reloads::start(before).await;
    let held = it.org.hold(LIMITS);
    let address = it.proxy.address().await;
    let mut first = Raw::connect(address).await;
    first.send(get(LIMITS)).await;
    it.org.wait_until(|_| held.waiting() == 1).await;
    let mut waiting = Raw::connect(address).await;
    waiting.send(get_and_close(LIMITS)).await;
    // It has been accepted, and waits for room.
    it.proxy
        .log("limit of concurrent connections reached")
        .await;
    it.write(&before.replace("\"*\"", ""));
    assert_eq!(it.reload().await.0, StatusCode::OK);
    held.release();
    first.answer().await;
    drop(first);
    assert_eq!(waiting.rest().await, "");
    assert_eq!(it.org.requests().len(), 1);
}

#[tokio::test]
async fn a_client_that_keeps_its_connection_is_not_served_by_the_rules_of_before() {
    let it = Reloads::start("[org.demo.guard]\nallow_users = [\"*\"]\n").await;
    let held = it.org.hold(LIMITS);
    let address = it.proxy.address().await;
    // It answers no ping, by which it would take note that no more requests are wanted.
    let mut client = TcpStream::connect(address).await.unwrap();
    let first = begun(&[&request_for(1, true, LIMITS, "")]);
    client.write_all(&first).await.unwrap();
    it.org.wait_until(|_| held.waiting() == 1).await;
    it.write("");
    assert_eq!(it.reload().await.0, StatusCode::OK);

    let mut streams = (3..).step_by(2);
    let refused = async { while status_of(&mut client, streams.next().unwrap()).await == OK {} };
    in_time(refused).await;
    let before = it.org.requests().len();
    for _ in 0..3 {
        let status = status_of(&mut client, streams.next().unwrap()).await;
        assert_ne!(status, OK);
    }
    assert_eq!(it.org.requests().len(), before);
}

/// Sends a request, and returns the first byte of the head of its answer.
async fn status_of(client: &mut TcpStream, stream: u32) -> u8 {
    let request = request_for(stream, true, ECHO, "");
    client.write_all(&request).await.unwrap();
    loop {
        let (kind, of, payload) = read_frame(client).await.unwrap();
        if kind == HEADERS && of == stream {
            return payload[0];
        }
    }
}

#[tokio::test]
async fn a_configuration_that_has_gone_is_not_taken_for_an_empty_one() {
    let org = Org::start().await.unwrap();
    for is_named in [false, true] {
        for text in [None, Some(""), Some("\n")] {
            if is_named && text.is_none() {
                continue;
            }
            let files = Files::new(&org);
            files.write("client.key", KEY);
            files.write("proxy.toml", KEYED);
            let arguments = ["run", "--watch-files=false", "--config", "proxy.toml"];
            let arguments = &arguments[..if is_named { 4 } else { 2 }];
            let proxy = Binary::spawn(without_org(Binary::command(arguments), &org, &files));
            let url = proxy.url(LIMITS).await;
            let ask = async || client().get(&url).send().await.unwrap().status();
            assert_eq!(ask().await, 403);
            match text {
                None => fs::remove_file(files.path("proxy.toml")).unwrap(),
                Some(text) => files.write("proxy.toml", text),
            }
            proxy.signal(Signal::HUP);
            proxy.log("there is nothing in it any more").await;
            assert_eq!(ask().await, 403);
        }
    }
}

#[tokio::test]
async fn a_configuration_that_came_by_a_pipe_stays() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    files.write("client.key", KEY);
    let key = files.path("client.key").display().to_string();
    files.write("given.toml", &KEYED.replace("client.key", &key));
    let mut command = Command::new("bash");
    command.args(["-c", "exec \"$0\" run --config <(cat given.toml)"]);
    command.arg(env!("CARGO_BIN_EXE_orgproxy"));
    let proxy = Binary::spawn(without_org(command, &org, &files));
    let url = proxy.url(LIMITS).await;
    let ask = async || client().get(&url).send().await.unwrap().status();
    assert_eq!(ask().await, 403);
    proxy.signal(Signal::HUP);
    proxy.log("restart orgproxy").await;
    assert_eq!(ask().await, 403);
}

/// A command that gets the org by variables, and runs beside its files.
fn without_org(mut command: Command, org: &Org, files: &Files) -> Command {
    command
        .current_dir(files.folder())
        .env("ORGPROXY_CLIENT_ID", org.client_id())
        .env("ORGPROXY_USERNAME", org.username())
        .env("ORGPROXY_PRIVATE_KEY", "server.key")
        .env("ORGPROXY_LOGIN_URL", org.login_url().as_str())
        .env("ORGPROXY_TRUSTED_HOSTS", "localhost")
        .env("ORGPROXY_CA_FILE", "ca.pem")
        .env("ORGPROXY_LISTEN", "127.0.0.1:0");
    command
}

#[tokio::test]
async fn a_password_that_is_taken_out_is_not_honoured_even_on_an_open_connection() {
    let files = [
        ("client.key", KEY),
        ("etl.pass", "correct-horse"),
        ("bi.pass", "battery-staple"),
    ];
    let it = Reloads::with(&format!("{KEYED}{ETL}{BI}"), &files).await;
    let [etl, bi] = [
        it.log_in("etl", "correct-horse").await,
        it.log_in("bi", "battery-staple").await,
    ];
    let [mut etl, mut bi] = [it.bearing(&etl).await, it.bearing(&bi).await];
    for client in [&mut etl, &mut bi] {
        assert_eq!(client.ask().await, "200");
    }
    let before = it.org.counts().requests;
    it.write(&format!("{KEYED}{BI}"));
    assert_eq!(it.reload().await.0, 200);
    assert_eq!(etl.ask().await, "403");
    assert_eq!(it.org.counts().requests, before);
    assert_eq!(bi.ask().await, "200");
    assert_eq!(it.org.counts().requests, before + 1);
}

#[tokio::test]
async fn a_client_key_that_was_changed_lets_in_nobody_any_more() {
    let it = Reloads::with(KEYED, &[("client.key", KEY)]).await;
    let mut old = it.bearing(KEY).await;
    let mut next = it.bearing("another-key-of-24-letters").await;
    assert_eq!((&*old.ask().await, &*next.ask().await), ("200", "403"));
    let before = it.org.counts().requests;
    it.files.write("client.key", "another-key-of-24-letters");
    assert_eq!(it.reload().await.0, 200);
    assert_eq!((&*old.ask().await, &*next.ask().await), ("403", "200"));
    assert_eq!(it.org.counts().requests, before + 1);
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_renewed_by_renaming_its_files() {
    let first = own_certificate();
    let files = [("own.pem", first.0.as_str()), ("own.key", first.1.as_str())];
    let more = "listen = [\"https://127.0.0.1:0\"]\n[tls]\ncertificate = \"own.pem\"\nprivate_key = \"own.key\"\n";
    let it = Reloads::watching(more, &files).await;
    let port = it.proxy.secure_port().await;
    let path = |name: &str| it.files.path(name);
    let client = tls::Client::trusting(&path("own.pem").display().to_string());
    let mut before = client.connect(port).await.unwrap();

    let next = own_certificate();
    // The one, and a moment later the other, as most tools do it.
    for (name, text) in [("own.pem", &next.0), ("own.key", &next.1)] {
        it.files.write("new", text);
        fs::rename(path("new"), path(name)).unwrap();
    }
    it.proxy
        .log("reloaded the configuration after a change of")
        .await;
    assert!(client.connect(port).await.is_err(), "the old one is shown");
    let client = tls::Client::trusting(&path("own.pem").display().to_string());
    client.connect(port).await.unwrap();
    // A connection outlives the certificate by which it began.
    let request = get_and_close(LIMITS);
    before.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    in_time(before.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// As Kubernetes changes a mounted secret.
#[tokio::test]
async fn a_configuration_behind_symbolic_links_is_followed_when_they_change_unless_told_not_to() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let text = |more: &str| {
        let text = config(&org, more);
        let text = text.replace("\"server.key\"", &format!("{:?}", files.path("server.key")));
        text.replace("\"ca.pem\"", &format!("{:?}", files.path("ca.pem"))) + ADMIN
    };
    let version = |name: &str, text: &str| {
        fs::create_dir(files.path(name)).unwrap();
        files.write(&format!("{name}/proxy.toml"), text);
    };
    version("..1", &text(""));
    version("..2", &text("hosts = [\"acme.test\"]\n"));
    symlink("..1", files.path("..data")).unwrap();
    fs::remove_file(files.path("proxy.toml")).unwrap();
    symlink("..data/proxy.toml", files.path("proxy.toml")).unwrap();
    let other = Binary::start(&["--config", &files.config(), "--watch-files=false"]);
    let it = Reloads::of(org, files, true).await;
    other.address().await;
    symlink("..2", it.files.path("..tmp")).unwrap();
    fs::rename(it.files.path("..tmp"), it.files.path("..data")).unwrap();
    it.proxy
        .log("reloaded the configuration after a change of")
        .await;

    let ask = async |proxy: &Binary| {
        let url = proxy.url(LIMITS).await;
        let named = client().get(url).header("host", "acme.test");
        named.send().await.unwrap().status()
    };
    assert_eq!(ask(&it.proxy).await, 200);
    assert_eq!(ask(&other).await, 421);
    other.signal(Signal::HUP);
    other.log("reloaded the configuration after SIGHUP").await;
    assert_eq!(ask(&other).await, 200);
}

#[tokio::test]
async fn no_page_and_no_get_has_it_reload() {
    let it = Reloads::start("").await;
    let url = format!("{}/api/reload", it.admin);
    let page = client().post(&url).header("origin", "https://evil.example");
    assert_eq!(page.send().await.unwrap().status(), 403);
    let page = client().post(&url).header("sec-fetch-site", "cross-site");
    assert_eq!(page.send().await.unwrap().status(), 403);
    let answer = client().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "POST");
    assert_eq!(it.status().await["last_reload"], Value::Null);
    assert_eq!(it.reload().await.0, 200);
    assert_eq!(
        it.status().await["last_reload"]["succeeded"],
        Value::Bool(true)
    );
}

/// A proxy with an admin listener, and how to change what it has read.
struct Reloads {
    org: Org,
    files: Files,
    proxy: Binary,
    /// The address of the admin listener.
    admin: String,
}

/// A client that keeps its connection.
struct Bearing {
    connection: Raw,
    request: String,
}

impl Reloads {
    async fn start(more: &str) -> Self {
        Self::with(more, &[]).await
    }

    /// One that finds these files beside its configuration, and reloads when it is told to.
    async fn with(more: &str, beside: &[(&str, &str)]) -> Self {
        let (org, files) = Self::beside(more, beside).await;
        Self::of(org, files, false).await
    }

    /// The same, which looks at its files by itself.
    async fn watching(more: &str, beside: &[(&str, &str)]) -> Self {
        let (org, files) = Self::beside(more, beside).await;
        Self::of(org, files, true).await
    }

    async fn beside(more: &str, beside: &[(&str, &str)]) -> (Org, Files) {
        let org = Org::start().await.unwrap();
        let files = Files::with(&org, &format!("{more}{ADMIN}"));
        for (name, text) in beside {
            files.write(name, text);
        }
        (org, files)
    }

    async fn of(org: Org, files: Files, watches: bool) -> Self {
        let watches = format!("--watch-files={watches}");
        let proxy = Binary::start(&["--config", &files.config(), &watches]);
        let line = proxy.print("admin listener on ").await;
        let address = line.rsplit(' ').next().unwrap();
        Self {
            admin: format!("http://{address}"),
            org,
            files,
            proxy,
        }
    }

    /// Writes another configuration.
    fn write(&self, more: &str) {
        let text = config(&self.org, &format!("{more}{ADMIN}"));
        self.files.write("proxy.toml", &text);
    }

    /// Has another configuration come into force while a request waits for its login, and returns the
    /// status of that request.
    async fn reload_within_a_login(&self, more: &str) -> StatusCode {
        let held = self.org.hold(TOKEN);
        let url = self.proxy.url(LIMITS).await;
        let asking = tokio::spawn(client().get(&url).send());
        self.org.wait_until(|_| held.waiting() == 1).await;
        self.write(more);
        assert_eq!(self.reload().await.0, StatusCode::OK);
        held.release();
        asking.await.unwrap().unwrap().status()
    }

    /// Asks for a reload, and returns what came of it.
    async fn reload(&self) -> (StatusCode, Value) {
        let url = format!("{}/api/reload", self.admin);
        let answer = client().post(url).send().await.unwrap();
        (answer.status(), json_of(answer).await)
    }

    /// The same by the command.
    async fn command(&self) -> Ended {
        run(&["reload", "--url", &self.admin]).await
    }

    async fn status(&self) -> Value {
        let url = format!("{}/api/status", self.admin);
        json_of(client().get(url).send().await.unwrap()).await
    }

    async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.admin);
        let answer = client().get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    async fn listeners(&self) -> Vec<String> {
        let status = self.status().await;
        let listeners = status["orgs"][0]["listeners"].as_array().unwrap();
        let address = |it: &Value| it["address"].as_str().unwrap().to_owned();
        listeners.iter().map(address).collect()
    }

    /// Logs in to the proxy, and returns the placeholder.
    async fn log_in(&self, name: &str, password: &str) -> String {
        let url = self.proxy.url(TOKEN).await;
        let form = format!("grant_type=password&username={name}&password={password}");
        let form = client().post(url).body(form);
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let answer = json_of(form.send().await.unwrap()).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn ask_with(&self, token: &str) -> StatusCode {
        let url = self.proxy.url(LIMITS).await;
        let request = Client::get(&client(), url).bearer_auth(token);
        request.send().await.unwrap().status()
    }

    async fn bearing(&self, token: &str) -> Bearing {
        let bearer = format!("Authorization: Bearer {token}\r\n\r\n");
        Bearing {
            connection: Raw::connect(self.proxy.address().await).await,
            request: get(LIMITS).trim_end().to_owned() + "\r\n" + &bearer,
        }
    }
}

impl Bearing {
    /// Sends its request, and returns the status of the answer.
    async fn ask(&mut self) -> String {
        self.connection.send(&self.request).await;
        let answer = self.connection.answer().await;
        answer.split(' ').nth(1).unwrap().to_owned()
    }
}

/// A certificate for localhost, and its key.
fn own_certificate() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";
const KEY: &str = "0123456789abcdef-the-key";
