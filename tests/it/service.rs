//! Being a service: what a service manager hears, the sockets that it passes on, and the pid file.

use std::{
    env, fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{chown, symlink},
            net::{UnixListener, UnixStream},
        },
    },
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use test_case::test_case;
use tokio::{net::TcpStream, process::Command, task::JoinHandle};

use crate::support::{
    Binary, Files, Notified, Org, Raw, SHORT, Seen, Setup,
    binary::{ORGPROXY, copy_program, run},
    chmod, client,
    files::config,
    get::{get, get_and_close},
    halt::Halt,
    in_time,
    path::LIMITS,
    skip,
    user::NOBODY,
};

#[tokio::test]
async fn the_service_manager_hears_how_it_is_from_the_start_to_the_stop() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let (manager, proxy) = notifying(&files, |_| {});
    let ready = manager.next().await;
    let [is_ready, status] = ready.trim_end().split('\n').collect::<Vec<_>>()[..] else {
        panic!("{ready:?}");
    };
    assert_eq!(is_ready, "READY=1");
    let address = status.strip_prefix("STATUS=serving demo on ").unwrap();
    // Who waits for that need not wait any more.
    let url = format!("http://{address}{LIMITS}");
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);

    files.write("proxy.toml", &config(&org, "hosts = [\"acme.test\"]\n"));
    proxy.signal(Signal::HUP);
    let reloading = manager.next().await;
    let since = reloading
        .trim_end()
        .strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let since: i64 = since.unwrap().parse().unwrap();
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let now: i64 = uptime.split('.').next().unwrap().parse().unwrap();
    assert!(
        (0..=120).contains(&(now - since / 1_000_000)),
        "{reloading}"
    );
    assert_eq!(manager.next().await, ready);

    files.write("proxy.toml", &config(&org, "hosts = 7\n"));
    proxy.signal(Signal::HUP);
    assert!(manager.next().await.starts_with("RELOADING=1\n"));
    let refused = format!(
        "{}; the last reload was refused: see the log\n",
        ready.trim_end()
    );
    assert_eq!(manager.next().await, refused);

    assert_eq!(proxy.stop().await.code(), 0);
    let stopping = manager.next().await;
    assert_eq!(
        stopping,
        "STOPPING=1\nSTATUS=stopping, with 0 connections open\n"
    );
}

#[tokio::test]
async fn the_watchdog_hears_nothing_while_a_single_thread_hangs() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let (manager, proxy) = notifying(&files, |command| {
        command.env("WATCHDOG_USEC", "200000");
    });
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    let Some(halt) = Halt::thread(&proxy, "orgproxy-1").await else {
        return skip("only root halts a thread of another program");
    };
    proxy.log("thread orgproxy-1 has not answered").await;
    assert!(!manager.hears_more_within(SHORT).await);
    drop(halt);
    manager.hears("WATCHDOG=1").await;
}

#[tokio::test]
async fn the_watchdog_hears_that_a_process_lives_until_its_last_thread_has_ended() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let (manager, proxy) = notifying(&files, |command| {
        command.env("WATCHDOG_USEC", "20000");
    });
    let hold = org.hold(LIMITS);
    let mut busy = Raw::connect(proxy.address().await).await;
    busy.send(get(LIMITS)).await;
    org.wait_until(|_| hold.waiting() == 1).await;
    proxy.signal(Signal::TERM);
    manager.hears("STOPPING=1").await;
    // The other thread has nothing to do, and is gone.
    for _ in 0..10 {
        manager.hears("WATCHDOG=1").await;
    }
    hold.release();
    assert!(busy.answer().await.starts_with("HTTP/1.1 200"));
    let ended = proxy.end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!ended.stderr.contains("a thread is gone"), "{ended:?}");
}

#[tokio::test]
async fn a_watchdog_that_is_for_another_process_hears_nothing() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let (manager, _proxy) = notifying(&files, |command| {
        command
            .env("WATCHDOG_USEC", "1000")
            .env("WATCHDOG_PID", "1");
    });
    manager.hears("READY=1").await;
    assert!(!manager.hears_more_within(Duration::from_millis(200)).await);
}

#[tokio::test]
async fn a_service_manager_that_does_not_read_holds_up_nothing() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let (manager, proxy) = notifying(&files, |command| {
        command.env("WATCHDOG_USEC", "100");
    });
    proxy.log("the service manager does not read").await;
    let url = proxy.url(LIMITS).await;
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    assert_eq!(proxy.stop().await.code(), 0);
    drop(manager);
}

