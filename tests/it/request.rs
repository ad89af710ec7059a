//! `orgproxy request`: what it sends, what it prints, and how it ends.

use std::{fs, io::Write, process::Stdio};

use orgproxy::demo::blocks;
use test_case::test_case;
use tokio::io::AsyncWriteExt;

use crate::support::{
    Binary, Ended, Fault, Org, Seen, Setup, in_time,
    path::{ECHO, LIMITS, SINK},
    session, sha256,
    terminal::on_terminal,
};

const ACCOUNTS: &str = "/services/data/v62.0/sobjects/Account";

const ENVELOPE: &str = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\
<soapenv:Body><getUserInfo xmlns=\"urn:partner.soap.sforce.com\"/></soapenv:Body></soapenv:Envelope>";

/// More than what it may take in memory.
const LARGE: u64 = 192 << 20;

/// The most that the program may take. It has a quarter of it at the start.
const MOST_MEMORY: u64 = 64 << 20;

fn command(setup: &Setup, arguments: &[&str]) -> tokio::process::Command {
    let mut command = Binary::command(&["request", "--config", &setup.files.config()]);
    command.args(arguments).current_dir(setup.files.folder());
    command
}

async fn request(setup: &Setup, arguments: &[&str]) -> Ended {
    Binary::spawn(command(setup, arguments)).end().await
}

/// Makes a file that is larger than the memory that it may take, and returns its digest.
fn large_file(setup: &Setup) -> String {
    let mut file = fs::File::create(setup.files.path("large")).unwrap();
    for block in blocks(LARGE) {
        file.write_all(&block).unwrap();
    }
    sha256(blocks(LARGE))
}

#[tokio::test]
async fn an_answer_is_printed_as_it_is() {
    let setup = Setup::start().await;
    let path = "/services/data/v62.0/sobjects/Account/001xx0000000001?fields=Name";
    let answer = "{\"Name\" : 1.00}\r\n";
    let json = Fault::answer(http::StatusCode::OK, "application/json", answer);
    setup.org.faults().always("/services/data", json);
    let ended = request(&setup, &["GET", path]).await;
    assert_eq!(
        (ended.code(), ended.stdout.as_str(), ended.stderr.as_str()),
        (0, answer, "")
    );
    let seen = setup.org.last_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", path));
    assert!(seen.authorized);
    // Without these a request has no body; with them it may have an empty one.
    for name in [
        "content-length",
        "transfer-encoding",
        "content-type",
        "accept-encoding",
    ] {
        assert_eq!(seen.header(name), "", "{name}");
    }
}

#[test_case("{\"a\": \"{b}\"}", "application/json"; "an object")]
#[test_case("\n [1]", "application/json"; "a list")]
#[test_case("<a/>", "text/xml; charset=utf-8"; "xml")]
#[test_case("a,b\n1,2\n", ""; "anything else")]
#[test_case("", ""; "nothing")]
#[test_case("-1", ""; "a hyphen")]
#[tokio::test]
async fn a_given_body_is_sent_with_its_length_and_type(body: &str, content_type: &str) {
    let setup = Setup::start().await;
    let ended = request(&setup, &["post", ECHO, "-d", body]).await;
    assert_eq!(
        (ended.code(), ended.stdout.as_str()),
        (0, body),
        "{ended:?}"
    );
    let seen = setup.org.last_request();
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.header("content-length"), body.len().to_string());
    assert_eq!(seen.header("content-type"), content_type);
}

#[tokio::test]
async fn headers_go_before_ours() {
    let setup = Setup::start().await;
    let arguments = [
        "-H",
        "Content-Type: application/x",
        "-H",
        "X-A: 1",
        "-H",
        "x-a:2",
    ];
    request(
        &setup,
        &[&["PUT", ECHO, "-d", "{}"], &arguments[..]].concat(),
    )
    .await;
    let seen = setup.org.last_request();
    assert_eq!(seen.header("content-type"), "application/x");
    let values: Vec<_> = seen.headers.get_all("x-a").iter().collect();
    assert_eq!(values, ["1", "2"]);
}

#[tokio::test]
async fn a_file_of_any_size_is_sent_in_little_memory() {
    let setup = Setup::start().await;
    let digest = large_file(&setup);
    // So that it is still there when all has been sent.
    let answer = setup.org.hold_body(SINK, 0);
    let running = Binary::spawn(command(&setup, &["POST", SINK, "-d", "@large"]));
    setup
        .org
        .wait_until(|org| sent(org, SINK).is_some_and(|seen| seen.complete))
        .await;
    let peak = running.peak_memory();
    answer.release();
    let ended = running.end().await;
    assert!(ended.stdout.contains(&digest), "{ended:?}");
    assert_eq!(
        setup.org.last_request().header("content-length"),
        LARGE.to_string()
    );
    assert!(peak < MOST_MEMORY, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn an_error_is_one_though_nobody_reads_it() {
    let setup = Setup::start().await;
    let error = Fault::answer(
        http::StatusCode::NOT_FOUND,
        "text/plain",
        "x".repeat(100_000),
    );
    setup.org.faults().always("/services/data", error);
    let mut command = command(&setup, &["GET", LIMITS]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ended = in_time(child.wait_with_output()).await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("404"), "{said}");
}

#[tokio::test]
async fn standard_input_is_sent_as_it_comes() {
    let setup = Setup::start().await;
    let mut command = command(
        &setup,
        &["POST", ECHO, "-d", "@-", "-H", "Content-Type: text/csv"],
    );
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"Id\n").await.unwrap();
    // It does not wait for the end.
    setup
        .org
        .wait_until(|org| sent(org, ECHO).is_some_and(|seen| seen.length == 3))
        .await;
    stdin.write_all(b"001\n").await.unwrap();
    drop(stdin);
    let ended = in_time(child.wait_with_output()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "Id\n001\n");
    assert_eq!(setup.org.last_request().header("content-type"), "text/csv");
}

#[tokio::test]
async fn a_large_answer_goes_to_a_file() {
    let setup = Setup::start().await;
    let path = format!("/services/apexrest/bytes?n={LARGE}");
    let ended = request(&setup, &["GET", &path, "-o", "answer"]).await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (0, ""), "{ended:?}");
    let written = fs::read(setup.files.path("answer")).unwrap();
    assert_eq!(sha256([written]), sha256(blocks(LARGE)));
}

