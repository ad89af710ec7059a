//! The one table of all metrics.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::metrics::MetricType::{self, Counter, Gauge, Histogram as Timed, Info};
use time::OffsetDateTime;

use super::{
    SessionFacts,
    histogram::Histogram,
    scrape::{Scrape, Series},
    tally::{Counts, OUTCOMES, REASONS},
};
use crate::salesforce::calendar::CALENDAR;

/// One metric.
pub(super) struct Metric {
    /// As Prometheus shows it, but for the prefix.
    pub(super) name: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    /// Writes its series.
    pub(super) write: fn(&Scrape, &mut Series<'_>) -> fmt::Result,
}

impl Metric {
    /// The name without the ending that its kind gives it.
    pub(super) fn stem(&self) -> &'static str {
        let ending = match self.kind {
            Counter => "_total",
            Info => "_info",
            _ => "",
        };
        self.name.strip_suffix(ending).unwrap_or(self.name)
    }
}

const fn metric(
    name: &'static str,
    kind: MetricType,
    labels: &'static [&'static str],
    help: &'static str,
    write: fn(&Scrape, &mut Series<'_>) -> fmt::Result,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
        write,
    }
}

#[rustfmt::skip]
pub(super) static METRICS: &[Metric] = &[
    metric("requests_total", Counter, &["org", "family", "method", "status", "api_version"], "Requests, however they ended", requests),
    metric("request_duration_seconds", Timed, &["org", "family", "status"], "From the head of a request to the last byte of the response", durations),
    metric("org_response_duration_seconds", Timed, &["org", "family", "status"], "The org's share: from sending a request to the first byte of its response", org_durations),
    metric("request_bytes_total", Counter, &["org", "family"], "Bytes of the bodies of requests", request_bytes),
    metric("response_bytes_total", Counter, &["org", "family"], "Bytes of the bodies of responses", response_bytes),
    metric("requests_in_flight", Gauge, &[], "Requests that have begun and not ended", in_flight),
    metric("refusals_total", Counter, &["org", "code"], "Requests that got an error of orgproxy, by its code", refusals),
    metric("policy_observed_total", Counter, &["org"], "Requests that a policy which only observes would have refused", observed),
    metric("replays_total", Counter, &["org", "reason", "outcome"], "Times that a request was sent to the org again, and whether it then succeeded", replays),
    metric("login_wait_seconds_total", Counter, &["org"], "Time that requests waited for a login", login_waits),
    metric("turn_wait_seconds_total", Counter, &["org"], "Time that requests waited for their turn while too many long calls were open", turn_waits),
    metric("calls_waiting", Gauge, &["org"], "Requests that wait for their turn now, where long_calls is set", waiting),
    metric("long_calls_open", Gauge, &["org"], "Long calls that are open, where long_calls is set", long_calls),
    metric("connection_wait_seconds_total", Counter, &["org"], "Time that requests waited for a connection to the org", connection_waits),
    metric("connections_open", Gauge, &[], "Connections of clients", connections),
    metric("org_connections_open", Gauge, &["org"], "Connections to the org, busy ones included", org_connections),
    metric("org_connections_idle", Gauge, &["org"], "Connections to the org that carry nothing (HTTP/1.1)", idle_connections),
    metric("logins_total", Counter, &["org", "outcome"], "Logins of the org's own user: ok, refused by the org, unavailable for now, or shared, which is done by another process", logins),
    metric("session_age_seconds", Gauge, &["org"], "Time since the login of the session in use", session_ages),
    metric("user_logins_total", Counter, &["org", "user", "outcome"], "The same as logins_total, of each user that [org.NAME.users] maps clients to", user_logins),
    metric("user_session_age_seconds", Gauge, &["org", "user"], "Time since the login of the session of such a user", user_session_ages),
    metric("api_used", Gauge, &["org"], "API requests of the last 24 hours, as the org last reported", api_used),
    metric("api_allowed", Gauge, &["org"], "API requests that the org allows in 24 hours, as it last reported", api_allowed),
    metric("certificate_expiry_days", Gauge, &["name"], "Days until a certificate expires, negative after that: `tls` is that of `https://` listeners, `org:NAME` the one beside the key of an org", certificates),
    metric("retirement_days", Gauge, &["what"], "Days until something ends that clients may rely on; negative after that", retirements),
    metric("retiring_requests_total", Counter, &["org", "what"], "Requests that relied on something that ends or that only minimum_api_version keeps alive, that the org warns of, or that leaks a session", retiring),
    metric("redis_up", Gauge, &[], "1 if Redis can be used, where replicas share it, else 0", redis),
    metric("access_log_dropped_total", Counter, &[], "Lines of the access log that were left out because its file or reader was too slow", dropped),
    metric("trace_spans_dropped_total", Counter, &[], "Spans that were not sent because their collector was away, too slow or did not take them", dropped_spans),
    metric("config_reloads_total", Counter, &["outcome"], "Reloads of the configuration: ok, or refused because of mistakes", reloads),
    metric("config_last_reload_successful", Gauge, &[], "1 unless the last reload was refused, so that the configuration in use is older than the file", last_reload),
    metric("config_last_reload_time_seconds", Gauge, &[], "When the last reload was, or else the start, in seconds since 1970", last_reload_time),
    metric("build_info", Info, &["version"], "The version of orgproxy", build),
    metric("start_time_seconds", Gauge, &[], "When orgproxy started, in seconds since 1970", started),
];

