//! `orgproxy doctor`: every step is looked at, and what is wrong is reported with its true cause.

use std::{net::TcpListener, sync::Arc};

use http::StatusCode;
use orgproxy::demo::{Refusal, TOKEN};
use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use test_case::test_case;
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

use crate::support::{Binary, Ended, Fault, Keys, Org, Setup, binary::run, files::config};

/// The demo org in the doctor's own process.
const DEMO: &str = "[org.main]\nclient_id = \"3MVG9x\"\nusername = \"me@example.com\"\n\
    private_key = \"server.key\"\nlisten = \"127.0.0.1:0\"\ndemo = true\n";

#[tokio::test]
async fn all_is_well_with_the_demo_org() {
    let setup = complete().await;
    setup.files.write("proxy.toml", DEMO);
    let ended = run_in_folder(&setup, &["doctor"]).await;
    let expected = "\
✓ configuration: proxy.toml

main
✓ private key: server.key, RSA, 2048 bits, PKCS#8, mode 0600
✓ certificate: server.crt belongs to the key, valid until 4096-01-01, N bytes
✓ login host name: localhost is 127.0.0.1
✓ login host connection: to 127.0.0.1:PORT in N ms
✓ login host tls: TLS 1.3, certificate by 'orgproxy demo CA'
✓ clock: agrees with the login host
✓ login: as me@example.com, at https://localhost:PORT/ in N ms
✓ session: opaque, org 00Dxx0000001gPLEAY, user 005xx000001SwiUAAS
✓ scopes: web openid api id
✓ instance: https://localhost:PORT, which is also where the login goes
✓ user: me@example.com, Integration User
✓ idle timeout: 2h without a request
✓ api versions: 31.0 to 67.0
✓ query: SELECT Id, Name FROM User LIMIT 1: 1 record
✓ api usage: 19 of 15000 requests in 24 hours
✓ listen: 127.0.0.1:0: a free port, a different one at each start

main: 16 passed
";
    assert_eq!(normal(&ended.stdout), expected, "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
    assert_eq!(ended.code(), 0);
}

#[tokio::test]
async fn each_refusal_has_the_orgs_words_and_a_diagnosis_of_its_own() {
    let setup = complete().await;
    let mut told: Vec<(String, &str)> = Vec::new();
    for refusal in Refusal::all() {
        setup.org.set(|knobs| knobs.refusal = Some(refusal));
        let found = doctor(&setup, &[]).await;
        assert_eq!(found.failed(), ["login"], "{}", refusal.name());
        let login = found.check("login");
        let message = login["message"].as_str().unwrap();
        match refusal.words() {
            Some((error, "")) => assert!(message.ends_with(&format!("it: {error}")), "{message}"),
            Some((error, description)) => {
                let words = format!("refused it: {error}: {description}");
                assert!(message.ends_with(&words), "{message}");
            }
            None => {
                let words = format!("answered {} with ", refusal.status());
                assert!(message.contains(&words), "{message}");
            }
        }
        let advice = login["advice"].as_str().unwrap().to_owned();
        assert!(
            advice.contains("why: ") && advice.contains("do: "),
            "{advice}"
        );
        assert!(
            !advice.contains("not known"),
            "{}: {advice}",
            refusal.name()
        );
        if let Some((_, name)) = told.iter().find(|(other, _)| *other == advice) {
            panic!("{name} and {} are told alike: {advice}", refusal.name());
        }
        told.push((advice, refusal.name()));
    }
    assert!(told.len() > 30);
    // One question for the time and one login each, without a hidden second try.
    assert_eq!(setup.org.counts().token_requests, 2 * told.len());
}

#[tokio::test]
async fn the_demo_org_refuses_as_the_configuration_says() {
    let setup = complete().await;
    let refusing = DEMO.replace("demo = true", "demo = \"ip-restricted\"");
    setup.files.write("proxy.toml", &refusing);
    let found = doctor(&setup, &["main"]).await;
    assert_eq!(found.failed(), ["login"]);
    found.says("login", "invalid_grant: ip restricted");
    found.says("login", "login IP ranges of the user's profile");
    assert!(!found.0.to_string().contains("Relax"), "{}", found.0);

    let nonsense = DEMO.replace("demo = true", "demo = \"nonsense\"");
    setup.files.write("proxy.toml", &nonsense);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["configuration"]);
    found.says(
        "configuration",
        "\"nonsense\" is not a refusal; write true, or one of user-not-approved,",
    );
    let ended = run(&["demo", "--refuse", "nonsense"]).await;
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("user-not-approved"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn the_certificate_of_another_key_is_the_true_cause() {
    let setup = complete().await;
    let keys = Keys::new();
    keys.openssl("req -x509 -new -key key.pem -subj /CN=x -days 90 -out other.crt");
    let other = std::fs::read_to_string(keys.path("other.crt")).unwrap();
    setup.files.write("server.crt", &other);
    setup.files.write("proxy.toml", DEMO);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["certificate", "login"]);
    found.says("certificate", "server.crt does not belong to private_key");
    found.says(
        "certificate",
        "-key server.key -days 730 -subj /CN=orgproxy -out server.crt",
    );
    found.says("login", "invalid_grant: invalid assertion");
    found.says(
        "login",
        "why: the signature does not verify: server.crt does not belong to",
    );
}

#[test_case(2020, "failed", "expired on 2020-01-01"; "expired")]
#[test_case(4000, "passed", "valid until 4000-01-01"; "good")]
#[tokio::test]
async fn an_expired_certificate_is_the_true_cause(year: i32, outcome: &str, says: &str) {
    let setup = complete().await;
    setup
        .files
        .write("server.crt", &certificate(&setup.org, year));
    setup.files.write("proxy.toml", DEMO);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.check("certificate")["outcome"], outcome);
    found.says("certificate", says);
    if outcome == "failed" {
        found.says(
            "login",
            "why: the signature does not verify: server.crt expired on 2020-01-01",
        );
    }
}

