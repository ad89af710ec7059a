//! What a proxy has said of a password that it refuses. The password is not shown to it again for a while:
//! a proxy that is shown a wrong one too often may lock its user out.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{ConnectFault, proxies::Proxy};

/// The refusal that came last.
pub(super) struct Bar(Mutex<Option<Refusal>>);

struct Refusal {
    /// The proxy's host and port.
    by: (String, u16),
    /// Its reason, for people.
    reason: String,
    until: Instant,
}

impl Bar {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// # Errors
    /// If `proxy` has refused the password lately.
    pub(super) fn check(&self, proxy: &Proxy) -> Result<(), ConnectFault> {
        let refusal = self.refusal();
        let Some(refusal) = refusal.as_ref().filter(|it| it.is_by(proxy)) else {
            return Ok(());
        };
        let left = refusal.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        Err(ConnectFault::Credentials(format!(
            "{}; it is not asked again for {} s, unless orgproxy is started anew",
            refusal.reason,
            left.as_secs().max(1)
        )))
    }

    /// Notes that `proxy` refuses the password, if `fault` says so.
    pub(super) fn note(&self, proxy: &Proxy, fault: &ConnectFault) {
        let reason = match fault {
            _ if proxy.credentials.is_none() => return,
            ConnectFault::Credentials(reason) => reason.clone(),
            ConnectFault::Tunnel(fault) if fault.is_unauthorized() => fault.advise(proxy),
            _ => return,
        };
        let mut refusal = self.refusal();
        // What was not asked is no refusal.
        let now = Instant::now();
        if refusal
            .as_ref()
            .is_none_or(|last| !last.is_by(proxy) || last.until <= now)
        {
            *refusal = Some(Refusal {
                by: (proxy.host.clone(), proxy.port),
                reason,
                until: now + REST,
            });
        }
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusal {
    fn is_by(&self, proxy: &Proxy) -> bool {
        self.by.0 == proxy.host && self.by.1 == proxy.port
    }
}

/// As long as a login rests that was refused.
const REST: Duration = Duration::from_mins(5);
