//! Standing in for Salesforce's hosts, for tools that name them and take an HTTPS proxy.

use http::Request;
use http_body_util::BodyExt;
use test_case::test_case;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    Binary, Fault, Files, Org, Raw,
    answer::{Answer, ask, talk},
    curl, http2,
    path::LIMITS,
    skip,
    tls::Client,
};

const ON: &str = "intercept = true\n";
const KEYED: &str = "intercept = true\n\
    guard.client_key = { command = [\"echo\", \"correct-horse-battery\"] }\n";

#[test_case("--http1.1")]
#[test_case("--http2")]
#[tokio::test]
async fn a_tool_that_names_salesforce_gets_the_org(version: &str) {
    let interceptor = Interceptor::with(ON).await;
    for host in ["login.salesforce.com", "test.salesforce.com"] {
        let answer = interceptor
            .curl(&format!("{version} https://{host}{LIMITS}"))
            .await;
        assert_eq!(answer.status(), "200", "{answer:?}");
        assert!(answer.body().contains("DailyApiRequests"), "{answer:?}");
    }
    assert_eq!(interceptor.org.logins(), 1);
}

#[test_case("--http1.1")]
#[test_case("--http2")]
#[tokio::test]
async fn a_tool_that_names_salesforce_and_a_retired_version_gets_the_org(version: &str) {
    let more = format!("{ON}minimum_api_version = \"41.0\"\n");
    let interceptor = Interceptor::with(&more).await;
    interceptor.org.set(|knobs| knobs.oldest_version = 41);
    let asked = "https://login.salesforce.com/services/data/v20.0/limits";
    let answer = interceptor.curl(&format!("{version} {asked}")).await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    let sent = interceptor.org.last_request().target;
    assert_eq!(sent, "/services/data/v41.0/limits");
}

/// OpenSSL has nothing in common with what made the certificate.
#[tokio::test]
async fn another_finds_nothing_wrong_with_the_certificate_that_stands_in() {
    let interceptor = Interceptor::with(ON).await;
    let address = interceptor.proxy.address().await.to_string();
    for (name, is_right) in [
        ("login.salesforce.com", true),
        ("other.salesforce.com", false),
    ] {
        let shown = tokio::process::Command::new("openssl")
            .args(["s_client", "-proxy", &address])
            .args([
                "-connect",
                "login.salesforce.com:443",
                "-servername",
                "login.salesforce.com",
            ])
            .args([
                "-CAfile",
                &interceptor.files.local_ca(),
                "-verify_hostname",
                name,
            ])
            .args(["-x509_strict", "-verify_return_error", "-brief"])
            .stdin(std::process::Stdio::null())
            .output();
        let shown = shown.await.unwrap();
        let said = String::from_utf8_lossy(&shown.stderr);
        assert_eq!(said.contains("Verification: OK"), is_right, "{said}");
        assert_eq!(shown.status.success(), is_right, "{said}");
    }
}

#[tokio::test]
async fn the_demo_stands_in_for_salesforce_if_it_is_asked_to() {
    for (flags, status) in [(&["--intercept"][..], "200"), (&[], "000")] {
        let arguments = [&["demo", "--port", "0"], flags].concat();
        let proxy = Binary::start(&arguments);
        let address = proxy.address().await;
        let said = proxy.print("ca.pem").await;
        let ca = said.split(' ').find(|word| word.ends_with("ca.pem"));
        let ca = ca.unwrap();
        let answer = curl(&format!(
            "curl -x http://{address} --cacert {ca} https://login.salesforce.com{LIMITS}"
        ))
        .await;
        assert_eq!(answer.status(), status, "{answer:?}");
    }
}

#[tokio::test]
async fn a_tunnel_serves_one_request_after_the_other() {
    let interceptor = Interceptor::with(ON).await;
    let url = format!("https://login.salesforce.com{LIMITS}");
    let answer = interceptor
        .curl(&format!(
            "-v {url} {url} -d x https://login.salesforce.com/services/apexrest/echo"
        ))
        .await;
    assert_eq!(
        answer
            .stderr
            .matches("CONNECT login.salesforce.com:443 HTTP")
            .count(),
        1
    );
    assert_eq!(interceptor.org.counts().requests, 3, "{answer:?}");
}