#[tokio::test]
async fn all_that_is_wrong_with_a_certificate_is_reported_by_the_files_own_names() {
    let setup = complete().await;
    let soon = certificate_until(&setup.org, OffsetDateTime::now_utc() + Duration::days(10));
    std::fs::rename(setup.files.path("server.key"), setup.files.path("my.key")).unwrap();
    std::fs::remove_file(setup.files.path("server.crt")).unwrap();
    setup.files.write("my.cer", &(soon + &"\n".repeat(4096)));
    setup
        .files
        .write("proxy.toml", &DEMO.replace("server.key", "my.key"));
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.check("certificate")["outcome"], "warning");
    found.says("certificate", "expires in ");
    found.says("certificate", "--rotate-key");
    found.says("certificate", "-in my.cer -outform der -out my.der");
}

#[tokio::test]
async fn a_key_without_certificate_is_no_failure() {
    let setup = complete().await;
    std::fs::remove_file(setup.files.path("server.crt")).unwrap();
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), [""; 0]);
    assert_eq!(found.check("certificate")["outcome"], "skipped");
}

#[test_case("username = \"other@example.com\"\n", "user hasn't approved this consumer", "correct username"; "username")]
#[test_case("client_id = \"3MVG9other\"\n", "client identifier invalid", "copy the key again"; "client id")]
#[test_case("audience = \"https://wrong.example\"\n", "audience is invalid", "why: audience is https://wrong.example, but https://localhost:"; "audience")]
#[tokio::test]
async fn what_is_wrong_in_the_configuration_is_found(more: &str, words: &str, advice: &str) {
    let setup = complete_with(more).await;
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["login"]);
    found.says("login", words);
    found.says("login", advice);
    found.says("login", "--try-audiences");
    assert_eq!(found.check("session")["outcome"], "skipped");
    assert_eq!(found.check("listen")["outcome"], "passed");
}

#[tokio::test]
async fn another_audience_is_tried_on_demand_and_the_rest_goes_on_with_it() {
    let setup = complete_with("audience = \"https://wrong.example\"\n").await;
    let found = doctor(&setup, &["--try-audiences"]).await;
    assert_eq!(found.failed(), ["login"]);
    assert_eq!(found.check("audiences")["outcome"], "passed");
    let origin = setup.org.instance_url();
    let lines = format!("login_url = \"{origin}\"\naudience = \"{origin}\"");
    found.says("audiences", &lines);
    assert_eq!(found.check("query")["outcome"], "passed");
}

