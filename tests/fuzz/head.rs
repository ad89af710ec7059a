//! The head of a response: the same whatever came before it and wherever it is cut, and as long as
//! another parser finds it.

use std::fmt::Debug;

use httparse::{EMPTY_HEADER, Status};

use super::*;
use crate::fuzz::property;

#[test]
fn a_head_is_the_same_whatever_came_before_and_wherever_it_is_cut() {
    property!("head", WORDS, 192, holds);
}

const WORDS: [&[u8]; 40] = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\n",
    b"HTTP/1.1 200\r\n",
    b"HTTP/1.1 401 Unauthorized\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n",
    b"HTTP/1.1 101 x\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1  200 OK\r\n",
    b"HTTP/1.1 2000 OK\r\n",
    b"HTTP/1.1 200 \xe9\r\n",
    b"HTTP/2 200\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"Content-Length: ",
    b"Content-Length: 5\r\n",
    b"content-length:5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: 6\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: 9223372036854775808\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding:\tchunked \r\n",
    b"Connection: close\r\n",
    b"Connection: x, keep-alive\r\n",
    b"Set-Cookie: sid=00D!x; Secure\r\n",
    b"Location: https://acme.my.salesforce.com/a\r\n",
    b"Trailer: a\r\n",
    b"A: b\r\n",
    b"a: b\r\n",
    b"A:b \r\n",
    b"A : b\r\n",
    b": b\r\n",
    b" folded\r\n",
    b"A: \xe9\0\r\n",
    b"A: b\n",
];

fn holds(wire: &[u8]) {
    let fresh = taken(&mut Lines::default(), wire, wire.len());
    let shown = wire.escape_ascii();
    assert_eq!(fresh, taken(&mut Lines::default(), wire, 1), "{shown}");

    // The lines of another head are known, and of the same one.
    let mut lines = Lines::default();
    let (before, _) = wire.split_at(wire.len() / 2);
    let _ = taken(&mut lines, before, before.len());
    assert_eq!(fresh, taken(&mut lines, wire, wire.len()), "{shown}");
    assert_eq!(fresh, taken(&mut lines, wire, wire.len()), "{shown}");

    let read = Head::read(wire, &mut Lines::default(), &mut Received::default());
    if let Ok(Some((head, length))) = read {
        let mut headers = [EMPTY_HEADER; MOST_HEADERS + 1];
        let mut other = httparse::Response::new(&mut headers);
        match other.parse(wire) {
            Ok(Status::Complete(theirs)) => {
                assert_eq!(
                    (theirs, other.code),
                    (length, Some(head.response.status().as_u16()))
                );
            }
            // They take no white space within a name, and no reason in Latin-1; we do no harm by it.
            Ok(Status::Partial) => panic!("{shown} is not whole"),
            Err(_) => {}
        }
    }
}

/// What comes out when `wire` comes in pieces of `size` bytes, and what is left of it.
fn taken(lines: &mut Lines, wire: &[u8], size: usize) -> impl PartialEq + Debug + use<> {
    let mut input = BytesMut::new();
    let mut sent = Received::default();
    let mut pieces = wire.chunks(size.max(1));
    loop {
        match Head::take(&mut input, lines, &mut sent) {
            Err(fault) => return (Some(format!("{fault:?}")), Vec::new()),
            Ok(Some(head)) => {
                input.extend_from_slice(&pieces.collect::<Vec<_>>().concat());
                let rest = [Method::GET, Method::HEAD].map(|method| head.rest(&method).ok());
                let told = (&head.response, rest, head.is_persistent());
                let sent = (&sent.lines, sent.is_special, sent.length, sent.count);
                return (Some(format!("{told:?} {sent:?}")), input.to_vec());
            }
            Ok(None) => match pieces.next() {
                Some(piece) => input.extend_from_slice(piece),
                None => return (None, input.to_vec()),
            },
        }
    }
}
