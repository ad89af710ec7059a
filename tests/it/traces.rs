//! Spans of requests, as a collector gets them.

use std::time::Duration;

use http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use orgproxy::{
    config::{Admin, Listen, Sampling, Traces},
    demo::Refusal,
};
use test_case::test_case;
use tokio::net::TcpStream;

use crate::support::{
    Binary, Collector, Fault, Files, Org, Own, Proxy, Seen,
    answer::ask,
    client,
    collector::{Answers, REST, attribute, hex, requests, waits},
    grpc::{Caller, TOPIC, Topic, named},
    in_time,
    path::{LIMITS, SINK, SOAP, USERINFO},
    proxy::listen_for_calls,
    session, targets,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

#[tokio::test]
async fn a_request_is_a_span_between_the_clients_and_the_orgs() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    let answer = client()
        .get(proxy.url(LIMITS))
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .header("tracestate", "rojo=00f067aa0ba902b7")
        .header("baggage", "userId=7")
        .header("user-agent", "curl/8.5.0 more")
        .send();
    assert_eq!(answer.await.unwrap().status(), 200);
    proxy.stop().await;

    let spans = collector.spans();
    let [request] = &requests(&spans)[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(hex(&request.trace_id), TRACE);
    assert_eq!(hex(&request.parent_span_id), PARENT);
    assert_eq!(request.name, "GET rest");
    let seen = org.last_request();
    assert_eq!(
        said(&seen),
        (TRACE.to_owned(), hex(&request.span_id), "01".to_owned())
    );
    assert_eq!(seen.header("tracestate"), "rojo=00f067aa0ba902b7");
    assert_eq!(seen.header("baggage"), "userId=7");

    for (name, value) in [
        ("http.request.method", "GET"),
        ("url.path", LIMITS),
        ("url.scheme", "http"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
        ("server.address", "localhost"),
        ("orgproxy.org", "demo"),
        ("orgproxy.client_by", "user_agent"),
        ("orgproxy.answered_by", "org"),
        ("orgproxy.complete", "true"),
        ("orgproxy.replays", "0"),
        ("salesforce.family", "rest"),
        ("salesforce.api_version", "62"),
        ("error.type", ""),
    ] {
        assert_eq!(attribute(&request.attributes, name), value, "{name}");
    }
    assert_eq!(request.status, None);

    // The first has to wait for all that there is.
    let waits = waits(&spans, request);
    let names: Vec<_> = waits.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["login", "connect", "GET"]);
    assert_eq!(waits[2].kind, SpanKind::Client as i32);
    for wait in &waits {
        assert_eq!(hex(&wait.trace_id), TRACE);
        assert!(wait.start_time_unix_nano >= request.start_time_unix_nano);
        assert!(wait.end_time_unix_nano <= request.end_time_unix_nano);
        assert!(wait.start_time_unix_nano < wait.end_time_unix_nano);
    }

    let posts = collector.posts();
    let [post] = &posts[..] else {
        panic!("one post")
    };
    assert_eq!(post.path, "/v1/traces");
    assert_eq!(post.headers["content-type"], "application/x-protobuf");
    let message = post.message();
    let resource = message.resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name"), "orgproxy");
}

#[tokio::test]
async fn a_request_of_a_client_without_a_trace_begins_one() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    for _ in 0..2 {
        assert_eq!(proxy.get(LIMITS).await.status(), 200);
    }
    proxy.stop().await;
    let requests = requests(&collector.spans());
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].trace_id, requests[1].trace_id);
    for (request, seen) in requests.iter().zip(org.requests()) {
        assert!(request.parent_span_id.is_empty());
        let expected = (
            hex(&request.trace_id),
            hex(&request.span_id),
            "01".to_owned(),
        );
        assert_eq!(said(&seen), expected);
    }
}

