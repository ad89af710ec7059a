//! The program as people run it: its commands, what it prints, and how it ends.

use std::{
    fs,
    fs::File,
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    process::Stdio,
};

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;
use test_case::test_case;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::support::{
    Binary, Fault, Files, Org,
    binary::{ORGPROXY, copy_program, run},
    chmod, client, curl,
    files::config,
    in_time,
    keys::locked,
    path::{ECHO, LIMITS, SINK},
    skip,
    terminal::ask_on_terminal,
    user::NOBODY,
};

#[tokio::test]
async fn it_says_what_it_is() {
    let said = run(&["--version"]).await;
    let mut lines = said.stdout.lines();
    let version = concat!("orgproxy ", env!("CARGO_PKG_VERSION"));
    assert_eq!(lines.next(), Some(version));
    let has = |name: &str| said.stdout.lines().any(|line| line.starts_with(name));
    assert!(has("features  demo, ") && has("platform  "), "{said:?}");
    // One line is for scripts.
    assert_eq!(run(&["-V"]).await.stdout, format!("{version}\n"));
}

#[test_case("\u{1b}[B\r", "Name of the org"; "init")]
#[test_case("\u{1b}[B\u{1b}[B\r", "To create one"; "neither")]
#[tokio::test]
async fn a_person_without_a_configuration_is_asked_what_to_do(
    keys: &'static str,
    answer: &'static str,
) {
    let folder = TempDir::new().unwrap();
    let mut command = Binary::command(&[]);
    command.current_dir(&folder);
    let ended = ask_on_terminal(command, "neither", keys, answer).await;
    assert!(ended.stdout.contains(answer), "{ended:?}");
    assert!(ended.stdout.contains("orgproxy demo"), "{ended:?}");
}

#[test_case(&["run"]; "run")]
#[test_case(&[]; "nothing said")]
#[tokio::test]
async fn it_serves_what_the_file_says(command: &[&str]) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = Binary::start(&[command, &["--config", &files.config()]].concat());
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(org.last_request().authorized);
}

#[tokio::test]
async fn its_first_line_says_where_it_listens_and_for_whom() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let address = proxy.address().await;
    let said = proxy.stop().await.stdout;
    assert_eq!(
        said.lines().next().unwrap(),
        format!(
            "listening on http://{address} for org demo: https://localhost:{} as {}",
            org.port(),
            org.username()
        )
    );
}

#[tokio::test]
async fn flags_go_before_variables_and_variables_before_the_file() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "client_id = \"wrong\"\nusername = \"wrong\"\n");
    let mut command = Binary::command(&["-c", &files.config(), "--username", org.username()]);
    command
        .env("ORGPROXY_CLIENT_ID", org.client_id())
        .env("ORGPROXY_USERNAME", "wrong, too");
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn what_cannot_be_printed_is_a_failure() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (stdout, code, said) in [
        (Stdio::null(), 0, ""),
        (full().into(), 1, "cannot write: No space left"),
    ] {
        let mut command = Binary::command(&["doctor", "--config", &files.config()]);
        command.stdout(stdout).stderr(Stdio::piped());
        let ended = command.spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(ended.status.code(), Some(code), "{ended:?}");
        let heard = String::from_utf8_lossy(&ended.stderr);
        assert!(heard.contains(said), "{heard}");
    }
}

#[tokio::test]
async fn it_needs_no_file() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let key = files.path("server.key").display().to_string();
    let ca = files.path("ca.pem").display().to_string();
    let mut command = Binary::command(&["--port", "0", "--private-key", &key, "--ca-file", &ca]);
    command
        .current_dir("/")
        .env("ORGPROXY_CLIENT_ID", org.client_id())
        .env("ORGPROXY_USERNAME", org.username())
        .env("ORGPROXY_TRUSTED_HOSTS", "localhost")
        .env("ORGPROXY_LOGIN_URL", org.login_url().as_str());
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn without_file_and_flags_it_says_how_to_begin() {
    let folder = TempDir::new().unwrap();
    let mut command = Binary::command(&[]);
    command.current_dir(&folder);
    let ended = Binary::spawn(command).end().await;
    assert_eq!(ended.code(), 64);
    let start = "orgproxy: there is no proxy.toml here. To create one";
    assert!(ended.stderr.starts_with(start), "{ended:?}");
    assert!(ended.stderr.contains("orgproxy demo"), "{ended:?}");
}

