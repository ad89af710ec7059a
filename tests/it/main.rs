//! The library from outside, as one binary.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "clippy takes the helpers of tests for no tests"
)]

mod config;
mod key;
