//! Facts about Salesforce, for the proxy and the demo org alike.

pub use self::hosts::is_salesforce_host;
#[cfg(feature = "demo")]
pub(crate) use self::refusals::Body as RefusalBody;
#[cfg_attr(
    not(feature = "demo"),
    expect(unreachable_pub, reason = "the demo org exports it")
)]
pub use self::refusals::Refusal;

pub(crate) mod calendar;
pub(crate) mod facts;
pub(crate) mod hosts;
mod refusals;

/// The root of the REST APIs, in the spelling of nearly all requests.
pub(crate) const REST_ROOT: &str = "/services/data/";