#[test_case(&["nonsense"]; "nonsense")]
#[test_case(&["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"]; "capitals")]
#[test_case(&["00-00000000000000000000000000000000-b7ad6b7169203331-01"]; "zeros")]
#[test_case(&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]; "two")]
#[tokio::test]
async fn an_invalid_trace_of_a_client_gives_way_to_a_new_one(lines: &[&str]) {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    let mut request = client().get(proxy.url(LIMITS)).header("tracestate", "a=1");
    for line in lines {
        request = request.header("traceparent", *line);
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
    proxy.stop().await;
    let requests = requests(&collector.spans());
    assert!(requests[0].parent_span_id.is_empty());
    let seen = org.last_request();
    assert_eq!(said(&seen).0, hex(&requests[0].trace_id));
    assert_ne!(said(&seen).0, TRACE);
    assert!(!seen.headers.contains_key("tracestate"));
}

#[tokio::test]
async fn what_the_client_does_not_sample_is_passed_on_so_and_sent_nowhere() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    let request = client().get(proxy.url(LIMITS));
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-00"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    proxy.stop().await;
    assert_eq!(collector.spans(), []);
    let (trace, span, flags) = said(&org.last_request());
    assert_eq!((&*trace, &*flags), (TRACE, "00"));
    assert_ne!(span, PARENT);
}

#[tokio::test]
async fn a_share_of_none_leaves_what_clients_sample() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let none = |traces: &mut Traces| {
        traces.sampling = Sampling {
            ratio: 0.0,
            ..Sampling::default()
        };
    };
    let proxy = traced(&org, &collector, none).await;
    proxy.get(LIMITS).await;
    let request = client().get(proxy.url(LIMITS));
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    proxy.stop().await;
    let requests = requests(&collector.spans());
    assert_eq!(requests.len(), 1);
    assert_eq!(hex(&requests[0].parent_span_id), PARENT);
    assert_eq!(said(&org.requests()[0]).2, "00");
}

#[tokio::test]
async fn a_request_that_is_sent_again_shows_why_and_each_wait() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    proxy.get(LIMITS).await;
    org.end_sessions();
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    proxy.stop().await;
    let spans = collector.spans();
    let again = &requests(&spans)[1];
    assert_eq!(attribute(&again.attributes, "orgproxy.replays"), "1");
    assert_eq!(
        attribute(&again.attributes, "orgproxy.replayed_for"),
        "session"
    );
    let waits = waits(&spans, again);
    let names: Vec<_> = waits.iter().map(|span| span.name.as_str()).collect();
    // It may have had to connect as well.
    let mut others = names.clone();
    others.retain(|name| *name != "connect");
    assert_eq!(others, ["GET", "login", "GET"], "{names:?}");
    let status = |span: &Span| attribute(&span.attributes, "http.response.status_code");
    let asked = waits.iter().filter(|span| span.name == "GET");
    assert_eq!(asked.map(status).collect::<Vec<_>>(), ["", "200"]);
    // Both times, the org saw the same parent.
    let parents: Vec<_> = org.requests()[1..].iter().map(said).collect();
    assert_eq!(parents[0], parents[1]);
    assert_eq!(parents[0].1, hex(&again.span_id));
}

#[tokio::test]
async fn a_question_about_the_session_is_not_taken_for_the_request() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    // It leads to a session that nothing has shown to live.
    let away = Fault::answer(StatusCode::BAD_GATEWAY, "text/plain", "");
    org.faults().next(1, LIMITS, away);
    proxy.get(LIMITS).await;
    let large = client().post(proxy.url(SINK)).body(vec![0; 20 << 20]);
    assert_eq!(large.send().await.unwrap().status(), 200);
    let seen = targets(&org);
    assert_eq!(seen, [LIMITS, USERINFO, SINK]);
    proxy.stop().await;
    let spans = collector.spans();
    let names = waits(&spans, &requests(&spans)[1]);
    let mut names: Vec<_> = names.iter().map(|span| span.name.as_str()).collect();
    names.retain(|name| *name != "connect");
    assert_eq!(names, ["session", "POST"]);
}

