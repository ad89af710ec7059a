//! The requests that an org allows, and where their number is heading.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use askama::Template;

use super::{
    super::BudgetStatus,
    snapshot::OrgFacts,
    summary::{Line, Tone},
    words,
};
use crate::watch::{Second, Usage};

#[derive(Template)]
#[template(
    path = "budget.html",
    config = "src/server/admin/dashboard/askama.toml"
)]
pub(super) struct Budget {
    gauge: Option<Gauge>,
    /// What clients may use of it, and have used.
    bounds: Vec<String>,
}

struct Gauge {
    tone: Tone,
    used: String,
    allowed: String,
    left: String,
    percent: String,
    /// For people.
    at: String,
    /// In per cent of what is allowed.
    share: f64,
    forecast: Option<Forecast>,
}

struct Forecast {
    /// For people.
    rate: String,
    at_midnight: String,
    percent: String,
    /// When the limit is reached, if that is before midnight.
    reached: Option<String>,
    /// In per cent of what is allowed, at most 100.
    share: f64,
}

impl Budget {
    pub(super) fn of(
        facts: &OrgFacts,
        bounds: Option<&BudgetStatus>,
        uptime: Duration,
        now: SystemTime,
    ) -> Self {
        let gauge = facts.usage.map(|(usage, at)| {
            let (used, allowed) = (usage.used.into(), usage.allowed.into());
            let rate = rate(&facts.seconds, uptime);
            let forecast = rate.map(|rate| Forecast::of(usage, rate, now));
            let is_short = forecast.as_ref().is_some_and(|it| it.reached.is_some());
            let tone = match words::share(used, allowed) {
                95.0.. => Tone::Bad,
                _ if is_short => Tone::Bad,
                80.0.. => Tone::Doubtful,
                _ => Tone::Good,
            };
            Gauge {
                tone,
                used: words::count(used),
                allowed: words::count(allowed),
                left: words::count(u64::saturating_sub(allowed, used)),
                percent: words::percent(used, allowed),
                at: words::clock(at),
                share: words::share(used, allowed).min(100.0),
                forecast,
            }
        });
        Self {
            gauge,
            bounds: bounds.map_or_else(Vec::new, BudgetStatus::lines),
        }
    }

    pub(super) fn line(&self) -> Line {
        let topic = "API limit";
        let Some(gauge) = &self.gauge else {
            let text =
                "Not known yet: the org says it with its answers to API requests.".to_owned();
            return Line {
                tone: Tone::Plain,
                topic,
                text,
                is_calm: false,
            };
        };
        let used = format!(
            "{} of the {} requests that the org allows in 24 hours are used ({}).",
            gauge.used, gauge.allowed, gauge.percent
        );
        let next = match &gauge.forecast {
            Some(Forecast {
                reached: Some(time),
                ..
            }) => format!(" If it goes on like this, none are left at about {time} UTC."),
            Some(_) => " If it goes on like this, they last until midnight UTC.".to_owned(),
            None => String::new(),
        };
        Line {
            tone: gauge.tone,
            topic,
            text: used + &next,
            is_calm: false,
        }
    }
}

impl Forecast {
    /// What comes of `usage` if each second has `rate` requests until midnight UTC. The org counts the
    /// last 24 hours, so that those of yesterday drop out, when is not known: it is the most to
    /// expect.
    fn of(usage: Usage, rate: f64, now: SystemTime) -> Self {
        let left = seconds_to_midnight(now);
        let (used, allowed) = (f64::from(usage.used), f64::from(usage.allowed));
        let at_midnight = used + rate * left;
        let until = (allowed - used).max(0.0) / rate;
        let reached = (until < left).then(|| now + Duration::from_secs_f64(until));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive, and no request is counted in parts"
        )]
        let expected = at_midnight.round() as u64;
        Self {
            rate: if rate * 60.0 < 10.0 {
                format!("{:.1}", rate * 60.0)
            } else {
                format!("{:.0}", rate * 60.0)
            },
            at_midnight: words::count(expected),
            percent: words::percent(expected, usage.allowed.into()),
            reached: reached.map(words::clock),
            share: words::share(expected, usage.allowed.into()).min(100.0),
        }
    }
}

/// Requests a second that went to the org in the last five minutes, once there are five to judge by:
/// a burst is no rate.
fn rate(seconds: &[Second], uptime: Duration) -> Option<f64> {
    let span = uptime.as_secs().min(seconds.len() as u64);
    if span < SHORTEST_SPAN {
        return None;
    }
    let forwarded: u32 = seconds.iter().map(|second| second.forwarded).sum();
    Some(f64::from(forwarded) / Duration::from_secs(span).as_secs_f64())
}

fn seconds_to_midnight(now: SystemTime) -> f64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Duration::from_secs(DAY - since % DAY).as_secs_f64()
}

/// Seconds.
const DAY: u64 = 86_400;
const SHORTEST_SPAN: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(used: u32, rate: f64) -> Forecast {
        let usage = Usage {
            used,
            allowed: 5000,
        };
        Forecast::of(usage, rate, UNIX_EPOCH + Duration::from_secs(DAY * 3 / 2))
    }

    #[test]
    fn the_rate_of_now_goes_on_until_midnight() {
        let calm = forecast(1000, 0.05);
        assert_eq!((&*calm.at_midnight, &*calm.rate), ("3,160", "3.0"));
        assert_eq!((calm.reached, &*calm.percent), (None, "63\u{a0}%"));
        let busy = forecast(1000, 1.0);
        assert_eq!(busy.at_midnight, "44,200");
        assert_eq!(busy.reached.as_deref(), Some("13:06"));
        assert_eq!(busy.share, 100.0);
        assert_eq!(forecast(6000, 1.0).reached.as_deref(), Some("12:00"));
        assert_eq!(forecast(5000, 0.0).reached, None);
    }

    #[test]
    fn a_few_seconds_foretell_nothing() {
        assert_eq!(rate(&[], Duration::from_secs(3600)), None);
        let seconds = vec![Second::default(); 300];
        assert_eq!(rate(&seconds, Duration::from_secs(59)), None);
        assert_eq!(rate(&seconds, Duration::from_secs(300)), Some(0.0));
    }
}
