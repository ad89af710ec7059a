//! The arguments of `doctor`.

use super::ConfigArgs;

/// What to look at.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The org, if not all of the configuration
    pub org: Option<String>,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}