#[tokio::test]
async fn check_says_that_a_file_is_right() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let ended = run(&["check", "--config", &files.config()]).await;
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.stdout, format!("{}: ok, for demo\n", files.config()));
    // It asks nobody.
    assert_eq!(org.counts().token_requests, 0);
}

#[test_case("client_id = \"\"\nlisten = \"0.0.0.0:80\"\n", "client_id: must not be empty"; "several")]
#[test_case("private_key = \"missing.key\"\n", "missing.key does not exist; correct the path"; "no key")]
#[test_case("private_key = \"ca.pem\"\n", "is a certificate"; "a certificate for a key")]
#[test_case("private_key = \"open.key\"\n", "can be read by others (mode 0644); run `chmod 600"; "a key open to others")]
#[test_case("private_key = { env = \"NOT_SET\" }\n", "environment variable NOT_SET is not set"; "no variable")]
#[test_case("private_key = { command = [\"false\"] }\n", "command false failed"; "a command that fails")]
#[test_case("private_key = { credential = \"x\" }\n", "CREDENTIALS_DIRECTORY is not set"; "no systemd")]
#[test_case("ca_file = \"server.key\"\n", "server.key holds no certificate"; "a key for an authority")]
#[test_case("clientid = \"x\"\n", "unknown key; did you mean client_id?"; "a slip")]
#[test_case("no toml", "proxy.toml:"; "no TOML")]
#[tokio::test]
async fn check_and_start_report_the_same_mistakes(more: &str, message: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, more);
    files.write("open.key", org.private_key_pem());
    chmod(&files.path("open.key"), 0o644);

    let checked = run(&["check", "--config", &files.config()]).await;
    let started = run(&["run", "--config", &files.config()]).await;
    assert_eq!((checked.code(), started.code()), (64, 64));
    assert!(checked.stderr.contains(message), "{}", checked.stderr);
    assert_eq!(checked.stderr, started.stderr);
    assert_eq!(checked.stdout + &started.stdout, "");
}

#[tokio::test]
async fn every_mistake_is_reported_at_once() {
    let org = Org::start().await.unwrap();
    let files = Files::with(
        &org,
        "client_id = \"\"\nlisten = \"0.0.0.0:80\"\nspeed = 3\n",
    );
    let ended = run(&["--config", &files.config()]).await;
    assert_eq!(ended.stderr.matches("proxy.toml:").count(), 3, "{ended:?}");
}

#[tokio::test]
async fn an_invalid_log_filter_is_refused() {
    for arguments in [["demo", "--log", "a=b=c"], ["check", "--log", "loud"]] {
        let ended = run(&arguments).await;
        assert_eq!(ended.code(), 64, "{ended:?}");
        assert!(ended.stderr.contains("log filter") || ended.stderr.contains("--log"));
    }
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_with_a_way_out() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    let ended = run(&["--config", &files.config(), "--port", &port]).await;
    assert_eq!(ended.code(), 1);
    assert_eq!(ended.stdout, "");
    let message = format!("orgproxy: cannot listen on {address}: ");
    assert!(ended.stderr.contains(&message), "{}", ended.stderr);
    assert!(ended.stderr.contains("--port"), "{}", ended.stderr);
}

#[test_case(Signal::TERM; "terminate")]
#[test_case(Signal::INT; "interrupt")]
#[test_case(Signal::QUIT; "quit")]
#[tokio::test]
async fn a_signal_lets_it_finish_what_is_in_flight(signal: Signal) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let hold = org.hold(LIMITS);
    let answer = tokio::spawn(client().get(proxy.url(LIMITS).await).send());
    org.wait_until(|_| hold.waiting() == 1).await;

    proxy.signal(signal);
    proxy.log("stopping").await;
    hold.release();
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert_eq!(proxy.end().await.code(), 0);
}

