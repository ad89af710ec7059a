//! `https://` listeners: certificates that are made, kept and renewed, or the operator's own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use orgproxy::config::Config;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    HandshakeKind, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use test_case::test_case;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Binary, Files, Org, PATIENCE, Raw,
    answer::{ask, talk},
    binary::run,
    chmod, curl,
    get::{get, get_and_close},
    path::LIMITS,
    tls::Client,
};

const HTTPS: &str = "listen = [\"https://127.0.0.1:0\"]\n";

#[test_case(HTTPS, "state"; "by tls")]
#[test_case(HTTPS, "the org's state"; "by tls, with its files where a shell reads more than a word")]
#[test_case("listen = \"unix:the org's.sock\"\n", "state"; "on a socket there")]
#[tokio::test]
async fn the_line_that_is_printed_works_as_it_stands(listen: &str, state: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, listen);
    let state = files.path(state).display().to_string();
    let proxy = Binary::start(&["run", "--config", &files.config(), "--state-dir", &state]);
    let line = proxy.print("try: curl -").await;
    let answer = curl(line.trim_start().trim_start_matches("try: ")).await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    assert!(answer.body().contains("DailyApiRequests"), "{answer:?}");
}

/// Without any other listener for TLS, which is what makes certificates otherwise.
#[tokio::test]
async fn a_listener_for_calls_speaks_tls_and_nothing_else() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "pubsub = { listen = \"https://127.0.0.1:0\" }\n");
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let ca = files.local_ca();
    let told = curl(&format!(
        "curl --http1.1 --cacert {ca} https://localhost:{port}/"
    ))
    .await;
    assert_eq!(told.status(), "421", "{told:?}");
    assert!(told.body().contains("NO_CALL"), "{told:?}");
    let plain = curl(&format!("curl http://localhost:{port}/")).await;
    assert_eq!(plain.status(), "400", "{plain:?}");
    assert!(plain.body().contains("https://"), "{plain:?}");
}

#[test_case("--http1.1", "1.1")]
#[test_case("--http2", "2")]
#[test_case("--tlsv1.3", "2"; "the newest")]
#[test_case("--tls-max 1.2", "2"; "the oldest")]
#[tokio::test]
async fn curl_speaks_every_version(how: &str, version: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    for name in ["localhost", "127.0.0.1"] {
        let answer = curl(&format!(
            "curl {how} --cacert {} -w '\n%{{http_version}}' https://{name}:{port}{LIMITS}",
            files.local_ca()
        ))
        .await;
        assert!(answer.stdout.contains("DailyApiRequests"), "{answer:?}");
        assert_eq!(answer.status(), version, "{answer:?}");
    }
    let old = format!("curl --tls-max 1.1 -k https://localhost:{port}{LIMITS}");
    assert_eq!(curl(&old).await.code(), 35);
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_is_logged() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let other = files.path("ca.pem").display().to_string();
    let answer = curl(&format!("curl --cacert {other} https://localhost:{port}/")).await;
    assert_eq!(answer.code(), 60, "{answer:?}");
    proxy.log("`orgproxy trust` shows what it needs").await;
}

