//! The users of a user namespace (user_namespaces(7)).

use std::{fs, sync::LazyLock};

/// Returns whether `uid` stands for all users of this machine who have none in our namespace, even if
/// it is our own.
pub(crate) fn stands_for_others(uid: u32) -> bool {
    static FOR_OTHERS: LazyLock<Option<u32>> = LazyLock::new(|| {
        let map = fs::read_to_string("/proc/self/uid_map").ok()?;
        let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?;
        let overflow = overflow.trim_end().parse().ok()?;
        (!has_all(&map)).then_some(overflow)
    });
    *FOR_OTHERS == Some(uid)
}

/// Returns whether `map` has all users of the machine, as it does where there is no namespace.
fn has_all(map: &str) -> bool {
    let mapped = map.lines().filter_map(|line| {
        let length = line.split_whitespace().nth(2)?;
        length.parse::<u64>().ok()
    });
    // The last number means no user.
    mapped.sum::<u64>() >= u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("         0          0 4294967295\n", true; "no namespace")]
    #[test_case("         0       1000          1\n         1     100000      65536\n", false; "a container")]
    #[test_case("", false; "nobody")]
    fn a_namespace_without_some_users_is_known(map: &str, has: bool) {
        assert_eq!(has_all(map), has);
    }
}