#[tokio::test]
async fn no_program_that_it_starts_can_report_in_its_name() {
    let org = Org::start().await.unwrap();
    let command = "client_key = { command = [\"sh\", \"-c\", \"env >seen; echo a-key-of-24-characters-\"] }\n";
    let files = Files::with(&org, &format!("[org.demo.guard]\n{command}"));
    let (manager, _proxy) = notifying(&files, |command| {
        let _ = command
            .current_dir(files.folder())
            .env("WATCHDOG_USEC", "1000000")
            .env("LISTEN_FDNAMES", "web")
            .env("HARMLESS", "1");
    });
    manager.hears("READY=1").await;
    assert_harmless(&fs::read_to_string(files.path("seen")).unwrap());

    let files = Files::new(&org);
    let config = files.config();
    let mut around = Binary::command(&["run", "--config", &config, "--", "env"]);
    manager.listens_to(&mut around);
    around.env("HARMLESS", "1");
    assert_harmless(&Binary::spawn(around).end().await.stdout);

    fn assert_harmless(environment: &str) {
        assert!(environment.contains("HARMLESS=1"), "{environment}");
        for name in ["NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_"] {
            assert!(!environment.contains(name), "{environment}");
        }
    }
}

#[tokio::test]
async fn sockets_that_were_bound_for_it_are_taken_by_their_addresses_and_stay() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let path = files.path("it.sock");
    let (first, admin) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let unix = UnixListener::bind(&path).unwrap();
    let [address, admin_address] = [&first, &admin].map(|it| it.local_addr().unwrap());
    let listen = format!("listen = [\"unix:it.sock\", \"{address}\"]\n");
    let more = format!("{listen}[admin]\nlisten = \"{admin_address}\"\n");
    files.write("proxy.toml", &config(&org, &more));
    let sockets = [
        first.try_clone().unwrap().into(),
        admin.try_clone().unwrap().into(),
        unix.try_clone().unwrap().into(),
    ];
    let proxy = Binary::spawn(activated(&files, sockets.into(), "$$"));
    proxy
        .print(&format!("admin listener on {admin_address}"))
        .await;
    let ask = async |url: &str| client().get(url).send().await.unwrap().status();
    assert_eq!(ask(&format!("http://{address}{LIMITS}")).await, 200);
    assert_eq!(ask(&format!("http://{admin_address}/liveness")).await, 200);
    let url = format!("http://localhost{LIMITS}");
    let on_path = client_on(&path).get(url).send().await.unwrap();
    assert_eq!(on_path.status(), 200);

    let ended = proxy.stop().await;
    assert_eq!(ended.code(), 0);
    assert!(!ended.stderr.contains("inherited"), "{ended:?}");
    // They are the service manager's, who listens on, for the next one.
    TcpStream::connect(address).await.unwrap();
    UnixStream::connect(&path).unwrap();
}

#[tokio::test]
async fn what_does_not_fit_is_said_and_what_is_missing_is_bound() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let (used, unused) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let [used_at, unused_at] = [&used, &unused].map(|it| it.local_addr().unwrap());
    let listen = format!("listen = [\"{used_at}\", \"unix:it.sock\"]\n");
    files.write("proxy.toml", &config(&org, &listen));
    let sockets = vec![used.into(), unused.into(), datagrams.into()];
    let mut command = activated(&files, sockets, "$$");
    command.env("LISTEN_FDNAMES", "web:odd:dgram");
    let proxy = Binary::spawn(command);
    let own = format!("unix:{}", files.path("it.sock").display());
    proxy.print(&own).await;
    for warning in [
        format!("the inherited socket odd at {unused_at} is not used"),
        "the inherited socket dgram (file descriptor 5) is not used".to_owned(),
        format!("no inherited socket is for {own}"),
    ] {
        let line = proxy.log(&warning).await;
        assert!(line.contains("WARN"), "{line}");
    }
    assert!(!proxy.said().contains("socket web"), "{}", proxy.said());
    let url = format!("http://{used_at}{LIMITS}");
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    let url = format!("http://localhost{LIMITS}");
    let on_path = client_on(&files.path("it.sock")).get(url).send().await;
    assert_eq!(on_path.unwrap().status(), 200);
    assert_eq!(proxy.stop().await.code(), 0);
    assert!(!files.path("it.sock").exists(), "its own stays");
}