fn requests(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (labels, counts) in &scrape.sum.series {
        let version = labels.api_version();
        let values = [
            &*labels.org,
            labels.family,
            labels.method,
            labels.status,
            &version,
        ];
        series.counter(&values, counts.requests)?;
    }
    Ok(())
}

fn durations(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    histograms(scrape, series, |counts| &counts.took)
}

fn org_durations(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    histograms(scrape, series, |counts| &counts.waited)
}

fn histograms(
    scrape: &Scrape,
    series: &mut Series<'_>,
    which: fn(&Counts) -> &Histogram,
) -> fmt::Result {
    let mut sums: BTreeMap<[&str; 3], Histogram> = BTreeMap::new();
    for (labels, counts) in &scrape.sum.series {
        let values = [&*labels.org, labels.family, labels.status];
        sums.entry(values).or_default().add(which(counts));
    }
    for (values, sum) in sums {
        if sum.count() > 0 {
            series.histogram(&values, &sum)?;
        }
    }
    Ok(())
}

fn request_bytes(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    bytes(scrape, series, |counts| counts.received)
}

fn response_bytes(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    bytes(scrape, series, |counts| counts.sent)
}

fn bytes(scrape: &Scrape, series: &mut Series<'_>, which: fn(&Counts) -> u64) -> fmt::Result {
    let mut sums: BTreeMap<[&str; 2], u64> = BTreeMap::new();
    for (labels, counts) in &scrape.sum.series {
        let sum = sums.entry([&*labels.org, labels.family]).or_default();
        *sum = sum.saturating_add(which(counts));
    }
    for (values, sum) in sums {
        series.counter(&values, sum)?;
    }
    Ok(())
}

fn in_flight(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    series.gauge(&[], scrape.facts.requests_in_flight)
}

fn refusals(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        for (code, count) in &counts.refusals {
            series.counter(&[org, code], *count)?;
        }
    }
    Ok(())
}

fn observed(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        series.counter(&[org], counts.observed)?;
    }
    Ok(())
}

fn replays(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        for (reason, of_reason) in REASONS.iter().zip(&counts.replays) {
            for (outcome, count) in OUTCOMES.iter().zip(of_reason) {
                series.counter(&[org, reason, outcome], *count)?;
            }
        }
    }
    Ok(())
}

fn login_waits(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        series.counter(&[org], counts.login_wait.as_secs_f64())?;
    }
    Ok(())
}

fn turn_waits(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        series.counter(&[org], counts.turn_wait.as_secs_f64())?;
    }
    Ok(())
}

fn waiting(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        if let Some((_, waiting)) = org.long_calls {
            series.gauge(&[&org.name], waiting)?;
        }
    }
    Ok(())
}

fn long_calls(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        if let Some((long, _)) = org.long_calls {
            series.gauge(&[&org.name], long)?;
        }
    }
    Ok(())
}

