//! Where requests end: as another parser says, and wherever what comes is cut.

use std::fmt::Debug;

use httparse::{EMPTY_HEADER, Request, Status};

use super::*;
use crate::fuzz::property;

#[test]
fn requests_end_where_another_parser_ends_them_and_wherever_they_are_cut() {
    property!("framing", WORDS, 256, holds);
}

const WORDS: [&[u8]; 44] = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.1\r\n",
    b"GET /a\xe9\" HTTP/1.1\r\n",
    b"GET /a#b HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"GET / HTTP/1.1\n",
    b"GET  / HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n",
    b"\r\nSM\r\n\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"Host: a\r\n",
    b"Content-Length: ",
    b"content-length:",
    b"Content-Length : 5\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 5\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"transfer-encoding:chunked\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b" folded\r\n",
    b"A: b\r\n",
    b"a: \0\r\n",
    b"hello",
    b"he\r\nlo",
    b"5\r\nhello\r\n",
    b"5;a=b\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b"5;\rb\r\nhello\r\n",
    b"5;\nb\r\nhello\r\n",
    b"05\r\nhello\r\n",
    b"5\nhello\r\n",
    b"a\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n",
    b"0\r\n\r\n",
    b"0\r\nT: u\r\n\r\n",
    b"0\r\nT: u\n\r\n",
    b"+5",
    b"5",
    b"\0",
];

fn holds(wire: &[u8]) {
    let whole = told(wire, &[]);
    let every: Vec<_> = (1..wire.len()).collect();
    let middle = [wire.len() / 3, wire.len() / 2];
    assert_eq!(whole, told(wire, &every), "{}", wire.escape_ascii());
    assert_eq!(whole, told(wire, &middle), "{}", wire.escape_ascii());

    let (shown, ends, has_fault) = ends(wire);
    if !has_fault {
        let others = others_ends(&shown);
        let agrees = ends.starts_with(&others);
        assert!(agrees, "{}: {ends:?}, {others:?}", wire.escape_ascii());
    }
}

/// All that a connection notices of `wire` when it comes in pieces that end at `cuts`.
fn told(wire: &[u8], cuts: &[usize]) -> impl PartialEq + Debug + use<> {
    let mut framing = Framing::default();
    let mut bytes = wire.to_vec();
    let (mut found, mut heard, mut targets) = (None, Vec::new(), Vec::new());
    let mut at = 0;
    for &cut in cuts.iter().chain([&wire.len()]) {
        let fault = framing.read(&mut bytes[at..cut], |lines| heard.push(lines));
        found = found.or(fault);
        targets.extend(framing.take_targets());
        at = cut;
    }
    // It depends on how a line comes how much of it is blotted out.
    let is_broken = framing.is_broken();
    let shown = (!is_broken && framing.is_http1()).then_some(bytes);
    let counts = (framing.heads, framing.header_lines(), is_broken);
    (shown, found, heard, targets, counts)
}

/// The bytes that hyper gets, where each head ends in them, and whether any was found wanting.
fn ends(wire: &[u8]) -> (Vec<u8>, Vec<usize>, bool) {
    let mut framing = Framing::default();
    let mut bytes = wire.to_vec();
    let (mut ends, mut has_fault) = (Vec::new(), false);
    for at in 0..bytes.len() {
        let before = framing.heads;
        has_fault |= framing.read(&mut bytes[at..=at], |_| {}).is_some();
        if framing.heads > before {
            ends.push(at + 1);
        }
    }
    has_fault |= framing.is_broken() || !framing.is_http1();
    (bytes, ends, has_fault)
}

/// Where heads end for a parser that knows nothing of ours, up to the first that it would refuse.
fn others_ends(wire: &[u8]) -> Vec<usize> {
    let (mut ends, mut at) = (Vec::new(), 0);
    while let Some((head, body)) = request(&wire[at..]) {
        ends.push(at + head);
        let Some(body) = body else { break };
        at += head + body;
    }
    ends
}

/// The lengths of the head and the body that `wire` begins with, as far as they are plain.
fn request(wire: &[u8]) -> Option<(usize, Option<usize>)> {
    let mut lines = [EMPTY_HEADER; 64];
    let mut request = Request::new(&mut lines);
    let Ok(Status::Complete(head)) = request.parse(wire) else {
        return None;
    };
    let (mut length, mut is_chunked) = (Some(0), false);
    for line in request.headers {
        if line.name.eq_ignore_ascii_case("content-length") {
            let digits = line.value.trim_ascii();
            let is_number = digits.iter().all(u8::is_ascii_digit) && digits.len() < 16;
            let text = str::from_utf8(digits).ok().filter(|_| is_number);
            length = text.and_then(|text| text.parse().ok());
        } else if line.name.eq_ignore_ascii_case("transfer-encoding") {
            is_chunked = true;
            let is_plain = line.value.eq_ignore_ascii_case(b"chunked");
            length = length.filter(|_| is_plain);
        }
    }
    let rest = &wire[head..];
    let body = length.and_then(|length| {
        if is_chunked {
            chunks(rest)
        } else {
            (length <= rest.len()).then_some(length)
        }
    });
    Some((head, body))
}

/// The length of the chunks and trailers that `wire` begins with, if all have come.
fn chunks(wire: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let Ok(Status::Complete((line, size))) = httparse::parse_chunk_size(&wire[at..]) else {
            return None;
        };
        at += line;
        if size == 0 {
            break;
        }
        at = at.checked_add(usize::try_from(size).ok()?)?;
        at += wire.get(at..)?.starts_with(b"\r\n").then_some(2)?;
    }
    let mut lines = [EMPTY_HEADER; 64];
    match httparse::parse_headers(&wire[at..], &mut lines) {
        Ok(Status::Complete((length, _))) => Some(at + length),
        _ => None,
    }
}
