//! The Pub/Sub API: calls in HTTP/2 without TLS, with the session in their metadata.

use http::{HeaderMap, StatusCode, Version};
use orgproxy::demo::Counts;
use tokio::net::TcpStream;

use crate::support::{
    Fault, Org, Proxy,
    answer::ask,
    get::get_and_close,
    grpc::{Answer, Caller, Fetched, Named, Outcome, TOPIC, Topic, fetch, named, payloads},
    path::LIMITS,
    proxy::listen_for_calls,
};

const AUTH_ERROR: &str = "sfdc.platform.eventbus.grpc.service.auth.error";

#[tokio::test]
async fn the_metadata_of_a_call_are_ours_and_the_rest_is_the_clients() {
    let calls = Calls::start().await;
    let mut metadata = theirs();
    metadata.insert("authorization", "Bearer theirs".try_into().unwrap());
    metadata.insert("x-sfdc-session", "theirs".try_into().unwrap());
    metadata.append("accesstoken", "theirs, too".try_into().unwrap());
    metadata.insert("x-client-trace-id", "kept".try_into().unwrap());
    metadata.insert("grpc-timeout", "10S".try_into().unwrap());
    let mut answer = calls
        .caller
        .call("GetTopic", &metadata, &named(TOPIC))
        .await;
    let topic: Topic = answer.message().await.unwrap();
    assert_eq!(topic.topic_name, TOPIC);
    assert_eq!(answer.trailers().await["grpc-status"], "0");
    assert_eq!(answer.head["content-type"], "application/grpc");

    let seen = calls.org.last_request();
    assert_eq!(seen.target, "/eventbus.v1.PubSub/GetTopic");
    assert_eq!(seen.version, Version::HTTP_2);
    assert!(seen.authorized);
    assert_eq!(seen.header("instanceurl"), calls.org.instance_url());
    assert_eq!(seen.header("tenantid"), calls.org.org_id());
    for name in ["accesstoken", "instanceurl", "tenantid"] {
        assert_eq!(seen.headers.get_all(name).iter().count(), 1, "{name}");
    }
    for (name, value) in [
        ("x-client-trace-id", "kept"),
        ("grpc-timeout", "10S"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        assert_eq!(seen.header(name), value);
    }
    let said = format!("{:?}", seen.headers);
    assert!(!said.contains("theirs"), "{said}");
    assert!(!seen.headers.contains_key("authorization"));
}

#[tokio::test]
async fn events_are_published_and_subscribers_get_them_as_they_happen() {
    let calls = Calls::start().await;
    let (requests, answer) = calls.caller.open("Subscribe", &theirs());
    requests.send(fetch(TOPIC, 1, &[], 1)).unwrap();
    let mut answer = answer.await.unwrap();
    let outcomes = calls.publish(&["one", "two"]).await;
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none()));
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["one"]);
    assert_eq!(response.latest, outcomes[0].replay_id);

    // The stream goes both ways as long as either end likes.
    requests.send(fetch(TOPIC, 0, &[], 2)).unwrap();
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["two"]);
    calls.publish(&["three"]).await;
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["three"]);
    drop(requests);
    assert_eq!(answer.message::<Fetched>().await, None);
    assert_eq!(answer.trailers().await["grpc-status"], "0");
    assert_eq!(calls.org.logins(), 1);
}

#[tokio::test]
async fn what_the_org_refuses_is_passed_on() {
    let calls = Calls::start().await;
    let mut answer = calls.call(&named("/event/No__e")).await;
    assert_eq!(answer.head["grpc-status"], "5");
    let message = answer.head["grpc-message"].to_str().unwrap();
    assert!(message.contains("no topic but"), "{message}");
    assert_eq!(answer.message::<Topic>().await, None);
    assert!(!answer.head.contains_key("proxy-status"));
    assert_eq!(calls.org.counts().requests, 1);
    assert_eq!(calls.org.counts().token_requests, 1);
}

#[tokio::test]
async fn a_session_that_ends_before_a_call_is_replaced_unseen() {
    let calls = Calls::start().await;
    calls.publish(&["one"]).await;
    calls.org.end_sessions();
    let mut answer = calls.call(&named(TOPIC)).await;
    let topic: Topic = answer.message().await.unwrap();
    assert_eq!(topic.topic_name, TOPIC);
    assert_eq!(answer.trailers().await["grpc-status"], "0");
    assert_eq!(calls.org.logins(), 2);
    let [.., first, again] = &calls.org.requests()[..] else {
        panic!("two requests")
    };
    assert!(!first.authorized && again.authorized);
    assert_eq!(first.target, again.target);
    assert_ne!(first.header("accesstoken"), again.header("accesstoken"));

    calls.org.end_sessions();
    let (requests, answer) = calls.caller.open("Subscribe", &theirs());
    requests.send(fetch(TOPIC, 1, &[], 5)).unwrap();
    let mut answer = answer.await.unwrap();
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["one"]);
    assert_eq!(calls.org.logins(), 3);
}

#[tokio::test]
async fn a_session_that_ends_within_a_subscription_ends_it_and_the_next_call_goes_well() {
    let calls = Calls::start().await;
    calls.publish(&["one"]).await;
    let (requests, answer) = calls.caller.open("Subscribe", &theirs());
    requests.send(fetch(TOPIC, 1, &[], 5)).unwrap();
    let mut answer = answer.await.unwrap();
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["one"]);

    calls.org.end_sessions();
    assert_eq!(answer.message::<Fetched>().await, None);
    let trailers = answer.trailers().await;
    assert_eq!(trailers["grpc-status"], "16");
    assert_eq!(trailers["error-code"], AUTH_ERROR);

    // What the trailers said was heard: nobody tries with the old one.
    let before = calls.org.counts().requests;
    let (requests, answer) = calls.caller.open("Subscribe", &theirs());
    requests.send(fetch(TOPIC, 2, &response.latest, 5)).unwrap();
    let mut answer = answer.await.unwrap();
    calls.publish(&["two"]).await;
    let response: Fetched = answer.message().await.unwrap();
    assert_eq!(payloads(&response), ["two"]);
    let seen = &calls.org.requests()[before..];
    assert!(seen.iter().all(|seen| seen.authorized));
    assert_eq!(calls.org.logins(), 2);
}