#[tokio::test]
async fn other_audiences_are_not_tried_where_they_cannot_help() {
    let setup = complete_with("audience = \"https://wrong.example\"\n").await;
    setup
        .org
        .set(|knobs| knobs.refusal = Refusal::named("ip-restricted"));
    let found = doctor(&setup, &["--try-audiences"]).await;
    assert_eq!(found.check("audiences")["outcome"], "skipped");
    found.says("audiences", "the refusal is not about host or audience");
    assert_eq!(found.check("session")["outcome"], "skipped");
    // The question for the time, and one login.
    assert_eq!(setup.org.counts().token_requests, 2);
}

#[tokio::test]
async fn what_the_token_endpoint_says_is_harmless() {
    let setup = complete().await;
    let origin = setup.org.instance_url();
    let answer = serde_json::json!({"access_token": "00Dxx0000001gPL!x", "instance_url": origin,
        "scope": format!("api {TRICK} sid=00Dxx0000001gPL!AQ.kept")});
    let answer = Fault::answer(StatusCode::OK, "application/json", answer.to_string());
    setup.org.faults().always(TOKEN, answer);
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let ended = run_in_folder(&setup, arguments).await;
        harmless(&ended);
        assert!(ended.stdout.contains("u001b[2J"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("AQ.kept"), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn the_certificate_of_whoever_answers_is_harmless() {
    let (port, pem) = answer_with_a_tricky_certificate().await;
    let setup = complete().await;
    let login_url = format!("login_url = \"https://localhost:{port}\"\n");
    let whole = config(&setup.org, &login_url);
    setup.files.write("tricky.pem", &pem);
    let unknown = whole.replace("ca_file = \"ca.pem\"\n", "");
    let misnamed = whole.replace("ca.pem", "tricky.pem");
    for (configuration, name) in [(unknown, "is by '"), (misnamed, "is for ")] {
        setup.files.write("proxy.toml", &configuration);
        for arguments in [&["doctor"][..], &["doctor", "--json"]] {
            let ended = run_in_folder(&setup, arguments).await;
            harmless(&ended);
            let words = ended
                .stdout
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            assert!(words.contains(name), "{words}");
            assert!(words.contains("u001b[2J"), "{words}");
        }
        let ended = run_in_folder(&setup, &["token"]).await;
        harmless(&ended);
        assert!(ended.stderr.contains("cannot reach"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_chain_that_nobody_knows_is_reported_with_its_issuer() {
    let setup = complete().await;
    let without = config(&setup.org, "").replace("ca_file = \"ca.pem\"\n", "");
    setup.files.write("proxy.toml", &without);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["login_host_tls", "login"]);
    found.says(
        "login_host_tls",
        "is by 'orgproxy demo CA', which this system does not trust",
    );
    found.says("login_host_tls", "ca_file");
}

#[tokio::test]
async fn a_host_that_is_not_there_is_reported_by_the_step() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let setup = complete_with(&format!("login_url = \"https://localhost:{port}\"\n")).await;
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["login_host_connection", "login"]);
    found.says("login_host_connection", "refused");

    let more = "login_url = \"https://nowhere.invalid\"\ntrusted_hosts = [\"nowhere.invalid\"]\n";
    let setup = complete_with(more).await;
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["login_host_name", "login"]);
    found.says("login_host_name", "nowhere.invalid does not resolve");
    assert_eq!(found.check("login_host_tls")["outcome"], "skipped");
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_with_the_program() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let setup = complete_with(&format!("listen = \"{address}\"\n")).await;
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["listen"]);
    found.says("listen", &format!("{address} is taken by "));
    found.says("listen", &format!("(process {})", std::process::id()));
}

#[tokio::test]
async fn redis_that_does_not_answer_is_reported() {
    let setup = complete_with("[redis]\nurl = \"redis://127.0.0.1:1\"\n").await;
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["redis"]);
    found.says("redis", "redis://127.0.0.1:1 does not answer: ");
}

#[tokio::test]
async fn credentials_of_a_service_are_found_as_it_says() {
    let setup = complete_with("private_key = { credential = \"server.key\" }\n").await;
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["configuration"]);
    let folder = setup.files.folder().canonicalize().unwrap();
    let folder = folder.display();
    let command = format!("orgproxy doctor --config {folder}/proxy.toml");
    found.says(
        "configuration",
        &format!("`CREDENTIALS_DIRECTORY={folder} {command}`"),
    );
}