/// It ends after what is on its way there.
#[tokio::test]
async fn the_built_in_org_answers_what_is_in_flight_at_a_stop() {
    let org = Org::start().await.unwrap();
    let files = Files::with_demo(&org, "");
    let proxy = Binary::start(&["--config", &files.config()]);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    let address = proxy.address().await;
    let mut upload = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {ECHO} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    upload.write_all(b"hello").await.unwrap();
    proxy.signal(Signal::TERM);
    proxy.log("stopping").await;
    upload.write_all(b"world").await.unwrap();
    let mut answer = String::new();
    in_time(upload.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("helloworld"), "{answer}");
    assert_eq!(proxy.end().await.code(), 0);
}

#[test_case(Signal::TERM, 143; "terminate")]
#[test_case(Signal::INT, 130; "interrupt")]
#[test_case(Signal::QUIT, 131; "quit")]
#[tokio::test]
async fn a_second_signal_ends_it_at_once(signal: Signal, code: i32) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let hold = org.hold(LIMITS);
    let answer = tokio::spawn(client().get(proxy.url(LIMITS).await).send());
    org.wait_until(|_| hold.waiting() == 1).await;

    proxy.signal(signal);
    proxy.log("stopping").await;
    proxy.signal(signal);
    assert_eq!(proxy.end().await.code(), code);
    answer.await.unwrap().unwrap_err();
}

#[test_case(Signal::HUP; "hang up")]
#[test_case(Signal::PIPE; "pipe")]
#[test_case(Signal::USR1; "first user defined")]
#[test_case(Signal::USR2; "second user defined")]
#[test_case(Signal::ALARM; "alarm")]
#[test_case(Signal::VTALARM; "virtual alarm")]
#[test_case(Signal::PROF; "profiling")]
#[test_case(Signal::IO; "input and output")]
#[test_case(Signal::POWER; "power")]
#[test_case(Signal::STKFLT; "stack fault")]
#[tokio::test]
async fn a_signal_that_is_not_for_ending_ends_nothing(signal: Signal) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let demo = Binary::start(&[
        "demo",
        "--port",
        "0",
        "--https-port",
        "0",
        "--pubsub-port",
        "0",
    ]);
    let mut commands = vec![demo];
    // At this one `run` hands over to a new process.
    if signal != Signal::USR2 {
        commands.push(files.start());
    }
    for proxy in commands {
        // More than once.
        for _ in 0..2 {
            let url = proxy.url(LIMITS).await;
            proxy.signal(signal);
            assert_eq!(client().get(url).send().await.unwrap().status(), 200);
        }
        let ended = proxy.stop().await;
        assert_eq!(ended.code(), 0, "{ended:?}");
    }
}

#[tokio::test]
async fn a_real_time_signal_ends_nothing() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let url = proxy.url(LIMITS).await;
    for number in ["-34", "-50", "-64"] {
        let mut kill = Command::new("kill");
        kill.args([number, &proxy.id().to_string()]);
        assert!(kill.status().await.unwrap().success(), "{number}");
    }
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    assert_eq!(proxy.stop().await.code(), 0);
}

#[tokio::test]
async fn a_hang_up_has_it_reload_however_often_it_comes() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let url = proxy.url(LIMITS).await;
    for _ in 0..1000 {
        proxy.signal(Signal::HUP);
    }
    proxy.log("reloaded the configuration after SIGHUP").await;
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    assert_eq!(proxy.stop().await.code(), 0);
}

#[tokio::test]
async fn it_stops_at_once_if_nothing_is_in_flight() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    // A connection that the client keeps must not hold it up for the grace period.
    let client = client();
    client.get(proxy.url(LIMITS).await).send().await.unwrap();
    let ended = proxy.stop().await;
    assert_eq!(ended.code(), 0);
    assert!(!ended.stderr.contains("cut"), "{}", ended.stderr);
}

