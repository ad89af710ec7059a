//! What befalls the org and the proxy.

use std::time::Duration;

use http::StatusCode;
use orgproxy::demo::{Fault, Org, Refusal, Then};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::proxy::Proxy;

/// Goes on until then.
pub(crate) async fn until(end: Instant, org: &Org, proxy: &Proxy, random: &mut fastrand::Rng) {
    while Instant::now() < end {
        let pause = Duration::from_millis(random.u64(200..1500));
        let left = end.saturating_duration_since(Instant::now());
        sleep(pause.min(left)).await;
        befall(org, proxy, random).await;
    }
}

/// Nothing is wrong with the org any more.
pub(crate) fn end(org: &Org) {
    org.faults().clear();
    org.set(|knobs| knobs.refusal = None);
}

async fn befall(org: &Org, proxy: &Proxy, random: &mut fastrand::Rng) {
    match random.u8(0..9) {
        0..3 => org.end_sessions(),
        3 => org.disconnect(),
        4 => proxy.signal(Signal::HUP),
        5 => {
            let unavailable = Fault::html(StatusCode::SERVICE_UNAVAILABLE);
            org.faults().next(20, "/services", unavailable);
        }
        6 => org.faults().next(5, "/services", Fault::CutBody(10)),
        7 => org
            .faults()
            .next(5, "/services", Fault::EndAfter(Then::Reset)),
        _ => {
            org.set(|knobs| knobs.refusal = Refusal::named("unknown-error"));
            org.end_sessions();
            sleep(Duration::from_millis(300)).await;
            org.set(|knobs| knobs.refusal = None);
        }
    }
}
