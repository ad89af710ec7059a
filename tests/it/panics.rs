//! A panic in the middle of a request is the end of that request, and of nothing else.

use std::{
    env,
    fmt::Debug,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::process::Command;
use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt},
};

use crate::support::{Both, client, get::get, in_time, path::LIMITS, session};

/// Set in the process that panics.
const WITHIN: &str = "ORGPROXY_TEST_PANICS";

/// What clients send, and nobody else is to see.
const CANARY: &str = "CANARY-7f3a";

/// It is the log that panics, which the request writes a line of while it holds a lock. That is in a
/// process of its own, whose output is searched as a core's or a service manager's would be.
#[tokio::test]
async fn a_panic_is_the_500_of_one_request_and_shows_no_secret() {
    if env::var_os(WITHIN).is_some() {
        return panics().await;
    }
    let ran = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("panics::a_panic_is_the_500_of_one_request_and_shows_no_secret")
        .env(WITHIN, "1")
        .env("RUST_BACKTRACE", "full")
        .output();
    let ran = in_time(ran).await.unwrap();
    let stdout = String::from_utf8_lossy(&ran.stdout);
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{stdout}\n{stderr}");

    assert!(stderr.contains("panicked at"), "{stderr}");
    assert!(stderr.contains(WORDS), "{stderr}");
    // With all that a backtrace has.
    assert!(stderr.contains("orgproxy::proxy::delivery"), "{stderr}");
    assert!(stderr.contains("PROXY_FAILED"), "{stderr}");
    let secrets = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("secret: "));
    let secrets: Vec<_> = secrets.chain([CANARY]).collect();
    assert_eq!(secrets.len(), 3);
    for secret in secrets {
        assert!(secret.len() >= CANARY.len(), "{secret}");
        assert!(!stderr.contains(secret), "{secret} in {stderr}");
    }
}

async fn panics() {
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let all = log.with_filter(EnvFilter::new("orgproxy=trace"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(all).with(Panics))
        .unwrap();
    let Both { org, proxy } = Both::with(|config| {
        config.threads = 1;
        // One that is not given back would be missed.
        config.limits.requests = 1;
    })
    .await;
    let mut client = proxy.connect().await;
    client.send(get(LIMITS)).await;
    assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    let token = session(&org.last_request()).to_owned();
    let (_, random) = token.split_once('!').unwrap();
    let key = org.private_key_pem().lines().nth(1).unwrap();
    // For the process that looks at this one.
    #[expect(clippy::print_stdout)]
    {
        println!("\nsecret: {random}\nsecret: {key}");
    }

    org.end_sessions();
    let body = format!("{{\"Name\":\"{CANARY}\"}}");
    let head = format!(
        "POST /services/data/v62.0/sobjects/Account?{CANARY} HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {CANARY}\r\nCookie: sid={CANARY}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head.clone() + &body).await;
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(
        answer.contains("\"errorCode\":\"PROXY_FAILED\""),
        "{answer}"
    );
    let lower = answer.to_lowercase();
    let marked = "proxy-status: orgproxy; error=proxy_internal_error";
    assert!(lower.contains(marked), "{answer}");
    assert!(
        !answer.contains(WORDS) && !answer.contains(CANARY),
        "{answer}"
    );

    // The next on the connection, and on another.
    client.send(head + &body).await;
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let answer = self::client().get(proxy.url(LIMITS)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(org.logins(), 2);
}

/// Panics at the first line about a session that has ended.
struct Panics;

impl<S: Subscriber> Layer<S> for Panics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut |field: &Field, value: &dyn Debug| {
            let is_it =
                field.name() == "message" && format!("{value:?}") == "the org ended the session";
            let is_first = is_it && !HAS_PANICKED.swap(true, Relaxed);
            assert!(!is_first, "{WORDS}");
        });
    }
}

static HAS_PANICKED: AtomicBool = AtomicBool::new(false);

const WORDS: &str = "the log panics";
