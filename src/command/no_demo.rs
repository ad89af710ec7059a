//! Takes the place of `demo` in a build without the demo org.

use super::CommandError;
use crate::config::Config;

#[derive(Default)]
pub(super) struct Demos(());

impl Demos {
    /// No configuration can want a demo org.
    #[expect(clippy::unused_async, reason = "as in a build that has it")]
    pub(super) async fn lead(&mut self, _: &mut Config) -> Result<(), CommandError> {
        Ok(())
    }
}
