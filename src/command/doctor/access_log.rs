//! The access log: can it be written?

use super::report::Check;
use crate::{config::Config, watch::access_log};

/// Nothing, if the configuration asks for none.
pub(super) fn check(config: &Config) -> Option<Check> {
    let access_log = &config.access_log;
    let sink = access_log.sink.as_ref().filter(|_| access_log.is_on())?;
    Some(match access_log::check(access_log) {
        Ok(()) => Check::passed("access_log", sink.to_string()),
        Err(error) => Check::failed("access_log", error.to_string()),
    })
}