#[tokio::test]
async fn what_is_kept_is_for_nobody_else() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    proxy.secure_port().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&files.path("state")), 0o700);
    for name in ["ca.pem", "ca-key.pem", "localhost.pem"] {
        assert_eq!(mode(&files.path("state").join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn two_that_start_at_once_have_the_same_authority() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxies = [(); 4].map(|()| files.start_with_state());
    for proxy in &proxies {
        let port = proxy.secure_port().await;
        let answer = curl(&format!(
            "curl --cacert {} https://localhost:{port}{LIMITS}",
            files.local_ca()
        ))
        .await;
        assert_eq!(answer.status(), "200", "{answer:?}");
    }
}

#[tokio::test]
async fn a_new_name_gets_a_new_certificate_of_the_same_authority() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    proxy.secure_port().await;
    proxy.stop().await;
    let kept = |name: &str| fs::read(files.path("state").join(name)).unwrap();
    let (authority, before) = (kept("ca.pem"), kept("localhost.pem"));

    let same = files.start_with_state();
    same.secure_port().await;
    same.stop().await;
    assert_eq!(kept("localhost.pem"), before);

    let more = format!("{HTTPS}hosts = [\"acme.localhost\"]\n");
    files.write("proxy.toml", &crate::support::files::config(&org, &more));
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    assert_ne!(kept("localhost.pem"), before);
    assert_eq!(kept("ca.pem"), authority);
    let answer = curl(&format!(
        "curl --cacert {} https://acme.localhost:{port}{LIMITS}",
        files.local_ca()
    ))
    .await;
    assert_eq!(answer.status(), "200", "{answer:?}");
}

#[test_case("ca-key.pem", 0o644, None, "can be read by them (mode 0644)"; "a key open to others")]
#[test_case("ca-key.pem", 0o600, Some("no key"), "is damaged: it must hold a certificate and its key; remove it"; "a damaged key")]
#[test_case("ca.pem", 0o600, Some("no certificate"), "is not the certificate in ca-key.pem"; "another certificate")]
#[tokio::test]
async fn a_file_that_cannot_be_used_is_reported_with_the_way_out(
    name: &str,
    mode: u32,
    text: Option<&str>,
    reason: &str,
) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    proxy.secure_port().await;
    proxy.stop().await;
    let path = files.path("state").join(name);
    if let Some(text) = text {
        fs::write(&path, text).unwrap();
    }
    chmod(&path, mode);
    let ended = files.start_with_state().end().await;
    assert_eq!(ended.code(), 1);
    assert!(ended.stderr.contains(reason), "{ended:?}");
    assert!(ended.stderr.contains("orgproxy trust"), "{ended:?}");
}

#[test_case("STATE_DIRECTORY", "systemd:/elsewhere", "systemd"; "by systemd")]
#[test_case("XDG_STATE_HOME", "xdg", "xdg/orgproxy"; "by the desktop")]
#[test_case("HOME", "home", "home/.local/state/orgproxy"; "by home")]
#[tokio::test]
async fn the_state_is_where_the_system_says(variable: &str, value: &str, place: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let mut command = Binary::command(&["run", "--config", &files.config()]);
    command.env(variable, files.path(value));
    let proxy = Binary::spawn(command);
    proxy.secure_port().await;
    assert!(files.path(place).join("ca.pem").exists());
}

#[tokio::test]
async fn without_a_place_for_the_state_it_says_so() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let ended = run(&["check", "--config", &files.config()]).await;
    assert_eq!(ended.code(), 64);
    assert!(ended.stderr.contains("add state_dir ="), "{ended:?}");
    // Where none is needed, none is missed.
    let files = Files::new(&org);
    let ended = run(&["check", "--config", &files.config()]).await;
    assert_eq!(ended.code(), 0);
}

#[tokio::test]
async fn plain_http_to_an_https_listener_gets_an_answer_that_says_so() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let request = get(LIMITS);
    let answer = ask(([127, 0, 0, 1], port).into(), request).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        "orgproxy: this listener speaks HTTPS; use https:// for it\n"
    );
    assert!(answer.header("proxy-status").is_some(), "{answer:?}");
    proxy.log("speaks HTTP to an https:// listener").await;
}

#[tokio::test]
async fn tls_to_a_plain_listener_is_closed_and_logged() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let address = proxy.address().await;
    let answer = curl(&format!("curl -k https://{address}{LIMITS}")).await;
    assert_eq!(answer.code(), 35, "{answer:?}");
    proxy.log("speaks TLS to a listener without").await;
    assert_eq!(org.counts().requests, 0);
}

#[tokio::test]
async fn framing_is_as_strict_as_on_a_plain_listener() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let client = Client::trusting(&files.local_ca());
    let stream = client.connect(port).await.unwrap();
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\
        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answers = talk(stream, request, usize::MAX).await;
    answers[0].refusal(400, "MALFORMED_REQUEST");
    assert_eq!(org.counts().requests, 0);
}