#[tokio::test]
async fn health_reports_whether_it_runs() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let port = proxy.address().await.port().to_string();
    let ask = async || run(&["health", "--config", &files.config(), "--port", &port]).await;

    let well = ask().await;
    assert_eq!((well.code(), &*well.stdout, &*well.stderr), (0, "", ""));
    // The health of the org is another question.
    assert_eq!(org.counts().token_requests, 0);

    proxy.stop().await;
    let unwell = ask().await;
    assert_eq!(unwell.code(), 1);
    assert!(unwell.stderr.contains("is unhealthy"), "{}", unwell.stderr);
}

#[tokio::test]
async fn health_asks_over_a_unix_socket_and_without_the_client_key() {
    let org = Org::start().await.unwrap();
    let more = "listen = \"unix:proxy.sock\"\n\
                [org.demo.guard]\nclient_key = { file = \"client.key\" }\n";
    let files = Files::with(&org, more);
    files.write("client.key", "correct-horse-battery-staple\n");
    let proxy = files.start();
    let line = proxy.print("listening on ").await;
    assert!(line.contains("unix:"), "{line}");

    let health = async || run(&["health", "-c", &files.config()]).await.code();
    assert_eq!(health().await, 0);
    assert!(!proxy.said().contains("CLIENT_KEY_MISSING"));

    let socket = files.path("proxy.sock").display().to_string();
    let ask = async |more: &str| {
        let url = format!("http://localhost{LIMITS}");
        curl(&format!("curl --unix-socket {socket} {url} {more}")).await
    };
    assert_eq!(ask("").await.status(), "403");
    assert_eq!(
        ask("-u me:correct-horse-battery-staple").await.status(),
        "200"
    );
    let ended = proxy.stop().await;
    assert_eq!(ended.code(), 0);
    // Of these, only the client without the key has to know.
    let warned = ended.stderr.matches("CLIENT_KEY_MISSING").count();
    assert_eq!(warned, 1, "{}", ended.stderr);
    assert!(!files.path("proxy.sock").exists());
    assert_eq!(health().await, 1);
}

/// Who watches over a proxy must not end it for a file that it has not taken.
#[test_case("client_id = 5\nno_such_key = true\nprivate_key = \"nowhere.key\"\n"; "values that cannot be")]
#[test_case("budget = { calls = \n[[\n\"\n"; "text that is no TOML")]
#[test_case("private_key = { command = [\"touch\", \"touched\"] }\n"; "a command, which is not run")]
#[test_case("allow_everybody"; "a file that everybody can write to")]
#[tokio::test]
async fn health_is_that_of_the_proxy_not_of_the_file(mistake: &str) {
    let org = Org::start().await.unwrap();
    let listen = "listen = \"unix:proxy.sock\"\n";
    let files = Files::with(&org, listen);
    let mut arguments = vec!["--config".to_owned(), files.config()];
    arguments.push("--watch-files=false".to_owned());
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let proxy = Binary::start(&arguments);
    proxy.print("listening on ").await;

    files.write("proxy.toml", &format!("[org.demo]\n{listen}{mistake}"));
    chmod(&files.path("proxy.toml"), 0o666);
    let ended = run(&["check", "-c", &files.config()]).await;
    assert_eq!(ended.code(), 64, "{ended:?}");
    let health = run(&["health", "-c", &files.config()]).await;
    assert_eq!((health.code(), &*health.stderr), (0, ""));
    assert!(!fs::exists(files.path("touched")).unwrap());

    proxy.stop().await;
    let health = run(&["health", "-c", &files.config()]).await;
    assert_eq!(health.code(), 1, "{health:?}");
    assert!(health.stderr.contains("is unhealthy"), "{health:?}");
    let words = "the file is newer than the process";
    assert!(health.stderr.contains(words), "{health:?}");
}

