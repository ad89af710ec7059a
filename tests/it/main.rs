//! The program and its library from outside: one binary, one module per subject.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and clippy takes the helpers of tests for no tests"
)]

mod binary;
mod config;
mod demo;
mod forward;
mod key;
mod memory;
mod outbound;
mod secrets;
mod support;