fn connection_waits(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        series.counter(&[org], counts.connection_wait.as_secs_f64())?;
    }
    Ok(())
}

fn connections(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    series.gauge(&[], scrape.facts.connections_open)
}

fn org_connections(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        series.gauge(&[&org.name], org.connections_open)?;
    }
    Ok(())
}

fn idle_connections(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        series.gauge(&[&org.name], org.connections_idle)?;
    }
    Ok(())
}

fn logins(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        for (outcome, count) in outcomes(scrape, &org.session) {
            series.counter(&[&org.name, outcome], count)?;
        }
    }
    Ok(())
}

fn user_logins(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        for user in &org.users {
            for (outcome, count) in outcomes(scrape, &user.session) {
                series.counter(&[&org.name, &user.name, outcome], count)?;
            }
        }
    }
    Ok(())
}

/// The number of logins by what came of them, without what cannot be.
fn outcomes(
    scrape: &Scrape,
    session: &SessionFacts,
) -> impl Iterator<Item = (&'static str, u64)> + use<> {
    let shares = scrape.facts.redis_up.is_some();
    let all = session.logins().into_iter();
    all.filter(move |(outcome, _)| shares || *outcome != "shared")
}

fn redis(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    match scrape.facts.redis_up {
        Some(is_up) => series.gauge(&[], u64::from(is_up)),
        None => Ok(()),
    }
}

fn session_ages(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        if let Some(age) = org.session.age {
            series.gauge(&[&org.name], age.as_secs_f64())?;
        }
    }
    Ok(())
}

fn user_session_ages(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for org in &scrape.facts.orgs {
        for user in &org.users {
            if let Some(age) = user.session.age {
                series.gauge(&[&org.name, &user.name], age.as_secs_f64())?;
            }
        }
    }
    Ok(())
}

fn api_used(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        if let Some((_, usage)) = counts.usage {
            series.gauge(&[org], usage.used)?;
        }
    }
    Ok(())
}

fn api_allowed(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        if let Some((_, usage)) = counts.usage {
            series.gauge(&[org], usage.allowed)?;
        }
    }
    Ok(())
}

fn certificates(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for certificate in &scrape.facts.certificates {
        let days = days_until(certificate.ends, scrape.facts.now);
        series.gauge(&[&certificate.name], days)?;
    }
    Ok(())
}

fn retirements(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    let today = OffsetDateTime::from(scrape.facts.now).date();
    for ending in CALENDAR {
        series.gauge(&[ending.name], ending.days_left(today))?;
    }
    Ok(())
}

fn retiring(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    for (org, counts) in &scrape.sum.orgs {
        for (what, count) in &counts.retiring {
            series.counter(&[org, what], *count)?;
        }
    }
    Ok(())
}

fn dropped(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    series.counter(&[], scrape.facts.access_log_dropped)
}

fn dropped_spans(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    series.counter(&[], scrape.facts.trace_spans_dropped)
}

fn reloads(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    let reloads = &scrape.facts.reloads;
    series.counter(&["ok"], reloads.succeeded)?;
    series.counter(&["refused"], reloads.refused)
}

fn last_reload(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    let is_fine = scrape
        .facts
        .reloads
        .last
        .is_none_or(|(_, succeeded)| succeeded);
    series.gauge(&[], u32::from(is_fine))
}

fn last_reload_time(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    let facts = &scrape.facts;
    let at = facts.reloads.last.map_or(facts.started, |(at, _)| at);
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    series.gauge(&[], since.as_secs_f64())
}

fn build(_scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    series.info(&[env!("CARGO_PKG_VERSION")])
}

fn started(scrape: &Scrape, series: &mut Series<'_>) -> fmt::Result {
    let since = scrape.facts.started.duration_since(UNIX_EPOCH);
    series.gauge(&[], since.unwrap_or_default().as_secs_f64())
}

fn days_until(end: SystemTime, now: SystemTime) -> f64 {
    let days = |time: Duration| time.as_secs_f64() / (24.0 * 60.0 * 60.0);
    match end.duration_since(now) {
        Ok(left) => days(left),
        Err(past) => -days(past.duration()),
    }
}