#[tokio::test]
async fn a_login_through_a_tunnel_sends_the_client_to_the_instance() {
    let interceptor = Interceptor::with(ON).await;
    for (scheme, ends_in) in [("http", "by absolute form"), ("https", "in a tunnel")] {
        let answer = interceptor
            .curl(&format!(
                "{scheme}://login.salesforce.com/services/oauth2/token -d grant_type=password"
            ))
            .await;
        let instance = interceptor.org.instance_url().replace("https", scheme);
        let told = format!("\"instance_url\":\"{instance}\"");
        assert!(answer.body().contains(&told), "{ends_in}: {answer:?}");
        let answer = interceptor.curl(&format!("{instance}{LIMITS}")).await;
        // In this test the instance has a port that no tunnel leads to unless it is trusted.
        assert_eq!(answer.status(), "200", "{ends_in}: {answer:?}");
    }
}

#[tokio::test]
async fn a_tunnel_within_tls_works_as_well() {
    let interceptor =
        Interceptor::with("intercept = true\nlisten = [\"https://127.0.0.1:0\"]\n").await;
    let ca = interceptor.files.local_ca();
    let port = interceptor.proxy.secure_port().await;
    let answer = curl(&format!(
        "curl --proxy-cacert {ca} -x https://localhost:{port} --cacert {ca} \
         https://login.salesforce.com{LIMITS}"
    ))
    .await;
    assert_eq!(answer.status(), "200", "{answer:?}");
}

#[tokio::test]
async fn it_is_off_unless_it_is_set() {
    let interceptor = Interceptor::with("").await;
    let answer = interceptor.connect("login.salesforce.com:443", "").await;
    let message = answer.refusal(405, "METHOD_REFUSED");
    assert!(message.contains("set intercept = true"), "{message}");
}

#[test_case("example.com:443")]
#[test_case("login.salesforce.com:80")]
#[test_case("login.salesforce.com.evil.tld:443")]
#[test_case("evilsalesforce.com:443")]
#[test_case("acme.lightning.force.com:443")]
#[test_case("*.salesforce.com:443")]
#[test_case(".salesforce.com:443")]
#[test_case("a..salesforce.com:443")]
#[test_case("evil.com,x.salesforce.com:443")]
#[test_case("127.0.0.1:443")]
#[test_case("169.254.169.254:80")]
#[tokio::test]
async fn other_hosts_get_no_tunnel(host: &str) {
    let interceptor = Interceptor::with(ON).await;
    let answer = interceptor.connect(host, "").await;
    let message = answer.refusal(403, "TUNNEL_REFUSED");
    assert!(message.contains("NO_PROXY"), "{message}");
}

#[test_case("login.salesforce.com"; "no port")]
#[test_case("me@login.salesforce.com:443"; "a user")]
#[test_case("login.salesforce.com:443/services"; "a path")]
#[test_case("/services"; "no host")]
#[test_case("http://login.salesforce.com:443"; "a url")]
#[tokio::test]
async fn what_is_not_a_host_and_port_gets_no_tunnel(target: &str) {
    let interceptor = Interceptor::with(ON).await;
    let answer = interceptor.connect(target, "").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(interceptor.org.logins(), 0);
}

/// RFC 9112 section 3.2 has them refused, whatever the target is.
#[test_case("1.1", "Host: {}\r\nHost: {}\r\n", 400; "two")]
#[test_case("1.1", "Host: {}\r\nhost: evil.tld\r\n", 400; "another besides")]
#[test_case("1.1", "", 400; "none")]
#[test_case("1.0", "Host: {}\r\nHost: {}\r\n", 400; "two, in 1 0")]
#[test_case("1.0", "", 200; "none, in 1 0")]
#[test_case("1.1", "Host: {}\r\n", 200; "one")]
#[test_case("1.1", "Host: localhost\r\n", 200; "one for the proxy")]
#[tokio::test]
async fn a_tunnel_takes_one_line_that_names_a_host(version: &str, lines: &str, status: u16) {
    let interceptor = Interceptor::with(ON).await;
    let end = "login.salesforce.com:443";
    let lines = lines.replace("{}", end);
    let mut raw = Raw::connect(interceptor.proxy.address().await).await;
    raw.send(format!("CONNECT {end} HTTP/{version}\r\n{lines}\r\n"))
        .await;
    let head = raw.head().await;
    assert_eq!(head.split(' ').nth(1), Some(&*status.to_string()), "{head}");
}

