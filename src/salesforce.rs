//! Facts about Salesforce, for the proxy and the demo org alike.

#[cfg(feature = "demo")]
pub(crate) use self::refusals::Body as RefusalBody;
#[cfg_attr(
    not(feature = "demo"),
    expect(unreachable_pub, reason = "the demo org exports it")
)]
pub use self::refusals::Refusal;
pub use self::{api_version::ApiVersion, hosts::is_salesforce_host};

mod api_version;
pub(crate) mod calendar;
pub(crate) mod facts;
pub(crate) mod hosts;
mod refusals;

/// The root of the REST APIs, in the spelling of nearly all requests.
pub(crate) const REST_ROOT: &str = "/services/data/";
