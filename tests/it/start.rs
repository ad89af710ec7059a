//! A start that trusts no file which others could have written, and that waits for nothing without
//! a bound.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{chown, lchown, symlink},
    path::{Path, PathBuf},
};

use orgproxy::{Server, config::Listen};
use rustix::{
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    },
    process::{Signal, geteuid},
};
use test_case::test_case;
use tokio::process::Command;

use crate::support::{
    Binary, Ended, Files, Org,
    binary::{ORGPROXY, copy_program, run},
    chmod, curl, in_time,
    path::LIMITS,
    proxy, skip,
    user::NOBODY,
};

const STRANGER: u32 = 12345;

/// A configuration that leaves a trace if a program of it was run.
struct Traced {
    files: Files,
}

impl Traced {
    async fn new() -> Self {
        let org = Org::start().await.unwrap();
        let files = Files::new(&org);
        files.write("proxy.toml", "");
        let trace = files.path("trace").display().to_string();
        let key = files.path("server.key").display().to_string();
        let more = format!(
            "private_key = {{ command = [\"sh\", \"-c\", \"echo > {trace}; cat {key}\"] }}\n"
        );
        files.write("proxy.toml", &crate::support::files::config(&org, &more));
        Self { files }
    }

    fn was_run(&self) -> bool {
        self.files.path("trace").exists()
    }

    async fn check(&self) -> Ended {
        run(&["check", "--config", &self.files.config()]).await
    }

    /// Checks the configuration that is found without being named.
    async fn check_here(&self) -> Ended {
        let mut command = Binary::command(&["check"]);
        command.current_dir(self.files.folder());
        Binary::spawn(command).end().await
    }

    #[track_caller]
    fn assert_refused(&self, ended: &Ended, reason: &str) {
        assert_eq!(ended.code(), 64, "{ended:?}");
        assert!(ended.stderr.contains(reason), "{ended:?}");
        assert!(!self.was_run(), "{ended:?}");
    }

    #[track_caller]
    fn assert_taken(&self, ended: &Ended) {
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(self.was_run(), "{ended:?}");
        fs::remove_file(self.files.path("trace")).unwrap();
    }
}

#[test_case(0o666)]
#[test_case(0o664)]
#[test_case(0o646)]
#[test_case(0o622)]
#[tokio::test]
async fn a_configuration_that_others_can_write_runs_nothing(mode: u32) {
    let it = Traced::new().await;
    chmod(&it.files.path("proxy.toml"), mode);
    let reason = format!("can be written by others (mode {mode:04o})");
    it.assert_refused(&it.check().await, &reason);
    it.assert_refused(&it.check_here().await, &reason);

    chmod(&it.files.path("proxy.toml"), 0o644);
    it.assert_taken(&it.check().await);
    it.assert_taken(&it.check_here().await);
}

#[tokio::test]
async fn a_configuration_of_another_user_runs_nothing() {
    if !geteuid().is_root() {
        return skip("only root gives files away");
    }
    let it = Traced::new().await;
    let reason = format!("belongs to user {STRANGER}");
    chown(it.files.path("proxy.toml"), Some(STRANGER), None).unwrap();
    it.assert_refused(&it.check().await, &reason);
    it.assert_refused(&it.check_here().await, &reason);

    // Whoever calls sudo means their own files.
    let mut command = Binary::command(&["check", "--config", &it.files.config()]);
    command.env("SUDO_UID", STRANGER.to_string());
    it.assert_taken(&Binary::spawn(command).end().await);
}