#[tokio::test]
async fn errors_of_either_side_are_errors_and_refusals_of_the_org_are_not() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    assert_eq!(
        proxy.get("/services/data/v62.0/nothing").await.status(),
        404
    );
    let unavailable = Fault::answer(StatusCode::BAD_GATEWAY, "text/plain", "");
    org.faults().next(1, LIMITS, unavailable);
    assert_eq!(proxy.get(LIMITS).await.status(), 502);
    assert_eq!(
        proxy.get("/services/oauth2/singleaccess").await.status(),
        403
    );
    org.set(|knobs| knobs.refusal = Refusal::named("inactive-user"));
    org.end_sessions();
    assert_eq!(proxy.get(LIMITS).await.status(), 502);
    proxy.stop().await;
    let requests = requests(&collector.spans());
    let kinds: Vec<_> = requests
        .iter()
        .map(|span| {
            let is_error = span.status.as_ref().is_some_and(|status| status.code == 2);
            (is_error, attribute(&span.attributes, "error.type"))
        })
        .collect();
    let kinds: Vec<_> = kinds.iter().map(|(is, kind)| (*is, &**kind)).collect();
    assert_eq!(
        kinds,
        [
            (false, ""),
            (true, "502"),
            (true, "PATH_REFUSED"),
            (true, "LOGIN_REFUSED")
        ]
    );
}

#[tokio::test]
async fn calls_of_the_pubsub_api_have_spans_like_any_others() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = Proxy::with(&org, |config| {
        listen_for_calls(config, &org);
        config.traces = Some(to(&collector));
    })
    .await;
    let stream = TcpStream::connect(proxy.calls()).await.unwrap();
    let caller = Caller::new(stream, "http://localhost").await;
    let mut metadata = http::HeaderMap::new();
    let parent = format!("00-{TRACE}-{PARENT}-01");
    metadata.insert("traceparent", parent.try_into().unwrap());
    let mut answer = caller.call("GetTopic", &metadata, &named(TOPIC)).await;
    let topic: Topic = answer.message().await.unwrap();
    assert_eq!(topic.topic_name, TOPIC);
    answer.trailers().await;
    drop((answer, caller));
    proxy.stop().await;
    let spans = collector.spans();
    let [call] = &requests(&spans)[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(call.name, "POST pubsub");
    assert_eq!(hex(&call.parent_span_id), PARENT);
    assert_eq!(said(&org.last_request()).1, hex(&call.span_id));
    assert_eq!(
        attribute(&call.attributes, "url.path"),
        "/eventbus.v1.PubSub/GetTopic"
    );
}

#[tokio::test]
async fn what_is_posted_holds_no_secret() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    let soap = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:p=\"urn:partner.soap.sforce.com\"><e:Body><p:login><p:username>canary-user\
         </p:username><p:password>canary-password</p:password></p:login></e:Body></e:Envelope>";
    let sent = [
        client().get(proxy.url(&format!("{LIMITS}?token=canary-query"))),
        client().get(proxy.url("/services/data/00Dxx0000001gPL!canary-session/x")),
        client()
            .get(proxy.url(LIMITS))
            .header("authorization", "Bearer 00Dxx0000001gPL!canary-bearer")
            .header("cookie", "sid=canary-cookie")
            .header("user-agent", "00Dxx0000001gPL!canary-agent")
            .header("tracestate", "a=canary-state")
            .header("baggage", "a=canary-baggage"),
        client()
            .post(proxy.url(SOAP))
            .header("content-type", "text/xml")
            .header("soapaction", "canary-action")
            .body(soap),
    ];
    let count = sent.len();
    for request in sent {
        request.send().await.unwrap();
    }
    let token = session(&org.requests()[0]).to_owned();
    proxy.stop().await;
    let spans = collector.spans();
    assert_eq!(requests(&spans).len(), count);
    for post in collector.posts() {
        let bytes = String::from_utf8_lossy(&post.body);
        for secret in ["canary-", &token, &token[token.len() / 2..]] {
            assert!(!bytes.contains(secret), "{secret}: {spans:#?}");
        }
    }
}

#[tokio::test]
async fn spans_come_within_seconds_and_on_one_connection() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let proxy = traced(&org, &collector, |_| {}).await;
    proxy.get(LIMITS).await;
    collector.wait_for_posts(1).await;
    proxy.get(LIMITS).await;
    collector.wait_for_posts(2).await;
    assert_eq!(requests(&collector.spans()).len(), 2);
    assert_eq!(collector.connections(), 1);
}

