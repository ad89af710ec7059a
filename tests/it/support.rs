//! What tests are written with: an org, a proxy in front of it, and clients that can be rude.

pub(crate) mod answer;
pub(crate) mod binary;
pub(crate) mod connect;
pub(crate) mod proxy;
pub(crate) mod raw;

pub(crate) use orgproxy::demo::{Fault, Org};

pub(crate) use self::{binary::Binary, connect::ConnectProxy, proxy::Proxy, raw::Raw};
