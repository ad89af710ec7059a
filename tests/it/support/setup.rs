//! An org and a folder with a configuration for it.

use orgproxy::demo::Org;

use super::Files;

/// An org and what the program needs to reach it.
pub(crate) struct Setup {
    pub(crate) org: Org,
    pub(crate) files: Files,
}

impl Setup {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// The configuration goes on with `more`, which begins in the table of the org.
    pub(crate) async fn with(more: &str) -> Self {
        let org = Org::start().await.unwrap();
        let files = Files::with(&org, more);
        Self { org, files }
    }
}
