//! The clock of this machine, against the one that judges assertions.

use std::time::{Duration, SystemTime};

use super::report::Check;
use crate::auth::Login;

/// The check, and by how many seconds this machine is ahead of the login host, if that is known.
pub(super) async fn check(login: &Login) -> (Check, Option<i64>) {
    let begin = SystemTime::now();
    let skipped = |why: &str| (Check::skipped("clock", why), None);
    match login.date().await {
        Err(_) => skipped("the login host cannot be asked for its time"),
        Ok(None) => skipped("the login host does not report its time"),
        Ok(Some(date)) => {
            // The host read its clock about halfway.
            let now = begin + begin.elapsed().unwrap_or_default() / 2;
            let ahead = match now.duration_since(date) {
                Ok(ahead) => ahead.as_secs().cast_signed(),
                Err(behind) => -behind.duration().as_secs().cast_signed(),
            };
            (judge(ahead), Some(ahead))
        }
    }
}

fn judge(ahead: i64) -> Check {
    let off = ahead.unsigned_abs();
    match off {
        0..=DOUBTFUL => return Check::passed("clock", "agrees with the login host"),
        _ if off <= WRONG => Check::warning("clock", skew(ahead)),
        _ => Check::failed("clock", skew(ahead)),
    }
    .advise("do: set the clock: let the system synchronize it by NTP (timedatectl set-ntp true)")
}

/// `this machine is 10m ahead of the login host`
pub(super) fn skew(ahead: i64) -> String {
    let amount = humantime::format_duration(Duration::from_secs(ahead.unsigned_abs()));
    let direction = match ahead {
        ..0 => "behind",
        _ => "ahead of",
    };
    format!("this machine is {amount} {direction} the login host")
}

/// Seconds that the network may account for.
pub(super) const DOUBTFUL: u64 = 30;

/// Seconds after which the three minutes that an assertion lives are nearly over on arrival.
const WRONG: u64 = 120;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(30 => Check::passed("clock", "agrees with the login host"))]
    #[test_case(-30 => Check::passed("clock", "agrees with the login host"))]
    fn a_small_difference_is_none(ahead: i64) -> Check {
        judge(ahead)
    }

    #[test_case(31, "Warning", "this machine is 31s ahead of")]
    #[test_case(-120, "Warning", "this machine is 2m behind the")]
    #[test_case(121, "Failed", "this machine is 2m 1s ahead of")]
    #[test_case(-86_400, "Failed", "this machine is 1day behind the")]
    fn a_large_one_is_told_with_its_direction(ahead: i64, outcome: &str, says: &str) {
        let check = format!("{:?}", judge(ahead));
        assert!(check.contains(outcome) && check.contains(says), "{check}");
    }
}