#[tokio::test]
async fn a_client_that_never_ends_its_handshake_is_left() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &format!("{HTTPS}[limits]\nheader_read = \"200ms\"\n"));
    let proxy = files.start_with_state();
    let address = ([127, 0, 0, 1], proxy.secure_port().await).into();
    for beginning in [&b""[..], b"\x16\x03\x01"] {
        let mut silent = Raw::connect(address).await;
        silent.send(beginning).await;
        let closed = tokio::time::timeout(PATIENCE, silent.rest()).await;
        assert_eq!(closed.unwrap(), "");
    }
}

#[tokio::test]
async fn a_stop_waits_for_requests_and_not_for_handshakes() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, HTTPS);
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let hold = org.hold(LIMITS);
    let line = format!(
        "curl --cacert {} https://localhost:{port}{LIMITS}",
        files.local_ca()
    );
    let asking = tokio::spawn(async move { curl(&line).await });
    org.wait_until(|_| hold.waiting() == 1).await;
    let mut silent = Raw::connect(([127, 0, 0, 1], port).into()).await;
    silent.send(b"\x16\x03").await;
    proxy.signal(rustix::process::Signal::TERM);
    // The handshake is given up at once, while the request goes on.
    let closed = tokio::time::timeout(PATIENCE, silent.rest()).await;
    assert_eq!(closed.unwrap(), "");
    drop(hold);
    assert_eq!(asking.await.unwrap().status(), "200");
    assert_eq!(proxy.end().await.code(), 0);
}

#[test_case("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out tls.key", ""; "rsa")]
#[test_case("ecparam -name prime256v1 -genkey -noout -out tls.key", ""; "ec as openssl writes it")]
#[test_case("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out tls.key", ""; "ec")]
#[test_case("genpkey -algorithm ED25519 -out tls.key", ""; "ed25519")]
#[test_case("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:secret -out tls.key", "secret"; "encrypted")]
#[tokio::test]
async fn a_certificate_of_the_operators_own_is_shown(key: &str, passphrase: &str) {
    let org = Org::start().await.unwrap();
    let more = match passphrase {
        "" => format!("{HTTPS}{OWN}"),
        _ => format!("{HTTPS}{OWN}private_key.passphrase.command = [\"echo\", \"{passphrase}\"]\n"),
    };
    let files = Files::with(&org, &more);
    openssl(&files, key);
    openssl(
        &files,
        &format!(
            "req -x509 -new -key tls.key -subj /CN=own -days 9 -out tls.pem \
             -addext subjectAltName=DNS:localhost -passin pass:{passphrase}"
        ),
    );
    chmod(&files.path("tls.key"), 0o600);
    // No state is needed, nor made.
    let proxy = files.start();
    let port = proxy.secure_port().await;
    let own = files.path("tls.pem").display().to_string();
    let answer = curl(&format!(
        "curl --cacert {own} https://localhost:{port}{LIMITS}"
    ))
    .await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    assert!(!proxy.said().contains("--cacert"), "{}", proxy.said());
}

#[tokio::test]
async fn a_key_of_another_certificate_and_an_open_key_are_refused() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &format!("{HTTPS}{OWN}"));
    for name in ["tls", "other"] {
        openssl(
            &files,
            &format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"),
        );
        chmod(&files.path(&format!("{name}.key")), 0o600);
    }
    openssl(
        &files,
        "req -x509 -new -key other.key -subj /CN=own -days 9 -out tls.pem",
    );
    let check = || async { run(&["check", "--config", &files.config()]).await };
    let ended = check().await;
    assert_eq!(ended.code(), 64);
    let wrong = "tls.private_key: does not belong to the first certificate of tls.certificate";
    assert!(ended.stderr.contains(wrong), "{ended:?}");

    chmod(&files.path("tls.key"), 0o644);
    let ended = check().await;
    let open = "tls.key can be read by others (mode 0644); run `chmod 600";
    assert!(ended.stderr.contains(open), "{ended:?}");
}

