//! The program and its library from outside: one binary, one module per subject.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and clippy takes the helpers of tests for no tests"
)]
#![allow(
    unreachable_pub,
    reason = "nothing is outside of a test binary, and its helpers read better without `crate`"
)]

mod access_log;
mod admin;
mod at_most_once;
mod bad_days;
mod bad_servers;
mod binary;
mod budget;
mod bulk;
mod call_options;
mod callers;
mod child;
mod clients;
mod clocks;
mod cometd;
mod config;
mod crowding;
mod dashboard;
mod demo;
mod demo_bulk;
mod demo_cometd;
mod demo_pubsub;
mod demo_rest;
mod demo_soap;
mod doctor;
mod exhaustion;
mod forward;
mod framing;
mod grafana;
mod guard;
mod http2;
mod init;
mod intercept;
mod key;
mod limits;
mod lines;
mod localhost;
mod login;
mod memory;
mod misplaced;
mod moved;
mod named;
mod old_versions;
mod outbound;
mod pages;
mod panics;
mod papers;
mod policy;
mod pubsub;
mod query;
mod radar;
mod readme;
mod redis;
mod reload;
mod renewal;
mod request;
mod rooms;
mod rotation;
mod sandbox;
mod secrets;
mod server;
mod service;
mod shared_budget;
mod shell;
mod slow;
mod soap;
mod spelling;
mod start;
mod streaming;
mod support;
mod threats;
mod tls;
mod token;
mod token_endpoint;
mod trace_context;
#[cfg(feature = "otlp")]
mod traces;
mod trust;
mod upstream;
mod urls;
mod users;