#[tokio::test]
async fn no_trailer_of_a_call_has_the_session() {
    let calls = Calls::start().await;
    calls.call(&named(TOPIC)).await;
    let token = calls.org.last_request().header("accesstoken").to_owned();
    let fault = Fault::answer(StatusCode::OK, "application/grpc", "")
        .trailer("grpc-status", "3")
        .trailer(
            "grpc-message",
            &format!("bad {}", token.replace('!', "%21")),
        )
        .trailer("error-code", "some.error")
        .trailer("x-echo", &token)
        .trailer(&format!("x-{token}"), "named so")
        .trailer("set-cookie", &format!("sid={token}"))
        .trailer("proxy-status", "orgproxy; error=destination_unavailable");
    calls.org.faults().next(1, "/eventbus", fault);
    let trailers = calls.call(&named(TOPIC)).await.trailers().await;
    assert_eq!(trailers["grpc-status"], "3");
    assert_eq!(trailers["error-code"], "some.error");
    let names = ["grpc-status", "grpc-message", "error-code", "x-echo"];
    assert!(trailers.keys().eq(names), "{trailers:?}");
    let (_, secret) = token.split_once('!').unwrap();
    assert!(!format!("{trailers:?}").contains(secret), "{trailers:?}");
}

#[tokio::test]
async fn what_is_not_a_call_is_refused_there() {
    let calls = Calls::start().await;
    let wire = get_and_close(LIMITS);
    let answer = ask(calls.proxy.calls(), wire).await;
    let message = answer.refusal(421, "NO_CALL");
    assert!(message.contains("gRPC over HTTP/2"), "{message}");
    calls.untouched();
}

#[tokio::test]
async fn errors_of_the_proxy_are_statuses() {
    let calls = Calls::start().await;
    let evil = calls.caller_of("evil.com").await;
    let answer = evil.call("GetTopic", &theirs(), &named(TOPIC)).await;
    assert_status(&answer, "7", "WRONG_HOST");
    let mut from_a_page = theirs();
    from_a_page.insert("origin", "https://evil.com".try_into().unwrap());
    for method in ["GetTopic", "Subscribe"] {
        let answer = calls.caller.call(method, &from_a_page, &named(TOPIC)).await;
        assert_status(&answer, "7", "FOREIGN_ORIGIN");
    }
    calls.untouched();

    let refused = Fault::login_refused("invalid_grant", "user is locked");
    calls.org.faults().always("/services/oauth2", refused);
    let answer = calls.call(&named(TOPIC)).await;
    assert_status(&answer, "14", "LOGIN_REFUSED");
    assert_eq!(calls.org.counts().requests, 0);
}

/// Asserts that a call ended before it began, by us.
#[track_caller]
fn assert_status(answer: &Answer, status: &str, code: &str) {
    assert!(answer.is_trailers_only(), "{:?}", answer.head);
    assert_eq!(answer.head["grpc-status"], status);
    let message = answer.head["grpc-message"].to_str().unwrap();
    assert!(
        message.starts_with(&format!("{code}: orgproxy: ")),
        "{message}"
    );
    assert_eq!(answer.head["content-type"], "application/grpc");
    let marked = answer.head["proxy-status"].to_str().unwrap();
    assert!(marked.contains(code), "{marked}");
}

/// Metadata that clients send of their own, in vain.
fn theirs() -> HeaderMap {
    let mut metadata = HeaderMap::new();
    for (name, value) in [
        ("accesstoken", "00Dxx0000001gPL!AQ.theirs"),
        ("instanceurl", "http://theirs:7443"),
        ("tenantid", "theirs"),
    ] {
        metadata.insert(name, value.try_into().unwrap());
    }
    metadata
}

/// An org, a proxy with a listener for calls in front of it, and a client there.
struct Calls {
    org: Org,
    proxy: Proxy,
    caller: Caller,
}

impl Calls {
    async fn start() -> Self {
        let org = Org::start().await.unwrap();
        let proxy = Proxy::with(&org, |config| {
            listen_for_calls(config, &org);
        })
        .await;
        let caller = caller(&proxy, "localhost").await;
        Self { org, proxy, caller }
    }

    /// A client that calls us by another name.
    async fn caller_of(&self, host: &str) -> Caller {
        caller(&self.proxy, host).await
    }

    /// Asks for a topic.
    async fn call(&self, topic: &Named) -> Answer {
        self.caller.call("GetTopic", &theirs(), topic).await
    }

    async fn publish(&self, payloads: &[&str]) -> Vec<Outcome> {
        self.caller.publish(&theirs(), payloads).await
    }

    /// Asserts that nothing at all reached the org.
    #[track_caller]
    fn untouched(&self) {
        assert_eq!(self.org.counts(), Counts::default());
    }
}

async fn caller(proxy: &Proxy, host: &str) -> Caller {
    let address = proxy.calls();
    let stream = TcpStream::connect(address).await.unwrap();
    Caller::new(stream, &format!("http://{host}:{}", address.port())).await
}
