//! An org and a proxy in front of it.

use orgproxy::{
    config::Config,
    demo::{Counts, Org},
};

use super::Proxy;

/// An org and a proxy in front of it, both in this process.
pub(crate) struct Both {
    pub(crate) org: Org,
    pub(crate) proxy: Proxy,
}

impl Both {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a proxy whose configuration `change` has had its way with.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let org = Org::start().await.unwrap();
        let proxy = Proxy::with(&org, change).await;
        Self { org, proxy }
    }

    /// Asserts that nothing at all reached the org.
    #[track_caller]
    pub(crate) fn untouched(&self) {
        assert_eq!(self.org.counts(), Counts::default());
    }
}