#[tokio::test]
async fn what_a_collector_cannot_take_now_is_posted_again() {
    let (org, busy) = (
        Org::start().await.unwrap(),
        Some(StatusCode::SERVICE_UNAVAILABLE),
    );
    let collector = Collector::answering(busy).await;
    let proxy = traced(&org, &collector, |_| {}).await;
    proxy.get(LIMITS).await;
    collector.wait_for_posts(1).await;
    collector.answer(Some(StatusCode::OK));
    let posts = collector.wait_for_posts(2).await;
    assert_eq!(posts[0].body, posts[1].body);
    let scraped = ask(
        proxy.admin(),
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    .await;
    assert!(
        scraped
            .body
            .contains("\norgproxy_trace_spans_dropped_total 0\n"),
        "{}",
        scraped.body
    );
}

#[tokio::test]
async fn a_collector_that_has_too_much_is_left_alone_for_as_long_as_it_says() {
    let org = Org::start().await.unwrap();
    let collector = Collector::answering(Some(StatusCode::TOO_MANY_REQUESTS)).await;
    let proxy = traced(&org, &collector, |_| {}).await;
    proxy.get(LIMITS).await;
    collector.wait_for_posts(1).await;
    collector.answer(Some(StatusCode::OK));
    let posts = collector.wait_for_posts(2).await;
    assert_eq!(posts[0].body, posts[1].body);
    let rested = posts[1].came - posts[0].came;
    assert!(rested >= Duration::from_secs(REST), "{rested:?}");
}

#[test_case(Some(Some(StatusCode::INTERNAL_SERVER_ERROR)), "the collector answers 500"; "that fails")]
#[test_case(Some(Some(StatusCode::UNAUTHORIZED)), "the collector answers 401"; "that refuses")]
#[test_case(Some(None), "stopped before all spans were sent"; "that hangs")]
#[test_case(None, "Connection refused"; "that is away")]
#[tokio::test]
async fn a_collector_stalls_no_request_and_what_is_lost_is_counted_and_told(
    answers: Option<Answers>,
    told: &str,
) {
    let org = Org::start().await.unwrap();
    let collector = Collector::answering(answers.flatten()).await;
    let url = collector.url.clone();
    let collector = answers.map(|_| collector);
    let more = format!("[traces]\nendpoint = \"{url}\"\n");
    let files = Files::with(&org, &more);
    let proxy = files.start();
    let address = proxy.url("").await;
    let first = async {
        for _ in 0..20 {
            let answer = client().get(format!("{address}{LIMITS}")).send().await;
            assert_eq!(answer.unwrap().status(), 200);
        }
    };
    in_time(first).await;
    if let Some(collector) = &collector {
        collector.wait_for_posts(1).await;
        let answer = client().get(format!("{address}{LIMITS}")).send().await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    let ended = in_time(proxy.stop()).await;
    assert!(ended.status.success(), "{ended:?}");
    let is_said = ended
        .stderr
        .lines()
        .any(|line| line.contains("left_out=") && line.contains(told));
    assert!(is_said, "{}", ended.stderr);
}

#[test_case(true, 1; "that is trusted")]
#[test_case(false, 0; "that is not")]
#[tokio::test]
async fn a_collector_shows_who_it_is_by_tls(is_trusted: bool, expected: usize) {
    let (org, own) = (Org::start().await.unwrap(), Own::make("localhost", 2099));
    let collector = Collector::with_tls(own.tls).await;
    let proxy = traced(&org, &collector, |traces| {
        if is_trusted {
            traces.ca = vec![own.authority.der().clone()];
        }
    })
    .await;
    assert_eq!(proxy.get(LIMITS).await.status(), 200);
    proxy.stop().await;
    assert_eq!(requests(&collector.spans()).len(), expected);
}

#[tokio::test]
async fn what_is_lost_is_a_metric() {
    let org = Org::start().await.unwrap();
    let collector = Collector::answering(Some(StatusCode::BAD_REQUEST)).await;
    let proxy = traced(&org, &collector, |_| {}).await;
    proxy.get(LIMITS).await;
    let spans = collector.wait_for_posts(1).await[0].spans().len();
    let counted = async {
        loop {
            let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let text = ask(proxy.admin(), head).await.body;
            if text.contains(&format!("\norgproxy_trace_spans_dropped_total {spans}\n")) {
                break;
            }
        }
    };
    in_time(counted).await;
}

#[tokio::test]
async fn the_file_and_the_standard_variables_say_where_to() {
    let (org, collector) = (Org::start().await.unwrap(), Collector::start().await);
    let files = Files::with(
        &org,
        "[traces]\nservice_name = \"mine\"\nheaders = { file = \"headers\" }\n",
    );
    files.write("headers", "authorization=Bearer%20canary,x-team=a\n");
    let config = files.config();
    let mut command = Binary::command(&["run", "--config", &config]);
    command
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("{}/otlp", collector.url),
        )
        .env("OTEL_SERVICE_NAME", "theirs")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        .env("ORGPROXY_LOG", "orgproxy=debug");
    let proxy = Binary::spawn(command);
    let url = proxy.url(LIMITS).await;
    client().get(url).send().await.unwrap();
    let ended = proxy.stop().await;
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    let posts = collector.posts();
    let [post] = &posts[..] else {
        panic!("{ended:?}")
    };
    assert_eq!(post.path, "/otlp/v1/traces");
    assert_eq!(post.headers["authorization"], "Bearer canary");
    assert_eq!(post.headers["x-team"], "a");
    let message = post.message();
    let resource = message.resource_spans[0].resource.as_ref().unwrap();
    assert_eq!(attribute(&resource.attributes, "service.name"), "mine");
    assert_eq!(
        attribute(&resource.attributes, "deployment.environment"),
        "test"
    );
}

#[tokio::test]
async fn the_demo_sends_spans_where_the_standard_variables_say() {
    let collector = Collector::start().await;
    let mut command = Binary::command(&["demo", "--port", "0"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let demo = Binary::spawn(command);
    client().get(demo.url(LIMITS).await).send().await.unwrap();
    demo.stop().await;
    assert_eq!(requests(&collector.spans()).len(), 1);
}

/// A proxy whose spans `collector` gets, with an admin listener.
async fn traced(org: &Org, collector: &Collector, change: impl FnOnce(&mut Traces)) -> Proxy {
    let mut traces = to(collector);
    change(&mut traces);
    Proxy::with(org, |config| {
        config.traces = Some(traces);
        config.admin = Some(Admin::at(Listen::Tcp(([127, 0, 0, 1], 0).into())));
    })
    .await
}

fn to(collector: &Collector) -> Traces {
    let url = format!("{}/v1/traces", collector.url);
    Traces::to(url.parse().unwrap())
}

/// What the org heard of the trace: its id, the parent's, and the flags.
fn said(seen: &Seen) -> (String, String, String) {
    let lines: Vec<_> = seen.headers.get_all("traceparent").iter().collect();
    let [line] = lines[..] else {
        panic!("{lines:?}")
    };
    let fields: Vec<_> = line.to_str().unwrap().split('-').collect();
    let [version, trace, span, flags] = fields[..] else {
        panic!("{line:?}")
    };
    assert_eq!(version, "00");
    (trace.to_owned(), span.to_owned(), flags.to_owned())
}

#[test_case(None, true; "on")]
#[test_case(Some("off"), false; "off")]
#[tokio::test]
async fn the_demo_says_where_traces_go_and_a_variable_switches_them_off(
    own: Option<&str>,
    expected: bool,
) {
    let collector = Collector::start().await;
    let mut demo = Binary::command(&["demo", "--port", "0", "--access-log-format", "json"]);
    demo.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    if let Some(own) = own {
        demo.env("ORGPROXY_TRACES_ENDPOINT", own);
    }
    let demo = Binary::spawn(demo);
    let answer = client().get(demo.url(LIMITS).await).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    demo.log(r#"{"time":"#).await;
    let ended = demo.stop().await;
    let line = format!("\ntraces to {}\n", collector.url);
    assert_eq!(ended.stdout.contains(&line), expected, "{ended:?}");
    assert_eq!(collector.spans().is_empty(), !expected);
}
