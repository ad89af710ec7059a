//! Processes that share their sessions in Redis.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use orgproxy::{
    config::{Admin, Listen, Redis},
    demo::TOKEN,
};
use rustix::process::Signal;
use test_case::test_case;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{
    admin::{admin_url, get},
    support::{
        Files, Org, PATIENCE, Proxy, client, in_time, path::LIMITS, redis::RedisServer, session,
        skip,
    },
};

#[tokio::test]
async fn of_three_replicas_one_logs_in_and_so_it_does_when_the_session_has_died() {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 3).await;
    ask_all(&replicas).await;
    assert_eq!(org.logins(), 1);
    for round in 2..=4 {
        org.end_sessions();
        ask_all(&replicas).await;
        assert_eq!(org.logins(), round);
    }
    // Who comes later finds what the others have.
    let late = replica(&redis.url(), &org).await;
    assert_eq!(late.get(LIMITS).await.status(), 200);
    assert_eq!(org.logins(), 4);
    let scraped = get(late.admin(), "/metrics").await.body;
    for line in [
        r#"orgproxy_logins_total{org="demo",outcome="shared"} 1"#,
        r#"orgproxy_logins_total{org="demo",outcome="ok"} 0"#,
    ] {
        assert!(scraped.contains(line), "{scraped}");
    }
}

#[tokio::test]
async fn a_replica_that_learns_late_that_the_session_is_dead_does_not_log_in() {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 2).await;
    ask_all(&replicas).await;
    org.end_sessions();
    assert_eq!(replicas[0].get(LIMITS).await.status(), 200);
    assert_eq!(org.logins(), 2);
    assert_eq!(replicas[1].get(LIMITS).await.status(), 200);
    assert_eq!(org.logins(), 2);
}

#[test_case(Trouble::Killed; "is killed")]
#[test_case(Trouble::Paused; "stands still")]
#[test_case(Trouble::Flushed; "forgets everything")]
#[tokio::test]
async fn no_client_notices_when_redis(trouble: Trouble) {
    let Some(mut redis) = start().await else {
        return;
    };
    let (org, replicas) = replicas(&redis, 3).await;
    ask_all(&replicas).await;
    org.end_sessions();
    // In mid-run: one replica has sent a login that the others wait for.
    let held = org.hold(TOKEN);
    let asking = ask_all(&replicas);
    let causing = async {
        org.wait_until(|_| held.waiting() > 0).await;
        match trouble {
            Trouble::Killed => redis.kill().await,
            Trouble::Paused => redis.signal(Signal::STOP),
            Trouble::Flushed => drop(redis.ask("FLUSHALL").await),
        }
        drop(held);
    };
    tokio::join!(asking, causing);
    // At most, each has logged in for itself.
    assert!((2..=4).contains(&org.logins()), "{}", org.logins());

    match trouble {
        Trouble::Killed => redis.restart().await,
        Trouble::Paused => redis.signal(Signal::CONT),
        Trouble::Flushed => {}
    }
    are_up(&replicas).await;
    let before = org.logins();
    for round in 1..=2 {
        org.end_sessions();
        ask_all(&replicas).await;
        assert_eq!(org.logins(), before + round);
    }
}

