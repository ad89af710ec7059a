//! The demo org's Streaming API: what long-polling clients live with.

use http::{Method, StatusCode};
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{Demo, json_of, path::COMETD};

#[tokio::test]
async fn a_client_hears_of_what_it_subscribed_to() {
    let org = Demo::start().await;
    let session = org.session().await;
    let client = Listener::new(&org, &session).await;
    let first = client.connect(&session).await;
    assert_eq!(
        first[0]["advice"],
        json!({"reconnect": "retry", "interval": 0, "timeout": 110_000}),
        "the first connect is answered at once"
    );
    for channel in [
        "/topic/Accounts",
        "/event/Order__e",
        "/data/AccountChangeEvent",
    ] {
        let reply = client.subscribe(&session, channel, -1).await;
        assert_eq!(
            (&reply["successful"], &reply["subscription"]),
            (&json!(true), &json!(channel))
        );
    }

    let (said, order) = tokio::join!(client.connect(&session), async {
        org.org.wait_until(|org| org.counts().long_polls == 1).await;
        org.post(
            "/services/data/v67.0/sobjects/Order__e",
            &session,
            &json!({"Number__c": "7"}),
        )
        .await
    });
    assert_eq!(order.status(), StatusCode::CREATED);
    assert_eq!(
        json_of(order).await["errors"][0]["statusCode"],
        "OPERATION_ENQUEUED"
    );
    assert_eq!(said[0]["channel"], "/event/Order__e");
    assert_eq!(said[0]["data"]["payload"]["Number__c"], "7");
    assert_eq!(said[0]["data"]["event"], json!({"replayId": 1}));
    assert_eq!(said[1]["successful"], true);

    let made = org
        .post(
            "/services/data/v67.0/sobjects/Account",
            &session,
            &json!({"Name": "Streamed"}),
        )
        .await;
    let id = json_of(made).await["id"].clone();
    let said = client.connect(&session).await;
    assert_eq!(said[0]["channel"], "/topic/Accounts");
    assert_eq!(
        said[0]["data"]["sobject"],
        json!({"Id": id, "Name": "Streamed"})
    );
    assert_eq!(said[0]["data"]["event"]["type"], "created");
    assert_eq!(said[1]["channel"], "/data/AccountChangeEvent");
    assert_eq!(
        said[1]["data"]["payload"]["ChangeEventHeader"]["recordIds"],
        json!([id])
    );
}

