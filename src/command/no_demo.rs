//! Takes the place of `demo` in a build without the demo org.

use super::CommandError;
use crate::config::Config;

pub(super) struct Demos;

/// No configuration can want a demo org.
#[expect(clippy::unused_async, reason = "as in a build that has it")]
pub(super) async fn start(_: &mut Config) -> Result<Demos, CommandError> {
    Ok(Demos)
}
