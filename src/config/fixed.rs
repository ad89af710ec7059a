//! Settings that a running process keeps as it started with them.

use super::Config;

impl Config {
    /// The keys whose values differ in `next`, and that only a restart changes.
    pub(crate) fn needs_restart_for(&self, next: &Self) -> Vec<&'static str> {
        let (old, new) = (&self.limits, &next.limits);
        let all = [
            ("threads", self.threads != next.threads),
            ("log", self.log != next.log),
            ("access_log", self.access_log != next.access_log),
            ("sandbox", self.sandbox != next.sandbox),
            ("pid_file", self.pid_file != next.pid_file),
            ("[admin]", self.admin != next.admin),
            ("[redis]", self.redis != next.redis),
            ("[traces]", self.traces != next.traces),
            ("limits.connections", old.connections != new.connections),
            ("limits.requests", old.requests != new.requests),
            (
                "limits.replay_memory",
                old.replay_memory != new.replay_memory,
            ),
        ];
        let changed = all.into_iter().filter(|(_, differs)| *differs);
        changed.map(|(key, _)| key).collect()
    }
}
