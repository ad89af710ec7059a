//! What is true of Salesforce, for the proxy and the demo org alike.

pub(crate) use self::refusals::Body as RefusalBody;
pub use self::{hosts::is_salesforce_host, refusals::Refusal};

pub(crate) mod hosts;
mod refusals;

/// Where the REST APIs are, as nearly all requests spell it.
pub(crate) const REST_ROOT: &str = "/services/data/";
