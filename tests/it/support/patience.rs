//! The time that tests wait. No test has to be quick, since the machine may be busy; what never comes
//! must fail all the same.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

/// A limit that a test lets pass. What has to come within it does so on a busy machine, too.
pub(crate) const SHORT: Duration = Duration::from_secs(2);

/// Far more than an answer takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Far more than anything takes that ends at all.
pub(crate) const LONGEST: Duration = Duration::from_secs(120);

/// Waits for what must come.
///
/// # Panics
/// If it does not within [`LONGEST`].
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    let waited = timeout(LONGEST, future).await;
    waited.expect("what is waited for does not come")
}
