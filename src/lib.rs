//! orgproxy

pub mod cli;
pub mod config;
