//! What clients say of the trace that a request belongs to (W3C Trace Context, W3C Baggage), where the
//! proxy itself takes no part in it.

use test_case::test_case;
use tokio::net::TcpStream;

use crate::support::{
    Org, Proxy, Seen, client,
    grpc::{Caller, TOPIC, Topic, named},
    path::LIMITS,
    proxy::listen_for_calls,
};

/// As a client may send them: more than one line of a name, and values that only it understands.
const SENT: [(&str, &str); 5] = [
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("tracestate", "rojo=00f067aa0ba902b7"),
    ("tracestate", "congo=t61rcWkgMzE"),
    ("baggage", "userId=Am%C3%A9lie;p=1"),
    ("baggage", "serverNode=DF%2028"),
];

#[test_case(false; "over http 1")]
#[test_case(true; "over http 2")]
#[tokio::test]
async fn it_reaches_the_org_unchanged_also_when_it_is_sent_again(http2: bool) {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| config.orgs[0].http2 = http2).await;
    for round in 1..=2 {
        let mut request = client().get(proxy.url(LIMITS));
        for (name, value) in SENT {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 200);
        // The second time, the session is dead.
        let requests = org.requests();
        assert_eq!(requests.len(), if round == 1 { 1 } else { 3 });
        for seen in requests {
            assert_eq!(of_trace(&seen), SENT, "{round}");
        }
        org.end_sessions();
    }
}

#[tokio::test]
async fn what_is_no_trace_is_passed_on_all_the_same() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    let odd = [("traceparent", "nonsense"), ("tracestate", "=,=")];
    let mut request = client().get(proxy.url(LIMITS));
    for (name, value) in odd {
        request = request.header(name, value);
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(of_trace(&org.last_request()), odd);
}

#[tokio::test]
async fn none_is_invented() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::start(&org).await;
    proxy.get(LIMITS).await;
    org.end_sessions();
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    assert_eq!(org.counts().requests, 3);
    for seen in org.requests() {
        assert_eq!(of_trace(&seen), []);
    }
}

#[tokio::test]
async fn the_same_holds_for_calls_of_the_pubsub_api() {
    let org = Org::start().await.unwrap();
    let proxy = Proxy::with(&org, |config| {
        listen_for_calls(config, &org);
    })
    .await;
    let stream = TcpStream::connect(proxy.calls()).await.unwrap();
    let caller = Caller::new(stream, "http://localhost").await;
    let mut metadata = http::HeaderMap::new();
    for sent in [&[][..], &SENT] {
        for (name, value) in sent {
            metadata.append(*name, (*value).try_into().unwrap());
        }
        org.end_sessions();
        let mut answer = caller.call("GetTopic", &metadata, &named(TOPIC)).await;
        let topic: Topic = answer.message().await.unwrap();
        assert_eq!(topic.topic_name, TOPIC);
        assert_eq!(of_trace(&org.last_request()), sent);
    }
}

/// The headers of `seen` that are about a trace.
fn of_trace(seen: &Seen) -> Vec<(&str, &str)> {
    let names = ["traceparent", "tracestate", "baggage"];
    let lines = names.iter().flat_map(|name| {
        let values = seen.headers.get_all(*name).into_iter();
        values.map(|value| (*name, value.to_str().unwrap()))
    });
    lines.collect()
}
