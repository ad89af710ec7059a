//! Trying the addresses of a host so that a silent one costs only a moment (RFC 8305).

use std::{net::SocketAddr, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

/// Returns the result of the first `attempt` that succeeds, or else the first failure; nothing if
/// there is no address.
///
/// The next address is tried when one has failed, or has been silent for a moment; attempts under
/// way go on (RFC 8305 section 5).
pub(super) async fn first<T, E, F>(
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Option<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut rest = interleaved(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = None;
    loop {
        if let Some(address) = rest.next() {
            attempts.push(attempt(address));
        }
        let ended = if rest.len() == 0 {
            attempts.next().await
        } else {
            match timeout(ATTEMPT_DELAY, attempts.next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok(connection)) => return Some(Ok(connection)),
            Some(Err(error)) => {
                failure.get_or_insert(error);
            }
            None => return failure.map(Err),
        }
    }
}

/// Addresses of both families in turn, beginning with the family of the first (RFC 8305 section 4).
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == is_v6);
    let (mut first, mut other) = (first.into_iter(), other.into_iter());
    let mut all = Vec::new();
    while first.len() + other.len() > 0 {
        all.extend(first.next());
        all.extend(other.next());
    }
    all
}

/// The delay that RFC 8305 section 8 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter()
            .map(|address| address.parse().unwrap())
            .collect()
    }

    /// Port 1 is silent, port 2 refuses, port 3 answers, port 4 answers after two seconds.
    async fn attempt(address: SocketAddr) -> Result<SocketAddr, SocketAddr> {
        match address.port() {
            1 => pending().await,
            2 => Err(address),
            3 => Ok(address),
            _ => {
                sleep(Duration::from_secs(2)).await;
                Ok(address)
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silent_addresses_cost_a_moment_each() {
        for (list, winner, milliseconds) in [
            (&["127.0.0.1:3"][..], Ok("127.0.0.1:3"), 0),
            (&["127.0.0.1:1", "127.0.0.2:3"], Ok("127.0.0.2:3"), 250),
            (&["[::1]:1", "127.0.0.2:3"], Ok("127.0.0.2:3"), 250),
            (
                &["127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:3"],
                Ok("127.0.0.4:3"),
                750,
            ),
            (&["[::1]:2", "127.0.0.2:3"], Ok("127.0.0.2:3"), 0),
            (&["[::1]:4", "127.0.0.2:1"], Ok("[::1]:4"), 2000),
            (&["127.0.0.1:4", "127.0.0.2:3"], Ok("127.0.0.2:3"), 250),
            (&["127.0.0.1:2", "127.0.0.2:2"], Err("127.0.0.1:2"), 0),
            (
                &["127.0.0.1:1", "127.0.0.2:2", "127.0.0.3:4"],
                Ok("127.0.0.3:4"),
                2250,
            ),
        ] {
            let begin = Instant::now();
            let ended = timeout(Duration::from_secs(60), first(addresses(list), attempt)).await;
            let outcome = ended
                .unwrap_or_else(|_| panic!("{list:?} does not end"))
                .unwrap();
            let wanted = match winner {
                Ok(address) => Ok(address.parse().unwrap()),
                Err(address) => Err(address.parse().unwrap()),
            };
            assert_eq!(outcome, wanted, "{list:?}");
            assert_eq!(begin.elapsed().as_millis(), milliseconds, "{list:?}");
        }
        assert_eq!(first(Vec::new(), attempt).await, None);
    }

    #[test]
    fn families_take_turns() {
        let list = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"];
        let turns = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"];
        assert_eq!(interleaved(addresses(&list)), addresses(&turns));
    }
}