#[tokio::test]
async fn redis_that_is_away_at_the_start_is_told_and_does_not_matter() {
    let Some(mut redis) = start().await else {
        return;
    };
    redis.kill().await;
    let (org, replicas) = replicas(&redis, 2).await;
    ask_all(&replicas).await;
    assert_eq!(org.logins(), 2);
    let scraped = get(replicas[0].admin(), "/metrics").await.body;
    assert!(scraped.contains("\norgproxy_redis_up 0\n"), "{scraped}");
    let status = get(replicas[0].admin(), "/api/status").await.body;
    assert!(status.contains(r#""redis_up":false"#), "{status}");
    assert!(
        status.contains(r#""redis_fault":"does not answer: "#),
        "{status}"
    );
}

#[tokio::test]
async fn redis_is_not_used_for_demo_orgs_alone() {
    let org = Org::start().await.unwrap();
    let more = "[redis]\nurl = \"redis://127.0.0.1:1\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let files = Files::with_demo(&org, more);
    let proxy = files.start();
    let admin = admin_url(&proxy).await;
    proxy.log("Redis is not used: org demo is a demo org").await;
    let url = proxy.url(LIMITS).await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    for path in ["/metrics", "/api/status"] {
        let answer = client().get(format!("{admin}{path}")).send().await;
        let text = answer.unwrap().text().await.unwrap();
        let says = ["\norgproxy_redis_up ", "\"redis_up\":false"];
        assert!(!says.iter().any(|says| text.contains(says)), "{text}");
    }
    let said = proxy.stop().await.stderr;
    assert!(!said.contains("goes on alone"), "{said}");
}

#[tokio::test]
async fn redis_never_sees_a_token_and_what_others_put_there_is_not_used() {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 1).await;
    ask_all(&replicas).await;
    let token = session(&org.last_request()).to_owned();
    let (place, dump) = (place(&redis).await, redis.dump().await);
    let holds = |text: &str| memchr::memmem::find(&dump, text.as_bytes()).is_some();
    assert!(holds(&place) && holds("session"));
    let (_, secret) = token.split_once('!').unwrap();
    for secret in [secret, &secret[..16], org.username(), "localhost"] {
        assert!(!holds(secret), "{secret}");
    }

    redis
        .ask(&format!(
            "HSET {place}:session epoch x number 9 session forged"
        ))
        .await;
    let late = replica(&redis.url(), &org).await;
    assert_eq!(late.get(LIMITS).await.status(), 200);
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn a_lease_whose_holder_is_gone_ends() {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 1).await;
    ask_all(&replicas).await;
    let lease = format!("{}:lease", place(&redis).await);
    redis.ask(&format!("SET {lease} gone PX 500")).await;
    org.end_sessions();
    ask_all(&replicas).await;
    assert_eq!(org.logins(), 2);
    // It has given its own back.
    assert_eq!(redis.ask(&format!("EXISTS {lease}")).await, ":0\r\n");
}

#[tokio::test]
async fn a_dead_session_that_redis_calls_a_later_one_is_not_taken() {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 1).await;
    ask_all(&replicas).await;
    let session = format!("{}:session", place(&redis).await);
    for (round, change) in [
        format!("HINCRBY {session} number 1"),
        format!("HSET {session} epoch another number 1"),
    ]
    .iter()
    .enumerate()
    {
        org.end_sessions();
        redis.ask(change).await;
        ask_all(&replicas).await;
        assert_eq!(org.logins(), round + 2, "{change}");
    }
}

#[tokio::test]
async fn a_lease_without_an_end_ends_all_the_same() {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 1).await;
    ask_all(&replicas).await;
    let lease = format!("{}:lease", place(&redis).await);
    redis.ask(&format!("SET {lease} gone")).await;
    org.end_sessions();
    let ending = async {
        while redis.ask(&format!("PTTL {lease}")).await == ":-1\r\n" {
            tokio::task::yield_now().await;
        }
        // Not that long.
        redis.ask(&format!("PEXPIRE {lease} 1")).await;
    };
    let both = async { tokio::join!(replicas[0].get(LIMITS), ending) };
    let (answer, ()) = in_time(both).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(org.logins(), 2);
}

/// It would lead to nothing, and for ever.
#[test_case("SET {place}:session x"; "a session of another type")]
#[test_case("HSET {place}:session number abc"; "a number that is none")]
#[test_case("HSET {place}:session number 9007199254740993"; "a number beyond those that can be told apart")]
#[test_case("HSET {place}:session last 9223372036854775807"; "a last number that has no next")]
#[test_case("HSET {place}:session last 1.5"; "a last number that is not whole")]
#[test_case("HDEL {place}:session epoch"; "no epoch")]
#[test_case("HDEL {place}:session number"; "no number")]
#[test_case("RPUSH {place}:lease x"; "a lease of another type")]
#[test_case("SET {place}:lease x PX 3600000"; "a lease for an hour")]
#[tokio::test]
async fn what_no_replica_has_written_is_removed(garbage: &str) {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 2).await;
    ask_all(&replicas).await;
    let place = place(&redis).await;
    redis.ask(&garbage.replace("{place}", &place)).await;
    org.end_sessions();
    in_time(ask_all(&replicas)).await;
    assert_eq!(org.logins(), 2);
    are_up(&replicas).await;
}