/// So is what else is asked of it.
#[test_case("[[\n\"\n", false; "text that is no TOML")]
#[test_case("hosts = 7\n", true; "a value that cannot be, in a file that everybody can write to")]
#[tokio::test]
async fn the_running_proxy_is_asked_whatever_mistakes_the_file_has(mistake: &str, is_open: bool) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let top = "pid_file = \"it.pid\"\n[admin]\nlisten = \"unix:admin.sock\"\n";
    let text = format!("{top}{}", config(&org, ""));
    files.write("proxy.toml", &text);
    let file = files.config();
    let proxy = Binary::start(&["--config", &file, "--watch-files=false"]);
    proxy.print("admin listener on ").await;
    files.write("proxy.toml", &format!("{text}{mistake}"));
    if is_open {
        chmod(&files.path("proxy.toml"), 0o666);
    }
    for command in ["status", "wait"] {
        let asked = run(&[command, "--config", &file]).await;
        assert_eq!(asked.code(), 0, "{asked:?}");
    }
    let asked = run(&["reload", "--config", &file]).await;
    assert_eq!(asked.code(), 64, "{asked:?}");
    assert!(asked.stderr.contains("not reloaded, because"), "{asked:?}");

    // A signal reaches it, too.
    let unasked = text.replace("[admin]\nlisten = \"unix:admin.sock\"\n", "");
    files.write("proxy.toml", &format!("{unasked}{mistake}"));
    let asked = run(&["reload", "--config", &file]).await;
    let expected = format!("asked process {} to reload", proxy.id());
    assert!(asked.stdout.contains(&expected), "{asked:?}");
    proxy.log("did not reload the configuration").await;

    let unknown = "cannot tell where the proxy is, since the configuration cannot be read: ";
    files.write("proxy.toml", "[[\n\"\n");
    for command in ["status", "wait", "reload"] {
        let asked = run(&[command, "--config", &file]).await;
        assert_eq!(asked.code(), 64, "{asked:?}");
        let said = asked.stderr.strip_prefix("orgproxy: ").unwrap();
        assert!(said.starts_with(unknown), "{asked:?}");
    }
    assert_eq!(proxy.stop().await.code(), 0);
}

#[tokio::test]
async fn the_log_is_not_written_into_what_the_configuration_names() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    fs::hard_link(files.path("server.key"), files.path("same")).unwrap();
    let key = fs::read_to_string(files.path("server.key")).unwrap();
    for log in [
        "./server.key",
        "./same",
        "./proxy.toml",
        "./ca.pem",
        "./it.pid",
    ] {
        let text = config(&org, "");
        let text = format!("access_log = {log:?}\npid_file = \"it.pid\"\n{text}");
        files.write("proxy.toml", &text);
        for command in ["check", "run"] {
            let ended = run(&[command, "--config", &files.config()]).await;
            assert_eq!(ended.code(), 64, "{log}: {ended:?}");
            let words = "lines would be added to it; choose a file of its own";
            assert!(ended.stderr.contains(words), "{ended:?}");
        }
        assert_eq!(fs::read_to_string(files.config()).unwrap(), text);
    }
    assert_eq!(fs::read_to_string(files.path("server.key")).unwrap(), key);
    let log = files.path("access.log").display().to_string();
    files.write("proxy.toml", &config(&org, ""));
    let check = ["check", "--config", &files.config(), "--access-log", &log];
    assert_eq!(run(&check).await.code(), 0);
}

#[tokio::test]
async fn who_may_not_ask_is_told_who_may() {
    if !geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let top = "pid_file = \"it.pid\"\n";
    let admin = "[admin]\nlisten = \"unix:admin.sock\"\n";
    files.write("proxy.toml", &format!("{top}{admin}{}", config(&org, "")));
    let proxy = Binary::start(&["--config", &files.config(), "--watch-files=false"]);
    proxy.print("admin listener on ").await;
    chmod(files.folder(), 0o755);
    chmod(&files.path("proxy.toml"), 0o644);
    let program = files.path("orgproxy");
    copy_program(&program);
    chmod(&program, 0o755);
    let ask = async |command: &'static str| {
        let file = files.config();
        let mut asking = Command::new(&program);
        asking.args([command, "--config", &file]).uid(NOBODY);
        Binary::spawn(asking).end().await
    };
    let asked = ask("status").await;
    let words = "or add this user to admin.allow_users";
    assert!(asked.stderr.contains(words), "{asked:?}");
    files.write("proxy.toml", &format!("{top}{}", config(&org, "")));
    chmod(&files.path("proxy.toml"), 0o644);
    let asked = ask("reload").await;
    let words = "run this as root or as its user";
    assert!(asked.stderr.contains(words), "{asked:?}");
    files.write("proxy.toml", &format!("{admin}{}", config(&org, "")));
    proxy.stop().await;
    let asked = run(&["status", "--config", &files.config()]).await;
    let words = "; start it if it does not run; ";
    assert!(asked.stderr.contains(words), "{asked:?}");
}

