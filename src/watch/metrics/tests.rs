use std::{collections::BTreeMap, sync::LazyLock, thread, time::UNIX_EPOCH};

use http::{Method, StatusCode};
use test_case::test_case;

use self::parser::Text;
use super::{labels::MOST_SERIES, table::METRICS, *};
use crate::watch::{AnsweredBy, Record, Replayed, Sign, Usage, Waits};

mod parser;

const README: &str = include_str!("../../../README.md");

#[test]
fn counts_of_two_threads_are_summed() {
    let metrics = Metrics::new();
    let threads = [3, 4].map(|count| {
        let tally = metrics.tally();
        thread::spawn(move || {
            for _ in 0..count {
                tally.count(&record());
            }
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    let text = encode(&metrics);
    let labels = [
        ("org", "acme"),
        ("family", "rest"),
        ("method", "GET"),
        ("status", "2xx"),
        ("api_version", "62.0"),
    ];
    assert_eq!(text.value("requests_total", &labels), 7.0);
    assert_eq!(text.value("request_bytes_total", &labels[..2]), 70.0);
    assert_eq!(text.value("response_bytes_total", &labels[..2]), 7000.0);
    let org = &labels[..1];
    assert_eq!(text.value("login_wait_seconds_total", org), 3.5);
    assert_eq!(text.value("turn_wait_seconds_total", org), 0.875);
    assert_eq!(text.value("connection_wait_seconds_total", org), 1.75);
}

#[test]
fn a_hostile_client_makes_no_more_series_than_there_may_be() {
    let metrics = Metrics::new();
    let tallies = [metrics.tally(), metrics.tally()];
    let mut sent = 0;
    for number in 0..6000_u16 {
        let methods = [Method::GET, Method::TRACE, Method::POST, Method::PUT];
        let mut hostile = record();
        hostile.method = match methods.get(usize::from(number % 7)) {
            Some(method) => method.clone(),
            None => Method::from_bytes(format!("X{number}").as_bytes()).unwrap(),
        };
        hostile.api_version = Some(number);
        hostile.status = StatusCode::from_u16(100 + number % 900).unwrap();
        hostile.family = ["rest", "soap", "bulk", "page"][usize::from(number % 4)];
        for tally in &tallies {
            tally.count(&hostile);
            // The version that makes it one of many.
            hostile.api_version = Some(number % 120);
            tally.count(&hostile);
            sent += 2;
        }
    }
    let text = encode(&metrics);
    let requests = &text["orgproxy_requests"];
    assert_eq!(requests.samples.len(), MOST_SERIES + 1);
    assert_eq!(requests.sum(), f64::from(sent));
    let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (_, labels, _) in &requests.samples {
        for (name, value) in labels {
            seen.entry(name).or_default().push(value);
        }
    }
    let bounded = |name: &str, most: usize| {
        let mut values = seen[name].clone();
        values.sort_unstable();
        values.dedup();
        assert!(values.len() <= most, "{name}: {values:?}");
        assert!(values.contains(&"other"), "{name}: {values:?}");
    };
    bounded("method", 9);
    bounded("status", 6);
    bounded("api_version", 94);
    bounded("family", 5);
}

#[test]
fn a_series_that_one_thread_has_is_the_same_for_others_when_there_may_be_no_more() {
    let metrics = Metrics::new();
    let (flooded, other) = (metrics.tally(), metrics.tally());
    flooded.count(&record());
    let mut hostile = record();
    hostile.family = "soap";
    for method in [Method::GET, Method::POST, Method::PUT] {
        hostile.method = method;
        for version in 7..=99 {
            hostile.api_version = Some(version);
            for status in [100, 200, 300, 400, 500] {
                hostile.status = StatusCode::from_u16(status).unwrap();
                flooded.count(&hostile);
            }
        }
    }
    other.count(&record());
    let text = encode(&metrics);
    let requests = &text["orgproxy_requests"];
    let of = |family: &str| -> f64 {
        let samples = requests.samples.iter();
        let those = samples.filter(|(_, labels, _)| labels["family"] == family);
        those.map(|(_, _, value)| value).sum()
    };
    assert_eq!(of("rest"), 2.0);
    assert_eq!(of("soap"), 999.0);
    assert_eq!(of("other"), 396.0);
}

#[test_case(None, "")]
#[test_case(Some(6), "other")]
#[test_case(Some(7), "7.0")]
#[test_case(Some(99), "99.0")]
#[test_case(Some(100), "other")]
#[test_case(Some(263), "other")]
#[test_case(Some(u16::MAX), "other")]
fn versions_are_those_that_may_be(version: Option<u16>, label: &str) {
    let metrics = Metrics::new();
    let mut record = record();
    record.api_version = version;
    metrics.tally().count(&record);
    let text = encode(&metrics);
    let (_, labels, _) = &text["orgproxy_requests"].samples[0];
    assert_eq!(labels["api_version"], label);
}

#[test]
fn buckets_add_up_and_include_their_bound() {
    let metrics = Metrics::new();
    let tally = metrics.tally();
    let took = [0, 1000, 1001, 9999, 600_000_000, 600_000_001];
    for micros in took {
        let mut record = record();
        record.waits.total = Duration::from_micros(micros);
        tally.count(&record);
    }
    let text = encode(&metrics);
    let samples = &text["orgproxy_request_duration_seconds"].samples;
    let under = |bound: &str| {
        let mut samples = samples.iter();
        let found = samples.find(|(_, labels, _)| labels.get("le").is_some_and(|le| le == bound));
        found.unwrap_or_else(|| panic!("no {bound}")).2
    };
    for (bound, expected) in [
        ("0.001", 2.0),
        ("0.0025", 3.0),
        ("0.005", 3.0),
        ("0.01", 4.0),
        ("300.0", 4.0),
        ("600.0", 5.0),
        ("+Inf", 6.0),
    ] {
        assert_eq!(under(bound), expected, "{bound}");
    }
    let labels = [("org", "acme"), ("family", "rest"), ("status", "2xx")];
    assert_eq!(text.value("request_duration_seconds_count", &labels), 6.0);
    let seconds = took.iter().sum::<u64>() as f64 / 1e6;
    let sum = text.value("request_duration_seconds_sum", &labels);
    assert!((sum - seconds).abs() < 1e-6, "{sum}");
}

#[test]
fn the_orgs_share_is_counted_only_where_it_had_one() {
    let metrics = Metrics::new();
    let tally = metrics.tally();
    tally.count(&record());
    let mut local = record();
    local.waits.first_byte = Duration::ZERO;
    local.family = "oauth";
    local.answered_by = AnsweredBy::Proxy;
    tally.count(&local);
    let text = encode(&metrics);
    let labels = [("org", "acme"), ("family", "rest"), ("status", "2xx")];
    let count = text.value("org_response_duration_seconds_count", &labels);
    assert_eq!(count, 1.0);
    let samples = &text["orgproxy_org_response_duration_seconds"].samples;
    assert!(
        samples
            .iter()
            .all(|(_, labels, _)| labels["family"] != "oauth")
    );
}

#[test]
fn refusals_and_replays_have_their_reasons() {
    let metrics = Metrics::new();
    let tally = metrics.tally();
    for code in ["WRONG_HOST", "WRONG_HOST", "LOGIN_REFUSED"] {
        let mut refused = record();
        refused.answered_by = AnsweredBy::Error(code);
        refused.org = None;
        tally.count(&refused);
    }
    let mut replayed = record();
    replayed.replays = 2;
    replayed.replayed_for = Some(Replayed::Session);
    tally.count(&replayed);
    replayed.status = StatusCode::UNAUTHORIZED;
    tally.count(&replayed);
    replayed.replayed_for = Some(Replayed::Moved);
    replayed.answered_by = AnsweredBy::Error("ORG_CLOSED");
    tally.count(&replayed);
    let text = encode(&metrics);
    let refusals = |org, code| text.value("refusals_total", &[("org", org), ("code", code)]);
    assert_eq!(refusals("", "WRONG_HOST"), 2.0);
    assert_eq!(refusals("", "LOGIN_REFUSED"), 1.0);
    assert_eq!(refusals("acme", "ORG_CLOSED"), 1.0);
    let replays = |reason, outcome| {
        let labels = [("org", "acme"), ("reason", reason), ("outcome", outcome)];
        text.value("replays_total", &labels)
    };
    assert_eq!(replays("session", "success"), 2.0);
    assert_eq!(replays("session", "failure"), 2.0);
    assert_eq!(replays("moved", "success"), 0.0);
    assert_eq!(replays("moved", "failure"), 2.0);
    assert_eq!(replays("connection", "failure"), 0.0);
}

#[test]
fn requests_that_rely_on_what_ends_are_counted_by_what() {
    let metrics = Metrics::new();
    let tallies = [metrics.tally(), metrics.tally()];
    for tally in &tallies {
        let mut old = record();
        old.api_version = Some(40);
        tally.count(&old);
        old.api_version = Some(41);
        tally.count(&old);
        old.signs.add(Sign::SoapLogin);
        old.signs.add(Sign::SessionInQuery);
        tally.count(&old);
    }
    let text = encode(&metrics);
    let what = |what| {
        text.value(
            "retiring_requests_total",
            &[("org", "acme"), ("what", what)],
        )
    };
    assert_eq!(what("api-31-to-40"), 2.0);
    assert_eq!(what("soap-login"), 2.0);
    assert_eq!(what("session-in-query"), 2.0);
    let samples = &text["orgproxy_retiring_requests"].samples;
    assert_eq!(samples.len(), 3);
}

#[test]
fn the_latest_usage_counts_whichever_thread_saw_it() {
    let metrics = Metrics::new();
    let (early, late) = (metrics.tally(), metrics.tally());
    let at = |second, used| {
        let mut record = record();
        record.began = UNIX_EPOCH + Duration::from_secs(second);
        let allowed = 5000;
        record.usage = Some(Usage { used, allowed });
        record
    };
    late.count(&at(100, 12));
    late.count(&at(50, 10));
    early.count(&at(90, 11));
    let text = encode(&metrics);
    assert_eq!(text.value("api_used", &[("org", "acme")]), 12.0);
    assert_eq!(text.value("api_allowed", &[("org", "acme")]), 5000.0);
}

#[test]
fn a_thread_that_ends_takes_no_counts_along() {
    let metrics = Metrics::new();
    for _ in 0..2 {
        metrics.tally().count(&record());
    }
    assert_eq!(encode(&metrics)["orgproxy_requests"].sum(), 2.0);
}

#[test]
fn to_count_does_not_allocate() {
    let metrics = Metrics::new();
    let tally = metrics.tally();
    let mut others = record();
    others.org = None;
    others.family = "soap";
    others.answered_by = AnsweredBy::Error("WRONG_HOST");
    others.signs.add(Sign::Warning);
    others.replays = 1;
    others.replayed_for = Some(Replayed::Moved);
    others.usage = Some(Usage {
        used: 1,
        allowed: 2,
    });
    // The same name elsewhere, as another thread might have it.
    let mut copied = record();
    copied.org = Some(Arc::from("acme"));
    let all = [record(), others, copied];
    let count = || all.iter().for_each(|record| tally.count(record));
    let first = allocation_counter::measure(count);
    assert!(first.count_total > 0, "nothing is measured");
    let next = allocation_counter::measure(|| (0..100).for_each(|_| count()));
    assert_eq!(next.count_total, 0);
    assert_eq!(encode(&metrics)["orgproxy_requests"].sum(), 303.0);
}

#[test]
fn every_metric_of_the_table_is_there_with_its_labels() {
    let metrics = Metrics::new();
    let mut record = record();
    record.usage = Some(Usage {
        used: 1,
        allowed: 2,
    });
    record.answered_by = AnsweredBy::Error("WRONG_HOST");
    record.signs.add(Sign::Warning);
    metrics.tally().count(&record);
    let text = encode(&metrics);
    assert_eq!(text.families.len(), METRICS.len());
    for metric in METRICS {
        let family = &text[&format!("orgproxy_{}", metric.stem())];
        assert_eq!(family.kind, metric.kind.as_str());
        assert!(!family.samples.is_empty(), "{}", metric.name);
        for (_, labels, _) in &family.samples {
            let mut names: Vec<_> = labels.keys().map(String::as_str).collect();
            names.retain(|name| *name != "le");
            let mut expected = metric.labels.to_vec();
            expected.sort_unstable();
            assert_eq!(names, expected, "{}", metric.name);
        }
    }
}

#[test]
fn facts_are_reported() {
    let text = encode(&Metrics::new());
    let value = |name, labels: &[(&str, &str)]| text.value(name, labels);
    assert_eq!(value("requests_in_flight", &[]), 3.0);
    assert_eq!(value("connections_open", &[]), 5.0);
    assert_eq!(value("access_log_dropped_total", &[]), 2.0);
    assert_eq!(value("trace_spans_dropped_total", &[]), 8.0);
    assert_eq!(value("config_reloads_total", &[("outcome", "ok")]), 5.0);
    assert_eq!(
        value("config_reloads_total", &[("outcome", "refused")]),
        2.0
    );
    assert_eq!(value("config_last_reload_successful", &[]), 0.0);
    assert_eq!(
        value("config_last_reload_time_seconds", &[]),
        1_700_000_123.0
    );
    assert_eq!(value("start_time_seconds", &[]), 1_700_000_000.5);
    let logins = |outcome| value("logins_total", &[("org", ODD), ("outcome", outcome)]);
    assert_eq!(logins("ok"), 7.0);
    assert_eq!(logins("refused"), 1.0);
    assert_eq!(logins("unavailable"), 4.0);
    assert_eq!(value("session_age_seconds", &[("org", ODD)]), 90.0);
    let of_user = [("org", ODD), ("user", ODD)];
    assert_eq!(value("user_session_age_seconds", &of_user), 60.0);
    let logins = [("org", ODD), ("user", ODD), ("outcome", "ok")];
    assert_eq!(value("user_logins_total", &logins), 3.0);
    assert_eq!(value("org_connections_open", &[("org", ODD)]), 9.0);
    assert_eq!(value("org_connections_idle", &[("org", ODD)]), 6.0);
    let days = |name| value("certificate_expiry_days", &[("name", name)]);
    assert_eq!(days("tls"), 1.5);
    assert_eq!(days("old"), -2.0);
    // The facts are of 2023-11-14.
    let left = value("retirement_days", &[("what", "soap-login")]);
    assert_eq!(left, 1295.0);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(value("build_info", &version), 1.0);
}

#[test]
fn the_readme_has_every_metric() {
    let (_, table) = README
        .split_once("\n| Metric | Type | Labels | Value |\n")
        .unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows: Vec<_> = table.lines().skip(1).collect();
    let expected: Vec<_> = METRICS.iter().map(row).collect();
    assert_eq!(rows, expected, "{}", expected.join("\n"));
}

fn row(metric: &table::Metric) -> String {
    let labels: Vec<_> = metric
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    format!(
        "| `orgproxy_{}` | {} | {} | {} |",
        metric.name,
        metric.kind.as_str(),
        labels.join(", "),
        metric.help
    )
}

/// A request that went well.
fn record() -> Record {
    Record {
        org: Some(ACME.clone()),
        waits: Waits {
            login: Duration::from_millis(500),
            turn: Duration::from_millis(125),
            connection: Duration::from_millis(250),
            first_byte: Duration::from_millis(20),
            total: Duration::from_millis(800),
        },
        received: 10,
        sent: 1000,
        ..Record::example()
    }
}

static ACME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("acme"));

/// The name of an org with all that has to be escaped.
const ODD: &str = "a \"b\" \\ c\nd, e=\"f\"} 1";

fn facts() -> Facts {
    let started = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
    let now = started + Duration::from_secs(60 * 60);
    let day = Duration::from_secs(24 * 60 * 60);
    let certificate = |name: &str, ends| CertificateFacts {
        name: name.to_owned(),
        ends,
    };
    Facts {
        now,
        started,
        requests_in_flight: 3,
        connections_open: 5,
        access_log_dropped: 2,
        trace_spans_dropped: 8,
        reloads: ReloadFacts {
            succeeded: 5,
            refused: 2,
            last: Some((UNIX_EPOCH + Duration::from_secs(1_700_000_123), false)),
        },
        orgs: vec![OrgFacts {
            name: Arc::from(ODD),
            session: SessionFacts {
                logins_ok: 7,
                logins_refused: 1,
                logins_unavailable: 4,
                logins_shared: 2,
                age: Some(Duration::from_secs(90)),
            },
            users: vec![UserFacts {
                name: Arc::from(ODD),
                session: SessionFacts {
                    logins_ok: 3,
                    age: Some(Duration::from_secs(60)),
                    ..SessionFacts::default()
                },
            }],
            connections_open: 9,
            connections_idle: 6,
            long_calls: Some((24, 10)),
        }],
        redis_up: Some(false),
        certificates: vec![
            certificate("tls", now + day * 3 / 2),
            certificate("old", now - day * 2),
        ],
    }
}

fn encode(metrics: &Metrics) -> Text {
    Text::parse(&metrics.encode(&facts()))
}
