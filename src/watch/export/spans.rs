//! A request as spans, by OpenTelemetry's semantic conventions for HTTP.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, SpanFlags, Status, span::SpanKind, status::StatusCode,
    },
};
use prost::Message;

use super::super::{
    AnsweredBy, Record,
    access_log::fields::{self, Value},
    trace::{self, Lap, SpanId, Trace, Wait},
};
use crate::config::Traces;

/// This service, as the collector is to know it.
pub(super) struct Service(Vec<KeyValue>);

impl Service {
    pub(super) fn new(config: &Traces) -> Self {
        let own = [
            ("service.name", &*config.service_name),
            ("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let others = config.resource.iter();
        let others = others
            .map(|(key, value)| (&**key, &**value))
            .filter(|(key, _)| own.iter().all(|(own, _)| own != key));
        let all = own.into_iter().chain(others);
        Self(all.map(|(key, value)| text(key, value)).collect())
    }
}

/// The spans of `records` in one message.
pub(super) fn encode(records: &[Record], service: &Service) -> Vec<u8> {
    let mut spans = Vec::with_capacity(records.len() * 3);
    for record in records {
        if let Some(trace) = &record.trace {
            spans.push(request(record, trace));
            let last = trace.laps.len().saturating_sub(1);
            let laps = trace.laps.iter().enumerate();
            spans.extend(laps.filter_map(|(index, lap)| wait(record, trace, lap, index == last)));
        }
    }
    let scope = InstrumentationScope {
        name: "orgproxy".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let message = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: service.0.clone(),
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    message.encode_to_vec()
}

/// The request itself.
fn request(record: &Record, trace: &Trace) -> Span {
    let mut attributes = attributes(record);
    let scheme = if trace.is_secure { "https" } else { "http" };
    attributes.push(text("url.scheme", scheme));
    attributes.extend(server(&record.listener));
    let failed_at_the_org = record.status.is_server_error();
    let code = match record.answered_by {
        AnsweredBy::Error(code) => Some(code),
        _ => None,
    };
    if failed_at_the_org && code.is_none() {
        attributes.push(text("error.type", record.status.as_str()));
    }
    let status = (failed_at_the_org || code.is_some()).then(|| Status {
        code: StatusCode::Error.into(),
        message: code.unwrap_or_default().to_owned(),
    });
    let name = format!("{} {}", method(record).0, record.family);
    let is_remote = match trace.parent {
        Some(_) => SpanFlags::ContextIsRemoteMask as u32,
        None => 0,
    };
    Span {
        span_id: trace.span.to_vec(),
        parent_span_id: trace.parent.map(Vec::from).unwrap_or_default(),
        flags: FLAGS | is_remote,
        attributes,
        status,
        ..span(
            record,
            trace,
            name,
            SpanKind::Server,
            Duration::ZERO,
            record.waits.total,
        )
    }
}

/// A wait on its way.
fn wait(record: &Record, trace: &Trace, lap: &Lap, is_last: bool) -> Option<Span> {
    let id: SpanId = trace::random()?;
    let (name, kind) = match lap.wait {
        Wait::Login => ("login", SpanKind::Internal),
        Wait::Turn => ("turn", SpanKind::Internal),
        Wait::Connection => ("connect", SpanKind::Internal),
        Wait::Question => ("session", SpanKind::Internal),
        Wait::FirstByte => (method(record).0, SpanKind::Client),
    };
    let mut attributes = Vec::new();
    if lap.wait == Wait::FirstByte {
        attributes.push(text("http.request.method", method(record).0));
        if is_last && record.answered_by == AnsweredBy::Org {
            let status = record.status.as_u16();
            attributes.push(number("http.response.status_code", status.into()));
        }
    }
    if let Some(org) = &record.org {
        attributes.push(text("orgproxy.org", org));
    }
    Some(Span {
        span_id: id.to_vec(),
        parent_span_id: trace.span.to_vec(),
        flags: FLAGS,
        attributes,
        ..span(record, trace, name.to_owned(), kind, lap.from, lap.took)
    })
}

fn span(
    record: &Record,
    trace: &Trace,
    name: String,
    kind: SpanKind,
    from: Duration,
    took: Duration,
) -> Span {
    let began = record.began + from;
    Span {
        trace_id: trace.id.to_vec(),
        name,
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(began),
        end_time_unix_nano: nanoseconds(began + took),
        ..Span::default()
    }
}

/// The facts that the access log has, too, masked and cut as there.
fn attributes(record: &Record) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(24);
    let (known, original) = method(record);
    attributes.push(text("http.request.method", known));
    if let Some(original) = original {
        attributes.push(text("http.request.method_original", &original));
    }
    fields::each(record, |field, value| {
        if let Some(name) = name(field) {
            attributes.push(attribute(
                name,
                match value {
                    Value::Text(text) => any_value::Value::StringValue(text.into_owned()),
                    Value::Number(number) => {
                        any_value::Value::IntValue(number.try_into().unwrap_or(i64::MAX))
                    }
                    Value::Flag(flag) => any_value::Value::BoolValue(flag),
                    Value::Time(_) | Value::Milliseconds(_) => return,
                },
            ));
        }
    });
    attributes
}

/// The attribute for a field of the access log, unless a span says it otherwise.
fn name(field: &str) -> Option<&'static str> {
    Some(match field {
        "org" => "orgproxy.org",
        "listener" => "orgproxy.listener",
        "peer" => "client.address",
        "peer_uid" => "orgproxy.peer_uid",
        "client" => "orgproxy.client",
        "client_by" => "orgproxy.client_by",
        "user" => "orgproxy.user",
        "path" => "url.path",
        "status" => "http.response.status_code",
        "answered_by" => "orgproxy.answered_by",
        "code" => "error.type",
        "would_be_refused" => "orgproxy.would_be_refused",
        "complete" => "orgproxy.complete",
        "request_bytes" => "http.request.body.size",
        "response_bytes" => "http.response.body.size",
        "replays" => "orgproxy.replays",
        "replayed_for" => "orgproxy.replayed_for",
        "api_used" => "salesforce.api_used",
        "api_limit" => "salesforce.api_limit",
        "family" => "salesforce.family",
        "operation" => "salesforce.operation",
        "api_version" => "salesforce.api_version",
        "raised_from" => "salesforce.raised_from",
        "raised_to" => "salesforce.raised_to",
        _ => return None,
    })
}

/// The method, if it is one that everybody knows; the client's own word is given besides.
fn method(record: &Record) -> (&str, Option<String>) {
    let method = record.method.as_str();
    if METHODS.contains(&method) {
        (method, None)
    } else {
        (
            "_OTHER",
            Some(super::super::shown(method, LONGEST_METHOD).into_owned()),
        )
    }
}

/// Where the client came in.
fn server(listener: &str) -> Vec<KeyValue> {
    const ADDRESS: &str = "server.address";
    if let Some(path) = listener.strip_prefix("unix:") {
        return vec![text(ADDRESS, path)];
    }
    let address = listener.trim_start_matches("https://");
    let Some((host, port)) = address.rsplit_once(':') else {
        return Vec::new();
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().ok().filter(|port| *port != 0);
    let port = port.map(|port| number("server.port", port));
    [text(ADDRESS, host)].into_iter().chain(port).collect()
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// Those of RFC 9110 and RFC 5789.
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// Bytes.
const LONGEST_METHOD: usize = 64;

/// Sampled, and it is known whether the parent is elsewhere.
const FLAGS: u32 = 1 | SpanFlags::ContextHasIsRemoteMask as u32;
