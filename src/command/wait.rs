//! `orgproxy wait`: until the proxy is ready.

use std::{process::ExitCode, time::Duration};

use tokio::time::Instant;

use super::{
    CommandError,
    admin::{Target, Unreachable},
    runtime,
};
use crate::{
    cli::WaitArgs,
    server::READY,
    system::{escape, terminal},
};

pub(super) fn run(args: &WaitArgs) -> Result<ExitCode, CommandError> {
    let target = Target::of(args.admin.url.as_ref(), &args.admin.source)?;
    runtime()?.block_on(async {
        let until = Instant::now() + args.timeout;
        let mut pause = SHORTEST_PAUSE;
        loop {
            let patience = until.max(Instant::now() + LEAST_PATIENCE);
            let asked = tokio::time::timeout_at(patience, target.ask("/readiness")).await;
            let reason = match asked.unwrap_or(Err(Unreachable::Late(args.timeout))) {
                Ok(reply) if reply.status.is_success() && reply.body == READY => {
                    terminal::print(READY);
                    return Ok(ExitCode::SUCCESS);
                }
                Ok(reply) if reply.status.is_success() => target.describe(&Unreachable::Foreign),
                Err(error @ Unreachable::Off) => {
                    return Err(CommandError::Other(target.describe(&error)));
                }
                Ok(reply) => escape::lines(&String::from_utf8_lossy(&reply.body)).into_owned(),
                Err(error) => target.describe(&error),
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let waited = humantime::format_duration(args.timeout);
                let reason = reason.trim_end();
                return Err(CommandError::Other(format!(
                    "not ready within {waited}: {reason}"
                )));
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    })
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// For the answer to the last question, which is asked when the time is up.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
