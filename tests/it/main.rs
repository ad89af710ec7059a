//! The program and its library from outside: one binary, one module per subject.

#![allow(
    unreachable_pub,
    reason = "what support offers reads like a library, and is seen by this program only"
)]
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
mod papers;
mod secrets;
mod support;