#[tokio::test]
async fn a_client_certificate_lets_in_and_nothing_else_does() {
    let org = Org::start().await.unwrap();
    let more = "listen = [\"https://0.0.0.0:0\"]\nguard.allow_remote = true\n\
        guard.client_key = { command = [\"echo\", \"correct-horse-battery\"] }\n\
        [tls]\nclient_ca = \"clients.pem\"\n";
    let files = Files::with(&org, more);
    write_client(&files, "clients.pem", "client.pem");
    write_client(&files, "others.pem", "other.pem");
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let mut client = Client::trusting(&files.local_ca());
    let request = get_and_close(LIMITS);

    client.shows(&files.path("client.pem"));
    let answers = client.ask(port, &request).await;
    assert_eq!(answers[0].status, 200, "{answers:?}");

    client.shows(&files.path("other.pem"));
    assert_eq!(client.ask(port, &request).await, []);
    let bare = Client::trusting(&files.local_ca());
    let with_key = request.replace(
        "\r\n\r\n",
        "\r\nX-Orgproxy-Key: correct-horse-battery\r\n\r\n",
    );
    assert_eq!(bare.ask(port, &with_key).await, []);
    proxy
        .log("must present a certificate of an authority in tls.client_ca")
        .await;
    assert_eq!(org.counts().requests, 1);
}

/// Resumed, a session would outlive the certificate that it began with.
#[test_case(&TLS12, HandshakeKind::Resumed, ""; "TLS 1.2 without certificates")]
#[test_case(&TLS13, HandshakeKind::Resumed, ""; "TLS 1.3 without certificates")]
#[test_case(&TLS12, HandshakeKind::Full, "client.pem"; "TLS 1.2 with certificates")]
#[test_case(&TLS13, HandshakeKind::Full, "client.pem"; "TLS 1.3 with certificates")]
#[tokio::test]
async fn a_session_that_began_with_a_certificate_is_not_resumed(
    version: &'static SupportedProtocolVersion,
    second: HandshakeKind,
    certificate: &str,
) {
    let org = Org::start().await.unwrap();
    let tls = match certificate {
        "" => "",
        _ => "[tls]\nclient_ca = \"clients.pem\"\n",
    };
    let files = Files::with(&org, &format!("{HTTPS}{tls}"));
    write_client(&files, "clients.pem", "client.pem");
    let proxy = files.start_with_state();
    let port = proxy.secure_port().await;
    let client = match certificate {
        "" => Client::speaking(version, &files.local_ca(), None),
        name => Client::speaking(version, &files.local_ca(), Some(&files.path(name))),
    };
    for kind in [HandshakeKind::Full, second] {
        let mut stream = client.connect(port).await.unwrap();
        stream
            .write_all(get_and_close(LIMITS).as_bytes())
            .await
            .unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
    }
}