#[test_case("", "login.salesforce.com:443", 405; "no tunnels")]
#[test_case(ON, "example.com:443", 403; "another host")]
#[test_case(ON, "login.salesforce.com", 400; "no port")]
#[test_case(KEYED, "login.salesforce.com:443", 403; "no key")]
#[tokio::test]
async fn what_follows_a_refused_connect_is_not_carried_out(more: &str, target: &str, status: u16) {
    let interceptor = Interceptor::with(more).await;
    let wire = format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n\
         GET {LIMITS} HTTP/1.1\r\nHost: localhost\r\nX-Orgproxy-Key: correct-horse-battery\r\n\r\n"
    );
    for size in [usize::MAX, 1] {
        let stream = TcpStream::connect(interceptor.proxy.address().await)
            .await
            .unwrap();
        let answers = talk(stream, wire.as_bytes(), size).await;
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].status, status, "{answers:?}");
    }
    assert_eq!(interceptor.org.counts().requests, 0);
}

#[test_case("Origin: https://evil.tld\r\n", "FOREIGN_ORIGIN")]
#[test_case("Sec-Fetch-Site: cross-site\r\n", "FOREIGN_PAGE")]
#[tokio::test]
async fn a_web_page_gets_no_tunnel(header: &str, code: &str) {
    let interceptor = Interceptor::with(ON).await;
    let answer = interceptor
        .connect("login.salesforce.com:443", header)
        .await;
    answer.refusal(403, code);
}

#[tokio::test]
async fn a_client_shows_its_key_once_when_it_asks_for_the_tunnel() {
    let interceptor = Interceptor::with(KEYED).await;
    let answer = interceptor.connect("login.salesforce.com:443", "").await;
    answer.refusal(403, "CLIENT_KEY_MISSING");

    let url = format!("https://login.salesforce.com{LIMITS}");
    let answer = interceptor
        .curl(&format!("-U any:correct-horse-battery {url}"))
        .await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    assert_eq!(interceptor.org.counts().requests, 1);
}

#[tokio::test]
async fn a_refused_connect_ends_its_connection_and_no_other() {
    let interceptor = Interceptor::with(ON).await;
    let mut raw = Raw::connect(interceptor.proxy.address().await).await;
    raw.send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        .await;
    let refused = raw.rest().await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(refused.contains("\r\nConnection: close\r\n"), "{refused}");
    interceptor.tunnel("login.salesforce.com").await;
}

#[tokio::test]
async fn a_connect_that_can_get_no_tunnel_is_told_why() {
    let interceptor = Interceptor::with(ON).await;
    let tunnel = interceptor.tunnel("login.salesforce.com").await;
    let within = talk(tunnel, CONNECT.as_bytes(), usize::MAX).await.remove(0);
    let connect = Request::connect("login.salesforce.com:443");
    let connect = connect.body(String::new()).unwrap();
    let answer = http2::send(interceptor.proxy.address().await, connect).await;
    assert_eq!((within.status, answer.status().as_u16()), (405, 405));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    for said in [&*within.body, &String::from_utf8_lossy(&body)] {
        assert!(said.contains("CONNECT works over HTTP/1.1 only"), "{said}");
    }
    assert_eq!(interceptor.org.counts().token_requests, 0);
}

#[test_case("login.salesforce.com", 200, ""; "its own")]
#[test_case("LOGIN.salesforce.com:443", 200, ""; "its own with a port")]
#[test_case("localhost", 421, "WRONG_HOST"; "ours")]
#[test_case("test.salesforce.com", 421, "WRONG_HOST"; "another of salesforce's")]
#[test_case("evil.tld", 421, "WRONG_HOST"; "anybody's")]
#[tokio::test]
async fn in_a_tunnel_the_host_is_that_of_its_end(host: &str, status: u16, code: &str) {
    let interceptor = Interceptor::with(ON).await;
    let answer = interceptor.through("login.salesforce.com", host).await;
    assert_eq!(answer.status, status, "{answer:?}");
    if status != 200 {
        answer.refusal(status, code);
    }
}

