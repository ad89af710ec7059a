//! What tests are written with: an org, a proxy in front of it, and clients that can be rude.

pub(crate) mod answer;
pub(crate) mod proxy;
pub(crate) mod raw;

pub(crate) use orgproxy::demo::{Fault, Org};

pub(crate) use self::{proxy::Proxy, raw::Raw};