#[tokio::test]
async fn a_socket_that_is_in_the_way_is_named() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let all = bound("0.0.0.0:0");
    let port = all.local_addr().unwrap().port();
    let listen = format!("listen = [\"127.0.0.1:{port}\"]\n");
    files.write("proxy.toml", &config(&org, &listen));
    let ended = Binary::spawn(activated(&files, vec![all.into()], "$$"))
        .end()
        .await;
    assert_eq!(ended.code(), 1);
    let expected = format!("the inherited socket unknown is at 0.0.0.0:{port}");
    assert!(ended.stderr.contains(&expected), "{ended:?}");
}

#[tokio::test]
async fn sockets_for_another_process_are_not_taken() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let socket = bound("127.0.0.1:0");
    let listen = format!("listen = [\"{}\"]\n", socket.local_addr().unwrap());
    files.write("proxy.toml", &config(&org, &listen));
    let ended = Binary::spawn(activated(&files, vec![socket.into()], "1"))
        .end()
        .await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.contains("stop what listens there"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_removed_address_can_come_back_to_its_socket() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let (first, second) = (bound("127.0.0.1:0"), bound("127.0.0.1:0"));
    let [one, two] = [&first, &second].map(|it| it.local_addr().unwrap());
    let write = |listen: &[SocketAddr]| {
        let listen: Vec<_> = listen.iter().map(ToString::to_string).collect();
        files.write(
            "proxy.toml",
            &config(&org, &format!("listen = {listen:?}\n")),
        );
    };
    write(&[one, two]);
    let proxy = Binary::spawn(activated(&files, vec![first.into(), second.into()], "$$"));
    proxy.print("listening on").await;
    write(&[one]);
    proxy.signal(Signal::HUP);
    proxy
        .log(&format!(
            "the inherited socket unknown at {two} is not used"
        ))
        .await;
    write(&[one, two]);
    proxy.signal(Signal::HUP);
    proxy.log(&format!("listening on {two}, too")).await;
    let url = format!("http://{two}{LIMITS}");
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_restart_of_an_activated_service_refuses_nobody() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let socket = bound("127.0.0.1:0");
    let address = socket.local_addr().unwrap();
    files.write(
        "proxy.toml",
        &config(&org, &format!("listen = [\"{address}\"]\n")),
    );
    let start = || {
        Binary::spawn(activated(
            &files,
            vec![socket.try_clone().unwrap().into()],
            "$$",
        ))
    };
    let clients = Clients::start(address);
    for _ in 0..4 {
        let proxy = start();
        proxy.address().await;
        clients.ask_again().await;
        assert_eq!(proxy.stop().await.code(), 0);
    }
    let proxy = start();
    let asked = clients.stop().await;
    let limits = |seen: &&Seen| seen.target == LIMITS;
    assert_eq!(org.requests().iter().filter(limits).count(), asked);
    drop(proxy);
}

