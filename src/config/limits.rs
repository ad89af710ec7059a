//! `[limits]`: bounds for one process.

use std::time::Duration;

use super::{section::Section, value};

/// Bounds for one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open client connections. Beyond it new ones wait.
    pub connections: usize,
    /// Requests in flight. Beyond it new ones wait.
    pub requests: usize,
    /// Time for a client to send the head of a request, idle keep-alive included.
    pub header_read: Duration,
    /// Bytes in the head of a request.
    pub header_bytes: usize,
    /// Header lines in a request.
    pub headers: usize,
    /// Time to connect to the org: name, TCP and TLS, each.
    pub connect: Duration,
    /// Time for the org to answer.
    pub answer: Duration,
    /// Time between two pieces of a body.
    pub idle_body: Duration,
    /// Bytes of a body per second that a client must send on average, over the time spent waiting
    /// for it after the first five times `idle_body`.
    pub body_rate: usize,
    /// Bytes of one request's body that are kept to send it again.
    pub replay_bytes: usize,
    /// Bytes that are kept of all bodies together.
    pub replay_memory: usize,
    /// Users of one org that clients act as, besides its own.
    pub user_sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Far more than anybody has. Each takes little, and what all take together is bounded
            // where it could be much.
            connections: 10_000,
            requests: 10_000,
            // Shorter than a person's typing, longer than any network's delay; idle keep-alive
            // included.
            header_read: Duration::from_secs(30),
            // Far more than the 16 KiB that Salesforce accepts, so that its own response says so:
            // see salesforce::facts::limits.
            header_bytes: 64 * 1024,
            // The number that hyper reads without allocating.
            headers: 100,
            connect: Duration::from_secs(10),
            // Salesforce ends a request after 10 minutes; its own response says why.
            answer: Duration::from_secs(11 * 60),
            idle_body: Duration::from_secs(2 * 60),
            // No link is as slow as that, nor a client that computes its records.
            body_rate: 10,
            // More than the 10 MB of a Bulk batch. For what is larger the org is asked first.
            replay_bytes: 16 * 1024 * 1024,
            replay_memory: 64 * 1024 * 1024,
            // Each logs in by itself, and has series of its own in the metrics.
            user_sessions: 100,
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let it = &mut section;
    it.read_into("connections", &mut limits.connections, value::count);
    it.read_into("requests", &mut limits.requests, value::count);
    it.read_into("header_read", &mut limits.header_read, value::time);
    it.read_into(
        "header_bytes",
        &mut limits.header_bytes,
        value::bytes_from(1 << 10),
    );
    it.read_into("headers", &mut limits.headers, value::lines);
    it.read_into("connect", &mut limits.connect, value::time);
    it.read_into("answer", &mut limits.answer, value::time);
    it.read_into("idle_body", &mut limits.idle_body, value::time);
    it.read_into("body_rate", &mut limits.body_rate, value::bytes);
    it.read_into("replay_bytes", &mut limits.replay_bytes, value::bytes);
    it.read_into("replay_memory", &mut limits.replay_memory, value::bytes);
    it.read_into("user_sessions", &mut limits.user_sessions, value::count);
    section.finish();
    limits
}