#[tokio::test]
async fn a_socket_in_the_current_folder_is_free() {
    let setup = complete_with("listen = \"unix:main.sock\"\n").await;
    let found = doctor(&setup, &["--config", "proxy.toml"]).await;
    assert_eq!(found.failed(), [""; 0]);
    found.says("listen", "unix:main.sock is free");
}

#[tokio::test]
async fn the_doctor_warns_of_half_of_localhost_that_is_taken() {
    for taken in ["127.0.0.1:0", "[::1]:0"] {
        let taken = TcpListener::bind(taken).unwrap();
        let address = taken.local_addr().unwrap();
        let setup = complete_with(&format!("listen = \"localhost:{}\"\n", address.port())).await;
        let found = doctor(&setup, &[]).await;
        assert_eq!(found.check("listen")["outcome"], "warning");
        found.says("listen", &format!("{address} is taken by "));
        found.says("listen", &format!("(process {})", std::process::id()));
        found.says("listen", "localhost means either to clients");
    }
}

#[tokio::test]
async fn the_doctor_warns_of_a_proxy_that_runs_already() {
    let setup = complete().await;
    let running = setup.files.start();
    let address = running.address().await;
    setup.files.write(
        "proxy.toml",
        &config(&setup.org, &format!("listen = \"{address}\"\n")),
    );
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), [""; 0]);
    assert_eq!(found.check("listen")["outcome"], "warning");
    found.says("listen", "already listens there");
    found.says("listen", "this one cannot start");
}

#[tokio::test]
async fn a_program_that_only_has_the_name_is_not_an_orgproxy() {
    let setup = complete().await;
    let other = complete().await;
    let more = "listen = \"https://127.0.0.1:0\"\n[tls]\nclient_ca = \"clients.pem\"\n";
    other.files.write("clients.pem", other.org.ca_pem());
    other.files.write("proxy.toml", &config(&other.org, more));
    let state = other.files.path("state").display().to_string();
    let running = Binary::start(&[
        "run",
        "--config",
        &other.files.config(),
        "--state-dir",
        &state,
    ]);
    let port = running.secure_port().await;
    // It answers nobody without a certificate, as no proxy with this configuration would.
    let more = format!("listen = \"https://127.0.0.1:{port}\"\n");
    setup.files.write("proxy.toml", &config(&setup.org, &more));
    let found = doctor(
        &setup,
        &[
            "--state-dir",
            &setup.files.path("state").display().to_string(),
        ],
    )
    .await;
    assert_eq!(found.failed(), ["listen"]);
    found.says("listen", "is taken by orgproxy (process ");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_reported_with_its_direction() {
    let setup = complete().await;
    let late = Fault::html(StatusCode::OK).header("date", "Mon, 01 Jan 2120 00:00:00 GMT");
    setup.org.faults().next(1, TOKEN, late);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["clock"]);
    found.says("clock", " behind the login host");

    let late = Fault::html(StatusCode::OK).header("date", "Mon, 01 Jan 2120 00:00:00 GMT");
    setup.org.faults().next(1, TOKEN, late);
    setup
        .org
        .set(|knobs| knobs.refusal = Refusal::named("clock"));
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["clock", "login"]);
    found.says("login", "expired authorization code");
    let why = "why: the assertion had expired: this machine is ";
    found.says("login", why);
    found.says("login", " behind the login host");
    found.says("login", "do: set the clock");
}

#[test_case(None, "agrees with the login host"; "right")]
#[test_case(Some("Sat, 01 Jan 2000 00:00:00 GMT"), "ahead of the login host"; "ahead")]
#[tokio::test]
async fn a_clock_that_is_not_behind_is_not_blamed(date: Option<&str>, says: &str) {
    let setup = complete().await;
    if let Some(date) = date {
        let early = Fault::html(StatusCode::OK).header("date", date);
        setup.org.faults().next(1, TOKEN, early);
    }
    setup
        .org
        .set(|knobs| knobs.refusal = Refusal::named("clock"));
    let found = doctor(&setup, &[]).await;
    found.says("clock", says);
    found.says("login", says);
    found.says("login", "not the cause");
    let advice = found.check("login")["advice"].as_str().unwrap();
    assert!(!advice.contains("behind"), "{advice}");
    assert!(!advice.contains("set the clock"), "{advice}");
}

