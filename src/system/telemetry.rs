//! The log: events on standard error, one per line.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Starts the log. Events are written until the guard is dropped.
///
/// A thread of its own writes, and events that it cannot keep up with are dropped: a full disk or a
/// pipe that nobody reads must not hold up requests.
///
/// # Errors
/// When `filter` is invalid.
pub(crate) fn init(filter: &str) -> Result<WorkerGuard, ParseError> {
    // The HTTP/2 library logs, without bound, what clients can cause at will. A filter can name it
    // to see that: the last directive counts.
    let filter = read_filter(&format!("h2=off,{filter}"))?;
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(wants_colours())
        .with_target(false)
        .with_writer(writer);
    // Only tests start it twice.
    let _ = subscriber.try_init();
    Ok(guard)
}

/// Reads directives with commas between them.
pub(crate) fn read_filter(text: &str) -> Result<EnvFilter, ParseError> {
    // A short pattern for a field's value can take minutes and gigabytes to read.
    EnvFilter::builder().with_regex(false).parse(text)
}

/// Returns whether a person reads the log and wants colours (no-color.org).
fn wants_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

/// Keeps events that clients can cause at will from flooding the log.
pub(crate) struct Throttle {
    /// So many lines in each period.
    lines: u32,
    length: Duration,
    period: Mutex<Option<Period>>,
}

struct Period {
    began: Instant,
    lines: u32,
}

impl Throttle {
    pub(crate) const fn new() -> Self {
        Self::to(LINES, PERIOD)
    }

    /// One that admits so many `lines` in each period of this `length`.
    pub(crate) const fn to(lines: u32, length: Duration) -> Self {
        Self {
            lines,
            length,
            period: Mutex::new(None),
        }
    }

    /// Returns, if another line may be logged, the number of lines left out before it, which the line
    /// names if there are any.
    pub(crate) fn admit(&self) -> Option<Option<NonZeroU32>> {
        let now = Instant::now();
        let mut period = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *period {
            Some(period) if now < period.began + self.length => {
                period.lines += 1;
                (period.lines <= self.lines).then_some(None)
            }
            ended => {
                let before = ended.replace(Period {
                    began: now,
                    lines: 1,
                });
                let lines = before.map_or(0, |before| before.lines);
                Some(NonZeroU32::new(lines.saturating_sub(self.lines)))
            }
        }
    }
}

/// A throttle for each kind of event, so that many of one kind hide none of another.
pub(crate) struct Throttles(Mutex<BTreeMap<&'static str, Throttle>>);

impl Throttles {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The same as [`Throttle::admit`], for an event of this `kind`.
    pub(crate) fn admit(&self, kind: &'static str) -> Option<Option<NonZeroU32>> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.entry(kind).or_insert_with(Throttle::new).admit()
    }
}

const PERIOD: Duration = Duration::from_secs(1);

/// Lines in each period.
const LINES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_hides_no_other() {
        let throttles = Throttles::new();
        let admitted = (0..1000).filter_map(|_| throttles.admit("A")).count();
        assert_eq!(admitted, 5);
        assert_eq!(throttles.admit("B"), Some(None));
        assert_eq!(throttles.admit("A"), None);
    }

    #[test]
    fn a_flood_becomes_a_few_lines_and_a_count() {
        let throttle = Throttle::new();
        let admitted = (0..1000).filter_map(|_| throttle.admit()).count();
        assert_eq!(admitted, 5);

        throttle.period.lock().unwrap().as_mut().unwrap().began -= PERIOD;
        assert_eq!(throttle.admit(), Some(NonZeroU32::new(995)));
        assert_eq!(throttle.admit(), Some(None));
    }

    #[test]
    fn one_line_in_a_while_counts_the_others() {
        let throttle = Throttle::to(1, 10 * PERIOD);
        for left_out in [None, NonZeroU32::new(9)] {
            assert_eq!(throttle.admit(), Some(left_out));
            throttle.period.lock().unwrap().as_mut().unwrap().began -= 9 * PERIOD;
            assert!((0..9).all(|_| throttle.admit().is_none()));
            throttle.period.lock().unwrap().as_mut().unwrap().began -= PERIOD;
        }
    }
}
