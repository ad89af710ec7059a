//! How many requests an org gets, and how fast they are answered: the last five minutes.

use std::time::Duration;

use askama::Template;

use super::{plot, words};
use crate::watch::{LENGTH, Second};

#[derive(Template)]
#[template(
    path = "traffic.html",
    config = "src/server/admin/dashboard/askama.toml"
)]
pub(super) struct Traffic {
    /// If there were requests.
    plots: Option<Plots>,
}

struct Plots {
    bins: usize,
    requests: String,
    errors: Option<String>,
    /// The most requests a second.
    most: String,
    all: String,
    bad: String,
    median: String,
    slowest: String,
    half: String,
    most_of_them: String,
    /// At the top of the plot.
    longest: String,
}

impl Traffic {
    pub(super) fn of(seconds: &[Second]) -> Self {
        let mut whole = Second::default();
        for second in seconds {
            whole.add(second);
        }
        let (half, most) = (whole.quantile(0.5), whole.quantile(0.95));
        let plots = half.zip(most).map(|(half, most)| {
            let bins = bins(seconds);
            Plots::of(&bins, &whole, half, most)
        });
        Self { plots }
    }
}

impl Plots {
    fn of(bins: &[(Second, f64)], whole: &Second, half: Duration, most: Duration) -> Self {
        let rates = bins
            .iter()
            .map(|(bin, length)| f64::from(bin.requests) / length);
        let highest = nice(rates.clone().fold(0.0, f64::max));
        let bad = bins
            .iter()
            .map(|(bin, length)| f64::from(bin.errors) / length);
        let at = |share| bins.iter().map(move |(bin, _)| bin.quantile(share));
        let longest = at(0.95).flatten().max().unwrap_or(most);
        // Each doubling is a step of the same height, as each second keeps them.
        let height = |time: Duration| doublings(time) / doublings(longest).max(1.0);
        Self {
            bins: bins.len(),
            requests: words::counted(whole.requests.into(), "request"),
            errors: (whole.errors > 0).then(|| words::counted(whole.errors.into(), "error")),
            most: format!("{highest}"),
            all: plot::columns(rates.map(|rate| rate / highest)),
            bad: plot::columns(bad.map(|rate| rate / highest)),
            median: plot::steps(at(0.5).map(|time| time.map(height))),
            slowest: plot::steps(at(0.95).map(|time| time.map(height))),
            half: limit(half),
            most_of_them: limit(most),
            longest: limit(longest),
        }
    }
}

/// Seconds taken together, each with its length so far, so that the plot moves a few times a minute and
/// few requests still make a line.
fn bins(seconds: &[Second]) -> Vec<(Second, f64)> {
    let groups = seconds.chunk_by(|a, b| a.at / BIN == b.at / BIN);
    let mut bins: Vec<_> = groups
        .map(|group| {
            let mut bin = Second::default();
            for second in group {
                bin.add(second);
            }
            (bin, Duration::from_secs(group.len() as u64).as_secs_f64())
        })
        .collect();
    // What is left of the oldest.
    if bins.len() as u64 > LENGTH / BIN {
        bins.remove(0);
    }
    bins
}

/// The next of 1, 2, 5, 10, and so on.
fn nice(highest: f64) -> f64 {
    let power = 10_f64.powf(highest.max(1.0).log10().floor());
    let steps = [power, 2.0 * power, 5.0 * power];
    let step = steps.into_iter().find(|step| *step >= highest);
    step.unwrap_or(10.0 * power)
}

fn doublings(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).max(1.0).log2() + 1.0
}

/// The end of a step, which is a power of two.
fn limit(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..10_000 => format!("{millis} ms"),
        _ => format!("{} s", time.as_secs()),
    }
}

/// Seconds.
const BIN: u64 = 5;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0.0 => 1.0)]
    #[test_case(1.2 => 2.0)]
    #[test_case(7.0 => 10.0)]
    #[test_case(10.0 => 10.0)]
    #[test_case(340.0 => 500.0)]
    fn a_scale_ends_at_a_round_number(highest: f64) -> f64 {
        nice(highest)
    }

    #[test_case(1000; "at the beginning of a bin")]
    #[test_case(1003; "within one")]
    fn a_plot_has_no_more_bins_than_fit_and_the_last_is_of_its_length(end: u64) {
        let seconds: Vec<_> = (end - LENGTH..end)
            .map(|at| {
                let mut second = Second::default();
                (second.at, second.requests) = (at, 1);
                second
            })
            .collect();
        let bins = bins(&seconds);
        assert_eq!(bins.len() as u64, LENGTH / BIN);
        for (bin, length) in bins {
            assert_eq!(f64::from(bin.requests), length);
        }
    }
}