#[tokio::test]
async fn who_has_connected_by_the_time_of_a_stop_is_answered() {
    let setup = Setup::start().await;
    let proxy = setup.files.start();
    let address = proxy.address().await;
    let mut kept = Raw::connect(address).await;
    kept.send(get(LIMITS)).await;
    assert!(kept.answer().await.starts_with("HTTP/1.1 200"));

    // While it stands still, they queue at its socket.
    proxy.signal(Signal::STOP);
    let mut waiting = vec![kept];
    for _ in 0..100 {
        waiting.push(Raw::connect(address).await);
    }
    for client in &mut waiting {
        client.send(get(LIMITS)).await;
    }
    proxy.signal(Signal::TERM);
    proxy.signal(Signal::CONT);
    for (number, client) in waiting.iter_mut().enumerate() {
        let answer = client.rest().await;
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "client {number}: {answer}"
        );
        assert!(answer.ends_with('}'), "client {number}: {answer}");
    }
    assert_eq!(proxy.end().await.code(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_pid_file_is_there_while_it_listens_and_no_second_one_has_it() {
    let setup = Setup::start().await;
    let files = &setup.files;
    let path = files.path("it.pid").display().to_string();
    let arguments = ["--config", &files.config(), "--pid-file", &path];
    let arguments: Vec<_> = arguments
        .into_iter()
        .chain(["--watch-files=false"])
        .collect();
    let proxy = Binary::start(&arguments);
    proxy.address().await;
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{}\n", proxy.id())
    );

    let second = run(&arguments).await;
    assert_eq!(second.code(), 1);
    let expected = format!("is that of process {}, which runs", proxy.id());
    assert!(second.stderr.contains(&expected), "{second:?}");

    // Without an admin listener.
    let reload: Vec<_> = ["reload"].iter().chain(&arguments).copied().collect();
    let asked = run(&reload).await;
    let expected = format!("asked process {} to reload by SIGHUP", proxy.id());
    assert!(asked.stdout.contains(&expected), "{asked:?}");
    proxy.log("reloaded the configuration after SIGHUP").await;
    // The file may have one by now, where nobody listens yet.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = free.local_addr().unwrap().to_string();
    drop(free);
    let elsewhere = [&reload[..], &["--admin-listen", &admin]].concat();
    let asked = run(&elsewhere).await;
    assert!(asked.stdout.contains(&expected), "{asked:?}");

    assert_eq!(proxy.stop().await.code(), 0);
    assert!(!fs::exists(&path).unwrap());
    let asked = run(&reload).await;
    assert_eq!(asked.code(), 1);
    assert!(
        asked.stderr.contains("no proxy runs that has pid_file"),
        "{asked:?}"
    );

    // A number that somebody else has written gets no signal, whoever keeps the file locked.
    let written = format!("{}\n", std::process::id());
    fs::write(&path, written).unwrap();
    chmod(std::path::Path::new(&path), 0o600);
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    if !geteuid().is_root() {
        return skip("only root asks for other users");
    }
    chown(&path, Some(NOBODY), None).unwrap();
    let asked = run(&reload).await;
    assert_eq!(asked.code(), 1);
    let reason = format!("which is not one of user {NOBODY}");
    assert!(asked.stderr.contains(&reason), "{asked:?}");
    let started = run(&arguments).await;
    let reason = format!("belongs to user {NOBODY}, who could write any number there");
    assert!(started.stderr.contains(&reason), "{started:?}");
}

#[tokio::test]
async fn a_pid_file_that_was_left_over_is_replaced_and_one_of_anothers_stays() {
    let setup = Setup::start().await;
    let files = &setup.files;
    files.write(
        "proxy.toml",
        &format!("pid_file = \"it.pid\"\n{}", config(&setup.org, "")),
    );
    let proxy = files.start();
    proxy.address().await;
    proxy.signal(Signal::KILL);
    let killed = proxy.end().await;
    assert!(!killed.status.success() && files.path("it.pid").exists());
    let proxy = files.start();
    proxy.address().await;
    let id = format!("{}\n", proxy.id());
    assert_eq!(fs::read_to_string(files.path("it.pid")).unwrap(), id);

    fs::remove_file(files.path("it.pid")).unwrap();
    files.write("it.pid", "1\n");
    assert_eq!(proxy.stop().await.code(), 0);
    assert_eq!(fs::read_to_string(files.path("it.pid")).unwrap(), "1\n");

    files.write("it.pid", "my notes");
    let ended = files.start().end().await;
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.contains("something else than orgproxy"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_new_process_takes_over_under_load_and_nobody_notices() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let more = "listen = [\"127.0.0.1:0\", \"unix:it.sock\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    files.write(
        "proxy.toml",
        &format!("pid_file = \"it.pid\"\n{}", config(&org, more)),
    );
    // Ports are not left to the system: the next process is to find them by their addresses.
    let [address, admin] = [free_address(), free_address()];
    let text = fs::read_to_string(files.config()).unwrap();
    let text = text.replacen("127.0.0.1:0", &address.to_string(), 1);
    files.write(
        "proxy.toml",
        &text.replacen("127.0.0.1:0", &admin.to_string(), 1),
    );
    // Each of them has the key from the one before it.
    fs::remove_file(files.path("server.key")).unwrap();
    let (manager, proxy) = notifying(&files, |command| {
        command.env("ORGPROXY_PRIVATE_KEY", org.private_key_pem());
    });
    manager.hears("READY=1").await;
    let clients = Clients::start(address);
    let mut processes = Processes(vec![proxy.id()]);
    for _ in 0..3 {
        clients.ask_again().await;
        let current = processes.last();
        signal(current, Signal::USR2);
        let heard = manager.hears("MAINPID=").await;
        let next = heard.last().unwrap().trim().trim_start_matches("MAINPID=");
        let next: u32 = next.parse().unwrap();
        assert!(
            !heard.concat().contains("READY"),
            "before it was the main one: {heard:?}"
        );
        processes.0.push(next);
        manager.hears("READY=1\nSTATUS=serving demo on ").await;
        let pid = fs::read_to_string(files.path("it.pid")).unwrap();
        assert_eq!(pid, format!("{next}\n"));
        clients.ask_again().await;
        in_time(async {
            while is_alive(current) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let url = format!("http://localhost{LIMITS}");
        let on_path = client_on(&files.path("it.sock")).get(url).send().await;
        assert_eq!(on_path.unwrap().status(), 200);
        let url = format!("http://{admin}/liveness");
        assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    }
    let asked = clients.stop().await;
    let limits = |seen: &&Seen| seen.target == LIMITS;
    assert_eq!(org.requests().iter().filter(limits).count(), asked + 3);
    signal(processes.last(), Signal::TERM);
    let ended = proxy.end().await;
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!files.path("it.pid").exists() && !files.path("it.sock").exists());
}

#[tokio::test]
async fn a_new_process_that_cannot_serve_leaves_the_old_one_and_its_files() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let program = files.path("orgproxy");
    if fs::hard_link(ORGPROXY, &program).is_err() {
        copy_program(&program);
    }
    let good = format!(
        "pid_file = \"it.pid\"\n{}",
        config(&org, "listen = \"unix:it.sock\"\n")
    );
    files.write("proxy.toml", &good);
    let mut command = Command::new(&program);
    command.args(["--config", &files.config(), "--watch-files=false"]);
    let proxy = Binary::spawn(command);
    proxy.print("listening on").await;
    let still_serves = async || {
        let url = format!("http://localhost{LIMITS}");
        let answer = client_on(&files.path("it.sock")).get(url).send().await;
        let pid = fs::read_to_string(files.path("it.pid")).unwrap();
        answer.unwrap().status() == 200 && pid == format!("{}\n", proxy.id())
    };
    files.write("proxy.toml", &good.replace("it.sock", "none/it.sock"));
    proxy.signal(Signal::USR2);
    proxy.log("exit status: 1) before it served").await;
    proxy.log("its folder does not exist").await;
    assert!(still_serves().await);

    files.write("proxy.toml", "hosts = 7\n");
    proxy.signal(Signal::USR2);
    proxy.log("exit status: 64) before it served").await;
    assert!(still_serves().await);

    // The last one has put its number there, and died.
    let pid = files.path("it.pid").display().to_string();
    let writes = format!("rm {pid}; echo $$ >{pid}\n");
    for (code, leaves) in [(7, ""), (8, &*writes)] {
        files.write("next", &format!("#!/bin/sh\n{leaves}exit {code}\n"));
        chmod(&files.path("next"), 0o700);
        fs::rename(files.path("next"), &program).unwrap();
        proxy.signal(Signal::USR2);
        let ended = format!("exit status: {code}) before it served");
        proxy.log(&ended).await;
        assert!(still_serves().await);
    }
    assert_eq!(proxy.stop().await.code(), 0);
    assert!(!files.path("it.sock").exists() && !files.path("it.pid").exists());
}

/// As many install one version beside the other, and have a link lead to one of them.
#[test_case(true; "by its path")]
#[test_case(false; "by its name")]
#[tokio::test]
async fn a_link_leads_to_the_program_that_takes_over(by_path: bool) {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let [bin, one, two] = ["bin", "one", "two"].map(|name| files.path(name));
    for folder in [&bin, &one, &two] {
        fs::create_dir(folder).unwrap();
    }
    let program = one.join("orgproxy");
    if fs::hard_link(ORGPROXY, &program).is_err() {
        copy_program(&program);
    }
    let next = two.join("orgproxy");
    fs::write(&next, "#!/bin/sh\nexit 7\n").unwrap();
    chmod(&next, 0o700);
    let link = bin.join("orgproxy");
    symlink(&program, &link).unwrap();
    let mut command = Command::new("sh");
    let name = if by_path { "bin/orgproxy" } else { "orgproxy" };
    let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
    command
        .args([
            "-c",
            "exec \"$0\" --config \"$1\" --watch-files=false --sandbox=off",
        ])
        .args([name, &files.config()])
        .current_dir(files.folder())
        .env("PATH", path);
    let proxy = Binary::spawn(command);
    proxy.print("listening on").await;
    fs::remove_file(&link).unwrap();
    symlink(&next, &link).unwrap();
    proxy.signal(Signal::USR2);
    proxy.log("exit status: 7) before it served").await;
    assert_eq!(proxy.stop().await.code(), 0);
}

#[tokio::test]
async fn a_stop_during_an_upgrade_leaves_nothing_behind() {
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let program = files.path("orgproxy");
    if fs::hard_link(ORGPROXY, &program).is_err() {
        copy_program(&program);
    }
    let config = config(&org, "listen = \"unix:it.sock\"\n");
    files.write("proxy.toml", &format!("pid_file = \"it.pid\"\n{config}"));
    let mut command = Command::new(&program);
    command.args(["--config", &files.config(), "--watch-files=false"]);
    let proxy = Binary::spawn(command);
    proxy.print("listening on ").await;
    // The next one has put its number there, and takes its time.
    let pid = files.path("it.pid").display().to_string();
    let next = format!("#!/bin/sh\nrm {pid}; echo $$ >{pid}; echo starting; exec sleep 600\n");
    files.write("next", &next);
    chmod(&files.path("next"), 0o700);
    fs::rename(files.path("next"), &program).unwrap();
    proxy.signal(Signal::USR2);
    proxy.print("starting").await;
    let next: u32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    assert_ne!(next, proxy.id());
    assert_eq!(proxy.stop().await.code(), 0);
    assert!(!is_alive(next));
    assert!(!files.path("it.sock").exists() && !files.path("it.pid").exists());
}

/// Clients that ask again and again, each time on a connection of its own.
struct Clients {
    asked: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(address: SocketAddr) -> Self {
        let (asked, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let ask = || {
            let (asked, is_over) = (asked.clone(), is_over.clone());
            tokio::spawn(async move {
                while !is_over.load(Relaxed) {
                    let mut client = Raw::connect(address).await;
                    client.send(get_and_close(LIMITS)).await;
                    let answer = client.rest().await;
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                    asked.fetch_add(1, Relaxed);
                }
            })
        };
        let tasks = (0..8).map(|_| ask()).collect();
        Self {
            asked,
            is_over,
            tasks,
        }
    }

    /// Waits until each has been answered some times more.
    async fn ask_again(&self) {
        let until = self.asked.load(Relaxed) + 100;
        let enough = async {
            while self.asked.load(Relaxed) < until {
                assert!(
                    !self.tasks.iter().any(JoinHandle::is_finished),
                    "one has failed"
                );
                tokio::task::yield_now().await;
            }
        };
        in_time(enough).await;
    }

    /// Returns how often they were answered.
    async fn stop(self) -> usize {
        self.is_over.store(true, Relaxed);
        for task in self.tasks {
            in_time(task).await.unwrap();
        }
        self.asked.load(Relaxed)
    }
}

/// The program, which reports to a service manager.
fn notifying(files: &Files, adapt: impl FnOnce(&mut Command)) -> (Notified, Binary) {
    let manager = Notified::new();
    let config = files.config();
    let mut command = Binary::command(&["--config", &config, "--threads=2", "--watch-files=false"]);
    manager.listens_to(&mut command);
    adapt(&mut command);
    (manager, Binary::spawn(command))
}

/// The program, to which `sockets` are passed as systemd does it, if they are for process `$$`.
fn activated(files: &Files, sockets: Vec<OwnedFd>, process: &str) -> Command {
    let config = files.config();
    let arguments = ["--config", &config, "--watch-files=false"];
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("LISTEN_PID={process} exec \"$0\" \"$@\""),
            ORGPROXY,
        ])
        .args(arguments)
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap())
        .env("LISTEN_FDS", sockets.len().to_string());
    let mapping = |(parent_fd, child_fd)| FdMapping {
        parent_fd,
        child_fd,
    };
    let mappings = sockets.into_iter().zip(3..).map(mapping).collect();
    command.as_std_mut().fd_mappings(mappings).unwrap();
    command
}

/// One process after the other. Dropped, the last is killed.
struct Processes(Vec<u32>);

impl Processes {
    fn last(&self) -> u32 {
        *self.0.last().unwrap()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if is_alive(self.last()) {
            signal(self.last(), Signal::KILL);
        }
    }
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    bound("127.0.0.1:0").local_addr().unwrap()
}

fn signal(process: u32, signal: Signal) {
    let process = Pid::from_raw(process.cast_signed()).unwrap();
    kill_process(process, signal).unwrap();
}

/// Returns whether a process has not ended: one that has may still have its number.
fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn bound(address: &str) -> TcpListener {
    TcpListener::bind(address).unwrap()
}

fn client_on(path: &std::path::Path) -> reqwest::Client {
    let _ = client();
    let client = reqwest::Client::builder().no_proxy().unix_socket(path);
    client.build().unwrap()
}
