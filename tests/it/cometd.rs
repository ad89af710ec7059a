//! The Streaming API: long polls, cookies, and a session whose end shows in messages only.

use http::StatusCode;
use orgproxy::demo::Counts;
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::{
    Both, Fault, Proxy, Raw,
    answer::{Answer, ask},
    client,
    path::{COMETD, LIMITS},
    session,
};

const ORDERS: &str = "/event/Order__e";

#[tokio::test]
async fn an_event_comes_through() {
    let Both { org, proxy } = Both::start().await;
    let mut listener = Listener::shake_hands(&proxy).await;
    let first = listener.connect().await;
    assert_eq!(first[0]["advice"]["reconnect"], "retry");
    listener.subscribe().await;
    let (said, ()) = tokio::join!(listener.connect(), async {
        org.wait_until(|org| org.counts().long_polls == 1).await;
        publish(&proxy, "7").await;
    });
    assert_eq!(said[0]["channel"], ORDERS);
    assert_eq!(said[0]["data"]["payload"]["Number__c"], "7");
    assert_eq!(said[1]["successful"], true);
    assert_eq!(org.logins(), 1);
    for seen in org.requests() {
        assert!(seen.authorized, "{}", seen.target);
        assert!(!format!("{:?}", seen.lines()).contains("theirs"));
    }
}

#[tokio::test]
async fn cookies_are_such_as_a_client_of_the_proxy_keeps() {
    let Both { org, proxy } = Both::start().await;
    let mut listener = Listener::shake_hands(&proxy).await;
    for name in ["BAYEUX_BROWSER", "sfdc-stream", "BrowserId"] {
        let start = format!("{name}=");
        let cookie = listener
            .set
            .iter()
            .find(|cookie| cookie.starts_with(&start));
        let cookie = cookie.expect(name).to_lowercase();
        assert!(cookie.contains("path=/"), "{cookie}");
        for attribute in ["domain", "secure", "samesite=none"] {
            assert!(!cookie.contains(attribute), "{cookie}");
        }
    }
    listener.connect().await;
    let seen = org.last_request();
    assert_eq!(seen.header("cookie"), listener.cookies());
}