/// Where each user has a group of their own, all that they make is writable by it.
#[tokio::test]
async fn a_group_with_one_member_counts_as_that_user() {
    if !geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let it = Traced::new().await;
    let program = it.files.path("orgproxy");
    copy_program(&program);
    chmod(&it.files.path("proxy.toml"), 0o664);
    chmod(it.files.folder(), 0o775);
    let check = async |user: u32| {
        for name in ["", "proxy.toml", "server.key", "ca.pem"] {
            chown(it.files.path(name), Some(user), Some(user)).unwrap();
        }
        let mut command = Command::new(&program);
        command
            .args(["check", "--config", &it.files.config()])
            .uid(user)
            .gid(user);
        Binary::spawn(command).end().await
    };
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let users: Vec<[u32; 2]> = users
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split(':').skip(2).map(str::parse);
            Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
        })
        .collect();
    let others = |user: u32| users.iter().any(|it| it[1] == user && it[0] != user);
    let mut own = users.iter().filter(|it| it[0] != 0 && it[0] == it[1]);
    let alone = own.clone().find(|it| !others(it[0])).unwrap()[0];
    it.assert_taken(&check(alone).await);
    // Whose group is another user's own, too, as nobody's on Debian, is not alone in it.
    let reason = "can be written by others (mode 0";
    if let Some([shared, _]) = own.find(|it| others(it[0])) {
        it.assert_refused(&check(*shared).await, reason);
    }
    // No user, and so nobody of whom anything is known.
    it.assert_refused(&check(STRANGER).await, reason);
}

#[test_case(0o777, false)]
#[test_case(0o770, false)]
#[test_case(0o1777, true; "sticky, as tmp is")]
#[test_case(0o755, true)]
#[tokio::test]
async fn a_configuration_that_others_can_replace_runs_nothing(mode: u32, is_taken: bool) {
    let it = Traced::new().await;
    chmod(it.files.folder(), mode);
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("proxy.toml");
    symlink(it.files.path("proxy.toml"), &link).unwrap();
    // What it names is looked for beside the link.
    symlink(it.files.path("ca.pem"), elsewhere.path().join("ca.pem")).unwrap();
    let config = it.files.config();
    for path in [Some(config.as_str()), link.to_str(), None] {
        let ended = match path {
            Some(path) => run(&["check", "--config", path]).await,
            None => it.check_here().await,
        };
        if is_taken {
            it.assert_taken(&ended);
        } else {
            it.assert_refused(
                &ended,
                &format!("can be written by others (mode {mode:04o})"),
            );
        }
    }
    chmod(it.files.folder(), 0o700);
}

#[test_case("ca_file = \"odd/file\"\n", "read what is sent to the org"; "those of the org")]
#[test_case("[tls]\nclient_ca = \"odd/file\"\n", "let themselves in"; "those of clients")]
#[tokio::test]
async fn authorities_that_others_can_write_are_not_trusted(setting: &str, harm: &str) {
    let org = Org::start().await.unwrap();
    let (files, file) = with_odd(&org, setting, org.ca_pem());
    for mode in [0o666, 0o646, 0o622] {
        chmod(&file, mode);
        let ended = run(&["check", "--config", &files.config()]).await;
        assert_eq!(ended.code(), 64, "{ended:?}");
        let path = file.display();
        let reason = format!("{path} can be written by others (mode {mode:04o}), who could ");
        assert!(ended.stderr.contains(&reason), "{ended:?}");
        assert!(ended.stderr.contains(harm), "{ended:?}");
        let way_out = format!("run `chmod go-w {path}`");
        assert!(ended.stderr.contains(&way_out), "{ended:?}");
    }
    for mode in [0o600, 0o644, 0o444] {
        chmod(&file, mode);
        let ended = run(&["check", "--config", &files.config()]).await;
        assert_eq!(ended.code(), 0, "{ended:?}");
    }
}

