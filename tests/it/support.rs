//! What tests are written with: an org, a proxy in front of it, and clients that can be rude.

pub mod binary;
pub mod connect;
pub mod proxy;
pub mod raw;

pub use orgproxy::demo::{Fault, Org};

pub use self::{binary::Binary, connect::ConnectProxy, proxy::Proxy, raw::Raw};
