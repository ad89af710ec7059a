//! What waits for a collector, and what becomes of it.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use rustls::RootCertStore;

use super::{
    super::{AnsweredBy, Client, Lap, Peer, Record, Replayed, Trace, Usage, Wait},
    Export,
    collector::Collector,
    spans::{Service, encode},
};
use crate::{
    config::{Sampling, Traces},
    network::{self, Dialer, OwnListeners, Proxies},
};

#[test]
fn what_does_not_fit_is_left_out_and_counted() {
    // It takes the connection and says nothing.
    let collector = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let export = export(&collector, 1);
    let lost = export.lost();
    export.offer(&[record(true)]);
    let (_connection, _) = collector.accept().unwrap();
    // That one is in hand. One more fits.
    export.offer(&[record(true), record(true), record(false)]);
    assert_eq!(lost.load(Relaxed), 2);
    export.miss(3);
    assert_eq!(lost.load(Relaxed), 5);
    // Neither of those comes to anything.
    export.close();
    assert_eq!(lost.load(Relaxed), 9);
}

#[test]
fn what_is_not_sampled_is_not_sent() {
    let collector = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let export = export(&collector, 1);
    let lost = export.lost();
    let plain = Record::example();
    export.offer(&[record(false), plain]);
    export.close();
    assert_eq!(lost.load(Relaxed), 0);
    collector.set_nonblocking(true).unwrap();
    assert!(collector.accept().is_err());
}

#[test]
fn a_span_has_all_that_there_is_to_say() {
    let record = Record {
        peer: Peer::Uid(7),
        client: Client::Named("etl".into()),
        operation: Some("query".into()),
        method: "BREW".parse().unwrap(),
        path: "/services/00Dxx0000001gPL!secret/x".into(),
        answered_by: AnsweredBy::Error("LOGIN_REFUSED"),
        replays: 1,
        replayed_for: Some(Replayed::Session),
        usage: Some(Usage {
            used: 1,
            allowed: 2,
        }),
        listener: "https://[::1]:8443".into(),
        ..record(true)
    };
    let [span, wait] = &spans(&record)[..] else {
        panic!("two spans")
    };
    let names: BTreeSet<_> = span.attributes.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(names.len(), span.attributes.len(), "a name comes once");
    let expected = [
        "error.type",
        "http.request.body.size",
        "http.request.method",
        "http.request.method_original",
        "http.response.body.size",
        "http.response.status_code",
        "orgproxy.answered_by",
        "orgproxy.client",
        "orgproxy.client_by",
        "orgproxy.complete",
        "orgproxy.listener",
        "orgproxy.org",
        "orgproxy.peer_uid",
        "orgproxy.replayed_for",
        "orgproxy.replays",
        "salesforce.api_limit",
        "salesforce.api_used",
        "salesforce.api_version",
        "salesforce.family",
        "salesforce.operation",
        "server.address",
        "server.port",
        "url.path",
        "url.scheme",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(attribute(span, "http.request.method"), "_OTHER");
    assert_eq!(attribute(span, "server.address"), "::1");
    assert_eq!(attribute(span, "server.port"), "8443");
    assert_eq!(span.name, "_OTHER rest");
    let path = attribute(span, "url.path");
    assert!(
        path.starts_with("/services/") && !path.contains("secret"),
        "{path}"
    );
    let status = span.status.as_ref().unwrap();
    assert_eq!((status.code, &*status.message), (2, "LOGIN_REFUSED"));

    // The wait lies within the request.
    assert_eq!(wait.parent_span_id, span.span_id);
    assert_eq!(
        wait.start_time_unix_nano - span.start_time_unix_nano,
        1_000_000
    );
    assert_eq!(
        wait.end_time_unix_nano - wait.start_time_unix_nano,
        10_000_000
    );
    assert!(wait.end_time_unix_nano <= span.end_time_unix_nano);
}

#[test]
fn a_socket_is_an_address_without_a_port() {
    let record = Record {
        listener: "unix:/run/a:b.sock".into(),
        ..record(true)
    };
    let spans = spans(&record);
    assert_eq!(attribute(&spans[0], "server.address"), "/run/a:b.sock");
    assert!(spans[0].attributes.iter().all(|it| it.key != "server.port"));
    assert_eq!(spans[0].status, None);
}

fn spans(record: &Record) -> Vec<Span> {
    let service = Service::new(&traces(1));
    let bytes = encode(std::slice::from_ref(record), &service);
    let message = ExportTraceServiceRequest::decode(&*bytes).unwrap();
    let [resource] = &message.resource_spans[..] else {
        panic!("one resource")
    };
    resource.scope_spans[0].spans.clone()
}

/// The value of an attribute, as text.
fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|it| it.key == key);
    let value = found.and_then(|it| it.value.clone()?.value);
    match value.unwrap_or_else(|| panic!("no {key}")) {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn record(is_sampled: bool) -> Record {
    let trace = Trace {
        id: [1; 16],
        span: [2; 8],
        parent: None,
        is_sampled,
        is_secure: false,
        laps: vec![Lap {
            wait: Wait::FirstByte,
            from: Duration::from_millis(1),
            took: Duration::from_millis(10),
        }],
    };
    Record {
        trace: Some(Box::new(trace)),
        ..Record::example()
    }
}

fn traces(port: u16) -> Traces {
    let url = format!("http://127.0.0.1:{port}/v1/traces");
    Traces {
        sampling: Sampling::default(),
        ..Traces::to(url.parse().unwrap())
    }
}

/// One with room for so many bytes.
fn export(listener: &TcpListener, room: usize) -> Export {
    let traces = traces(listener.local_addr().unwrap().port());
    let tls = network::tls::client_config(RootCertStore::empty(), &[]).unwrap();
    let minute = Duration::from_secs(60);
    let own = OwnListeners::default();
    let dialer = Dialer::new(Proxies::default(), &tls, minute, minute, own);
    let collector = Collector::new(&traces, dialer, &tls).unwrap();
    Export::with_room(&traces, collector, room).unwrap()
}
