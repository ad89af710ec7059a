//! Clocks that are set, machines that sleep, names that lead elsewhere: the next request is served.

use std::{net::Ipv4Addr, process::Command};

use rustix::process::{Pid, Signal, kill_process};
use test_case::test_case;

use crate::support::{
    Binary, Clock, Files, Gate, Org,
    binary::ORGPROXY,
    client,
    path::{ECHO, LIMITS},
    skip,
};

const HOUR: i64 = 60 * 60;

/// The clock of 2026 shows 1966 then, and that of 2040 shows 1980.
const SIXTY_YEARS: i64 = 60 * 365 * 24 * HOUR;

/// The name that the certificate of the demo org has besides localhost.
const HOST: &str = "demo.my.salesforce.com";

#[test_case(HOUR, ""; "an hour fast")]
#[test_case(-HOUR, "the clock of this machine"; "an hour slow")]
#[test_case(-SIXTY_YEARS, "cannot log in"; "before 1970")]
#[tokio::test]
async fn the_first_request_after_the_clock_is_set_right_is_served(ahead: i64, why_not: &str) {
    let Some(clock) = Clock::new() else {
        return skip("there is no libfaketime; install Debian's package of that name");
    };
    let org = Org::start().await.unwrap();
    let (proxy, _files, url) = start(&org, &clock).await;
    let check = async |is_served: bool| {
        let answer = client().get(&url).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status == 200, is_served, "{text}");
        assert!(is_served || text.contains(why_not), "{text}");
    };
    check(true).await;

    clock.set(ahead);
    // What is there needs no clock.
    check(true).await;
    org.disconnect();
    org.wait_until(|org| org.counts().open == 0).await;
    // TLS goes on by a ticket.
    check(true).await;
    org.end_sessions();
    let before = org.logins();
    check(why_not.is_empty()).await;

    clock.set(0);
    check(true).await;
    assert!(org.logins() > before);
    let log = proxy.stop().await.stderr;
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_clock_before_1970_ends_no_thread_that_has_served_nobody_yet() {
    let Some(clock) = Clock::new() else {
        return skip("there is no libfaketime; install Debian's package of that name");
    };
    let org = Org::start().await.unwrap();
    let (proxy, _files, url) = start_with(&org, &clock, "2").await;
    // Each connection is the next thread's. By the first answer all have begun.
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    clock.set(-SIXTY_YEARS);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    clock.set(0);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    let log = proxy.stop().await.stderr;
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_login_that_failed_by_the_clock_is_tried_again_once_that_is_set() {
    let Some(clock) = Clock::new() else {
        return skip("there is no libfaketime; install Debian's package of that name");
    };
    let org = Org::start().await.unwrap();
    clock.set(-HOUR);
    let (_proxy, _files, url) = start(&org, &clock).await;
    let get = async || client().get(&url).send().await.unwrap();
    let refused = get().await;
    assert_eq!(refused.status(), 502);
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("the clock of this machine"), "{refused}");
    // As long as it stays wrong, the org is not asked again.
    let asked = org.counts().token_requests;
    assert_eq!(get().await.status(), 502);
    assert_eq!(org.counts().token_requests, asked);
    clock.set(0);
    assert_eq!(get().await.status(), 200);
}

#[tokio::test]
async fn a_clock_before_1970_is_an_error_at_start() {
    let Some(clock) = Clock::new() else {
        return skip("there is no libfaketime; install Debian's package of that name");
    };
    clock.set(-SIXTY_YEARS);
    let org = Org::start().await.unwrap();
    let files = Files::new(&org);
    let mut command = Binary::command(&["run", "--config", &files.config()]);
    clock.show(&mut command);
    let ended = Binary::spawn(command).end().await;
    assert!(!ended.status.success(), "{ended:?}");
    let said = ended.stderr;
    assert!(said.contains("before 1970; set it"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test]
async fn the_first_write_after_a_night_asleep_is_done_once() {
    let Some(clock) = Clock::new() else {
        return skip("there is no libfaketime; install Debian's package of that name");
    };
    let org = Org::start().await.unwrap();
    let (proxy, _files, url) = start(&org, &clock).await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);

    let id = Pid::from_raw(proxy.id().cast_signed()).unwrap();
    kill_process(id, Signal::STOP).unwrap();
    org.disconnect();
    org.wait_until(|org| org.counts().open == 0).await;
    org.end_sessions();
    clock.set(8 * HOUR);
    kill_process(id, Signal::CONT).unwrap();

    let echo = url.replace(LIMITS, ECHO);
    let answer = client().post(echo).body("written").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "written");
    let writes = org.requests().into_iter();
    let writes = writes.filter(|seen| seen.target == ECHO && seen.authorized);
    assert_eq!(writes.count(), 1);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_followed_by_the_next_connection() {
    let org = Org::start().await.unwrap();
    let before = Gate::closed_at((Ipv4Addr::new(127, 0, 0, 2), 0).into()).await;
    let port = before.port;
    let after = Gate::closed_at((Ipv4Addr::new(127, 0, 0, 3), port).into()).await;
    before.open(org.port());
    after.open(org.port());
    org.set(|knobs| knobs.instance_url = Some(format!("https://{HOST}:{port}")));
    let files = Files::with(
        &org,
        &format!("login_url = \"https://{HOST}:{port}\"\ntrusted_hosts = [\"{HOST}:{port}\"]\n"),
    );
    let lead_to = |address: &str| {
        let hosts = format!("127.0.0.1 localhost\n{address} {HOST}\n");
        files.write("hosts", &hosts);
    };
    lead_to("127.0.0.2");
    let hosts = files.path("hosts").display().to_string();
    let is_allowed = Command::new("unshare")
        .args(["--map-root-user", "--mount", "mount", "--bind"])
        .args([&hosts, "/etc/hosts"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !is_allowed {
        return skip("this system lets nobody have an /etc/hosts of their own");
    }
    let mut command = tokio::process::Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount --bind \"$1\" /etc/hosts && exec \"$2\" run --config \"$3\" --threads 1")
        .args(["sh", &hosts, ORGPROXY, &files.config()]);
    let proxy = Binary::spawn(command);
    let url = proxy.url(LIMITS).await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    assert_eq!((before.accepted(), after.accepted()), (2, 0));

    lead_to("127.0.0.3");
    // As long as the connection holds, there is nothing to look up.
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    org.disconnect();
    org.wait_until(|org| org.counts().open == 0).await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    assert_eq!((before.accepted(), after.accepted()), (2, 1));
}

/// The program in front of `org`, with this clock, and a URL of it.
async fn start(org: &Org, clock: &Clock) -> (Binary, Files, String) {
    start_with(org, clock, "1").await
}

async fn start_with(org: &Org, clock: &Clock, threads: &str) -> (Binary, Files, String) {
    let files = Files::new(org);
    let mut command = Binary::command(&["run", "--config", &files.config(), "--threads", threads]);
    clock.show(&mut command);
    let proxy = Binary::spawn(command);
    let url = proxy.url(LIMITS).await;
    (proxy, files, url)
}
