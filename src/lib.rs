//! orgproxy
pub mod auth;
pub mod config;
mod deadline;
mod error;
mod family;
mod guard;
mod headers;
mod local;
mod proxy;
mod replay;
mod request;
mod response;
pub mod server;
mod stack;
mod upstream;