/// Whoever can move a folder can put another one in its place.
#[tokio::test]
async fn no_folder_on_the_way_can_be_replaced_by_others() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let open = files.path("open");
    let own = open.join("own");
    fs::create_dir_all(&own).unwrap();
    for name in ["proxy.toml", "server.key", "ca.pem"] {
        fs::copy(files.path(name), own.join(name)).unwrap();
    }
    let config = own.join("proxy.toml").display().to_string();
    let place = |name: &str| own.join(name).display().to_string();
    let socket = format!("unix:{}", place("socket"));
    let (log, pid, state) = (place("access.log"), place("it.pid"), place("state"));
    let uses = [
        &["--listen", &*socket][..],
        &["--listen", "127.0.0.1:0", "--access-log", &log],
        &["--listen", "127.0.0.1:0", "--pid-file", &pid],
        &["--listen", "https://127.0.0.1:0", "--state-dir", &state],
    ];
    for (mode, is_taken) in [(0o777, false), (0o1777, true), (0o775, true), (0o755, true)] {
        chmod(&open, mode);
        let ended = run(&["check", "--config", &config]).await;
        assert_eq!(ended.code(), if is_taken { 0 } else { 64 }, "{ended:?}");
        let reason = format!(
            "the folder {}, which can be written by others (mode {mode:04o})",
            open.display()
        );
        assert_eq!(ended.stderr.contains(&reason), !is_taken, "{ended:?}");
        if !is_taken {
            let reason = format!("folder {} can be written by others", open.display());
            for arguments in uses {
                let ended = run(&[&["--config", &*files.config()], arguments].concat()).await;
                let said = ended.stderr.replace(" that can be", " can be");
                assert!(said.contains(&reason), "{ended:?}");
            }
            assert_eq!(fs::read_dir(&own).unwrap().count(), 3);
        }
    }
    if !geteuid().is_root() {
        return skip("only root can give a link away");
    }
    let link = files.path("link");
    symlink(&open, &link).unwrap();
    let config = link.join("own/proxy.toml").display().to_string();
    for (owner, code) in [(0, 0), (STRANGER, 64)] {
        lchown(&link, Some(owner), None).unwrap();
        let ended = run(&["check", "--config", &config]).await;
        assert_eq!(ended.code(), code, "{ended:?}");
    }
}

#[test_case("ca_file = \"odd/file\"\n"; "authorities of the org")]
#[test_case("[tls]\nclient_ca = \"odd/file\"\n"; "authorities of clients")]
#[test_case("private_key = \"odd/file\"\n"; "the key")]
#[test_case("guard.client_key = { file = \"odd/file\" }\n"; "the client key")]
#[test_case("clients.me = { file = \"odd/file\" }\n"; "a password")]
#[tokio::test]
async fn what_others_can_replace_lets_nobody_in(setting: &str) {
    let org = Org::start().await.unwrap();
    let text = match setting {
        setting if setting.contains("_ca") || setting.contains("ca_") => org.ca_pem(),
        setting if setting.contains("private_key") => org.private_key_pem(),
        _ => "correct-horse-battery\n",
    };
    let (files, file) = with_odd(&org, setting, text);
    let folder = file.parent().unwrap();
    let check = async || run(&["check", "--config", &files.config()]).await;
    for (mode, is_taken) in [
        (0o777, false),
        (0o770, false),
        (0o1777, true),
        (0o755, true),
    ] {
        chmod(folder, mode);
        let ended = check().await;
        assert_eq!(ended.code(), if is_taken { 0 } else { 64 }, "{ended:?}");
        let reason = format!(
            "is in the folder {}, which can be written by others (mode {mode:04o})",
            folder.display()
        );
        assert_eq!(ended.stderr.contains(&reason), !is_taken, "{ended:?}");
    }
    // Nor by a link that is led elsewhere.
    fs::rename(&file, files.path("real")).unwrap();
    symlink(files.path("real"), &file).unwrap();
    assert_eq!(check().await.code(), 0);
    if !geteuid().is_root() {
        return skip("only root gives files away");
    }
    lchown(&file, Some(STRANGER), None).unwrap();
    let ended = check().await;
    let is_told = ended
        .stderr
        .contains("is a link that belongs to another user");
    assert!(ended.code() == 64 && is_told, "{ended:?}");
}

/// Files whose configuration goes on with `setting`, and `odd/file` among them, which holds `text`.
fn with_odd(org: &Org, setting: &str, text: &str) -> (Files, PathBuf) {
    let files = Files::with(org, setting);
    fs::create_dir(files.path("odd")).unwrap();
    chmod(&files.path("odd"), 0o700);
    files.write("odd/file", text);
    let file = files.path("odd/file");
    (files, file)
}