#[tokio::test]
async fn a_session_that_ends_within_a_connect_is_replaced_unseen() {
    let Both { org, proxy } = Both::start().await;
    let mut listener = Listener::shake_hands(&proxy).await;
    listener.connect().await;
    listener.subscribe().await;
    let before = org.counts().requests;
    let (said, ()) = tokio::join!(listener.connect(), async {
        org.wait_until(|org| org.counts().long_polls == 1).await;
        org.end_sessions();
        // It waits again, with the next session.
        org.wait_until(|org| org.logins() == 2 && org.counts().long_polls == 1)
            .await;
        publish(&proxy, "after").await;
    });
    assert_eq!(said[0]["data"]["payload"]["Number__c"], "after");
    assert_eq!(said[1]["successful"], true);
    assert_eq!(said.len(), 2);

    let [first, again, ..] = &org.requests()[before..] else {
        panic!("two requests")
    };
    assert_eq!((&first.target, &first.body), (&again.target, &again.body));
    assert_eq!(first.header("cookie"), again.header("cookie"));
    assert_ne!(session(first), session(again));
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn a_session_that_ended_before_is_replaced_unseen() {
    let Both { org, proxy } = Both::start().await;
    proxy.get(LIMITS).await;
    org.end_sessions();
    let mut listener = Listener::shake_hands(&proxy).await;
    assert_eq!(org.logins(), 2);
    org.end_sessions();
    listener.subscribe().await;
    assert_eq!(org.logins(), 3);
    org.end_sessions();
    assert_eq!(listener.connect().await[0]["successful"], true);
    assert_eq!(org.logins(), 4);
    org.end_sessions();
    let bye = listener.say(json!({"channel": "/meta/disconnect"})).await;
    assert_eq!(bye[0]["successful"], true);
    assert_eq!(org.logins(), 5);
}

#[test_case(json!({"channel": "/event/Order__e", "successful": true}); "a message that was published")]
#[test_case(json!({"channel": "/event/Order__e", "data": {"payload": {}}}); "an event")]
#[tokio::test]
async fn a_session_that_ends_after_a_part_was_done_is_replaced_for_what_follows(done: Value) {
    let Both { org, proxy } = Both::start().await;
    let mut listener = Listener::shake_hands(&proxy).await;
    let failed = json!({
        "channel": "/meta/connect",
        "successful": false,
        "error": "401::Authentication invalid",
    });
    let both = json!([done, failed]);
    let fault = Fault::answer(StatusCode::OK, "application/json", both.to_string());
    org.faults().next(1, COMETD, fault);
    let before = org.counts().requests;
    assert_eq!(json!(listener.connect().await), both);
    assert_eq!((org.counts().requests, org.logins()), (before + 1, 1));
    publish(&proxy, "after").await;
    assert_eq!(org.logins(), 2);
}

#[tokio::test]
async fn what_an_event_says_ends_no_session() {
    let Both { org, proxy } = Both::start().await;
    let mut listener = Listener::shake_hands(&proxy).await;
    listener.subscribe().await;
    let words = "401::Authentication invalid";
    publish(&proxy, words).await;
    let before = org.counts().requests;
    let said = listener.connect().await;
    assert_eq!(said[0]["data"]["payload"]["Number__c"], words);
    assert_eq!(org.counts().requests, before + 1);
    assert_eq!(org.counts().token_requests, 1);
}

#[tokio::test]
async fn an_unknown_client_learns_that_it_is_and_costs_no_login() {
    let Both { org, proxy } = Both::start().await;
    let mut listener = Listener::shake_hands(&proxy).await;
    listener.id = "nobody".to_owned();
    let said = listener.connect().await;
    assert_eq!(said[0]["error"], "403::Unknown client");
    assert_eq!(said[0]["advice"]["reconnect"], "handshake");
    assert_eq!(org.counts().token_requests, 1);
}

#[tokio::test]
async fn a_client_that_wants_a_web_socket_learns_at_once_that_there_is_none() {
    let Both { org, proxy } = Both::start().await;
    let mut raw = proxy.connect().await;
    raw.send(format!(
        "GET {COMETD} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ))
    .await;
    let answer = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(!org.last_request().headers.contains_key("upgrade"));
    // The connection is as good as any.
    Listener::on(raw).await.connect().await;
    assert_eq!(org.counts().token_requests, 1);
}

#[test_case("evil.com", None, 421, "WRONG_HOST", "none"; "a refusal")]
#[test_case("localhost", Some(Fault::login_refused("invalid_grant", "user is locked")), 502, "LOGIN_REFUSED", "retry"; "a login that is refused")]
#[test_case("localhost", Some(Fault::html(StatusCode::SERVICE_UNAVAILABLE)), 503, "LOGIN_UNAVAILABLE", "retry"; "a login that fails")]
#[tokio::test]
async fn errors_of_the_proxy_are_messages(
    host: &str,
    fault: Option<Fault>,
    status: u16,
    code: &str,
    reconnect: &str,
) {
    let Both { org, proxy } = Both::start().await;
    if let Some(fault) = fault.clone() {
        org.faults().always("/services/oauth2", fault);
    }
    let body = json!([handshake()]).to_string();
    let wire = format!(
        "POST {COMETD} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer: Answer = ask(proxy.address, wire).await;
    assert_eq!(answer.status, status);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json;charset=utf-8")
    );
    answer.is_marked(code);
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said[0]["channel"], "/meta/connect");
    assert_eq!(said[0]["successful"], false);
    let error = said[0]["error"].as_str().unwrap();
    let start = format!("{status}::{code}: orgproxy: ");
    assert!(error.starts_with(&start), "{error}");
    assert_eq!(said[0]["advice"]["reconnect"], reconnect);
    match fault {
        Some(_) => assert_eq!(org.counts().requests, 0),
        None => assert_eq!(org.counts(), Counts::default()),
    }
}

/// A client with one connection, which keeps its cookies.
struct Listener {
    raw: Raw,
    /// The cookies as they were set.
    set: Vec<String>,
    id: String,
}

impl Listener {
    async fn shake_hands(proxy: &Proxy) -> Self {
        Self::on(proxy.connect().await).await
    }

    async fn on(raw: Raw) -> Self {
        let mut listener = Self {
            raw,
            set: Vec::new(),
            id: String::new(),
        };
        let said = listener.exchange(handshake()).await;
        assert_eq!(said[0]["successful"], true, "{said:?}");
        listener.id = said[0]["clientId"].as_str().unwrap().to_owned();
        listener
    }

    async fn connect(&mut self) -> Vec<Value> {
        let message =
            json!({"channel": "/meta/connect", "connectionType": "long-polling", "id": "c"});
        self.say(message).await
    }

    async fn subscribe(&mut self) {
        let message = json!({"channel": "/meta/subscribe", "subscription": ORDERS});
        let said = self.say(message).await;
        assert_eq!(said[0]["successful"], true, "{said:?}");
    }

    async fn say(&mut self, mut message: Value) -> Vec<Value> {
        message["clientId"] = self.id.as_str().into();
        self.exchange(message).await
    }

    async fn exchange(&mut self, message: Value) -> Vec<Value> {
        let body = json!([message]).to_string();
        let mut lines = format!(
            "Host: localhost\r\nAuthorization: OAuth theirs\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n",
            body.len()
        );
        if !self.set.is_empty() {
            lines += &format!("Cookie: {}\r\n", self.cookies());
        }
        let wire = format!("POST {COMETD} HTTP/1.1\r\n{lines}\r\n{body}");
        self.raw.send(wire).await;
        let answer = self.raw.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        for line in head.lines() {
            if let Some((name, cookie)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("set-cookie")
            {
                self.keep(cookie);
            }
        }
        serde_json::from_str(body).unwrap()
    }

    fn keep(&mut self, cookie: &str) {
        let name = |cookie: &str| cookie.split('=').next().map(str::to_owned);
        self.set.retain(|old| name(old) != name(cookie));
        self.set.push(cookie.to_owned());
    }

    fn cookies(&self) -> String {
        let pairs = self
            .set
            .iter()
            .filter_map(|cookie| cookie.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }
}

fn handshake() -> Value {
    json!({
        "channel": "/meta/handshake",
        "version": "1.0",
        "supportedConnectionTypes": ["long-polling"],
    })
}

/// Publishes an event by the REST API.
async fn publish(proxy: &Proxy, text: &str) {
    let request = client()
        .post(proxy.url("/services/data/v67.0/sobjects/Order__e"))
        .header("content-type", "application/json");
    let event = json!({"Number__c": text}).to_string();
    let answer = request.body(event).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
}