#[test_case(443, 200; "that of its end")]
#[test_case(22, 421; "another")]
#[tokio::test]
async fn in_a_tunnel_the_port_of_an_absolute_target_is_that_of_its_end(port: u16, status: u16) {
    let interceptor = Interceptor::with(ON).await;
    let tunnel = interceptor.tunnel("login.salesforce.com").await;
    let wire = format!(
        "GET https://login.salesforce.com:{port}{LIMITS} HTTP/1.1\r\n\
         Host: login.salesforce.com:{port}\r\nConnection: close\r\n\r\n"
    );
    let answer = talk(tunnel, wire.as_bytes(), usize::MAX).await.remove(0);
    assert_eq!(answer.status, status, "{answer:?}");
}

#[tokio::test]
async fn the_host_of_another_org_does_not_lead_to_this_one() {
    let interceptor = Interceptor::with(ON).await;
    let answer = interceptor
        .through("other.my.salesforce.com", "other.my.salesforce.com")
        .await;
    answer.refusal(421, "WRONG_INSTANCE");
    assert_eq!(interceptor.org.counts().requests, 0);
}

#[tokio::test]
async fn the_host_where_the_org_was_leads_to_where_it_is() {
    let interceptor = Interceptor::with(ON).await;
    let (old, new) = (
        interceptor.org.twin().await.unwrap(),
        interceptor.org.twin().await.unwrap(),
    );
    interceptor
        .org
        .set(|knobs| knobs.instance_url = Some(old.instance_url()));
    let url = old.instance_url() + LIMITS;
    assert_eq!(interceptor.curl(&url).await.status(), "200");
    interceptor
        .org
        .set(|knobs| knobs.instance_url = Some(new.instance_url()));
    let location = new.instance_url() + LIMITS;
    let moved = Fault::redirect(http::StatusCode::MOVED_PERMANENTLY, &location);
    old.faults().always(LIMITS, moved);
    for asked in 1..=2 {
        let answer = interceptor.curl(&url).await;
        assert_eq!(answer.status(), "200", "{answer:?}");
        assert_eq!(new.counts().requests, asked);
    }
}