#[tokio::test]
async fn health_says_what_is_wrong_with_a_file_that_names_no_address() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("proxy.toml");
    for (text, words) in [
        (None, "does not exist"),
        (Some("listen = 8080\n"), "no org"),
    ] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let health = run(&["health", "--config", &file.display().to_string()]).await;
        assert_eq!(health.code(), 64, "{health:?}");
        assert!(health.stderr.contains(words), "{health:?}");
    }
}

/// What only a start would find otherwise.
#[tokio::test]
async fn a_check_finds_what_would_keep_the_proxy_from_starting() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let everybodys = files.path("everybodys");
    fs::create_dir(&everybodys).unwrap();
    chmod(&everybodys, 0o777);
    let demo = "[org.demo]\nclient_id = \"a\"\nusername = \"b\"\nprivate_key = \"server.key\"\n\
                demo = true\nlisten = \"unix:proxy.sock\"\n";
    let command = format!("{{ command = [\"cat\", {:?}] }}", files.path("server.key"));
    let without_file = demo.replace("\"server.key\"", &command);
    let with_pid_file = format!("pid_file = \"everybodys/it.pid\"\n{}", config(&org, ""));
    for (text, words) in [
        (&*with_pid_file, "could put a file of their own there"),
        (demo, "server.crt"),
        (&*without_file, "keep the key in a file, or take demo out"),
    ] {
        files.write("proxy.toml", text);
        for command in ["check", "run"] {
            let ended = run(&[command, "--config", &files.config()]).await;
            assert_eq!(ended.code(), 1, "{ended:?}");
            assert!(ended.stderr.contains(words), "{ended:?}");
        }
    }
    // The one that runs has its file.
    let text = with_pid_file.replace("everybodys/", "");
    files.write("proxy.toml", &text);
    let proxy = files.start();
    proxy.address().await;
    let ended = run(&["check", "--config", &files.config()]).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
}

#[tokio::test]
async fn every_line_that_the_demo_prints_does_what_it_promises() {
    let proxy = Binary::start(&["demo", "--port", "0"]);
    proxy.print("curl -x").await;
    let said = proxy.said();
    let lines: Vec<_> = said
        .lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let line = line.strip_prefix("try: ").unwrap_or(line);
            line.starts_with("curl ").then_some(line)
        })
        .collect();
    assert!(lines.len() >= 5, "{said}");
    for line in lines {
        let answer = curl(line).await;
        let status = answer.status();
        assert!(status.starts_with('2'), "{line}\n{status} {answer:?}");
        assert!(answer.body().starts_with('{'), "{line}\n{}", answer.body());
    }
    assert_eq!(proxy.stop().await.code(), 0);
}

#[test_case("--http1.1"; "http 1")]
#[test_case("-0"; "http 1 0")]
#[test_case("--http2"; "an upgrade that is not taken up")]
#[test_case("--http2-prior-knowledge"; "http 2")]
#[tokio::test]
async fn curl_speaks_every_version_of_http(version: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let url = proxy.url(LIMITS).await;

    let answer = curl(&format!("curl {version} {url}")).await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    assert!(answer.body().contains("DailyApiRequests"), "{answer:?}");

    let head = curl(&format!("curl {version} --head {url}")).await;
    assert_eq!(head.status(), "200", "{head:?}");
    assert!(!head.body().contains("DailyApiRequests"), "{head:?}");

    let url = proxy.url(ECHO).await;
    let echo = curl(&format!("curl {version} {url} -d some=thing")).await;
    assert_eq!(echo.body(), "some=thing", "{echo:?}");
}