#[tokio::test]
async fn what_the_api_refuses_is_reported_in_the_orgs_words() {
    let setup = complete().await;
    let disabled = Fault::error(
        StatusCode::FORBIDDEN,
        "API_CURRENTLY_DISABLED",
        "API is disabled for this user",
    );
    setup
        .org
        .faults()
        .always("/services/data/v67.0/query", disabled);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["query"]);
    found.says(
        "query",
        "403 API_CURRENTLY_DISABLED: API is disabled for this user",
    );
    found.says("query", "API Enabled");
}

#[tokio::test]
async fn the_doctor_warns_of_a_least_version_that_the_org_does_not_serve() {
    let setup = complete_with("minimum_api_version = \"31.0\"\n").await;
    let served = doctor(&setup, &[]).await;
    assert_eq!(served.check("api_versions")["outcome"], "passed");
    setup.org.set(|knobs| knobs.oldest_version = 41);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.check("api_versions")["outcome"], "warning");
    found.says("api_versions", "41.0 to 67.0, and not minimum_api_version");
    found.says("api_versions", "set minimum_api_version = \"41.0\"");
}

#[tokio::test]
async fn the_doctor_warns_of_a_session_in_jwt_format() {
    let setup = complete().await;
    setup.org.set(|knobs| knobs.jwt_tokens = true);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), [""; 0]);
    assert_eq!(found.check("session")["outcome"], "warning");
    found.says("session", "in JWT format");
    found.says("idle_timeout", "the session ends ");
}

#[tokio::test]
async fn the_doctor_warns_of_names_and_of_the_local_authority() {
    let more = "hosts = [\"nowhere.invalid\"]\nlisten = \"https://127.0.0.1:0\"\n";
    let setup = complete_with(more).await;
    let state = setup.files.path("state").display().to_string();
    let found = doctor(&setup, &["--state-dir", &state]).await;
    assert_eq!(found.failed(), [""; 0]);
    found.says("hosts", "nowhere.invalid does not resolve");
    found.says("hosts", "127.0.0.1 nowhere.invalid");
    assert_eq!(found.check("local_authority")["outcome"], "warning");
    found.says("local_authority", "orgproxy trust");

    let found = doctor(&setup, &["--state-dir", "/dev/null/state"]).await;
    assert_eq!(found.check("local_authority")["outcome"], "failed");
    found.says("local_authority", "set state_dir");
}

#[tokio::test]
async fn several_orgs_are_looked_at_or_the_one_that_is_named() {
    let setup = complete().await;
    let two = DEMO.to_owned() + &DEMO.replace("main", "other");
    setup.files.write("proxy.toml", &two);
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.0["orgs"].as_array().unwrap().len(), 2);
    let found = doctor(&setup, &["other"]).await;
    assert_eq!(found.0["orgs"].as_array().unwrap().len(), 1);
    assert_eq!(found.0["orgs"][0]["name"], "other");
    let found = doctor(&setup, &["third"]).await;
    found.says(
        "configuration",
        "there is no org third; the configuration has main, other",
    );
}

#[tokio::test]
async fn a_demo_org_that_cannot_start_hides_no_other() {
    let setup = complete().await;
    let bare = DEMO
        .replace("server.key", "bare.key")
        .replace("main", "bare");
    std::fs::copy(setup.files.path("server.key"), setup.files.path("bare.key")).unwrap();
    setup.files.write("proxy.toml", &(bare + DEMO));
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["demo_org"]);
    found.says("demo_org", "there is no certificate bare.crt");
    assert_eq!(found.0["orgs"][0]["name"], "bare");
    assert_eq!(found.check("query")["outcome"], "passed");
}