#[tokio::test]
async fn the_paths_that_are_refused_are_so_in_a_tunnel() {
    let interceptor = Interceptor::with(ON).await;
    let answer = interceptor
        .curl("https://login.salesforce.com/services/oauth2/singleaccess")
        .await;
    assert_eq!(answer.status(), "403", "{answer:?}");
    // What is answered here is so in a tunnel, too.
    let answer = interceptor
        .curl("https://login.salesforce.com/services/oauth2/revoke")
        .await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    // Nor is there a tunnel in a tunnel.
    let tunnel = interceptor.tunnel("login.salesforce.com").await;
    let wire = CONNECT.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let answers = talk(tunnel, wire.as_bytes(), usize::MAX).await;
    answers[0].refusal(405, "METHOD_REFUSED");
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_its_tunnel_is_left() {
    let interceptor = Interceptor::with(ON).await;
    let mut raw = Raw::connect(interceptor.proxy.address().await).await;
    raw.send([CONNECT.as_bytes(), b"\x16\x03\x01\x00\x05hello"].concat())
        .await;
    let rest = raw.rest().await;
    assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
    interceptor.proxy.log("did not wait for its tunnel").await;
}

#[tokio::test]
async fn orgs_that_share_a_listener_are_told_apart_by_their_my_domain() {
    let demo = Org::start().await.unwrap();
    // They share what has a fixed port.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = format!("{ON}listen = \"{address}\"\n");
    let files = Files::with(&demo, &format!("{listen}hosts = [\"demo.localhost\"]\n"));
    let mut text = std::fs::read_to_string(files.path("proxy.toml")).unwrap();
    text += &format!(
        "[org.acme]\nclient_id = \"x\"\nusername = \"y\"\nprivate_key = \"server.key\"\n\
         login_url = \"https://acme.my.salesforce.com\"\n{listen}hosts = [\"acme.localhost\"]\n"
    );
    files.write("proxy.toml", &text);
    let proxy = files.start_with_state();
    let address = proxy.address().await;
    let connect = |host: &str| {
        format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nConnection: close\r\n\r\n")
    };
    let answer = ask(address, connect("login.salesforce.com")).await;
    answer.refusal(421, "NO_SUCH_ORG");
    let mut raw = Raw::connect(address).await;
    raw.send(connect("acme.my.salesforce.com")).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_in_a_tunnel() {
    let interceptor = Interceptor::with(ON).await;
    let hold = interceptor.org.hold(LIMITS);
    let mut tunnel = interceptor.tunnel("login.salesforce.com").await;
    let request = format!("GET {LIMITS} HTTP/1.1\r\nHost: login.salesforce.com\r\n\r\n");
    tunnel.write_all(request.as_bytes()).await.unwrap();
    interceptor.org.wait_until(|_| hold.waiting() == 1).await;
    interceptor.proxy.signal(rustix::process::Signal::TERM);
    interceptor.proxy.log("stopping").await;
    drop(hold);
    let answers = talk(tunnel, b"", usize::MAX).await;
    assert_eq!(answers[0].status, 200, "{answers:?}");
    assert_eq!(interceptor.proxy.end().await.code(), 0);
}

/// An org, and a running proxy in front of it that intercepts what is for its hosts.
#[tokio::test]
async fn another_user_gets_no_tunnel() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let interceptor = Interceptor::with(ON).await;
    let through = format!("http://{}", interceptor.proxy.address().await);
    for (user, status) in [("65534", "403"), ("0", "200")] {
        let output = tokio::process::Command::new("setpriv")
            .arg(format!("--reuid={user}"))
            .args(["curl", "--silent", "--max-time", "20", "--insecure"])
            .args(["--write-out", "%{http_connect}", "--output", "/dev/null"])
            .args(["--proxy", &through])
            .arg(format!("https://login.salesforce.com{LIMITS}"))
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(told, status, "as {user}");
    }
    assert_eq!(interceptor.org.counts().requests, 1);
}

struct Interceptor {
    org: Org,
    files: Files,
    proxy: Binary,
}

impl Interceptor {
    async fn with(more: &str) -> Self {
        let org = Org::start().await.unwrap();
        let files = Files::with(&org, more);
        let proxy = files.start_with_state();
        Self { org, files, proxy }
    }

    /// curl, with us as its proxy.
    async fn curl(&self, arguments: &str) -> crate::support::binary::Ended {
        let address = self.proxy.address().await;
        let ca = self.files.local_ca();
        curl(&format!(
            "curl -x http://{address} --cacert {ca} {arguments}"
        ))
        .await
    }

    /// The answer to a `CONNECT` that is refused.
    async fn connect(&self, target: &str, headers: &str) -> Answer {
        let wire = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n{headers}\r\n"
        );
        let answer = ask(self.proxy.address().await, wire).await;
        assert_eq!(self.org.counts().token_requests, 0);
        answer
    }

    async fn tunnel(&self, host: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut raw = Raw::connect(self.proxy.address().await).await;
        raw.send(CONNECT.replace("login.salesforce.com", host))
            .await;
        assert!(raw.head().await.starts_with("HTTP/1.1 200"));
        let client = Client::trusting(&self.files.local_ca());
        client.greet(raw.0, host).await.unwrap()
    }

    /// The answer to a request through a tunnel.
    async fn through(&self, end: &str, host: &str) -> Answer {
        let tunnel = self.tunnel(end).await;
        let request = format!("GET {LIMITS} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        talk(tunnel, request.as_bytes(), usize::MAX).await.remove(0)
    }
}

const CONNECT: &str =
    "CONNECT login.salesforce.com:443 HTTP/1.1\r\nHost: login.salesforce.com:443\r\n\r\n";