#[test_case("--data-binary @"; "with a length")]
#[test_case("-H 'Transfer-Encoding: chunked' --data-binary @"; "in chunks")]
#[test_case("-T "; "put")]
#[test_case("--http2-prior-knowledge --data-binary @"; "http 2")]
#[tokio::test]
async fn curl_uploads_more_than_is_kept(how: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    let bytes: Vec<u8> = orgproxy::demo::blocks(3 << 20).flatten().collect();
    let file = files.path("upload.bin");
    fs::write(&file, &bytes).unwrap();

    let url = proxy.url(SINK).await;
    let line = format!(
        "curl -v {url} -H Expect:\\ 100-continue {how}{}",
        file.display()
    );
    let answer = curl(&line).await;
    assert_eq!(answer.status(), "200", "{answer:?}");
    if !how.contains("http2") {
        assert!(
            answer.stderr.contains("HTTP/1.1 100 Continue"),
            "{}",
            answer.stderr
        );
    }
    let seen = org.last_request();
    assert_eq!(seen.length, bytes.len() as u64);
    assert!(seen.complete);
    assert!(answer.body().contains(&seen.sha256), "{answer:?}");
}

#[test_case("private_key = { env = \"SERVER_KEY\" }\n"; "variable")]
#[test_case("private_key = { command = [\"cat\", \"FOLDER/server.key\"] }\n"; "command")]
#[test_case("private_key = { credential = \"server.key\" }\n"; "credential")]
#[test_case("private_key = { file = \"locked.key\", passphrase = { env = \"PHRASE\" } }\n"; "passphrase")]
#[tokio::test]
async fn the_key_comes_from_where_it_is_kept(reference: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let folder = files.folder().display().to_string();
    files.write(
        "proxy.toml",
        &config(&org, &reference.replace("FOLDER", &folder)),
    );
    files.write("locked.key", &locked(org.private_key_pem(), "sesame"));

    let mut command = Binary::command(&["--config", &files.config()]);
    command
        .env("SERVER_KEY", org.private_key_pem())
        .env("CREDENTIALS_DIRECTORY", files.folder())
        .env("PHRASE", "sesame");
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn the_key_itself_can_be_a_variable() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "private_key = \"nowhere\"\n");
    let mut command = Binary::command(&["--config", &files.config()]);
    command.env("ORGPROXY_PRIVATE_KEY", org.private_key_pem());
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn an_authority_that_is_not_named_is_not_trusted() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let text = config(&org, "").replace("ca_file = \"ca.pem\"\n", "");
    files.write("proxy.toml", &text);
    let proxy = files.start();
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("certificate") && text.contains("ca_file"),
        "{text}"
    );
    assert_eq!(org.counts().token_requests, 0);
}

