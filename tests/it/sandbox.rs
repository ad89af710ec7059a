//! A process that has confined itself reaches what its configuration names, and nothing else.

use std::{fs, os::unix::fs::symlink, path::Path};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use test_case::test_case;
use tokio::process::Command;

use crate::admin::admin_url;
use crate::support::{
    Binary, Files, Org,
    binary::{ORGPROXY, run},
    chmod, client,
    files::config,
    path::LIMITS,
    skip,
};

const ADMIN: &str = "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";

/// Asked by a reload to read a key elsewhere, with what the status says of the sandbox.
#[test_case("auto", "files", false; "by default it stays where it is")]
#[test_case("on", "files and ports", false; "so it does where it must be confined")]
#[test_case("off", "none", true; "without a sandbox it goes anywhere")]
#[tokio::test]
async fn a_reload_leads_no_further_than_the_sandbox(sandbox: &str, words: &str, succeeds: bool) {
    if !has_landlock() {
        return skip("this kernel has no Landlock");
    }
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, ADMIN);
    let proxy = start(&files, sandbox);
    let url = admin_url(&proxy).await;
    assert_eq!(status(&url).await["process"]["sandbox"], words);
    assert_eq!(ask(&proxy).await, 200);
    // Every thread is in it.
    for thread in fs::read_dir(proxy.proc("task")).unwrap() {
        let Ok(about) = fs::read_to_string(thread.unwrap().path().join("status")) else {
            // It has ended.
            continue;
        };
        let privileges = about.lines().find(|line| line.starts_with("NoNewPrivs"));
        let confined = u8::from(sandbox != "off");
        assert_eq!(privileges, Some(&*format!("NoNewPrivs:\t{confined}")));
    }

    // What is in the folder of the configuration can be read, however new it is.
    files.write("other.key", org.private_key_pem());
    let here = config(&org, &format!("private_key = \"other.key\"\n{ADMIN}"));
    files.write("proxy.toml", &here);
    let ended = run(&["reload", "--url", &url]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");

    let elsewhere = TempDir::new().unwrap();
    let key = elsewhere.path().join("server.key");
    fs::write(&key, org.private_key_pem()).unwrap();
    chmod(&key, 0o600);
    let key = key.display().to_string();
    let there = config(&org, &format!("private_key = {key:?}\n{ADMIN}"));
    files.write("proxy.toml", &there);
    let ended = run(&["reload", "--url", &url]).await;
    assert_eq!(ended.code() == 0, succeeds, "{ended:?}");
    let says = |words: &str| ended.stderr.contains(words);
    assert_eq!(says(&key), !succeeds, "{ended:?}");
    assert_eq!(says("sandbox = \"off\""), !succeeds, "{ended:?}");
    assert_eq!(ask(&proxy).await, 200);
}

#[test_case("listen = \"unix:PATH\"\n", "making a socket in "; "a socket elsewhere")]
#[test_case("login_url = \"https://localhost:1\"\n", "connecting to port 1 is beyond"; "another port")]
#[test_case("private_key = { command = [\"cat\", \"server.key\"] }\n", "cannot be \"on\""; "a command")]
#[tokio::test]
async fn a_reload_that_needs_more_than_there_is_says_what(more: &str, words: &str) {
    if !has_landlock() {
        return skip("this kernel has no Landlock");
    }
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, ADMIN);
    let proxy = start(&files, "on");
    let url = admin_url(&proxy).await;
    let elsewhere = TempDir::new().unwrap();
    let path = elsewhere.path().join("it.sock").display().to_string();
    let admin = ADMIN.split_once('\n').unwrap().1;
    let more = format!("{}{admin}", more.replace("PATH", &path));
    files.write("proxy.toml", &config(&org, &more));
    let ended = run(&["reload", "--url", &url]).await;
    assert_ne!(ended.code(), 0, "{ended:?}");
    assert!(ended.stderr.contains(words), "{ended:?}");
    assert!(ended.stderr.contains("sandbox"), "{ended:?}");
    assert!(!Path::new(&path).exists());
    assert_eq!(ask(&proxy).await, 200);
}

#[tokio::test]
async fn a_process_that_takes_over_is_in_the_sandbox_of_the_one_before() {
    if !has_landlock() {
        return skip("this kernel has no Landlock");
    }
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, ADMIN);
    let proxy = start(&files, "auto");
    let url = admin_url(&proxy).await;
    let elsewhere = TempDir::new().unwrap();
    let key = elsewhere.path().join("server.key");
    fs::write(&key, org.private_key_pem()).unwrap();
    chmod(&key, 0o600);
    let more = format!("private_key = {:?}\n{ADMIN}", key.display().to_string());
    files.write("proxy.toml", &config(&org, &more));
    proxy.signal(Signal::USR2);
    proxy.log("is beyond the sandbox").await;
    proxy.log("exit status: 64) before it served").await;
    assert_eq!(status(&url).await["process"]["sandbox"], "files");
    assert_eq!(ask(&proxy).await, 200);
}