/// A container often has files of users that only its host knows.
#[tokio::test]
async fn a_configuration_that_is_mounted_read_only_is_taken() {
    let it = Traced::new().await;
    chmod(&it.files.path("proxy.toml"), 0o666);
    let Some(ended) = read_only(&it.files.path("proxy.toml"), &it.files.config()).await else {
        return skip("only root mounts");
    };
    it.assert_taken(&ended);
    it.assert_refused(&it.check().await, "can be written by others");
}

#[tokio::test]
async fn a_configuration_comes_by_a_pipe_of_the_shell() {
    let it = Traced::new().await;
    let text = fs::read_to_string(it.files.path("proxy.toml")).unwrap();
    let folder = it.files.folder().display().to_string();
    it.files.write(
        "proxy.toml",
        &text.replace("\"ca.pem\"", &format!("\"{folder}/ca.pem\"")),
    );
    let program = ORGPROXY;
    let mut command = Command::new("bash");
    command.args([
        "-c",
        &format!("{program} check --config <(cat {})", it.files.config()),
    ]);
    it.assert_taken(&Binary::spawn(command).end().await);
}

/// No setting can name any of these as its file.
#[test_case("fifo")]
#[test_case("zero")]
#[test_case("socket")]
#[test_case("folder")]
#[test_case("huge")]
#[tokio::test]
async fn a_file_that_is_not_a_regular_one_ends_the_start_soon(kind: &str) {
    let org = Org::start().await.unwrap();
    for setting in [
        "",
        "private_key = \"odd.pem\"\n",
        "private_key = { file = \"server.key\", passphrase = { file = \"odd.pem\" } }\n",
        "ca_file = \"odd.pem\"\n",
        "[tls]\nclient_ca = \"odd.pem\"\n",
        "[tls]\nprivate_key = \"server.key\"\ncertificate = \"odd.pem\"\n",
    ] {
        let files = Files::with(&org, setting);
        let odd = files.path("odd.pem");
        let _listener = match kind {
            "fifo" => {
                mkfifo(&odd);
                None
            }
            "zero" => {
                symlink("/dev/zero", &odd).unwrap();
                None
            }
            "socket" => Some(std::os::unix::net::UnixListener::bind(&odd).unwrap()),
            "folder" => {
                fs::create_dir(&odd).unwrap();
                None
            }
            _ => {
                fs::File::create(&odd).unwrap().set_len(1 << 40).unwrap();
                chmod(&odd, 0o600);
                None
            }
        };
        let odd = odd.display().to_string();
        let config = files.config();
        let config = if setting.is_empty() { &odd } else { &config };
        let ended = in_time(run(&["run", "--config", config])).await;
        assert_eq!(ended.code(), 64, "{setting}: {ended:?}");
        assert!(ended.stderr.contains("odd.pem"), "{setting}: {ended:?}");
    }
}

#[test_case(Signal::TERM, 143)]
#[test_case(Signal::INT, 130)]
#[tokio::test]
async fn a_start_that_waits_for_a_file_can_be_stopped(signal: Signal, code: i32) {
    let files = Files::new(&Org::start().await.unwrap());
    let pipe = files.path("pipe.toml");
    mkfifo(&pipe);
    let proxy = Binary::start(&["run", "--config", pipe.to_str().unwrap()]);
    // Opens once the other side is there to read.
    let writer = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(pipe));
    let _writer = in_time(writer).await.unwrap().unwrap();
    proxy.signal(signal);
    let ended = in_time(proxy.end()).await;
    assert_eq!(ended.code(), code, "ended by itself, and not by the system");
}

#[tokio::test]
async fn a_lock_that_another_process_holds_ends_the_start_soon() {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "listen = \"https://127.0.0.1:0\"\n");
    fs::create_dir(files.path("state")).unwrap();
    chmod(&files.path("state"), 0o700);
    let lock = fs::File::create(files.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let ended = in_time(files.start_with_state().end()).await;
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(
        ended.stderr.contains("has been locked by another process"),
        "{ended:?}"
    );

    lock.unlock().unwrap();
    let proxy = files.start_with_state();
    proxy.print("listening on").await;
}

