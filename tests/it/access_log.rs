//! The access log of the real program: a line for each request, and no harm to any.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
};

use rustix::process::geteuid;
use serde_json::Value;
use tempfile::TempDir;
use test_case::test_case;
use tokio::process::Command;

use crate::support::{
    Binary, Fault, Files, Org, answer::ask, binary::run, files, path::LIMITS, proxy::client,
    session, skip, terminal::on_terminal, user::NOBODY,
};

#[tokio::test]
async fn the_demo_shows_each_request_on_standard_error() {
    let demo = Binary::start(&["demo", "--port", "0"]);
    for path in [LIMITS, "/services/data", "/services/data/v62.0/wsdl/x"] {
        let url = demo.url(path).await;
        client().get(url).send().await.unwrap();
    }
    let ended = demo.stop().await;
    let lines: Vec<_> = ended.stderr.lines().filter(is_access).collect();
    assert_eq!(lines.len(), 3, "{ended:?}");
    assert!(
        lines[0].contains(&format!(" GET {LIMITS} 200 org ")),
        "{}",
        lines[0]
    );
    assert!(lines[0].contains(" first_byte="), "{}", lines[0]);

    let quiet = Binary::start(&["demo", "--port", "0", "--access-log", "off"]);
    client().get(quiet.url(LIMITS).await).send().await.unwrap();
    let ended = quiet.stop().await;
    assert_eq!(
        ended.stderr.lines().filter(is_access).count(),
        0,
        "{ended:?}"
    );
}

#[tokio::test]
async fn it_is_off_where_standard_error_is_not_a_terminal() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    client().get(proxy.url(LIMITS).await).send().await.unwrap();
    let ended = proxy.stop().await;
    assert_eq!(
        ended.stderr.lines().filter(is_access).count(),
        0,
        "{ended:?}"
    );
}

#[tokio::test]
async fn it_is_on_where_standard_error_is_a_terminal() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "listen = \"unix:socket\"\n");
    let mut shell = Command::new("sh");
    let ask = format!(
        "\"$0\" run & curl --silent --retry 60 --retry-all-errors --retry-delay 1 \
         --output answer --unix-socket socket http://localhost{LIMITS}; kill $!; wait"
    );
    shell
        .args(["-c", &ask, env!("CARGO_BIN_EXE_orgproxy")])
        .current_dir(files.folder());
    let shown = on_terminal(shell, 80).await;
    let line = shown
        .lines()
        .find(is_access)
        .unwrap_or_else(|| panic!("{shown}"));
    let uid = geteuid().as_raw();
    assert!(
        line.contains(&format!(" demo uid:{uid} GET {LIMITS} 200 org ")),
        "{line}"
    );
}

#[tokio::test]
async fn a_file_gets_an_object_for_each_request_without_any_secret() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let path = files.path("access.log");
    let proxy = with_access_log(&files, &path, &["--access-log-format", "json"]);
    let url = proxy.url("").await;
    let requests = [
        client().get(format!("{url}{LIMITS}?token=canary-query")),
        client()
            .post(format!("{url}/services/oauth2/token"))
            .body("grant_type=password&username=a&password=canary-password"),
        client()
            .post(format!("{url}/services/data/v62.0/sobjects/Account"))
            .header("cookie", "sid=canary-cookie")
            .header("content-type", "application/json")
            .body("{\"Name\": \"canary-body\"}"),
        client().get(format!(
            "{url}/services/data/00Dxx0000001gPL!canary-session/x"
        )),
        client().get(format!("{url}/%00canary")),
    ];
    let count = requests.len();
    for request in requests {
        request.send().await.unwrap();
    }
    let token = session(&org.last_request()).to_owned();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    let health = run(&["health", "--config", &files.config(), "--port", port]).await;
    assert_eq!(health.code(), 0, "{health:?}");
    proxy.stop().await;

    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), count, "{text}");
    for line in &lines {
        assert!(
            line["status"].is_u64() && line["total_ms"].is_f64(),
            "{line}"
        );
    }
    assert_eq!(lines[0]["path"], LIMITS);
    for secret in ["canary-", &token, &token[token.len() / 2..]] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_silent_org_was_answered_by_nobody() {
    let org = Org::start().await.unwrap();
    org.faults().always(LIMITS, Fault::Hang);
    let files = Files::new(&org);
    let path = files.path("access.log");
    let proxy = with_access_log(&files, &path, &["--access-log-format", "json"]);
    let url = proxy.url(LIMITS).await;
    let asking = tokio::spawn(client().get(url).send());
    org.wait_for_requests(1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    proxy.stop().await;

    let line: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        (line["status"].as_u64(), &line["answered_by"]),
        (Some(499), &"nobody".into())
    );
    assert_eq!(line["complete"], false);
    assert!(line["first_byte_ms"].as_f64().unwrap() > 0.0, "{line}");
}

