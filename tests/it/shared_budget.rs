//! Budgets that replicas count together in Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use orgproxy::config::{Admin, Amount, Budget, ClientLabel, Config, Listen, LongCalls, Redis};
use rustix::process::Signal;
use serde_json::Value;
use test_case::test_case;

use crate::{
    admin::{admin_url, get},
    redis::{are_alone, are_up, start},
    support::{
        Files, Org, PATIENCE, Proxy,
        binary::run,
        client,
        files::config,
        in_time,
        path::{BYTES, LIMITS},
        redis::RedisServer,
    },
};

#[tokio::test]
async fn three_replicas_spend_one_share_together() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let replicas = replicas(&redis, &org, 3, of_all(60)).await;
    for replica in &replicas {
        ask(replica, 10).await;
    }
    all_have_spent(&replicas, 30).await;
    ask(&replicas[0], 30).await;
    all_have_spent(&replicas, 60).await;
    // One that is started again knows it, too.
    let late = replica(&redis, &org, of_all(60)).await;
    all_have_spent(std::slice::from_ref(&late), 60).await;
    for replica in replicas.iter().chain([&late]) {
        let refused = replica.get(LIMITS).await;
        assert_eq!(refused.status(), 429);
        let text = refused.text().await.unwrap();
        assert!(text.contains("CLIENT_BUDGET_SPENT"), "{text}");
    }
    assert_eq!(org.counts().requests, 60);
}

#[tokio::test]
async fn replicas_that_share_no_redis_have_a_share_each() {
    let Some(redis) = start().await else { return };
    let Some(other) = start().await else { return };
    let org = Org::start().await.unwrap();
    let replicas = [
        replica(&redis, &org, of_all(20)).await,
        replica(&other, &org, of_all(20)).await,
    ];
    for replica in &replicas {
        ask(replica, 20).await;
        assert_eq!(replica.get(LIMITS).await.status(), 429);
    }
}

#[test_case(Trouble::Killed; "is killed and forgets everything")]
#[test_case(Trouble::Paused; "stands still")]
#[test_case(Trouble::Flushed; "forgets everything")]
#[tokio::test]
async fn every_call_counts_once_when_redis(trouble: Trouble) {
    let Some(mut redis) = start().await else {
        return;
    };
    let org = Org::start().await.unwrap();
    let mut replicas = replicas(&redis, &org, 3, of_all(1000)).await;
    for replica in &replicas {
        ask(replica, 10).await;
    }
    all_have_spent(&replicas, 30).await;
    // What one has counted that is there no more is not forgotten.
    replicas.pop().unwrap().stop().await;

    match trouble {
        Trouble::Killed => redis.kill().await,
        Trouble::Paused => redis.signal(Signal::STOP),
        Trouble::Flushed => drop(redis.ask("FLUSHALL").await),
    }
    for replica in &replicas {
        ask(replica, 10).await;
    }
    if let Trouble::Killed | Trouble::Paused = trouble {
        // They are alone, each with what it knows, and some of their news are on their way.
        are_alone(&replicas).await;
        all_have_spent(&replicas, 40).await;
    }
    match trouble {
        Trouble::Killed => redis.restart().await,
        Trouble::Paused => redis.signal(Signal::CONT),
        Trouble::Flushed => {}
    }
    are_up(&replicas).await;
    all_have_spent(&replicas, 50).await;
    ask(&replicas[0], 10).await;
    all_have_spent(&replicas, 60).await;
    let late = replica(&redis, &org, of_all(1000)).await;
    all_have_spent(&[late], 60).await;
}

#[tokio::test]
async fn a_call_waits_for_the_long_one_of_another_replica_and_goes_when_it_has_ended() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let replicas = replicas(&redis, &org, 2, one_long_call()).await;
    let hold = org.hold(BYTES);
    let long = replicas[0].get(BYTES);
    let other = async {
        shows(&replicas[1], |budget| {
            budget["long_calls"]["elsewhere"] == 1
        })
        .await;
        let waiting = replicas[1].get(LIMITS);
        let ending = async {
            shows(&replicas[1], |budget| budget["long_calls"]["waiting"] == 1).await;
            assert_eq!(org.counts().requests, 1);
            hold.release();
        };
        let (answer, ()) = tokio::join!(waiting, ending);
        assert_eq!(answer.status(), 200);
    };
    let (answer, ()) = in_time(async { tokio::join!(long, other) }).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn the_turns_of_a_replica_that_is_killed_come_back() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let more = format!(
        "[org.demo.budget]\nlong_calls = 1\nlong_after = \"1ms\"\n\
         [redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        redis.url()
    );
    let files = Files::with(&org, &more);
    let victim = files.start();
    let survivor = replica(&redis, &org, one_long_call()).await;
    let _hold = org.hold(BYTES);
    let url = victim.url(BYTES).await;
    let lost = tokio::spawn(async move { client().get(url).send().await.is_err() });
    shows(&survivor, |budget| budget["long_calls"]["elsewhere"] == 1).await;

    let waiting = survivor.get(LIMITS);
    let killing = async {
        shows(&survivor, |budget| budget["long_calls"]["waiting"] == 1).await;
        assert_eq!(org.counts().requests, 1);
        victim.signal(Signal::KILL);
    };
    let (answer, ()) = in_time(async { tokio::join!(waiting, killing) }).await;
    assert_eq!(answer.status(), 200);
    assert!(in_time(lost).await.unwrap());
}