#[tokio::test]
async fn a_program_that_is_beyond_the_sandbox_does_not_take_over() {
    if !has_landlock() {
        return skip("this kernel has no Landlock");
    }
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let elsewhere = TempDir::new().unwrap();
    let next = elsewhere.path().join("orgproxy");
    fs::write(&next, "#!/bin/sh\nexit 7\n").unwrap();
    chmod(&next, 0o700);
    let link = files.path("orgproxy");
    symlink(ORGPROXY, &link).unwrap();
    let mut command = Command::new(&link);
    command.args(["--config", &files.config(), "--sandbox", "auto"]);
    let proxy = Binary::spawn(command);
    proxy.print("listening on ").await;
    fs::remove_file(&link).unwrap();
    symlink(&next, &link).unwrap();
    proxy.signal(Signal::USR2);
    let said = proxy.log("did not hand over").await;
    assert!(
        said.contains("the sandbox reaches the program only"),
        "{said}"
    );
    assert_eq!(ask(&proxy).await, 200);
}

#[test_case("auto")]
#[test_case("on")]
#[tokio::test]
async fn a_demo_org_is_the_reason_that_ports_are_open(sandbox: &str) {
    if !has_landlock() {
        return skip("this kernel has no Landlock");
    }
    let org = Org::start().await.unwrap();
    let files = Files::with_demo(&org, "");
    let proxy = start(&files, sandbox);
    proxy
        .log("not to ports: a demo org is at another port")
        .await;
}

#[tokio::test]
async fn a_socket_leaves_nothing_beside_it() {
    if !has_landlock() {
        return skip("this kernel has no Landlock");
    }
    let org = Org::start().await.unwrap();
    let sockets = TempDir::new().unwrap();
    let socket = sockets.path().join("it.sock").display().to_string();
    let files = Files::with(&org, &format!("listen = \"unix:{socket}\"\n"));
    let proxy = start(&files, "auto");
    proxy.print("listening on ").await;
    let there = fs::read_dir(sockets.path()).unwrap();
    let there: Vec<_> = there.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["it.sock"]);
    assert_eq!(proxy.stop().await.code(), 0);
    assert_eq!(fs::read_dir(sockets.path()).unwrap().count(), 0);
}

#[test_case("auto", 0; "by default it is left out")]
#[test_case("off", 0; "nobody asked for it")]
#[test_case("on", 64; "it cannot be had")]
#[tokio::test]
async fn a_command_for_a_secret_is_not_confined(sandbox: &str, code: i32) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let key = files.path("server.key").display().to_string();
    let command = format!("private_key = {{ command = [\"cat\", {key:?}] }}\n");
    files.write("proxy.toml", &config(&org, &format!("{command}{ADMIN}")));
    let checked = run(&["check", "--config", &files.config(), "--sandbox", sandbox]).await;
    assert_eq!(checked.code(), code, "{checked:?}");
    let says = checked.stdout.contains("no sandbox: a command");
    assert_eq!(says, sandbox == "auto", "{checked:?}");
    if code == 0 {
        let proxy = start(&files, sandbox);
        let url = admin_url(&proxy).await;
        assert_eq!(status(&url).await["process"]["sandbox"], "none");
        let said = proxy.stop().await.stderr;
        assert_eq!(
            said.contains("no sandbox: a command"),
            sandbox == "auto",
            "{said}"
        );
    } else {
        assert!(
            checked.stderr.contains("sandbox: cannot be \"on\""),
            "{checked:?}"
        );
    }
}

fn start(files: &Files, sandbox: &str) -> Binary {
    let config = files.config();
    let arguments = ["run", "--config", &config, "--watch-files=false"];
    Binary::start(&[&arguments[..], &["--sandbox", sandbox]].concat())
}

async fn status(url: &str) -> Value {
    let answer = client().get(format!("{url}/api/status")).send().await;
    serde_json::from_str(&answer.unwrap().text().await.unwrap()).unwrap()
}

async fn ask(proxy: &Binary) -> u16 {
    let url = proxy.url(LIMITS).await;
    client().get(url).send().await.unwrap().status().as_u16()
}

/// Of Linux 6.7 or later, for ports.
fn has_landlock() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let lsm = fs::read_to_string("/sys/kernel/security/lsm");
    version >= (6, 7) && lsm.map_or(true, |list| list.contains("landlock"))
}
