//! orgproxy

pub mod config;