#[tokio::test]
async fn it_is_told_once_that_redis_is_away_and_once_that_it_is_back() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let more = format!(
        "[org.demo.budget]\nothers = 1000\n\
         [redis]\nurl = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
        redis.url()
    );
    let files = Files::with(&org, &more);
    let proxy = files.start();
    let admin = admin_url(&proxy).await;
    let url = proxy.url(LIMITS).await;
    redis.signal(Signal::STOP);
    // Nobody has to ask for it.
    proxy.log(" does not answer: ").await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    let shown = run(&["status", "--url", &admin]).await;
    let is_told = shown.stdout.contains(" does not answer: ");
    assert!(is_told, "{}", shown.stdout);
    assert!(shown.stdout.contains(ALONE), "{}", shown.stdout);
    redis.signal(Signal::CONT);
    proxy
        .log("answers again, so no process goes on alone")
        .await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    let said = proxy.stop().await.stderr;
    assert_eq!(said.matches("does not answer").count(), 1, "{said}");
    assert_eq!(said.matches("answers again").count(), 1, "{said}");
}

/// It would do so for ever.
#[test_case("SET {key} x"; "another type")]
#[test_case("EVAL \"redis.call('HSET', KEYS[1], ARGV[1] .. ' x', string.rep('x', 9000000))\" 1 {key} {hour}"; "more than replicas can have counted")]
#[tokio::test]
async fn what_no_replica_has_counted_is_removed(garbage: &str) {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let replicas = replicas(&redis, &org, 2, of_all(1000)).await;
    ask(&replicas[0], 3).await;
    all_have_spent(&replicas, 3).await;
    let key = key(&redis).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let hour = (now.unwrap().as_secs() / 3600).to_string();
    redis
        .ask(&garbage.replace("{key}", &key).replace("{hour}", &hour))
        .await;
    ask(&replicas[1], 2).await;
    all_have_spent(&replicas, 5).await;
    are_up(&replicas).await;
    let size = redis.ask(&format!("HLEN {key}")).await;
    assert!(size.starts_with(':'), "{size}");
}

/// It answers all the while.
#[tokio::test]
async fn it_is_told_once_that_redis_refuses_to_write() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let more = format!(
        "[org.demo.budget]\nothers = 1000\n[redis]\nurl = \"{}\"\n",
        redis.url()
    );
    let files = Files::with(&org, &more);
    let proxy = files.start();
    let url = proxy.url(LIMITS).await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    redis.ask("CONFIG SET maxmemory 1").await;
    let said = proxy.log(" cannot be used: ").await;
    assert!(said.contains("OOM"), "{said}");
    // For longer than between two tries.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    redis.ask("CONFIG SET maxmemory 0").await;
    proxy
        .log("answers again, so no process goes on alone")
        .await;
    let said = proxy.stop().await.stderr;
    assert_eq!(said.matches(ALONE).count(), 1, "{said}");
    assert_eq!(said.matches("answers again").count(), 1, "{said}");
}

#[tokio::test]
async fn a_reload_neither_forgets_nor_doubles_what_was_counted() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let budget = |others: u32| {
        format!(
            "[org.demo.budget]\nothers = {others}\n[redis]\nurl = \"{}\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n",
            redis.url()
        )
    };
    let files = Files::with(&org, &budget(10));
    let proxy = files.start();
    let url = proxy.url(LIMITS).await;
    let ask = async || client().get(&url).send().await.unwrap().status();
    let other = replica(&redis, &org, of_all(100)).await;
    for _ in 0..10 {
        assert_eq!(ask().await, 200);
    }
    assert_eq!(ask().await, 429);
    files.write("proxy.toml", &config(&org, &budget(15)));
    let admin = admin_url(&proxy).await;
    let reloaded = run(&["reload", "--url", &admin]).await;
    assert_eq!(reloaded.code(), 0, "{reloaded:?}");
    for _ in 0..5 {
        assert_eq!(ask().await, 200);
    }
    assert_eq!(ask().await, 429);
    all_have_spent(&[other], 15).await;
}