#[tokio::test]
async fn every_mistake_in_the_configuration_is_reported() {
    let setup = complete().await;
    setup.files.write(
        "proxy.toml",
        "threads = 0\n[org.main]\nusername = \"me@example.com\"\n",
    );
    let found = doctor(&setup, &[]).await;
    assert_eq!(found.failed(), ["configuration"]);
    found.says("configuration", "3 mistakes");
    found.says(
        "configuration",
        "proxy.toml:1: threads: must be more than zero",
    );
    let ended = run_in_folder(&setup, &["doctor"]).await;
    assert!(
        ended.stdout.starts_with("✗ configuration: 3 mistakes\n"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.ends_with("\n\nconfiguration failed\n"),
        "{}",
        ended.stdout
    );
}

/// Starts an org, with a folder that has its certificate too: `server.crt`.
async fn complete() -> Setup {
    complete_with("").await
}

async fn complete_with(more: &str) -> Setup {
    let setup = Setup::with(more).await;
    setup.files.write("server.crt", setup.org.certificate_pem());
    setup
}

/// Runs a command in the folder, so that paths are short.
async fn run_in_folder(setup: &Setup, arguments: &[&str]) -> Ended {
    let mut command = Binary::command(arguments);
    command.current_dir(setup.files.folder());
    let ended = Binary::spawn(command).end().await;
    for secret in ["eyJ", "00Dxx0000001gPL!", "PRIVATE KEY"] {
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    ended
}

async fn doctor(setup: &Setup, arguments: &[&str]) -> Found {
    let ended = run_in_folder(setup, &[&["doctor", "--json"], arguments].concat()).await;
    assert_eq!(ended.stderr, "");
    let found = Found(serde_json::from_str(&ended.stdout).unwrap());
    assert_eq!(found.0["passed"], ended.code() == 0);
    assert_eq!(found.failed().is_empty(), ended.code() == 0);
    assert!(ended.code() <= 1);
    found
}

/// The doctor's findings, as JSON.
struct Found(Value);

impl Found {
    fn checks(&self) -> Vec<&Value> {
        let orgs = self.0["orgs"].as_array().unwrap().iter();
        let of_orgs = orgs.flat_map(|org| org["checks"].as_array().unwrap());
        self.0["checks"]
            .as_array()
            .unwrap()
            .iter()
            .chain(of_orgs)
            .collect()
    }

    #[track_caller]
    fn check(&self, name: &str) -> &Value {
        let mut checks = self.checks().into_iter();
        let check = checks.find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no {name} in {:#}", self.0))
    }

    fn failed(&self) -> Vec<&str> {
        let checks = self.checks().into_iter();
        checks
            .filter(|check| check["outcome"] == "failed")
            .map(|check| check["name"].as_str().unwrap())
            .collect()
    }

    #[track_caller]
    fn says(&self, name: &str, words: &str) {
        let check = self.check(name);
        let advice = check["advice"].as_str().unwrap_or_default();
        let said = format!("{}\n{advice}", check["message"].as_str().unwrap());
        assert!(said.contains(words), "{words:?} not in {said}");
    }
}

/// Somebody else's host: its port, and its certificate, whose names would clear a terminal.
async fn answer_with_a_tricky_certificate() -> (u16, String) {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, TRICK.to_owned());
    let name = "\u{1b}[2Jx".to_owned().try_into().unwrap();
    params.subject_alt_names = vec![SanType::DnsName(name)];
    let key = KeyPair::generate().unwrap();
    let shown = params.self_signed(&key).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![shown.der().clone()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(acceptor.accept(stream));
        }
    });
    (port, shown.pem())
}

/// Nothing that a terminal would obey.
#[track_caller]
fn harmless(ended: &Ended) {
    let is_tricky = |c: char| c == '\u{202e}' || c.is_control() && c != '\n';
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains(is_tricky), "{said:?}");
    }
}

/// Clears a screen, twice, and turns the direction of what follows.
const TRICK: &str = "\u{1b}[2J\u{9b}2J\u{202e}";

/// A certificate for the key of `org` that ends with the beginning of a year.
fn certificate(org: &Org, year: i32) -> String {
    certificate_until(org, date_time_ymd(year, 1, 1))
}

fn certificate_until(org: &Org, end: OffsetDateTime) -> String {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2010, 1, 1);
    params.not_after = end;
    let key = KeyPair::from_pem(org.private_key_pem()).unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// Takes off what differs between two runs.
fn normal(text: &str) -> String {
    let mut normal = text.replace("127.0.0.1, ::1", "127.0.0.1");
    for (before, after, name) in [
        ("127.0.0.1:", " in", "PORT"),
        ("localhost:", "/", "PORT"),
        ("localhost:", ",", "PORT"),
        (" in ", " ms", "N"),
        (", ", " bytes", "N"),
    ] {
        normal = without_number(&normal, before, after, name);
    }
    normal
}

/// `name` in place of each number between `before` and `after`.
fn without_number(text: &str, before: &str, after: &str, name: &str) -> String {
    let mut pieces = text.split(before);
    let mut changed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        changed += before;
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && piece[digits..].starts_with(after) {
            changed += &format!("{name}{}", &piece[digits..]);
        } else {
            changed += piece;
        }
    }
    changed
}