#[tokio::test]
async fn a_socket_that_takes_no_more_clients_is_in_use() {
    let org = Org::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.sock");
    let address = SocketAddrUnix::new(&path).unwrap();
    let new = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
    };
    let full = new();
    bind(&full, &address).unwrap();
    listen(&full, 0).unwrap();
    let mut clients = Vec::new();
    for _ in 0..100 {
        let client = new();
        if connect(&client, &address).is_err() {
            break;
        }
        clients.push(client);
    }
    assert!(clients.len() < 100, "it is not full");
    let mut config = proxy::config(&org);
    config.orgs[0].listen = vec![Listen::Unix(path)];
    let error = in_time(Server::bind(config))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("stop what listens there"), "{error}");
}

#[test_case(0o777, false)]
#[test_case(0o775, false)]
#[test_case(0o757, false)]
#[test_case(0o755, true)]
#[test_case(0o700, true)]
#[test_case(0o1777, true; "sticky, as tmp is")]
#[tokio::test]
async fn a_socket_stands_where_nobody_else_can_replace_it(mode: u32, is_taken: bool) {
    let org = Org::start().await.unwrap();
    let files = Files::with(&org, "listen = \"unix:sockets/proxy.sock\"\n");
    let folder = files.path("sockets");
    fs::create_dir(&folder).unwrap();
    chmod(&folder, mode);
    // Where a name could be foretold, it would be taken by now.
    let elsewhere = files.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let proxy = start_where_its_number_is_taken(&files, &folder, &elsewhere);
    if is_taken {
        proxy.print("listening on unix:").await;
        assert!(elsewhere.join("socket").exists());
        fs::remove_file(folder.join(format!(".orgproxy-{}", proxy.id()))).unwrap();
        let ended = proxy.stop().await;
        let left = fs::read_dir(&folder).unwrap().count();
        assert_eq!(left, 0);
        let warned = ended.stderr.contains("anybody can put a socket");
        assert_eq!(warned, mode == 0o1777, "{ended:?}");
    } else {
        let ended = in_time(proxy.end()).await;
        assert_eq!(ended.code(), 1, "{ended:?}");
        let reason = format!("can be written by others (mode {mode:04o})");
        assert!(ended.stderr.contains(&reason), "{ended:?}");
        assert!(!folder.join("proxy.sock").exists());
    }
}

/// Starts the program as a process in whose number's name a link leads elsewhere.
fn start_where_its_number_is_taken(files: &Files, folder: &Path, elsewhere: &Path) -> Binary {
    let (folder, elsewhere) = (folder.display(), elsewhere.display());
    let config = files.config();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!(
            "ln -s {elsewhere} {folder}/.orgproxy-$$ && touch {elsewhere}/socket && \
             exec {ORGPROXY} --config {config} --watch-files=false"
        ),
    ]);
    Binary::spawn(command)
}

/// Advice is worth nothing to those who cannot follow it.
#[tokio::test]
async fn a_key_whose_mode_cannot_be_changed_gets_advice_that_can_be_followed() {
    if !geteuid().is_root() {
        return skip("only root becomes another user");
    }
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let key = files.path("server.key");
    chmod(files.folder(), 0o755);
    chmod(&files.path("proxy.toml"), 0o644);
    chmod(&files.path("ca.pem"), 0o644);
    let program = files.path("orgproxy");
    copy_program(&program);
    let config = files.config();
    let check = async |variable: Option<&str>| {
        let mut command = Command::new(&program);
        command
            .args(["check", "--config", &config])
            .uid(NOBODY)
            .gid(NOBODY);
        if let Some(text) = variable {
            command.env("SERVER_KEY", text);
        }
        Binary::spawn(command).end().await
    };
    let write = |reference: &str| {
        let more = format!("private_key = {reference}\n");
        files.write("proxy.toml", &crate::support::files::config(&org, &more));
        chmod(&files.path("proxy.toml"), 0o644);
    };
    let by_group = "{ file = \"server.key\", allow_group_read = true }";
    for mode in [0o644, 0o444] {
        chmod(&key, mode);
        for reference in ["\"server.key\"", by_group] {
            write(reference);
            let ended = check(None).await;
            assert_eq!(ended.code(), 64, "{ended:?}");
            for word in [
                "mode 0440",
                "allow_group_read = true",
                "env",
                "credential",
                "install -m 600",
            ] {
                assert!(ended.stderr.contains(word), "{word}: {ended:?}");
            }
            assert!(!ended.stderr.contains("chmod"), "{ended:?}");
        }
    }
    // Each way that it names is one.
    chown(&key, None, Some(NOBODY)).unwrap();
    chmod(&key, 0o440);
    write(by_group);
    assert_eq!(check(None).await.code(), 0);
    write("{ env = \"SERVER_KEY\" }");
    assert_eq!(check(Some(org.private_key_pem())).await.code(), 0);
    files.write("copy.key", org.private_key_pem());
    chown(files.path("copy.key"), Some(NOBODY), None).unwrap();
    write("\"copy.key\"");
    assert_eq!(check(None).await.code(), 0);
}

