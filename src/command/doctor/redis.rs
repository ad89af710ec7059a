//! Redis: can replicas share their sessions by it?

use super::report::Check;
use crate::{config::Config, server};

/// Nothing, if the configuration has none.
pub(super) async fn check(config: &Config) -> Option<Check> {
    let redis = config.redis.as_ref()?;
    let name = redis.name();
    if config.shared_redis().is_none() {
        let says = format!("{name} is not used: each process has its demo orgs for itself");
        return Some(Check::skipped("redis", says));
    }
    let used = match server::open_store(redis) {
        Ok(store) => store.check().await,
        Err(error) => Err(format!("cannot be used: {error}")),
    };
    Some(match used {
        Ok(()) => Check::passed("redis", name),
        Err(fault) => Check::failed("redis", format!("{name} {fault}")).advise(ALONE),
    })
}

const ALONE: &str = "do: see [redis] in the configuration; until it can be used, each process logs in and \
     counts for itself";