/// Requests that do not get as far as to be one.
#[tokio::test]
async fn what_cannot_be_read_as_a_request_has_a_line_as_well() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let path = files.path("access.log");
    let proxy = with_access_log(&files, &path, &["--access-log-format", "json"]);
    let url = proxy.url("").await;
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let address = address.parse().unwrap();
    let many = "X: y\r\n".repeat(101);
    let long = "x".repeat(70_000);
    for wire in [
        format!("GET {LIMITS}?canary HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"),
        format!("PUT {LIMITS}?{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        "no request at all\r\n\r\n".to_owned(),
    ] {
        ask(address, wire).await;
    }
    let warning = proxy.log("HEAD_TOO_LARGE").await;
    assert!(warning.contains(LIMITS), "{warning}");
    proxy.stop().await;

    let text = fs::read_to_string(&path).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let facts = lines.map(|line| {
        let facts = ["method", "path", "status", "code"].map(|name| line[name].to_string());
        facts.join(" ").replace('"', "")
    });
    // Each connection may be on another thread.
    let mut facts: Vec<_> = facts.collect();
    facts.sort();
    assert_eq!(
        facts,
        [
            format!("GET {LIMITS} 431 HEAD_TOO_LARGE"),
            format!("PUT {LIMITS} 431 HEAD_TOO_LARGE"),
            "no  400 MALFORMED_REQUEST".to_owned(),
        ],
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_warning_names_the_request_without_what_may_be_a_session() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = with_access_log(&files, &files.path("access.log"), &[]);
    let session = "00Dxx0000001gPL!canary.session";
    let refused = client()
        .get(proxy.url(&format!("/secur/{session}/x")).await)
        .header("user-agent", format!("tool/{session}"))
        .send();
    assert_eq!(refused.await.unwrap().status(), 403);
    let line = proxy.log("PATH_REFUSED").await;
    for part in [
        "org=\"demo\"",
        "method=\"GET\"",
        "/secur/[session]/x",
        "tool/[session]",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("canary"), "{line}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_full_disk_stalls_no_request_and_is_told_in_the_log() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = with_access_log(&files, Path::new("/dev/full"), &[]);
    for _ in 0..20 {
        let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let line = proxy.log("are lost").await;
    assert!(
        line.contains("/dev/full") && line.contains("No space left"),
        "{line}"
    );
    let ended = proxy.stop().await;
    // The first, and the rest at the end.
    assert!(ended.stderr.matches("are lost").count() <= 2, "{ended:?}");
}

#[tokio::test]
async fn a_disk_that_fills_leaves_whole_lines() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let path = files.path("access.log");
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "ulimit -f 8; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_orgproxy"),
            "run",
        ])
        .args(["--config", &files.config(), "--access-log-format", "json"])
        .args(["--access-log", path.to_str().unwrap()]);
    let proxy = Binary::spawn(shell);
    for _ in 0..60 {
        let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    proxy.log("File too large").await;
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() > 5, "{text}");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    proxy.stop().await;
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_stalls_no_request() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let reader = files::pipe(&pipe);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "exec \"$0\" demo --port 0 2> \"$1\""])
        .args([env!("CARGO_BIN_EXE_orgproxy"), pipe.to_str().unwrap()]);
    let demo = Binary::spawn(shell);
    let url = demo.url(LIMITS).await;
    // Each line has more than 100 bytes, and a pipe 64 KiB.
    let client = client();
    for _ in 0..1000 {
        assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    }
    let reading = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(reader).lines().map(Result::unwrap);
        lines.filter(|line| is_access(&&**line)).take(1000).count()
    });
    assert_eq!(reading.await.unwrap(), 1000);
    demo.stop().await;
}