/// The longest value that Redis takes has half a gigabyte.
#[tokio::test]
async fn a_session_that_nobody_can_have_sealed_is_not_even_read() {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 1).await;
    ask_all(&replicas).await;
    let session = format!("{}:session", place(&redis).await);
    let large = "string.rep('x', 66000)";
    let put = format!("redis.call('HSET', KEYS[1], 'number', 9, 'session', {large})");
    redis.ask(&format!("EVAL \"{put}\" 1 {session}")).await;
    org.end_sessions();
    ask_all(&replicas).await;
    assert_eq!(org.logins(), 2);
    let sealed = redis.ask(&format!("HSTRLEN {session} session")).await;
    assert!(sealed.len() < ":66000\r\n".len(), "{sealed}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_its_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let endless = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        while MadeUp::is_asked_for_script(&mut stream).await == Some(false) {
            stream.write_all(b"+OK\r\n").await.unwrap();
        }
        let begin = "*4\r\n$5\r\nfound\r\n$1\r\ne\r\n$1\r\n7\r\n$50000000000\r\n";
        stream.write_all(begin.as_bytes()).await.unwrap();
        // Slowly, so that it is not over because the reader has no memory left.
        let mut pace = tokio::time::interval(Duration::from_millis(1));
        while stream.write_all(&[b'x'; 1024]).await.is_ok() {
            pace.tick().await;
        }
    });
    let org = Org::start().await.unwrap();
    let proxy = replica(&url, &org).await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    in_time(endless).await.unwrap();
}

/// Each costs a few questions, and no client an error.
#[test_case("*4\r\n$5\r\nfound\r\n$1\r\ne\r\n$1\r\n7\r\n$7\r\nrubbish\r\n", 4; "a session")]
#[test_case("*1\r\n$7\r\nnothing\r\n", 2; "nothing")]
#[test_case("*0\r\n", 2; "an empty answer")]
#[test_case("*1\r\n$4\r\nbusy\r\n", 60; "a login of others that never ends")]
#[tokio::test]
async fn each_logs_in_alone_where_redis_makes_up(answer: &'static str, most: usize) {
    let redis = MadeUp::start(answer).await;
    let org = Org::start().await.unwrap();
    let proxy = replica(&redis.url, &org).await;
    let asked = tokio::time::timeout(2 * PATIENCE, proxy.get(LIMITS)).await;
    assert_eq!(asked.unwrap().status(), 200);
    assert_eq!(org.logins(), 1);
    let asked = redis.asked.load(Relaxed);
    assert!((1..=most).contains(&asked), "{asked}");
}

#[test_case("-ERR 00Dxx0000001gPL!AQ.EA_Q is no script\r\n"; "a session")]
#[test_case("-ERR hunter/2 is no script\r\n"; "the password")]
#[test_case("-ERR hunter%2F2 is no script\r\n"; "the password as it is in the URL")]
#[tokio::test]
async fn what_redis_says_is_told_without_secrets(answer: &'static str) {
    let redis = MadeUp::start(answer).await;
    let org = Org::start().await.unwrap();
    let url = redis.url.replace("//", "//:hunter%2F2@");
    let proxy = replica(&url, &org).await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    let status = get(proxy.admin(), "/api/status").await.body;
    assert!(status.contains("[session] is no script"), "{status}");
    for secret in ["AQ.EA_Q", "hunter"] {
        assert!(!status.contains(secret), "{status}");
    }
}