#[tokio::test]
async fn an_error_goes_to_no_file() {
    let setup = Setup::start().await;
    setup.files.write("answer", "kept");
    let ended = request(
        &setup,
        &["GET", "/services/data/v62.0/none", "-o", "answer"],
    )
    .await;
    assert_eq!(ended.code(), 1);
    assert_eq!(ended.stderr, "orgproxy: the org answered 404 Not Found\n");
    assert!(ended.stdout.contains("NOT_FOUND"), "{ended:?}");
    assert_eq!(
        fs::read_to_string(setup.files.path("answer")).unwrap(),
        "kept"
    );
}

#[tokio::test]
async fn the_head_is_printed_if_wanted_and_holds_no_session() {
    let setup = Setup::start().await;
    request(&setup, &["GET", LIMITS]).await;
    let token = session(&setup.org.last_request()).to_owned();
    let answer = Fault::answer(http::StatusCode::OK, "text/plain", "body")
        .header("set-cookie", &format!("sid={token}; Secure"));
    setup.org.faults().always(ECHO, answer);
    let ended = request(&setup, &["-i", "GET", ECHO]).await;
    let (head, body) = ended.stdout.split_once("\n\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\n"), "{head}");
    assert!(head.contains("\ncontent-type: text/plain\n"), "{head}");
    assert_eq!(body, "body");
    assert!(!head.contains(&token), "{head}");
}

#[tokio::test]
async fn an_envelope_gets_the_session() {
    let setup = Setup::start().await;
    setup.files.write("envelope.xml", ENVELOPE);
    let arguments = ["POST", "/services/Soap/u/62.0", "-d", "@envelope.xml"];
    let ended = request(&setup, &arguments).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("<userName>"), "{ended:?}");
    let seen = setup.org.last_request();
    assert_eq!(seen.header("soapaction"), "\"\"");
    assert!(!ended.stdout.contains(session(&seen)));
}

#[tokio::test]
async fn what_the_guard_refuses_stays_refused_and_says_why() {
    let setup = Setup::start().await;
    let ended = request(&setup, &["GET", "/secur/frontdoor.jsp?retURL=/"]).await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended
            .stderr
            .starts_with("orgproxy: PATH_REFUSED: /secur hands"),
        "{ended:?}"
    );
    assert!(
        ended
            .stdout
            .starts_with("PATH_REFUSED: orgproxy: /secur hands"),
        "{ended:?}"
    );
    assert_eq!(setup.org.counts().requests, 0);
}

#[test_case(&["POST", "/services/Soap/u/62.0", "-d", "<a/>"], "MALFORMED_ENVELOPE"; "soap")]
#[test_case(&["GET", "/services/data/../x"], "AMBIGUOUS_PATH"; "rest")]
#[tokio::test]
async fn an_error_of_the_proxy_is_printed_with_its_reason(arguments: &[&str], code: &str) {
    let setup = Setup::start().await;
    let ended = request(&setup, arguments).await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.starts_with(&format!("orgproxy: {code}: ")),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_terminal_gets_json_indented_and_nothing_that_it_would_obey() {
    let setup = Setup::start().await;
    let body = "{\"Name\":\"\u{9b}2J\",\"Amount\":12345678901234567.89}";
    let answer = Fault::answer(http::StatusCode::OK, "application/json", body);
    setup.org.faults().always(ACCOUNTS, answer);
    let shown = on_terminal(command(&setup, &["GET", ACCOUNTS]), 80).await;
    assert_eq!(
        shown.replace('\r', ""),
        "{\n  \"Name\": \"\\u009b2J\",\n  \"Amount\": 12345678901234567.89\n}\n"
    );
    let shown = on_terminal(
        command(&setup, &["GET", "/services/apexrest/bytes?n=99999"]),
        80,
    )
    .await;
    assert!(shown.contains("name a file for it with -o"), "{shown}");
}

#[test_case(&["GET", "services/data"], "begin with /"; "a relative path")]
#[test_case(&["GET", "https://acme.my.salesforce.com/services/data"], "leave out scheme and host"; "a URL")]
#[test_case(&["GET", "/query?q=SELECT Id"], "percent-encode"; "a blank")]
#[test_case(&["GET", "/", "-H", "Host: evil.example"], "set by orgproxy itself"; "our header")]
#[test_case(&["G T", "/"], "expected a method"; "a method")]
#[tokio::test]
async fn what_cannot_be_sent_is_refused_at_once(arguments: &[&str], message: &str) {
    let setup = Setup::start().await;
    let ended = request(&setup, arguments).await;
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.stderr.contains(message), "{ended:?}");
    assert_eq!(setup.org.counts().token_requests, 0);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_reported() {
    let setup = Setup::start().await;
    let ended = request(&setup, &["POST", ECHO, "-d", "@none.json"]).await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended
            .stderr
            .starts_with("orgproxy: none.json: cannot be read: "),
        "{ended:?}"
    );
    assert_eq!(setup.org.counts().token_requests, 0);
}

fn sent(org: &Org, target: &str) -> Option<Seen> {
    let mut requests = org.requests().into_iter();
    requests.find(|seen| seen.target == target)
}