#[test_case("none/access.log", "create the folder"; "no folder")]
#[test_case(".", "must name a file"; "a folder")]
#[tokio::test]
async fn check_doctor_and_start_say_what_is_wrong_with_the_place(path: &str, advice: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let config = fs::read_to_string(files.config()).unwrap();
    files.write("proxy.toml", &format!("access_log = {path:?}\n{config}"));

    let checked = run(&["check", "--config", &files.config()]).await;
    let started = run(&["run", "--config", &files.config()]).await;
    assert_eq!((checked.code(), started.code()), (1, 1), "{started:?}");
    assert_eq!(checked.stderr, started.stderr);
    let place = files.path(path).display().to_string();
    assert!(started.stderr.contains(&place), "{started:?}");
    assert!(started.stderr.contains(advice), "{started:?}");

    let doctor = run(&["doctor", "--json", "--config", &files.config()]).await;
    let found: Value = serde_json::from_str(&doctor.stdout).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "access_log")
        .unwrap();
    assert_eq!(check["outcome"], "failed");
    assert!(
        check["message"].as_str().unwrap().contains(advice),
        "{check}"
    );
}

#[tokio::test]
async fn a_folder_of_another_user_leads_it_nowhere() {
    if !geteuid().is_root() {
        return skip("only root gives folders away");
    }
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    files.write("precious", "");
    let theirs = TempDir::new().unwrap();
    symlink(files.path("precious"), theirs.path().join("access.log")).unwrap();
    let log = theirs.path().join("access.log");
    chown(theirs.path(), Some(NOBODY), None).unwrap();
    let ended = with_access_log(&files, &log, &[]).end().await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    let folder = theirs.path().display();
    let reason = format!("its folder {folder} belongs to user {NOBODY}, who could");
    assert!(ended.stderr.contains(&reason), "{ended:?}");
    assert!(ended.stderr.contains("choose another path"), "{ended:?}");

    // Root's own goes on working.
    chown(theirs.path(), Some(0), None).unwrap();
    let proxy = with_access_log(&files, &log, &[]);
    client().get(proxy.url(LIMITS).await).send().await.unwrap();
    proxy.stop().await;
    let written = fs::read_to_string(files.path("precious")).unwrap();
    assert!(written.contains(LIMITS), "{written}");
}

#[tokio::test]
async fn standard_output_is_a_path_as_any_other() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = with_access_log(&files, Path::new("/dev/stdout"), &[]);
    client().get(proxy.url(LIMITS).await).send().await.unwrap();
    let ended = proxy.stop().await;
    assert_eq!(
        ended.stdout.lines().filter(is_access).count(),
        1,
        "{ended:?}"
    );
}

#[tokio::test]
async fn commands_that_ask_for_people_write_none() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let config = fs::read_to_string(files.config()).unwrap();
    files.write(
        "proxy.toml",
        &format!("access_log = \"access.log\"\n{config}"),
    );
    let asked = run(&["request", "--config", &files.config(), "GET", LIMITS]).await;
    assert_eq!(asked.code(), 0, "{asked:?}");
    assert!(!files.path("access.log").exists());
}

fn with_access_log(files: &Files, path: &Path, more: &[&str]) -> Binary {
    let config = files.config();
    let path = path.to_str().unwrap();
    let arguments = ["run", "--config", &config, "--access-log", path];
    Binary::start(&[&arguments, more].concat())
}

/// True for a line of the access log, and not for one of the log.
fn is_access(line: &&str) -> bool {
    line.contains("/services/") && line.split(' ').nth(5).is_some_and(|word| word.len() == 3)
}
