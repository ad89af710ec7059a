//! The way out through a company's proxy, which `HTTPS_PROXY` and `NO_PROXY` name.

use std::{
    net::Ipv4Addr,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use test_case::test_case;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    process::Command,
    time::timeout,
};

use crate::support::{
    Binary, ConnectProxy, Fault, Files, Gate, Org, Proxy, Raw, SocksProxy,
    binary::ORGPROXY,
    client, curl,
    get::{get, get_and_close},
    in_time,
    path::{ECHO, LIMITS},
    skip,
};

/// The name that the certificate of the demo org has besides localhost.
const HOST: &str = "demo.my.salesforce.com";

/// An org under a real name, which only a proxy can lead to.
struct Far {
    org: Org,
    files: Files,
}

impl Far {
    async fn start() -> Self {
        let org = Org::start().await.unwrap();
        org.set(|knobs| knobs.instance_url = Some(format!("https://{HOST}")));
        let files = Files::with(&org, &format!("login_url = \"https://{HOST}\"\n"));
        Self { org, files }
    }

    fn run(&self, variables: &[(&str, &str)]) -> Binary {
        let mut command = Binary::command(&["--config", &self.files.config()]);
        command.envs(variables.iter().copied());
        Binary::spawn(command)
    }
}

#[test_case("HTTPS_PROXY")]
#[test_case("https_proxy")]
#[test_case("ALL_PROXY")]
#[tokio::test]
async fn logins_and_requests_go_through_the_proxy(variable: &str) {
    let far = Far::start().await;
    let way = ConnectProxy::start(far.org.port()).await;
    let proxy = far.run(&[(variable, &format!("http://{}", way.address))]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(far.org.last_request().header("host"), HOST);
    let heads = way.heads();
    assert_eq!(heads.len(), 2, "one for the login, one for the request");
    for head in heads {
        assert!(
            head.starts_with("CONNECT demo.my.salesforce.com:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn the_proxy_is_shown_its_password() {
    let far = Far::start().await;
    let way = ConnectProxy::with(far.org.port(), |head| {
        let known = head.contains("asic bWU6czNjcmV0");
        (!known)
            .then_some("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let with = format!("http://me:s3cret@{}", way.address);
    let proxy = far.run(&[("HTTPS_PROXY", &with)]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", way.heads());

    let without = format!("http://{}", way.address);
    let proxy = far.run(&[("HTTPS_PROXY", &without)]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("LOGIN_UNAVAILABLE") && text.contains("roxy"),
        "{text}"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_reported() {
    let far = Far::start().await;
    let way = ConnectProxy::with(far.org.port(), |_| {
        Some("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("http://me:s3cret@{}", way.address))]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("cannot reach https://demo.my.salesforce.com"),
        "{text}"
    );
    let said = proxy.stop().await;
    assert!(!said.stderr.contains("s3cret"), "{}", said.stderr);
}

#[tokio::test]
async fn a_proxy_that_refuses_requests_only_is_reported() {
    let far = Far::start().await;
    let way = ConnectProxy::start(far.org.port()).await;
    // The login goes straight, since the org is on this machine.
    let files = Files::new(&far.org);
    let refusing = ConnectProxy::with(far.org.port(), |_| {
        Some("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let mut command = Binary::command(&["--config", &files.config()]);
    command
        .env("HTTPS_PROXY", format!("http://{}", refusing.address))
        .env("NO_PROXY", "localhost");
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(text.contains("ORG_UNREACHABLE"), "{text}");
    assert!(
        text.contains("through the proxy 127.0.0.1 of HTTPS_PROXY"),
        "{text}"
    );
    assert_eq!(refusing.heads().len(), 1);
    assert_eq!(way.heads().len(), 0);
}

#[test_case("localhost"; "name")]
#[test_case("example.com,localhost"; "list")]
#[test_case("example.com *.localhost"; "blanks and a star")]
#[test_case("*"; "all")]
#[tokio::test]
async fn what_no_proxy_names_is_reached_without(names: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let way = ConnectProxy::start(org.port()).await;
    let mut command = Binary::command(&["--config", &files.config()]);
    command
        .env("HTTPS_PROXY", format!("http://{}", way.address))
        .env("NO_PROXY", names);
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(way.heads(), [""; 0]);
}

#[tokio::test]
async fn clients_may_use_orgproxy_as_their_proxy_and_name_the_org() {
    let far = Far::start().await;
    let way = ConnectProxy::start(far.org.port()).await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("http://{}", way.address))]);
    let us = proxy.address().await;
    let named = curl(&format!("curl -x http://{us} http://{HOST}{LIMITS}")).await;
    assert_eq!(named.status(), "200", "{named:?}");

    let other = format!("curl -x http://{us} http://acme.my.salesforce.com{LIMITS}");
    let other = curl(&other).await;
    assert_eq!(other.status(), "421", "{other:?}");
    assert!(other.body().contains("WRONG_INSTANCE"), "{other:?}");
}

#[test_case("HTTPS_PROXY", "http://CORP\\user:s3cret@proxy:80", "%5C"; "a backslash")]
#[test_case("https_proxy", "http://user:s3 cret@proxy:80", "%20"; "a blank")]
#[test_case("ALL_PROXY", "\"http://user:s3cret@proxy:80\"", "quotes"; "quotes")]
#[test_case("all_proxy", "http://user:s3cret@proxy:80\n", "line break"; "a line end")]
#[test_case("HTTP_PROXY", "http://", "no host"; "no host")]
#[test_case("http_proxy", "http://user:s3cret@proxy:99999", "65535"; "a port too large")]
#[test_case("HTTPS_PROXY", "ftp://user:s3cret@proxy:21", "scheme"; "an unknown scheme")]
#[tokio::test]
async fn a_variable_that_names_no_proxy_is_an_error_at_start(
    variable: &str,
    value: &str,
    word: &str,
) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let config = files.config();
    for command in ["run", "check", "doctor", "token"] {
        let mut command = Binary::command(&[command, "--config", &config]);
        command.env(variable, value);
        let ended = Binary::spawn(command).end().await;
        assert!(!ended.status.success(), "{ended:?}");
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains(&format!("{variable}: is not")), "{said}");
        assert!(said.contains(word) && said.contains("%5C"), "{said}");
        assert!(!said.contains("s3") && !said.contains("user:"), "{said}");
    }
    assert_eq!(org.counts().connections, 0);
}

#[tokio::test]
async fn a_variable_that_names_no_proxy_is_nothing_to_the_demo() {
    let mut command = Binary::command(&["demo", "--port", "0"]);
    command.env("HTTPS_PROXY", "http://");
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_proxy_may_speak_tls() {
    let far = Far::start().await;
    let (way, authority) = ConnectProxy::with_tls(far.org.port(), |_| None).await;
    let variable = format!("https://me:s3cret@localhost:{}", way.address.port());
    let ca = far.org.ca_pem().to_owned() + &authority;
    far.files.write("ca.pem", &ca);
    let proxy = far.run(&[("HTTPS_PROXY", &variable), ("ORGPROXY_THREADS", "1")]);
    for _ in 0..3 {
        let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
    // More than the buffers of a socket hold, both ways.
    let body = vec![b'x'; 8 * 1024 * 1024];
    let echo = proxy.url(ECHO).await;
    let answer = client().post(echo).body(body.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
    assert_eq!(far.org.last_request().length, body.len() as u64);
    let heads = way.heads();
    assert_eq!(heads.len(), 2, "one for the login, one for the requests");
    for head in heads {
        assert!(head.contains("asic bWU6czNjcmV0"), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_whose_certificate_nobody_trusts_gets_nothing() {
    let far = Far::start().await;
    let (way, _) = ConnectProxy::with_tls(far.org.port(), |_| None).await;
    let variable = format!("https://me:s3cret@localhost:{}", way.address.port());
    let proxy = far.run(&[("HTTPS_PROXY", &variable)]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    let place = "through the proxy localhost of HTTPS_PROXY";
    assert!(text.contains(place) && text.contains("ca_file"), "{text}");
    assert_eq!(way.heads(), [""; 0]);
}

#[test_case("socks5h", None, "demo.my.salesforce.com:443"; "that looks names up")]
#[test_case("socks5h", Some(("me", "p@ss")), "demo.my.salesforce.com:443"; "with a password")]
#[tokio::test]
async fn a_proxy_may_speak_socks(
    scheme: &str,
    credentials: Option<(&'static str, &'static str)>,
    target: &str,
) {
    let far = Far::start().await;
    let way = SocksProxy::start(far.org.port(), credentials).await;
    let shown = credentials.map_or("", |_| "me:p%40ss@");
    let proxy = far.run(&[("ALL_PROXY", &format!("{scheme}://{shown}{}", way.address))]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(way.targets(), [target; 2]);
}

#[tokio::test]
async fn by_socks5_without_h_names_are_looked_up_here() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let way = SocksProxy::start(org.port(), None).await;
    let mut command = Binary::command(&["--config", &files.config()]);
    command.env("HTTPS_PROXY", format!("socks5://{}", way.address));
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let targets = way.targets();
    let is_address =
        |target: &String| target.starts_with("127.0.0.1:") || target.starts_with("::1:");
    assert!(
        targets.len() >= 2 && targets.iter().all(is_address),
        "{targets:?}"
    );
}

#[test_case("", "put them into HTTPS_PROXY as socks5h://USER:PASSWORD@127.0.0.1"; "without a password")]
#[test_case("me:wrong@", "refuses the user and password of HTTPS_PROXY"; "with a wrong one")]
#[tokio::test]
async fn a_socks_proxy_that_lets_nobody_in_is_reported(shown: &str, advice: &str) {
    let far = Far::start().await;
    let way = SocksProxy::start(far.org.port(), Some(("me", "s3cret"))).await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("socks5h://{shown}{}", way.address))]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(text.contains(advice), "{text}");
    assert!(!text.contains("wrong"), "{text}");
}

const BASIC: &str = "HTTP/1.1 407 Proxy Authentication Required\r\n\
    Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: Basic realm=\"a, b\"\r\n\r\n";
const NTLM: &str = "HTTP/1.1 407 Proxy Authentication Required\r\n\
    Proxy-Authenticate: Negotiate, NTLM\r\nConnection: close\r\n\r\n";
const NOTHING: &str = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";

#[test_case(BASIC, "", &["offers Negotiate, Basic", "put user and password into HTTPS_PROXY as http://USER:PASSWORD@127.0.0.1:"]; "basic, without a password")]
#[test_case(BASIC, "me:s3cret@", &["offers Negotiate, Basic", "refuses the user and password of HTTPS_PROXY"]; "basic, with a wrong one")]
#[test_case(NTLM, "me:s3cret@", &["offers only Negotiate, NTLM", "px or cntlm"]; "none that is spoken here")]
#[test_case(NOTHING, "", &["407", "http://USER:PASSWORD@127.0.0.1:"]; "nothing")]
#[tokio::test]
async fn a_407_names_the_proxy_what_it_offers_and_what_to_do(
    refusal: &'static str,
    shown: &str,
    words: &[&str],
) {
    let refuse: fn(&str) -> Option<&'static str> = match refusal {
        BASIC => |_| Some(BASIC),
        NTLM => |_| Some(NTLM),
        _ => |_| Some(NOTHING),
    };
    let far = Far::start().await;
    let way = ConnectProxy::with(far.org.port(), refuse).await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("http://{shown}{}", way.address))]);
    let login = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(login.status(), 503);

    // The login goes straight, since it is to another port.
    let org = Org::start().await.unwrap();
    org.set(|knobs| knobs.instance_url = Some(format!("https://{HOST}")));
    let files = Files::new(&org);
    let mut command = Binary::command(&["--config", &files.config()]);
    command
        .env("HTTPS_PROXY", format!("http://{shown}{}", way.address))
        .env("NO_PROXY", format!("localhost:{}", org.port()));
    let proxy = Binary::spawn(command);
    let data = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(data.status(), 502);

    for answer in [login, data] {
        let text = answer.text().await.unwrap();
        let place = "through the proxy 127.0.0.1 of HTTPS_PROXY";
        for word in words.iter().chain([&place]) {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn a_login_that_leads_to_the_proxy_itself_is_reported_at_once() {
    let org = Org::start().await.unwrap();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let files = Files::with(
        &org,
        &format!("login_url = \"https://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\n"),
    );
    let proxy = files.start();
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("PROXY_LOOP") && text.contains("/etc/hosts"),
        "{text}"
    );
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");

    let doctor = Binary::start(&["doctor", "--config", &files.config(), "--json"]);
    let ended = doctor.end().await;
    assert!(!ended.status.success());
    let found = &ended.stdout;
    assert!(found.contains("login_host_elsewhere"), "{found}");
    assert!(found.contains("where an orgproxy listens"), "{found}");
    // What the login would say of it leads nowhere.
    assert!(found.contains("not tried at orgproxy itself"), "{found}");
    assert!(!found.contains("ca_file"), "{found}");
}

/// A container's port may lead back so, or one that a firewall redirects.
#[test_case(false; "by the name of the org")]
#[test_case(true; "by a proxy on the way")]
#[tokio::test]
async fn a_login_that_comes_back_by_another_port_is_reported_at_once(by_proxy: bool) {
    let org = Org::start().await.unwrap();
    let gate = Gate::closed().await;
    let listen = "listen = [\"127.0.0.1:0\", \"https://127.0.0.1:0\"]\n";
    let files = if by_proxy {
        Files::with(&org, &format!("login_url = \"https://{HOST}\"\n{listen}"))
    } else {
        let login_url = format!("login_url = \"https://localhost:{}\"\n", gate.port);
        Files::with(&org, &format!("{login_url}{listen}"))
    };
    // The first one makes the authority that the second one is to trust.
    let first = files.start_with_state();
    first.secure_port().await;
    first.stop().await;
    let local = std::fs::read_to_string(files.local_ca()).unwrap();
    files.write("ca.pem", &(org.ca_pem().to_owned() + &local));
    let state = files.path("state").display().to_string();
    let mut command = Binary::command(&["run", "--config", &files.config(), "--state-dir", &state]);
    if by_proxy {
        command.env("HTTPS_PROXY", format!("http://127.0.0.1:{}", gate.port));
    }
    let proxy = Binary::spawn(command);
    gate.open(if by_proxy {
        proxy.address().await.port()
    } else {
        proxy.secure_port().await
    });
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("PROXY_LOOP") && text.contains("orgproxy"),
        "{text}"
    );
    assert_eq!(org.counts().requests, 0);
}

#[tokio::test]
async fn a_client_of_another_name_may_log_in_where_an_orgproxy_may_not() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    for (agent, status) in [("orgproxy/0.1.0", 508), ("jsforce", 200)] {
        let answer = client()
            .post(proxy.url("/services/oauth2/token"))
            .header("user-agent", agent)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=x")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{agent}");
    }
}

#[tokio::test]
async fn running_out_of_files_is_not_the_orgs_fault() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let address = proxy.address().await;
    let mut waiting = Raw::connect(address).await;
    let mut second = Raw::connect(address).await;
    let request = get(LIMITS);
    // So that it is sure to have been accepted.
    waiting
        .send("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    waiting.answer().await;
    second.send(&request).await;
    assert!(second.answer().await.starts_with("HTTP/1.1 200"));

    // The only connection to the org is busy when there can be no other.
    org.faults().always(LIMITS, Fault::Hang);
    let before = org.counts().requests;
    second.send(&request).await;
    org.wait_until(|org| org.counts().requests > before).await;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let id = Pid::from_raw(proxy.id().cast_signed());
    prlimit(id, Resource::Nofile, none).unwrap();
    waiting.send(&request).await;
    let answer = waiting.answer().await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("OVERLOADED") && answer.contains("ulimit"),
        "{answer}"
    );
    assert!(answer.to_lowercase().contains("retry-after"), "{answer}");
}

/// A port of 127.0.0.1 at which nobody answers, not even with a refusal; and what keeps it so.
async fn silent_port() -> (u16, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // Linux drops what comes when as many wait to be accepted as there is room for.
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await
    {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "there is always room for one more");
    }
    (address.port(), (listener, waiting))
}

#[tokio::test]
async fn an_address_that_is_silent_costs_neither_login_nor_request() {
    let org = Org::start().await.unwrap();
    let (port, _silent) = silent_port().await;
    let gate = Gate::closed_at((Ipv4Addr::new(127, 0, 0, 2), port).into()).await;
    gate.open(org.port());
    org.set(|knobs| knobs.instance_url = Some(format!("https://{HOST}:{port}")));
    let files = Files::with(
        &org,
        &format!("login_url = \"https://{HOST}:{port}\"\ntrusted_hosts = [\"{HOST}:{port}\"]\n"),
    );
    // The system sorts them so that the silent one comes first.
    files.write(
        "hosts",
        &format!("127.0.0.1 localhost {HOST}\n127.0.0.2 {HOST}\n"),
    );
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$1\" /etc/hosts && exec \"$2\" --config \"$3\"")
        .args(["sh", &files.path("hosts").display().to_string()])
        .args([ORGPROXY, &files.config()]);
    let is_allowed = std::process::Command::new("unshare")
        .args([
            "--map-root-user",
            "--mount",
            "mount",
            "--bind",
            "/etc/hosts",
            "/etc/hosts",
        ])
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_allowed {
        return skip("this system lets nobody have an /etc/hosts of their own");
    }
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    assert_eq!(gate.accepted(), 2, "one for the login, one for the request");
}

/// The org is in the proxy's own process, and both in a network of their own, which is then cut.
#[tokio::test]
async fn a_connection_that_died_silently_shows_within_a_minute_and_the_next_request_is_served() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    files.write("server.crt", org.certificate_pem());
    files.write(
        "proxy.toml",
        "threads = 1\n[org.main]\nclient_id = \"3MVG9x\"\nusername = \"me@example.com\"\n\
         private_key = \"server.key\"\nlisten = \"unix:proxy.sock\"\ndemo = true\n",
    );
    let script = "ip link set lo up && ip route add blackhole 127.77.0.1/32 table local || exit 1\n\
        \"$1\" run --config \"$2\" & read line\n\
        ip route replace blackhole 127.0.0.1/32 table local; echo cut; read line\n\
        ip route del blackhole 127.0.0.1/32 table local; echo back; read line; kill $!";
    let mut child = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", script, "sh"])
        .args([ORGPROXY, &files.config()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut orders = child.stdin.take().unwrap();
    let Some(line) = in_time(lines.next_line()).await.unwrap() else {
        return skip("this system lets nobody have a network of their own");
    };
    assert!(line.contains("listening on unix:"), "{line}");
    let socket = files.path("proxy.sock");
    let ask = || async {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let request = get_and_close(LIMITS);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(ask().await.starts_with("HTTP/1.1 200"));

    orders.write_all(b"\n").await.unwrap();
    while in_time(lines.next_line()).await.unwrap().unwrap() != "cut" {}
    // It is sent once more, and nobody is there.
    let answer = in_time(ask()).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(answer.contains("ORG_UNREACHABLE"), "{answer}");

    orders.write_all(b"\n").await.unwrap();
    while in_time(lines.next_line()).await.unwrap().unwrap() != "back" {}
    let answer = in_time(ask()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(orders);
    in_time(child.wait()).await.unwrap();
}

#[test_case("me:wrong@", 1; "one that is wrong, once")]
#[test_case("", 3; "none, as often as anything that may pass")]
#[tokio::test]
async fn a_password_is_not_shown_until_the_proxy_locks_its_user(shown: &str, times: usize) {
    let far = Far::start().await;
    let way = ConnectProxy::with(far.org.port(), |_| Some(BASIC)).await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("http://{shown}{}", way.address))]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(way.heads().len(), times);
}

#[tokio::test]
async fn a_password_that_a_proxy_refuses_later_is_not_shown_for_each_request() {
    static IS_CHANGED: AtomicBool = AtomicBool::new(false);
    let far = Far::start().await;
    let refuse = |_: &str| IS_CHANGED.load(Relaxed).then_some(BASIC);
    let way = ConnectProxy::with(far.org.port(), refuse).await;
    let proxy = far.run(&[("HTTPS_PROXY", &format!("http://me:now@{}", way.address))]);
    let url = proxy.url(LIMITS).await;
    let ask = async || client().get(&url).send().await.unwrap();
    assert_eq!(ask().await.status(), 200);
    let before = way.heads().len();
    IS_CHANGED.store(true, Relaxed);
    far.org.disconnect();
    for _ in 0..10 {
        let answer = ask().await;
        assert!(answer.status().is_server_error());
        let text = answer.text().await.unwrap();
        assert!(text.contains("it refuses the user and password"), "{text}");
    }
    assert_eq!(way.heads().len(), before + 1);
}
