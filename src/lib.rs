//! orgproxy
pub use crate::{
    auth::LoginError,
    cli::Args,
    command::{CommandError, execute},
    server::{Bound, Server, StartupError},
};

mod auth;
pub mod cli;
mod command;
pub mod config;
mod deadline;
pub mod demo;
mod error;
mod family;
mod guard;
mod headers;
mod local;
mod process;
mod proxy;
mod replay;
mod request;
mod response;
mod server;
mod signal;
mod stack;
mod telemetry;
mod upstream;