#[tokio::test]
async fn its_memory_is_closed_to_others_and_leaves_no_dump() {
    // To files of the process the system applies its owner; for a program that gives nothing
    // away that is root. So it must not be root that runs it.
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("orgproxy");
    copy_program(&program);
    chmod(folder.path(), 0o755);
    let mut command = Command::new(&program);
    command.args(["demo", "--port", "0"]);
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let proxy = Binary::spawn(command);
    proxy.print("listening on").await;

    let limits = fs::read_to_string(proxy.proc("limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let soft = core.unwrap().split_whitespace().nth(4);
    assert_eq!(soft, Some("0"), "{limits}");

    proxy.assert_most_files();

    assert_eq!(fs::metadata(proxy.proc("environ")).unwrap().uid(), 0);
}

/// Every command that reads the key closes its memory first, those that only look, too.
#[test_case("check")]
#[test_case("token")]
#[test_case("doctor")]
#[tokio::test]
async fn a_command_that_reads_a_secret_leaves_no_dump(command: &str) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let look = "grep '^Max core' /proc/$PPID/limits > limits; cat server.key";
    let text = format!("private_key = {{ command = [\"sh\", \"-c\", \"{look}\"] }}\n");
    files.write("proxy.toml", &config(&org, &text));
    let line = "ulimit -c $(ulimit -Hc) && exec \"$@\"";
    let mut asked = Command::new("sh");
    asked.args([
        "-c",
        line,
        "sh",
        ORGPROXY,
        command,
        "--config",
        &files.config(),
    ]);
    in_time(asked.current_dir(files.folder()).output())
        .await
        .unwrap();
    let limits = fs::read_to_string(files.folder().join("limits")).unwrap();
    assert_eq!(limits.split_whitespace().nth(4), Some("0"), "{limits}");
}

/// Though it is started under a limit that lets it have one.
#[tokio::test]
async fn an_abort_leaves_no_dump() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new("sh");
    let line = "ulimit -c $(ulimit -Hc) && exec \"$0\" demo --port 0";
    command
        .args(["-c", line, ORGPROXY])
        .current_dir(folder.path());
    let proxy = Binary::spawn(command);
    proxy.print("listening on").await;
    proxy.signal(Signal::ABORT);
    let ended = proxy.end().await;
    assert_eq!(ended.status.signal(), Some(Signal::ABORT.as_raw()));
    assert!(!ended.status.core_dumped());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn no_variable_has_it_write_the_keys_of_tls() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let keys = files.path("tls-keys");
    let mut command = Binary::command(&["--config", &files.config()]);
    command.env("SSLKEYLOGFILE", &keys);
    let proxy = Binary::spawn(command);
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(proxy.stop().await.code(), 0);
    assert!(!keys.exists());
}

#[tokio::test]
async fn the_key_of_a_file_is_nowhere_in_its_environment_and_arguments() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let proxy = files.start();
    proxy.address().await;
    for name in ["environ", "cmdline"] {
        let bytes = fs::read(proxy.proc(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for line in org.private_key_pem().lines() {
            assert!(!text.contains(line), "{name}: {line}");
        }
    }
}

#[tokio::test]
async fn several_orgs_are_told_apart_by_name() {
    let (one, two) = (Org::start().await.unwrap(), Org::start().await.unwrap());
    let files = Files::new(&one);
    let table = |org: &Org, name: &str| {
        let more = format!("listen = \"unix:shared.sock\"\nhosts = [\"{name}.localhost\"]\n");
        config(org, &more).replace("[org.demo]", &format!("[org.{name}]"))
    };
    files.write("proxy.toml", &(table(&one, "one") + &table(&two, "two")));
    let proxy = files.start();
    proxy.print("two.localhost").await;
    let socket = files.path("shared.sock").display().to_string();
    for (name, org) in [("one", &one), ("two", &two)] {
        let line = format!("curl --unix-socket {socket} http://{name}.localhost{LIMITS}");
        assert!(proxy.said().contains(&line), "{}", proxy.said());
        assert_eq!(curl(&line).await.status(), "200");
        assert_eq!(org.counts().requests, 1);
    }
    let nobody = format!("curl --unix-socket {socket} http://localhost{LIMITS}");
    assert_eq!(curl(&nobody).await.status(), "421");
}

#[tokio::test]
async fn a_refused_login_is_reported_in_the_answer_and_in_the_log() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let refusal = Fault::login_refused("invalid_grant", "user hasn't approved this consumer");
    org.faults().always(orgproxy::demo::TOKEN, refusal);
    let proxy = files.start();
    let answer = client().get(proxy.url(LIMITS).await).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("LOGIN_REFUSED") && text.contains("pre-authorize"),
        "{text}"
    );
    proxy.log("user hasn't approved this consumer").await;
}

#[tokio::test]
async fn the_demo_says_how_to_choose_a_port_if_one_is_taken() {
    // It would be content with one of the two addresses of localhost.
    let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(&["demo", "--port", "0", "--https-port", &port]).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    for said in [
        &*port,
        "another demo?",
        "--https-port",
        "--port 0 takes any free",
    ] {
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
}