#[tokio::test]
async fn a_client_certificate_counts_as_a_key_on_other_machines_too() {
    let org = Org::start().await.unwrap();
    let more = "listen = [\"https://0.0.0.0:0\"]\nguard.allow_remote = true\n";
    let files = Files::with(&org, &format!("{more}[tls]\nclient_ca = \"clients.pem\"\n"));
    write_client(&files, "clients.pem", "client.pem");
    let state = files.path("state").display().to_string();
    let check = ["check", "--config", &files.config(), "--state-dir", &state];
    assert_eq!(run(&check).await.code(), 0);

    files.write("proxy.toml", &crate::support::files::config(&org, more));
    let ended = run(&check).await;
    assert!(
        ended.stderr.contains("or tls.client_ca for https://"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn health_knows_each_kind_of_listener() {
    let org = Org::start().await.unwrap();
    for tls in ["", OWN, "[tls]\nclient_ca = \"tls.pem\"\n"] {
        // Its port must be known beforehand, since `health` reads no more than the configuration.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let files = Files::with(&org, &format!("listen = \"https://{address}\"\n{tls}"));
        openssl(
            &files,
            "ecparam -name prime256v1 -genkey -noout -out tls.key",
        );
        chmod(&files.path("tls.key"), 0o600);
        openssl(
            &files,
            "req -x509 -new -key tls.key -subj /CN=own -days 9 -out tls.pem",
        );
        let state = files.path("state").display().to_string();
        let health = ["health", "--config", &files.config(), "--state-dir", &state];
        let proxy = files.start_with_state();
        proxy.secure_port().await;
        let ended = run(&health).await;
        assert_eq!(ended.code(), 0, "{ended:?}");
        // What is in the file by now, the listener has yet to show.
        openssl(
            &files,
            "req -x509 -new -key tls.key -subj /CN=renewed -days 9 -out tls.pem",
        );
        let ended = run(&health).await;
        assert_eq!(ended.code(), 0, "{ended:?}");
        proxy.stop().await;
        assert_eq!(run(&health).await.code(), 1);
    }
}

#[tokio::test]
async fn an_expired_certificate_of_the_operators_own_is_refused() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &format!("{HTTPS}{OWN}"));
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = (SystemTime::now() - Duration::from_secs(3600)).into();
    let certificate = params.self_signed(&key).unwrap();
    files.write("tls.pem", &certificate.pem());
    files.write("tls.key", &key.serialize_pem());
    let error = Config::load(Some(&files.path("proxy.toml")), &Default::default()).unwrap_err();
    assert!(error.to_string().contains("tls.pem expired on"), "{error}");
}

/// By two others that have nothing in common with each other or with what made it.
#[tokio::test]
async fn others_find_nothing_wrong_with_the_certificates_of_the_local_authority() {
    const SERVER: &str = "1.3.6.1.5.5.7.3.1";
    const CLIENT: &str = "1.3.6.1.5.5.7.3.2";

    let org = Org::start().await.unwrap();
    let files = Files::with(&org, &format!("hosts = [\"sf.internal\"]\n{HTTPS}"));
    let proxy = files.start_with_state();
    proxy.secure_port().await;
    let verifies = |by: &str| {
        verdict(
            &files,
            &format!("openssl verify -x509_strict -CAfile state/ca.pem {by} state/localhost.pem"),
        )
    };
    for name in [
        "-verify_hostname localhost",
        "-verify_hostname sf.internal",
        "-verify_ip 127.0.0.1",
        "-verify_ip ::1",
    ] {
        assert_eq!(verifies(&format!("-purpose sslserver {name}")), Ok(()));
    }
    for other in [
        "-purpose sslserver -verify_hostname login.salesforce.com",
        "-purpose sslserver -verify_ip 127.0.0.2",
        "-purpose sslclient",
        "-purpose smimesign",
        "-attime 4102444800",
    ] {
        assert!(verifies(other).is_err(), "{other}");
    }
    // The leaf signs nothing, and the authority no other authority.
    let text = said(&files, "openssl x509 -noout -text -in state/ca.pem");
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
    let text = said(&files, "openssl x509 -noout -text -in state/localhost.pem");
    assert!(
        !text.contains("CA:TRUE") && !text.contains("Certificate Sign"),
        "{text}"
    );

    let certtool = |by: &str| {
        verdict(
            &files,
            &format!(
                "certtool --verify --load-ca-certificate state/ca.pem --infile state/localhost.pem {by}"
            ),
        )
    };
    assert_eq!(
        certtool(&format!(
            "--verify-hostname localhost --verify-purpose {SERVER}"
        )),
        Ok(())
    );
    for other in [
        format!("--verify-hostname login.salesforce.com --verify-purpose {SERVER}"),
        format!("--verify-hostname localhost --verify-purpose {CLIENT}"),
    ] {
        assert!(certtool(&other).is_err(), "{other}");
    }
}

/// What a command says against what is asked of it, if it does.
fn verdict(files: &Files, command: &str) -> Result<(), String> {
    let output = ran(files, command);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

fn said(files: &Files, command: &str) -> String {
    String::from_utf8(ran(files, command).stdout).unwrap()
}

fn ran(files: &Files, command: &str) -> std::process::Output {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap();
    let ran = std::process::Command::new(program)
        .args(words)
        .current_dir(files.folder())
        .output();
    ran.unwrap_or_else(|error| panic!("{program} must be installed: {error}"))
}

/// Writes an authority, and a client's certificate with its key.
fn write_client(files: &Files, authority: &str, client: &str) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    files.write(authority, &issuer.pem());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["a-client".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    files.write(client, &(certificate.pem() + &key.serialize_pem()));
}

fn openssl(files: &Files, arguments: &str) {
    let output = std::process::Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(files.folder())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Dotted, since `private_key = …` would go before that of the org.
const OWN: &str = "[tls]\ncertificate = \"tls.pem\"\nprivate_key.file = \"tls.key\"\n";
