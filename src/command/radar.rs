//! What Salesforce is about to end, and who uses it: for people.

use std::iter;

use super::rows::{MOST_CLIENTS, under};
use crate::{
    salesforce::calendar::SOON,
    server::ThreatStatus,
    system::{
        escape, span,
        terminal::{BAD, DOUBTFUL, styled},
    },
};

/// Rows of what the clients of an org use that ends, of which only the first has a name.
pub(super) fn rows(threats: &[ThreatStatus]) -> impl Iterator<Item = (&'static str, String)> {
    let values = threats.iter().flat_map(|threat| {
        let ends = iter::once(describe(threat));
        let advice = iter::once(escape::line(&threat.advice).into_owned());
        ends.chain(uses(threat)).chain(advice)
    });
    let nothing = threats.is_empty().then(|| NOTHING.to_owned());
    under("radar", values.chain(nothing))
}

/// `Breaks in Summer '27: SOAP login() (about 1 June 2027, in 187 days)`.
pub(super) fn describe(threat: &ThreatStatus) -> String {
    let is_near = threat.days_left.is_some_and(|days| days < SOON);
    let style = if is_near { BAD } else { DOUBTFUL };
    let fate = styled(style, &escape::line(&threat.fate));
    let what = escape::line(&threat.what);
    match &threat.when {
        Some(when) => format!("{fate}: {what} ({})", escape::line(when)),
        None => format!("{fate}: {what}"),
    }
}

/// The clients that use it, one after the other.
fn uses(threat: &ThreatStatus) -> impl Iterator<Item = String> {
    let shown = threat.clients.iter().take(MOST_CLIENTS).map(|it| {
        let times = match it.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let ago = span::calm(it.seconds_ago);
        format!("{}: {times}, last {ago} ago", it.who)
    });
    let more = threat.clients.len().saturating_sub(MOST_CLIENTS);
    shown.chain((more > 0).then(|| format!("and {more} more clients")))
}

const NOTHING: &str = "nothing that clients have used since the start is about to end";
