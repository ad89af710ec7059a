//! How many connections there are to one org.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::pool::Pool;

/// The connections of all threads to one org.
#[derive(Default)]
pub(crate) struct Connections {
    /// Each open connection holds a clone.
    open: Open,
    pools: Mutex<Vec<Weak<Pool>>>,
}

/// Held by a connection for as long as it is open.
#[derive(Clone, Default)]
pub(super) struct Open(Arc<()>);

impl Connections {
    /// The number of those that are open, be they busy or idle.
    pub(crate) fn open(&self) -> usize {
        // This one is not of a connection.
        Arc::strong_count(&self.open.0) - 1
    }

    /// The number of those that are open and carry nothing. One of HTTP/2 is never among them.
    pub(crate) fn idle(&self) -> usize {
        let pools = self.pools();
        pools
            .iter()
            .filter_map(Weak::upgrade)
            .map(|pool| pool.idle())
            .sum()
    }

    /// To be held by a connection.
    pub(super) fn begin(&self) -> Open {
        self.open.clone()
    }

    /// Counts what is idle in `pool`, too.
    pub(super) fn include(&self, pool: &Arc<Pool>) {
        self.pools().push(Arc::downgrade(pool));
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Weak<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::{
        super::{connect::Connector, pool::Pool},
        *,
    };
    use crate::{
        config::{self, Config, Limits},
        demo::Org,
        network::{Dialer, OwnListeners, tls},
    };

    #[tokio::test]
    async fn a_connection_counts_while_it_is_open_and_a_share_in_one_does_not() {
        let demo = Org::start().await.unwrap();
        let config = Config::new(vec![config::Org::at_demo("demo", &demo)]);
        let tls = tls::client_config(tls::roots(), &[demo.ca_der()]).unwrap();
        let second = Duration::from_secs(1);
        let proxies = config.proxies_to(&config.orgs[0]);
        let dialer = Dialer::new(proxies, &tls, second * 10, second, OwnListeners::default());
        let (dialer, limits) = (Arc::new(dialer), Limits::default());
        let authority = demo.instance_url().parse::<http::Uri>().unwrap();
        let authority = authority.authority().unwrap();

        for http2 in [false, true] {
            let connector = Connector::new(dialer.clone(), tls.clone(), http2, &limits);
            let connector = Arc::new(connector);
            let connections = connector.connections().clone();
            let pools = [(); 2].map(|()| Pool::new(connector.clone(), second));
            assert_eq!((connections.open(), connections.idle()), (0, 0));
            let first = pools[0].get(authority).await.unwrap();
            let second = pools[1].get(authority).await.unwrap();
            assert_eq!((connections.open(), connections.idle()), (2, 0));
            let third = pools[0].get(authority).await.unwrap();
            let all = if http2 { 2 } else { 3 };
            assert_eq!((connections.open(), connections.idle()), (all, 0));
            if !http2 {
                pools[0].put(first);
                pools[1].put(second);
                assert_eq!((connections.open(), connections.idle()), (3, 2));
                pools[0].clear();
                drop(third);
                assert_eq!((connections.open(), connections.idle()), (1, 1));
                continue;
            }
            drop((first, second, third));
            tokio::time::pause();
            sleep(Duration::from_secs(50)).await;
            assert_eq!(connections.open(), 2);
            // One that carried nothing for long may have been cut on the way, unseen.
            sleep(Duration::from_secs(50)).await;
            assert_eq!(connections.open(), 0);
        }
    }
}
