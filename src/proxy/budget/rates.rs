//! Requests per second, client by client.

use std::num::NonZeroU32;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::HashMapStateStore,
};

use super::{Exceeded, Who};

/// The rates of all clients, a bounded number of them.
pub(super) struct Rates {
    rate: NonZeroU32,
    limiter: RateLimiter<Who, HashMapStateStore<Who>, DefaultClock>,
}

impl Rates {
    /// So many requests in each second, which may come all at once.
    pub(super) fn new(rate: NonZeroU32) -> Self {
        Self {
            rate,
            limiter: RateLimiter::hashmap(Quota::per_second(rate)),
        }
    }

    pub(super) fn rate(&self) -> NonZeroU32 {
        self.rate
    }

    pub(super) fn count(&self, who: &Who) -> Result<(), Exceeded> {
        // Those that have sent nothing for long need not be remembered.
        if self.limiter.len() >= MOST {
            self.limiter.retain_recent();
        }
        let who = if self.limiter.len() < MOST {
            who
        } else {
            &None
        };
        let admitted = self.limiter.check_key(who);
        admitted.map_err(|not_until| Exceeded::Rate {
            rate: self.rate.get(),
            retry: not_until.wait_time_from(self.limiter.clock().now()),
        })
    }
}

/// Users of Unix sockets; the others are in the configuration.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClientLabel;

    #[test]
    fn each_client_has_a_rate_of_its_own_and_all_unknown_ones_share_one() {
        let rates = Rates::new(NonZeroU32::new(2).unwrap());
        let etl = Some(ClientLabel::Name("etl".into()));
        for who in [&None, &etl] {
            assert_eq!(rates.count(who), Ok(()));
            assert_eq!(rates.count(who), Ok(()));
            let Err(exceeded) = rates.count(who) else {
                panic!("{who:?} has no bound");
            };
            assert!(exceeded.retry_after().as_secs_f64() <= 0.5, "{exceeded:?}");
        }
    }

    #[test]
    fn ever_new_clients_do_not_fill_the_memory() {
        let rates = Rates::new(NonZeroU32::MIN);
        for uid in 0..5000 {
            let _ = rates.count(&Some(ClientLabel::Uid(uid)));
        }
        assert!(rates.limiter.len() <= MOST + 1);
    }
}
