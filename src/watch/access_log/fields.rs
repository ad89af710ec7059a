//! What there is to say of a request, by name: for JSON, the journal and spans.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use super::{
    super::{AnsweredBy, Client, Peer, Raised, Record, Replayed},
    shown::shown,
};

pub(in crate::watch) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Flag(bool),
    Time(SystemTime),
    Milliseconds(Duration),
}

/// Gives every field to `put`, in an order that does not change. What is not known is left out.
pub(in crate::watch) fn each<'a>(record: &'a Record, mut put: impl FnMut(&'static str, Value<'a>)) {
    let text = |text: &'a str| Value::Text(shown(text, LONGEST_NAME));
    let fixed = |word: &'static str| Value::Text(word.into());
    put("time", Value::Time(record.began));
    if let Some(org) = &record.org {
        put("org", text(org));
    }
    put("listener", text(&record.listener));
    match record.peer {
        Peer::Address(address) => put("peer", Value::Text(address.to_string().into())),
        Peer::Uid(uid) => put("peer_uid", Value::Number(uid.into())),
        Peer::Unknown => {}
    }
    if let Some(client) = client(&record.client) {
        put("client", Value::Text(client));
        put("client_by", fixed(record.client.known_by().word()));
    }
    if let Some(user) = &record.user {
        put("user", text(user));
    }
    put("method", text(record.method.as_str()));
    put("path", Value::Text(path(record)));
    put("status", Value::Number(record.status.as_u16().into()));
    let (answered_by, code) = answered_by(record.answered_by);
    put("answered_by", fixed(answered_by));
    if let Some(code) = code {
        put("code", fixed(code));
    }
    if record.would_be_refused {
        put("would_be_refused", Value::Flag(true));
    }
    put("complete", Value::Flag(record.is_whole));
    put("total_ms", Value::Milliseconds(record.waits.total));
    put("login_ms", Value::Milliseconds(record.waits.login));
    if !record.waits.turn.is_zero() {
        put("turn_ms", Value::Milliseconds(record.waits.turn));
    }
    put(
        "connection_ms",
        Value::Milliseconds(record.waits.connection),
    );
    put(
        "first_byte_ms",
        Value::Milliseconds(record.waits.first_byte),
    );
    put("request_bytes", Value::Number(record.received));
    put("response_bytes", Value::Number(record.sent));
    put("replays", Value::Number(record.replays.into()));
    if let Some(reason) = record.replayed_for {
        put("replayed_for", fixed(replayed_for(reason)));
    }
    if let Some(usage) = record.usage {
        put("api_used", Value::Number(usage.used.into()));
        put("api_limit", Value::Number(usage.allowed.into()));
    }
    put("family", fixed(record.family));
    if let Some(operation) = &record.operation {
        put("operation", text(operation));
    }
    if let Some(version) = record.api_version {
        put("api_version", Value::Number(version.into()));
    }
    if let Some(Raised { from, to }) = record.raised {
        put("raised_from", Value::Number(from.into()));
        put("raised_to", Value::Number(to.into()));
    }
}

/// The name of a client, and more of what it says of itself than people are shown.
fn client(client: &Client) -> Option<Cow<'_, str>> {
    match client {
        Client::Named(name) | Client::Listener(name) => Some(shown(name, LONGEST_NAME)),
        Client::Uid(uid) => Some(uid.to_string().into()),
        Client::Says(agent) => Some(shown(agent, LONGEST_NAME)),
        Client::Unknown => None,
    }
}

pub(super) fn path(record: &Record) -> Cow<'_, str> {
    shown(&record.path, LONGEST_PATH)
}

/// Who, and with which code.
pub(super) fn answered_by(by: AnsweredBy) -> (&'static str, Option<&'static str>) {
    match by {
        AnsweredBy::Org => ("org", None),
        AnsweredBy::Proxy => ("proxy", None),
        AnsweredBy::Error(code) => ("proxy", Some(code)),
        AnsweredBy::Nobody => ("nobody", None),
    }
}

pub(super) fn replayed_for(reason: Replayed) -> &'static str {
    match reason {
        Replayed::Session => "session",
        Replayed::Moved => "moved",
        Replayed::Connection => "connection",
        Replayed::Crowded => "crowded",
    }
}

/// Bytes. Real ones are far shorter.
const LONGEST_PATH: usize = 2048;
const LONGEST_NAME: usize = 256;