#[tokio::test]
async fn events_are_replayed_on_request() {
    let org = Demo::start().await;
    let session = org.session().await;
    for number in 1..=3 {
        let event = json!({"Number__c": number});
        org.post("/services/data/v67.0/sobjects/Order__e", &session, &event)
            .await;
    }
    for (replay, expected) in [(-2, vec![1, 2, 3]), (2, vec![3]), (-1, vec![])] {
        let client = Listener::new(&org, &session).await;
        assert_eq!(
            client.subscribe(&session, "/event/Order__e", replay).await["successful"],
            true
        );
        let said = client.connect(&session).await;
        let numbers: Vec<_> = said
            .iter()
            .filter_map(|message| message["data"]["event"]["replayId"].as_u64())
            .collect();
        assert_eq!(numbers, expected, "{replay}");
    }
    let client = Listener::new(&org, &session).await;
    let wrong = client.subscribe(&session, "/event/Order__e", 99).await;
    assert!(
        wrong["error"]
            .as_str()
            .unwrap()
            .starts_with("400::The replayId {99}"),
        "{wrong}"
    );
    let wrong = client.subscribe(&session, "/other/x", -1).await;
    assert!(
        wrong["error"].as_str().unwrap().starts_with("404::"),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_connect_without_news_ends_in_time_and_says_so() {
    let org = Demo::start().await;
    let session = org.session().await;
    org.org
        .set(|knobs| knobs.long_poll = std::time::Duration::from_millis(20));
    let client = Listener::new(&org, &session).await;
    client.connect(&session).await;
    let said = client.connect(&session).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["successful"], true);

    client.subscribe(&session, "/topic/Accounts", -1).await;
    let gone = client
        .say(
            &session,
            json!({"channel": "/meta/unsubscribe", "subscription": "/topic/Accounts"}),
        )
        .await;
    assert_eq!(gone[0]["successful"], true);
    org.post(
        "/services/data/v67.0/sobjects/Account",
        &session,
        &json!({"Name": "x"}),
    )
    .await;
    assert_eq!(client.connect(&session).await.len(), 1);

    let bye = client
        .say(&session, json!({"channel": "/meta/disconnect"}))
        .await;
    assert_eq!(bye[0]["successful"], true);
    assert_eq!(
        client.connect(&session).await[0]["error"],
        "403::Unknown client"
    );
}

#[tokio::test]
async fn a_client_without_its_cookies_is_unknown() {
    let org = Demo::start().await;
    let session = org.session().await;
    let shake = org.cometd(Some(&session), "", &json!([handshake()])).await;
    let cookies: Vec<_> = shake
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect();
    for name in ["BAYEUX_BROWSER=", "sfdc-stream=", "BrowserId="] {
        let cookie = cookies
            .iter()
            .find(|cookie| cookie.starts_with(name))
            .unwrap();
        let cookie = cookie.to_ascii_lowercase();
        assert!(
            cookie.contains("domain=.salesforce.com") && cookie.contains("; secure"),
            "{cookie}"
        );
    }
    let said = json_of(shake).await;
    assert_eq!(said[0]["supportedConnectionTypes"], json!(["long-polling"]));
    assert_eq!(
        (&said[0]["version"], &said[0]["ext"]["replay"]),
        (&json!("1.0"), &json!(true))
    );

    let client = Listener {
        org: &org,
        id: said[0]["clientId"].as_str().unwrap().to_owned(),
        cookies: "sfdc-stream=x".to_owned(),
    };
    let said = client.connect(&session).await;
    assert_eq!(said[0]["error"], "403::Unknown client");
    assert_eq!(said[0]["advice"]["reconnect"], "handshake");
}

#[tokio::test]
async fn a_dead_session_shows_in_the_messages_only() {
    let org = Demo::start().await;
    let dead = "00Dxx0000001gPL!dead";
    let shake = org.cometd(Some(dead), "", &json!(handshake())).await;
    assert_eq!(shake.status(), StatusCode::OK);
    assert_eq!(
        shake.text().await.unwrap(),
        r#"[{"ext":{"sfdc":{"failureReason":"401::Authentication invalid"}},"advice":{"reconnect":"none"},"channel":"/meta/handshake","error":"403::Handshake denied","successful":false}]"#
    );
    let none = json_of(org.cometd(None, "", &json!(handshake())).await).await;
    assert_eq!(
        none[0]["ext"]["sfdc"]["failureReason"],
        "401::Request requires authentication"
    );

    let connect = json!([{"channel": "/meta/connect", "clientId": "x1", "id": 7, "connectionType": "long-polling"}]);
    let connect = org.cometd(Some(dead), "", &connect).await;
    assert_eq!(connect.status(), StatusCode::OK);
    assert_eq!(
        connect.text().await.unwrap(),
        r#"[{"clientId":"x1","advice":{"reconnect":"none","interval":0},"channel":"/meta/connect","id":7,"error":"401::Authentication invalid","successful":false}]"#
    );
}

#[tokio::test]
async fn a_session_that_ends_ends_its_held_connect_but_not_the_client() {
    let org = Demo::start().await;
    let session = org.session().await;
    let client = Listener::new(&org, &session).await;
    client.connect(&session).await;
    client.subscribe(&session, "/topic/Accounts", -1).await;
    let (said, ()) = tokio::join!(client.connect(&session), async {
        org.org.wait_until(|org| org.counts().long_polls == 1).await;
        org.org.end_sessions();
    });
    assert_eq!(said[0]["error"], "401::Authentication invalid");
    assert_eq!(org.org.counts().long_polls, 0);

    let session = org.session().await;
    org.post(
        "/services/data/v67.0/sobjects/Account",
        &session,
        &json!({"Name": "x"}),
    )
    .await;
    assert_eq!(
        client.connect(&session).await[0]["channel"],
        "/topic/Accounts"
    );
}

#[tokio::test]
async fn what_is_not_a_message_is_refused() {
    let org = Demo::start().await;
    let session = org.session().await;
    let request = org.client.get(org.url(COMETD));
    let socket = request
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .send()
        .await
        .unwrap();
    assert_eq!(socket.status(), StatusCode::BAD_REQUEST);
    let long = json!([{"channel": "x".repeat(32_768)}]);
    let long = org.cometd(Some(&session), "", &long).await;
    assert_eq!(long.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(long.text().await.unwrap(), "Maximum Request Size Exceeded");
    let wrong = org.cometd(Some(&session), "", &json!("x")).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}

/// A client that shook hands.
struct Listener<'a> {
    org: &'a Demo,
    id: String,
    cookies: String,
}

impl<'a> Listener<'a> {
    async fn new(org: &'a Demo, session: &str) -> Self {
        let answer = org.cometd(Some(session), "", &json!([handshake()])).await;
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies: Vec<_> = cookies
            .filter_map(|value| value.to_str().unwrap().split(';').next())
            .map(str::to_owned)
            .collect();
        let said = json_of(answer).await;
        assert_eq!(said[0]["successful"], true);
        Self {
            org,
            id: said[0]["clientId"].as_str().unwrap().to_owned(),
            cookies: cookies.join("; "),
        }
    }

    async fn connect(&self, session: &str) -> Vec<Value> {
        let message =
            json!({"channel": "/meta/connect", "connectionType": "long-polling", "id": "c"});
        self.say(session, message).await
    }

    async fn subscribe(&self, session: &str, channel: &str, replay: i64) -> Value {
        let ext = json!({"replay": {channel: replay}});
        let message = json!({"channel": "/meta/subscribe", "subscription": channel, "ext": ext});
        self.say(session, message).await.remove(0)
    }

    async fn say(&self, session: &str, mut message: Value) -> Vec<Value> {
        message["clientId"] = self.id.as_str().into();
        let answer = self
            .org
            .cometd(Some(session), &self.cookies, &json!([message]))
            .await;
        assert_eq!(answer.status(), StatusCode::OK);
        serde_json::from_value(json_of(answer).await).unwrap()
    }
}

impl Demo {
    async fn cometd(&self, session: Option<&str>, cookies: &str, body: &Value) -> Response {
        let mut request = self.client.request(Method::POST, self.url(COMETD));
        if let Some(session) = session {
            request = request.header("authorization", format!("OAuth {session}"));
        }
        let request = request
            .header("cookie", cookies)
            .header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }
}

fn handshake() -> Value {
    json!({
        "channel": "/meta/handshake",
        "version": "1.0",
        "supportedConnectionTypes": ["long-polling"],
    })
}
