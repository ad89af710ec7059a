//! What a proxy has said of a password that it refuses. The password is not shown to it again for a while:
//! a proxy that is shown a wrong one too often may lock its user out.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{ConnectFault, proxies::Proxy};

pub(super) struct Bar {
    /// The refusal that came last.
    refusal: Mutex<Option<Refusal>>,
    /// Places for those who show a password.
    places: Semaphore,
}

struct Refusal {
    /// The proxy's host and port.
    by: (String, u16),
    /// Its reason, for people.
    reason: String,
    until: Instant,
}

impl Bar {
    pub(super) const fn new() -> Self {
        Self {
            refusal: Mutex::new(None),
            places: Semaphore::const_new(MOST_AT_ONCE),
        }
    }

    /// Waits for `handshake`, which shows `proxy` its password, if there is one: few at a time, and none
    /// once it is refused.
    ///
    /// # Errors
    /// Those of `handshake`, and if `proxy` has refused the password lately.
    pub(super) async fn pass<T>(
        &self,
        proxy: &Proxy,
        handshake: impl Future<Output = Result<T, ConnectFault>>,
    ) -> Result<T, ConnectFault> {
        if proxy.credentials.is_none() {
            return handshake.await;
        }
        // It is never closed.
        let _place = self.places.acquire().await;
        self.check(proxy)?;
        handshake.await.inspect_err(|why| self.note(proxy, why))
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
        Err(ConnectFault::Barred(format!(
            "{}; it is not asked again for {} s, unless orgproxy is started anew",
            refusal.reason,
            left.as_secs().max(1)
        )))
    }

    /// Notes that `proxy` refuses the password, if `fault` says so.
    fn note(&self, proxy: &Proxy, fault: &ConnectFault) {
        let reason = match fault {
            ConnectFault::Credentials(reason) => reason.clone(),
            ConnectFault::Tunnel(fault) if fault.is_unauthorized() => fault.advise(proxy),
            _ => return,
        };
        *self.refusal() = Some(Refusal {
            by: (proxy.host.clone(), proxy.port),
            reason,
            until: Instant::now() + REST,
        });
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusal {
    fn is_by(&self, proxy: &Proxy) -> bool {
        self.by.0 == proxy.host && self.by.1 == proxy.port
    }
}

/// As long as a login rests that was refused.
const REST: Duration = Duration::from_mins(5);

/// A proxy may see as many wrong ones before its first refusal is known. Many lock a user out at five.
const MOST_AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::{super::proxies::Scheme, *};

    #[tokio::test(start_paused = true)]
    async fn a_password_that_is_wrong_is_shown_few_times_by_however_many_at_once() {
        let bar = Bar::new();
        let proxy = proxy(Some("wrong"));
        let shown = AtomicUsize::new(0);
        let pass_all = async || {
            let handshake = || async {
                shown.fetch_add(1, Relaxed);
                sleep(Duration::from_secs(1)).await;
                Err::<(), _>(ConnectFault::Credentials("it is wrong".to_owned()))
            };
            let passed = join_all((0..60).map(|_| bar.pass(&proxy, handshake()))).await;
            assert!(passed.iter().all(|it| {
                it.as_ref()
                    .is_err_and(|why| why.to_string().starts_with("it is wrong"))
            }));
        };
        pass_all().await;
        assert_eq!(shown.load(Relaxed), MOST_AT_ONCE);
        pass_all().await;
        assert_eq!(shown.load(Relaxed), MOST_AT_ONCE);
        // What was not asked is no refusal.
        sleep(REST).await;
        pass_all().await;
        assert_eq!(shown.load(Relaxed), 2 * MOST_AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn all_pass_who_show_a_right_one_or_none() {
        let bar = Bar::new();
        for password in [Some("right"), None] {
            let proxy = proxy(password);
            let handshake = || async {
                sleep(Duration::from_millis(1)).await;
                Ok(())
            };
            let passed = join_all((0..60).map(|_| bar.pass(&proxy, handshake()))).await;
            assert!(passed.iter().all(Result::is_ok));
        }
    }

    fn proxy(password: Option<&str>) -> Proxy {
        Proxy {
            scheme: Scheme::Socks5h,
            host: "proxy".to_owned(),
            port: 1080,
            credentials: password.map(|password| ("me".to_owned(), password.to_owned())),
            authorization: None,
            variable: "HTTPS_PROXY",
        }
    }
}
