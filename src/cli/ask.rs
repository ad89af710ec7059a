//! The arguments of what asks the org: `query` and `request`.

use super::ConfigArgs;

/// What to ask by SOQL.
#[derive(Debug, clap::Args)]
pub struct QueryArgs {
    /// The query, such as "SELECT Id, Name FROM Account"
    pub soql: String,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}

/// What to send.
#[derive(Debug, clap::Args)]
pub struct RequestArgs {
    /// The method, such as GET
    pub method: String,
    /// The path, such as /services/data/v62.0/limits
    pub path: String,
    /// The configuration.
    #[command(flatten)]
    pub source: ConfigArgs,
}