#[test_case("HSET {place}:session epoch other number 1 session theirs"; "after everything was forgotten")]
#[test_case("HSET {place}:session number 2 session theirs"; "after another login")]
#[tokio::test]
async fn a_holder_that_comes_too_late_replaces_nothing(theirs: &str) {
    let Some(redis) = start().await else { return };
    let (org, replicas) = replicas(&redis, 1).await;
    let held = org.hold(TOKEN);
    let meanwhile = async {
        org.wait_until(|_| held.waiting() == 1).await;
        // As if it had stood still until its lease was over, and another had it.
        let lease = redis.ask("KEYS *:lease").await;
        let lease = lease.lines().find(|line| line.ends_with(":lease")).unwrap();
        let place = lease.trim_end_matches(":lease");
        redis.ask(&theirs.replace("{place}", place)).await;
        drop(held);
        place.to_owned()
    };
    let (answer, place) = tokio::join!(replicas[0].get(LIMITS), meanwhile);
    assert_eq!(answer.status(), 200);
    let kept = redis.ask(&format!("HGET {place}:session session")).await;
    assert_eq!(kept, "$6\r\ntheirs\r\n");
}

/// What calls itself Redis, and has one answer to every script.
struct MadeUp {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl MadeUp {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, answer, count.clone()));
            }
        });
        Self { url, asked }
    }

    async fn serve(stream: TcpStream, answer: &'static str, asked: Arc<AtomicUsize>) {
        let mut stream = BufReader::new(stream);
        while let Some(is_script) = Self::is_asked_for_script(&mut stream).await {
            asked.fetch_add(is_script.into(), Relaxed);
            let answer = if is_script { answer } else { "+OK\r\n" };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Reads a command, and returns whether it is for a script. None at the end of the connection.
    async fn is_asked_for_script(stream: &mut BufReader<TcpStream>) -> Option<bool> {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
            return None;
        }
        let words: usize = line.trim().trim_start_matches('*').parse().unwrap();
        let mut command = Vec::new();
        for number in 0..words {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            let length: usize = line.trim().trim_start_matches('$').parse().unwrap();
            let mut word = vec![0; length + 2];
            stream.read_exact(&mut word).await.unwrap();
            if number == 0 {
                command = word;
            }
        }
        Some(command.starts_with(b"EVAL"))
    }
}

#[derive(Clone, Copy)]
enum Trouble {
    Killed,
    Paused,
    Flushed,
}

pub(crate) async fn start() -> Option<RedisServer> {
    let redis = RedisServer::start().await;
    if redis.is_none() {
        skip("there is no redis-server");
    }
    redis
}

async fn replicas(redis: &RedisServer, count: usize) -> (Org, Vec<Proxy>) {
    let org = Org::start().await.unwrap();
    let url = redis.url();
    let starting = (0..count).map(|_| replica(&url, &org));
    let replicas = join_all(starting).await;
    (org, replicas)
}

async fn replica(url: &str, org: &Org) -> Proxy {
    Proxy::with(org, |config| {
        config.redis = Some(Redis::at(url).unwrap());
        config.admin = Some(Admin::at(Listen::Tcp(([127, 0, 0, 1], 0).into())));
    })
    .await
}

/// A hundred clients of each.
async fn ask_all(replicas: &[Proxy]) {
    let clients = replicas
        .iter()
        .flat_map(|replica| (0..100).map(move |_| replica));
    let asking = clients.map(|replica| async { replica.get(LIMITS).await.status() });
    for status in in_time(join_all(asking)).await {
        assert_eq!(status, 200);
    }
}

/// Waits until Redis answers all of them.
pub(crate) async fn are_up(replicas: &[Proxy]) {
    show_all(replicas, "\norgproxy_redis_up 1\n").await;
}

/// Waits until all of them have noticed that it does not.
pub(crate) async fn are_alone(replicas: &[Proxy]) {
    show_all(replicas, "\norgproxy_redis_up 0\n").await;
}

async fn show_all(replicas: &[Proxy], metric: &str) {
    for replica in replicas {
        let shown = async {
            while !get(replica.admin(), "/metrics").await.body.contains(metric) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, shown).await.unwrap();
    }
}

/// What the names of the keys begin with.
async fn place(redis: &RedisServer) -> String {
    let keys = redis.ask("KEYS *:session").await;
    let name = keys.lines().find(|line| line.ends_with(":session"));
    name.unwrap().trim_end_matches(":session").to_owned()
}