#[tokio::test]
async fn redis_sees_names_and_numbers_and_no_secret() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let budget = Budget {
        clients: vec![(ClientLabel::Listener("nightly".into()), Amount::Calls(9))],
        ..of_all(9)
    };
    let replica = Proxy::with(&org, |config| {
        share(config, &redis, budget);
        let listen = config.orgs[0].listen[0].clone();
        config.orgs[0].client_names.add(listen, "nightly");
    })
    .await;
    ask(&replica, 5).await;
    let kept = async {
        loop {
            let keys = redis.ask("KEYS *:budget").await;
            let key = keys.lines().find(|line| line.ends_with(":budget"));
            if let Some(key) = key {
                let kept = redis.ask(&format!("HGETALL {key}")).await;
                if kept.contains(" listener:nightly\r\n$1\r\n5\r\n") {
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, kept).await.unwrap();
    let dump = redis.dump().await;
    for secret in [org.username(), org.client_id(), "localhost"] {
        let holds = memchr::memmem::find(&dump, secret.as_bytes());
        assert_eq!(holds, None, "{secret}");
    }
}

#[tokio::test]
async fn what_a_replica_with_its_clock_ahead_has_counted_is_of_today() {
    let Some(redis) = start().await else { return };
    let org = Org::start().await.unwrap();
    let replicas = replicas(&redis, &org, 2, of_all(60)).await;
    ask(&replicas[0], 5).await;
    all_have_spent(&replicas, 5).await;
    let key = key(&redis).await;
    // By a clock that is a year ahead.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ahead = now.as_secs() / 3600 + 365 * 24;
    redis.ask(&format!("HSET {key} {ahead} 7")).await;
    all_have_spent(&replicas, 12).await;
    let kept = redis.ask(&format!("HGETALL {key}")).await;
    assert!(!kept.contains(&ahead.to_string()), "{kept}");
    ask(&replicas[1], 1).await;
    all_have_spent(&replicas, 13).await;
}

#[derive(Clone, Copy)]
enum Trouble {
    Killed,
    Paused,
    Flushed,
}

/// So many calls in 24 hours, for all clients together.
fn of_all(calls: u32) -> Budget {
    Budget {
        others: Some(Amount::Calls(calls)),
        ..Budget::default()
    }
}

/// One of them at the same time, which is long at once.
fn one_long_call() -> Budget {
    Budget {
        long_calls: Some(LongCalls {
            most: 1,
            after: Duration::from_millis(1),
            ..LongCalls::default()
        }),
        ..Budget::default()
    }
}

async fn replicas(redis: &RedisServer, org: &Org, count: usize, budget: Budget) -> Vec<Proxy> {
    let starting = (0..count).map(|_| replica(redis, org, budget.clone()));
    join_all(starting).await
}

async fn replica(redis: &RedisServer, org: &Org, budget: Budget) -> Proxy {
    Proxy::with(org, |config| share(config, redis, budget)).await
}

fn share(config: &mut Config, redis: &RedisServer, budget: Budget) {
    config.redis = Some(Redis::at(&redis.url()).unwrap());
    config.admin = Some(Admin::at(Listen::loopback(0)));
    config.orgs[0].budget = Some(budget);
}

/// Where Redis has the counts of the one org.
async fn key(redis: &RedisServer) -> String {
    let keys = redis.ask("KEYS *:budget").await;
    let key = keys.lines().find(|line| line.ends_with(":budget"));
    key.unwrap().to_owned()
}

/// So many calls, which are all answered.
async fn ask(replica: &Proxy, calls: usize) {
    let asking = (0..calls).map(|_| replica.get(LIMITS));
    for answer in in_time(join_all(asking)).await {
        assert_eq!(answer.status(), 200);
    }
}

/// Waits until each shows that so many calls are spent, and no more.
async fn all_have_spent(replicas: &[Proxy], calls: u64) {
    for replica in replicas {
        shows(replica, |budget| {
            let used = budget["clients"][0]["used"].as_u64().unwrap();
            assert!(used <= calls, "{used} of {calls}");
            used == calls
        })
        .await;
    }
}

/// Waits until its budget is like that.
async fn shows(replica: &Proxy, is_right: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let shown = async {
        loop {
            let answer = get(replica.admin(), "/api/status").await;
            let status: Value = serde_json::from_str(&answer.body).unwrap();
            last = status["orgs"][0]["budget"].clone();
            if is_right(&last) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let shown = tokio::time::timeout(PATIENCE, shown).await;
    assert!(shown.is_ok(), "{last}");
}

const ALONE: &str = "; this process goes on alone\n";