#[tokio::test]
async fn a_key_that_is_mounted_read_only_gets_advice_that_can_be_followed() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    chmod(&files.path("server.key"), 0o444);
    let Some(ended) = read_only(&files.path("server.key"), &files.config()).await else {
        return skip("only root mounts");
    };
    assert_eq!(ended.code(), 64, "{ended:?}");
    assert!(ended.stderr.contains("mode 0440"), "{ended:?}");
    assert!(!ended.stderr.contains("chmod"), "{ended:?}");
    // Where it can be changed, that is all there is to say.
    let ended = run(&["check", "--config", &files.config()]).await;
    assert!(ended.stderr.contains("run `chmod 600"), "{ended:?}");
    assert!(!ended.stderr.contains("0440"), "{ended:?}");
}

/// The limits as far as they go, in both directions.
#[test_case("3650days", "1000000000", "10000", "1024GiB", "1024GiB", true; "the largest")]
#[test_case("1ms", "1", "1", "1", "1KiB", false; "the smallest")]
#[tokio::test]
async fn no_number_at_its_edge_fails_at_run_time(
    time: &str,
    count: &str,
    lines: &str,
    bytes: &str,
    head: &str,
    serves: bool,
) {
    let org = Org::start().await.unwrap();
    let limits = format!(
        "session_timeout = \"{time}\"\n[limits]\nconnections = {count}\nrequests = {count}\n\
         headers = {lines}\nheader_read = \"{time}\"\nconnect = \"{time}\"\nanswer = \"{time}\"\n\
         idle_body = \"{time}\"\nheader_bytes = \"{head}\"\nreplay_bytes = \"{bytes}\"\n\
         replay_memory = \"{bytes}\"\nbody_rate = \"{bytes}\"\n"
    );
    let files = Files::with(&org, &limits);
    let text = fs::read_to_string(files.path("proxy.toml")).unwrap();
    files.write("proxy.toml", &format!("grace = \"{time}\"\n{text}"));
    let proxy = files.start();
    let url = proxy.url(LIMITS).await;
    for more in ["", "-d body", "--http2-prior-knowledge"] {
        let answer = curl(&format!("curl --max-time 30 -i {url} {more}")).await;
        if serves && !more.starts_with("-d") {
            assert_eq!(answer.status(), "200", "{more}");
        }
    }
    let ended = in_time(proxy.stop()).await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}

/// Runs `check` with `file` on a mount that is read-only. Returns nothing if none can be made.
async fn read_only(file: &Path, config: &str) -> Option<Ended> {
    let file = file.display();
    let program = ORGPROXY;
    let can = Command::new("unshare")
        .args(["--mount", "true"])
        .output()
        .await;
    if !can.is_ok_and(|can| can.status.success()) {
        return None;
    }
    let script = format!(
        "mount --bind {file} {file} && mount -o remount,ro,bind {file} \
         && exec {program} check --config {config}"
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    Some(Binary::spawn(command).end().await)
}

fn mkfifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
    chmod(path, 0o600);
}
