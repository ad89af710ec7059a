//! A line for people: what every request has, word by word; then what this one has, by name.

use std::{io::Write, time::Duration};

use super::{
    super::{Client, Peer, Raised, Record},
    fields::{answered_by, path, replayed_for},
    shown::{number, shown, word},
};

/// Writes `main curl GET /services/data/v62.0/query 200 org 142ms …`, without the time.
pub(super) fn write(record: &Record, out: &mut Vec<u8>) {
    word(record.org.as_deref().unwrap_or("-"), out);
    out.push(b' ');
    write_client(&record.client, out);
    out.push(b' ');
    word(&shown(record.method.as_str(), LONGEST_WORD), out);
    out.push(b' ');
    match &*path(record) {
        "" => out.push(b'-'),
        path => word(path, out),
    }
    let (by, code) = answered_by(record.answered_by);
    out.push(b' ');
    out.extend_from_slice(record.status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(by.as_bytes());
    if let Some(code) = code {
        out.push(b':');
        out.extend_from_slice(code.as_bytes());
    }
    out.push(b' ');
    write_milliseconds(record.waits.total, out);
    write_details(record, out);
}

/// What a client says of itself has a mark, so that none can take the name of another.
fn write_client(client: &Client, out: &mut Vec<u8>) {
    out.extend_from_slice(client.known_by().mark().as_bytes());
    match client {
        Client::Uid(uid) => number(*uid, out),
        Client::Unknown => out.push(b'-'),
        _ => word(&shown(&client.name(), LONGEST_WORD), out),
    }
}

fn write_details(record: &Record, out: &mut Vec<u8>) {
    if !record.is_whole {
        out.extend_from_slice(b" incomplete");
    }
    if record.would_be_refused {
        out.extend_from_slice(b" would_be_refused");
    }
    if let Some(user) = &record.user {
        write_name("user", out);
        word(&shown(user, LONGEST_WORD), out);
    }
    let waits = &record.waits;
    for (name, wait) in [
        ("login", waits.login),
        ("turn", waits.turn),
        ("connection", waits.connection),
        ("first_byte", waits.first_byte),
    ] {
        if !wait.is_zero() {
            write_name(name, out);
            write_milliseconds(wait, out);
        }
    }
    for (name, bytes) in [("in", record.received), ("out", record.sent)] {
        if bytes > 0 {
            write_name(name, out);
            number(bytes, out);
        }
    }
    if record.replays > 0 {
        let reason = record.replayed_for.map_or("", replayed_for);
        let _ = write!(out, " replays={}:{reason}", record.replays);
    }
    if let Some(usage) = record.usage {
        write_name("api", out);
        number(usage.used, out);
        out.push(b'/');
        number(usage.allowed, out);
    }
    // On this machine there is no other.
    if let Peer::Address(address) = record.peer
        && !address.to_canonical().is_loopback()
    {
        let _ = write!(out, " from={address}");
    }
    if !record.family.is_empty() {
        out.push(b' ');
        out.extend_from_slice(record.family.as_bytes());
    }
    if let Some(operation) = &record.operation {
        out.push(b':');
        word(&shown(operation, LONGEST_WORD), out);
    }
    if let Some(version) = record.api_version {
        out.extend_from_slice(b" v");
        number(version, out);
    }
    if let Some(Raised { from, to }) = record.raised {
        let _ = write!(out, " raised=v{from}:v{to}");
    }
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
}

/// `0.8ms`, `142ms`: always in this unit, so that lines can be compared.
fn write_milliseconds(time: Duration, out: &mut Vec<u8>) {
    let tenths = time
        .as_secs()
        .saturating_mul(10_000)
        .saturating_add(u64::from(time.subsec_micros() / 100));
    number(tenths / 10, out);
    if tenths < 100 {
        out.push(b'.');
        number(tenths % 10, out);
    }
    out.extend_from_slice(b"ms");
}

/// Bytes.
const LONGEST_WORD: usize = 64;
