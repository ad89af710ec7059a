//! What RFC 9113 and RFC 7541 demand of a server, by their sections: what a client sends behind the preface
//! and its settings, and what it may get. The classes are those of h2spec.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    CONTINUATION, DATA, GO_AWAY, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame,
};
use crate::support::{
    PATIENCE,
    path::{LIMITS, SINK},
};

/// What a client may get.
#[derive(Debug, Clone, Copy)]
pub(super) enum May {
    /// 200 on the latest stream, and no error.
    Answer,
    /// The end of the connection, with one of these errors.
    End(&'static [u8]),
    /// The end of the stream with one of these errors, that of the connection, or 400.
    Reset(&'static [u8]),
    /// One of these errors, or 200: it may be ignored.
    Ignore(&'static [u8]),
    /// A frame of this kind that acknowledges.
    Acknowledge(u8),
}

use May::{Acknowledge, Answer, End, Ignore, Reset};

const PROTOCOL: u8 = 1;
const FLOW: u8 = 3;
const CLOSED: u8 = 5;
const SIZE: u8 = 6;
const REFUSED: u8 = 7;
const COMPRESSION: u8 = 9;

const PUSH_PROMISE: u8 = 5;

/// Flags.
const LAST: u8 = 1;
const ACK: u8 = 1;
const WHOLE: u8 = 4;
const PADDED: u8 = 8;
const DEPENDS: u8 = 0x20;

/// A path whose answer is held back, so that its stream stays half-closed.
pub(super) const HELD: &str = "/services/apexrest/echo/held";

type Case = (&'static str, fn() -> Vec<u8>, May);

#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    // h2spec, generic
    ("g1: a preface", || get(1), Answer),
    ("g2: PRIORITY of an idle stream", || j(&[frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 255]), get(1)]), Answer),
    ("g2: WINDOW_UPDATE of a half-closed stream", || j(&[get(1), window(1, 1), get(3)]), Answer),
    ("g2: PRIORITY of a half-closed stream", || j(&[get(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 255]), get(3)]), Answer),
    ("g2: RST_STREAM of a half-closed stream", || j(&[held(1), reset(1), get(3)]), Answer),
    ("g2: PRIORITY of a closed stream", || j(&[held(1), reset(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 255]), get(3)]), Answer),
    ("g3.1: DATA", || j(&[post(1), data(LAST, 1, b"hello")]), Answer),
    ("g3.1: DATA twice", || j(&[post(1), data(0, 1, b"hello"), data(LAST, 1, b"you")]), Answer),
    ("g3.1: DATA with padding", || j(&[post(1), data(LAST | PADDED, 1, b"\x03hello\0\0\0")]), Answer),
    ("g3.1: DATA of nothing but padding", || j(&[post(1), data(LAST | PADDED, 1, b"\x03\0\0\0")]), Answer),
    ("g3.2: HEADERS", || get(1), Answer),
    ("g3.2: HEADERS with padding", || headers(LAST | WHOLE | PADDED, 1, &[&[3], &plain()[..], &[0, 0, 0]].concat()), Answer),
    ("g3.2: HEADERS with a priority", || headers(LAST | WHOLE | DEPENDS, 1, &[&[0, 0, 0, 0, 255], &plain()[..]].concat()), Answer),
    ("g3.2: HEADERS with both", || headers(LAST | WHOLE | DEPENDS | PADDED, 1, &[&[2, 0, 0, 0, 0, 255], &plain()[..], &[0, 0]].concat()), Answer),
    ("g3.3: PRIORITY 1", || j(&[frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 0]), get(1)]), Answer),
    ("g3.3: PRIORITY 256", || j(&[frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 255]), get(1)]), Answer),
    ("g3.3: PRIORITY on another stream", || j(&[frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 255]), get(1)]), Answer),
    ("g3.3: exclusive PRIORITY", || j(&[frame(PRIORITY, 0, 3, &[0x80, 0, 0, 1, 255]), get(1)]), Answer),
    ("g3.3: PRIORITY on an idle stream", || j(&[frame(PRIORITY, 0, 3, &[0, 0, 0, 7, 255]), get(1)]), Answer),
    ("g3.4: RST_STREAM", || j(&[held(1), reset(1), get(3)]), Answer),
    ("g3.5: SETTINGS", || settings(0, 0, &[0, 3, 0, 0, 0, 100]), Acknowledge(SETTINGS)),
    ("g3.7: PING", || frame(PING, 0, 0, b"pingping"), Acknowledge(PING)),
    ("g3.8: GOAWAY", || frame(GO_AWAY, 0, 0, &[0; 8]), End(&[0])),
    ("g3.9: WINDOW_UPDATE", || j(&[window(0, 1), get(1)]), Answer),
    ("g3.9: WINDOW_UPDATE of a stream", || j(&[post(1), window(1, 1), data(LAST, 1, b"x")]), Answer),
    ("g3.10: CONTINUATION", || j(&[headers(LAST, 1, &plain()[..5]), more(WHOLE, 1, &plain()[5..])]), Answer),
    ("g3.10: CONTINUATION twice", || j(&[headers(LAST, 1, &plain()[..5]), more(0, 1, &plain()[5..9]), more(WHOLE, 1, &plain()[9..])]), Answer),
    ("g4: GET", || get(1), Answer),
    ("g4: HEAD", || head(1, &[(":method", "HEAD"), (":scheme", "http"), (":path", LIMITS), (":authority", "localhost")]), Answer),
    ("g4: POST", || j(&[post(1), data(LAST, 1, b"hello")]), Answer),
    ("g4: POST with trailers", || j(&[post(1), data(0, 1, b"hello"), headers(LAST | WHOLE, 1, &fields(&[("x", "y")]))]), Answer),
    ("g5: indexed", || headers(LAST | WHOLE, 1, &[&[0x82, 0x86][..], &path_and_host()].concat()), Answer),
    ("g5: literal with an indexed name, kept", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x7a\x01x"].concat()), Answer),
    ("g5: literal with a new name, kept", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x40\x01x\x01y"].concat()), Answer),
    ("g5: the same again by its index", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x40\x01x\x01y\xbe"].concat()), Answer),
    ("g5: literal with an indexed name", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x0f\x2b\x01x"].concat()), Answer),
    ("g5: literal with a new name", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x00\x01x\x01y"].concat()), Answer),
    ("g5: literal never indexed, with an indexed name", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x1f\x2b\x01x"].concat()), Answer),
    ("g5: literal never indexed, with a new name", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x10\x01x\x01y"].concat()), Answer),
    ("g5: Huffman", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x40\x82\x94\xe7\x03bar"].concat()), Answer),
    ("g5: the size of the table", || headers(LAST | WHOLE, 1, &[b"\x20", &plain()[..]].concat()), Answer),
    ("g5: the size of the table twice", || headers(LAST | WHOLE, 1, &[b"\x20\x3f\xe1\x1f", &plain()[..]].concat()), Answer),
    ("g5: an integer that is longer than it need be", || headers(LAST | WHOLE, 1, &[b"\x3f\x80\x00", &plain()[..]].concat()), Answer),
    ("g5: many lines", || headers(LAST | WHOLE, 1, &[&plain()[..], &b"\x00\x01x\x01y".repeat(50)].concat()), Answer),

    // h2spec, http2
    ("4.1: an unknown kind of frame", || j(&[frame(0x16, 0, 0, &[0; 8]), ping()]), Acknowledge(PING)),
    ("4.1: unknown flags", || frame(PING, 0x16, 0, &[0; 8]), Acknowledge(PING)),
    ("4.1: the reserved bit", || frame(PING, 0, 0x8000_0000, &[0; 8]), Acknowledge(PING)),
    ("4.2: DATA as long as may be", || j(&[post(1), data(LAST, 1, &[b'x'; 16384])]), Answer),
    ("4.2: DATA that is too long", || j(&[post(1), data(LAST, 1, &[b'x'; 16385])]), Reset(&[SIZE])),
    ("4.2: HEADERS that are too long", || headers(LAST | WHOLE, 1, &[&plain()[..], &b"\x00\x01x\x01y".repeat(4000)].concat()), End(&[SIZE])),
    ("4.2: SETTINGS that are too long", || settings(0, 0, &[0, 3, 0, 0, 0, 100].repeat(3000)), End(&[SIZE])),
    ("4.3: a block that is cut", || headers(LAST | WHOLE, 1, b"\x00\x01"), End(&[COMPRESSION])),
    ("4.3: PRIORITY within a block", || j(&[headers(LAST, 1, &plain()), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 255])]), End(&[PROTOCOL])),
    ("4.3: HEADERS of another stream within a block", || j(&[headers(LAST, 1, &plain()), get(3)]), End(&[PROTOCOL])),
    ("5.1: DATA on an idle stream", || data(LAST, 1, b"x"), End(&[PROTOCOL])),
    ("5.1: RST_STREAM on an idle stream", || reset(1), End(&[PROTOCOL])),
    ("5.1: WINDOW_UPDATE on an idle stream", || window(1, 100), End(&[PROTOCOL])),
    ("5.1: CONTINUATION on an idle stream", || more(WHOLE, 1, &plain()), End(&[PROTOCOL])),
    ("5.1: DATA on a half-closed stream", || j(&[held(1), data(LAST, 1, b"x")]), Reset(&[CLOSED])),
    ("5.1: HEADERS on a half-closed stream", || j(&[held(1), get(1)]), Reset(&[CLOSED, PROTOCOL])),
    ("5.1: CONTINUATION on a half-closed stream", || j(&[held(1), more(WHOLE, 1, &plain())]), End(&[CLOSED, PROTOCOL])),
    ("5.1: DATA on a stream that was reset", || j(&[post(1), reset(1), data(LAST, 1, b"x"), get(3)]), Ignore(&[CLOSED])),
    ("5.1: HEADERS on a stream that was reset", || j(&[held(1), reset(1), get(1), get(3)]), Ignore(&[CLOSED, PROTOCOL])),
    ("5.1: CONTINUATION on a stream that was reset", || j(&[held(1), reset(1), more(WHOLE, 1, &plain())]), End(&[CLOSED, PROTOCOL])),
    ("5.1.1: an even stream", || get(2), End(&[PROTOCOL])),
    ("5.1.1: a lower stream", || j(&[held(5), get(3)]), Reset(&[PROTOCOL, CLOSED])),
    ("5.1.2: more streams than there may be", || (0..102).flat_map(|it| held(2 * it + 1)).collect(), Reset(&[REFUSED, PROTOCOL])),
    ("5.3.1: HEADERS that depend on themselves", || headers(LAST | WHOLE | DEPENDS, 1, &[&[0, 0, 0, 1, 255], &plain()[..]].concat()), Ignore(&[PROTOCOL])),
    ("5.3.1: PRIORITY that depends on itself", || j(&[frame(PRIORITY, 0, 3, &[0, 0, 0, 3, 255]), get(1)]), Ignore(&[PROTOCOL])),
    ("5.4.1: a connection ends after an error", || frame(PING, 0, 3, &[0; 8]), End(&[PROTOCOL])),
    ("5.5: an unknown frame", || j(&[frame(0x40, 0, 0, &[0; 8]), ping()]), Acknowledge(PING)),
    ("5.5: an unknown frame within a block", || j(&[headers(LAST, 1, &plain()), frame(0x40, 0, 0, &[0; 8])]), End(&[PROTOCOL])),
    ("6.1: DATA on stream 0", || data(LAST, 0, b"x"), End(&[PROTOCOL])),
    ("6.1: DATA on a stream that is not open", || j(&[held(1), data(LAST, 1, b"x")]), Reset(&[CLOSED])),
    ("6.1: DATA with more padding than there is", || j(&[post(1), data(LAST | PADDED, 1, b"\x06hello")]), End(&[PROTOCOL])),
    ("6.1: padded DATA without a length", || j(&[post(1), data(LAST | PADDED, 1, b"")]), End(&[PROTOCOL, SIZE])),
    ("6.2: PRIORITY behind HEADERS that go on", || j(&[headers(0, 1, &plain()), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 255])]), End(&[PROTOCOL])),
    ("6.2: HEADERS of another stream behind HEADERS that go on", || j(&[headers(0, 1, &plain()), get(3)]), End(&[PROTOCOL])),
    ("6.2: DATA behind HEADERS that go on", || j(&[headers(0, 1, &plain()), data(LAST, 1, b"x")]), End(&[PROTOCOL])),
    ("6.2: HEADERS on stream 0", || get(0), End(&[PROTOCOL])),
    ("6.2: HEADERS with more padding than there is", || headers(LAST | WHOLE | PADDED, 1, &[&[200], &plain()[..]].concat()), End(&[PROTOCOL])),
    ("6.2: HEADERS with a priority that is cut", || headers(LAST | WHOLE | DEPENDS, 1, &[0, 0, 0]), End(&[PROTOCOL, SIZE])),
    ("6.3: PRIORITY on stream 0", || frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 255]), End(&[PROTOCOL])),
    ("6.3: PRIORITY of another length", || frame(PRIORITY, 0, 1, &[0, 0, 0, 1]), Reset(&[SIZE])),
    ("6.4: RST_STREAM on stream 0", || reset(0), End(&[PROTOCOL])),
    ("6.4: RST_STREAM on an idle stream", || reset(1), End(&[PROTOCOL])),
    ("6.4: RST_STREAM of another length", || j(&[post(1), frame(RST_STREAM, 0, 1, &[0, 0, 0])]), End(&[SIZE])),
    ("6.5: SETTINGS that acknowledge and say something", || settings(ACK, 0, &[0, 3, 0, 0, 0, 100]), End(&[SIZE])),
    ("6.5: SETTINGS on a stream", || settings(0, 1, &[0, 3, 0, 0, 0, 100]), End(&[PROTOCOL])),
    ("6.5: SETTINGS of another length", || settings(0, 0, &[0, 3, 0]), End(&[SIZE])),
    ("6.5.2: ENABLE_PUSH of 2", || settings(0, 0, &[0, 2, 0, 0, 0, 2]), End(&[PROTOCOL])),
    ("6.5.2: INITIAL_WINDOW_SIZE of 2^31", || settings(0, 0, &[0, 4, 0x80, 0, 0, 0]), End(&[FLOW])),
    ("6.5.2: MAX_FRAME_SIZE below the least", || settings(0, 0, &[0, 5, 0, 0, 0x3f, 0xff]), End(&[PROTOCOL])),
    ("6.5.2: MAX_FRAME_SIZE above the most", || settings(0, 0, &[0, 5, 1, 0, 0, 0]), End(&[PROTOCOL])),
    ("6.5.2: an unknown setting", || j(&[settings(0, 0, &[0, 255, 0, 0, 0, 1]), ping()]), Acknowledge(PING)),
    ("6.5.3: a setting twice", || j(&[settings(0, 0, &[0, 4, 0, 0, 0, 100, 0, 4, 0, 1, 0, 0]), get(1)]), Answer),
    ("6.5.3: SETTINGS are acknowledged", || settings(0, 0, &[]), Acknowledge(SETTINGS)),
    ("6.7: PING", || ping(), Acknowledge(PING)),
    ("6.7: PING that acknowledges", || j(&[frame(PING, ACK, 0, b"nobody's"), ping()]), Acknowledge(PING)),
    ("6.7: PING on a stream", || frame(PING, 0, 1, &[0; 8]), End(&[PROTOCOL])),
    ("6.7: PING of another length", || frame(PING, 0, 0, &[0; 6]), End(&[SIZE])),
    ("6.8: GOAWAY on a stream", || frame(GO_AWAY, 0, 1, &[0; 8]), End(&[PROTOCOL])),
    ("6.8: GOAWAY of another length", || frame(GO_AWAY, 0, 0, &[0; 4]), End(&[SIZE, PROTOCOL])),
    ("6.9: WINDOW_UPDATE of 0", || window(0, 0), End(&[PROTOCOL])),
    ("6.9: WINDOW_UPDATE of 0 on a stream", || j(&[post(1), window(1, 0)]), Reset(&[PROTOCOL])),
    ("6.9: WINDOW_UPDATE of another length", || frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1]), End(&[SIZE])),
    ("6.9.1: a window of 1", || j(&[settings(0, 0, &[0, 4, 0, 0, 0, 1]), get(1), window(1, 100_000)]), Answer),
    ("6.9.1: a window beyond 2^31", || j(&[window(0, 0x7fff_ffff), window(0, 0x7fff_ffff)]), End(&[FLOW])),
    ("6.9.1: a window of a stream beyond 2^31", || j(&[post(1), window(1, 0x7fff_ffff), window(1, 0x7fff_ffff)]), Reset(&[FLOW])),
    ("6.9.2: a window that grows by SETTINGS", || j(&[settings(0, 0, &[0, 4, 0, 0, 0, 0]), get(1), settings(0, 0, &[0, 4, 0, 1, 0, 0])]), Answer),
    ("6.9.2: a window below 0", || j(&[settings(0, 0, &[0, 4, 0, 0, 0, 3]), get(1), settings(0, 0, &[0, 4, 0, 0, 0, 2]), window(1, 100_000)]), Answer),
    ("6.9.2: SETTINGS that take a window beyond 2^31", || j(&[post(1), window(1, 0x7fff_0000), settings(0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])]), End(&[FLOW])),
    ("6.10: CONTINUATION many times", || j(&[headers(LAST, 1, &plain()[..5]), more(0, 1, &plain()[5..6]), more(0, 1, &[]), more(WHOLE, 1, &plain()[6..])]), Answer),
    ("6.10: CONTINUATION and another frame", || j(&[headers(LAST, 1, &plain()[..5]), more(0, 1, &plain()[5..]), data(LAST, 1, b"x")]), End(&[PROTOCOL])),
    ("6.10: CONTINUATION on stream 0", || j(&[headers(LAST, 1, &plain()[..5]), more(WHOLE, 0, &plain()[5..])]), End(&[PROTOCOL])),
    ("6.10: CONTINUATION on another stream", || j(&[headers(LAST, 1, &plain()[..5]), more(WHOLE, 3, &plain()[5..])]), End(&[PROTOCOL])),
    ("6.10: CONTINUATION behind HEADERS that have ended", || j(&[post(1), more(WHOLE, 1, b"\x00\x01x\x01y")]), End(&[PROTOCOL])),
    ("6.10: CONTINUATION behind one that has ended", || j(&[headers(0, 1, &plain()[..5]), more(WHOLE, 1, &plain()[5..]), more(WHOLE, 1, b"\x00\x01x\x01y")]), End(&[PROTOCOL])),
    ("6.10: CONTINUATION behind DATA", || j(&[post(1), data(0, 1, b"x"), more(WHOLE, 1, b"\x00\x01x\x01y")]), End(&[PROTOCOL])),
    ("7: GOAWAY with an unknown error", || frame(GO_AWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 255]), End(&[0])),
    ("7: RST_STREAM with an unknown error", || j(&[held(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 255]), ping()]), Acknowledge(PING)),
    ("8.1: HEADERS again that end nothing", || j(&[post(1), data(0, 1, b"x"), headers(WHOLE, 1, &fields(&[("x", "y")]))]), Reset(&[PROTOCOL])),
    ("8.2.1: a name in upper case", || with(&[("X", "y")]), Reset(&[PROTOCOL])),
    ("8.2.1: a name with a blank", || with(&[("x y", "z")]), Reset(&[PROTOCOL])),
    ("8.2.1: a name with a colon", || with(&[("x:y", "z")]), Reset(&[PROTOCOL])),
    ("8.2.1: a value with an end of line", || with(&[("x", "y\r\nz: a")]), Reset(&[PROTOCOL])),
    ("8.2.1: a value with a zero", || with(&[("x", "y\0z")]), Reset(&[PROTOCOL])),
    ("8.2.1: an empty name", || with(&[("", "y")]), Reset(&[PROTOCOL])),
    ("8.3: an unknown pseudo-header", || with(&[(":x", "y")]), Reset(&[PROTOCOL])),
    ("8.3: one of an answer", || with(&[(":status", "200")]), Reset(&[PROTOCOL])),
    // h2 drops it, where the standard has the stream be reset. No trailers go on to the org.
    ("8.3: one in trailers", || j(&[post(1), data(0, 1, b"x"), headers(LAST | WHOLE, 1, &fields(&[(":method", "POST")]))]), Ignore(&[PROTOCOL])),
    ("8.3: one behind others", || head(1, &[(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", LIMITS), (":authority", "localhost")]), Reset(&[PROTOCOL])),
    ("8.2.2: Connection", || with(&[("connection", "keep-alive")]), Reset(&[PROTOCOL])),
    ("8.2.2: Transfer-Encoding", || with(&[("transfer-encoding", "chunked")]), Reset(&[PROTOCOL])),
    ("8.2.2: Upgrade", || with(&[("upgrade", "x")]), Reset(&[PROTOCOL])),
    ("8.2.2: Keep-Alive", || with(&[("keep-alive", "x")]), Reset(&[PROTOCOL])),
    ("8.2.2: Proxy-Connection", || with(&[("proxy-connection", "x")]), Reset(&[PROTOCOL])),
    ("8.2.2: TE of something else than trailers", || with(&[("te", "trailers, deflate")]), Reset(&[PROTOCOL])),
    ("8.2.2: TE of trailers", || with(&[("te", "trailers")]), Answer),
    ("8.3.1: an empty path", || head(1, &[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "localhost")]), Reset(&[PROTOCOL])),
    ("8.3.1: no method", || head(1, &[(":scheme", "http"), (":path", LIMITS), (":authority", "localhost")]), Reset(&[PROTOCOL])),
    ("8.3.1: no scheme", || head(1, &[(":method", "GET"), (":path", LIMITS), (":authority", "localhost")]), Reset(&[PROTOCOL])),
    ("8.3.1: no path", || head(1, &[(":method", "GET"), (":scheme", "http"), (":authority", "localhost")]), Reset(&[PROTOCOL])),
    ("8.3.1: two methods", || with(&[(":method", "GET")]), Reset(&[PROTOCOL])),
    ("8.3.1: two schemes", || with(&[(":scheme", "http")]), Reset(&[PROTOCOL])),
    ("8.3.1: two paths", || with(&[(":path", LIMITS)]), Reset(&[PROTOCOL])),
    ("8.3.1: two authorities", || with(&[(":authority", "localhost")]), Reset(&[PROTOCOL])),
    ("8.1.1: DATA of another length than was said", || j(&[long(1, "1"), data(LAST, 1, b"hello")]), Reset(&[PROTOCOL])),
    ("8.1.1: less DATA than was said", || j(&[long(1, "9"), data(LAST, 1, b"hello")]), Reset(&[PROTOCOL])),
    ("8.1.1: DATA in pieces of another length than was said", || j(&[long(1, "6"), data(0, 1, b"hello"), data(LAST, 1, b"you")]), Reset(&[PROTOCOL])),
    ("8.4: PUSH_PROMISE", || frame(PUSH_PROMISE, WHOLE, 1, &[&[0, 0, 0, 2], &plain()[..]].concat()), End(&[PROTOCOL])),
    ("8441 4: CONNECT for a protocol that nobody offered", || head(1, &[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", LIMITS), (":authority", "localhost")]), Reset(&[PROTOCOL])),

    // h2spec, hpack
    ("hpack 2.3.3: an index beyond the tables", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\xc6"].concat()), End(&[COMPRESSION])),
    ("hpack 2.3.3: a literal with such a name", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x7f\x00\x01x"].concat()), End(&[COMPRESSION])),
    ("hpack 4.2: the size of the table at the end", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x20"].concat()), End(&[COMPRESSION])),
    ("hpack 5.1: an integer without end", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"].concat()), End(&[COMPRESSION])),
    ("hpack 5.2: a byte of padding in Huffman's code", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x00\x83\x94\xe7\xff\x01y"].concat()), End(&[COMPRESSION])),
    ("hpack 5.2: padding with zeros", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x00\x81\x10\x01y"].concat()), End(&[COMPRESSION])),
    ("hpack 5.2: the end of a string", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x00\x84\xff\xff\xff\xff\x01y"].concat()), End(&[COMPRESSION])),
    ("hpack 5.2: a string that is longer than the block", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x00\x7f\xff\x01x"].concat()), End(&[COMPRESSION])),
    ("hpack 6.1: index 0", || headers(LAST | WHOLE, 1, &[&plain()[..], b"\x80"].concat()), End(&[COMPRESSION])),
    ("hpack 6.3: a table that is larger than it may be", || headers(LAST | WHOLE, 1, &[b"\x3f\xe2\x1f", &plain()[..]].concat()), End(&[COMPRESSION])),
];

/// What is wrong with what a client of `address` gets, if anything.
pub(super) async fn fault(address: SocketAddr, case: &Case) -> Option<String> {
    let (name, sends, may) = case;
    let wire = [PREFACE, &settings(0, 0, &[]), &sends()].concat();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(&wire).await;
    let mut heard = Vec::new();
    let waited = timeout(PATIENCE, async {
        while !is_enough(&heard, *may) {
            if !matches!(stream.read_buf(&mut heard).await, Ok(1..)) {
                break;
            }
        }
    });
    let is_late = waited.await.is_err();
    let got: Vec<_> = whole(&heard).collect();
    let is_allowed = !is_late && got.iter().any(|frame| frame.is_allowed(*may));
    (!is_allowed).then(|| format!("{name}: {got:?}, not {may:?}"))
}

/// A frame of the server's.
#[derive(Debug)]
struct Got {
    kind: u8,
    flags: u8,
    /// The error, the status in HPACK, or the like: the byte that matters.
    says: u8,
}

impl Got {
    fn is_allowed(&self, may: May) -> bool {
        // h2 has PROTOCOL_ERROR stand for whatever it cannot read, where the standard has an error for
        // each. The connection ends all the same.
        let is_error = |errors: &[u8]| {
            self.is_end() && (errors.contains(&self.says) || self.is_generic(errors))
        };
        let is_reset = |errors: &[u8]| self.kind == RST_STREAM && errors.contains(&self.says);
        match may {
            Answer => self.is_answer(),
            End(errors) => is_error(errors),
            Reset(errors) => is_error(errors) || is_reset(errors) || self.is_bad_request(),
            Ignore(errors) => is_error(errors) || is_reset(errors) || self.is_answer(),
            Acknowledge(kind) => self.kind == kind && self.flags & ACK != 0,
        }
    }

    fn is_generic(&self, errors: &[u8]) -> bool {
        let has_own = |error: &u8| [FLOW, CLOSED, SIZE, COMPRESSION].contains(error);
        self.says == PROTOCOL && errors.iter().any(has_own)
    }

    fn is_end(&self) -> bool {
        self.kind == GO_AWAY
    }

    /// 200 is number 8 of the static table, and 400 number 12 (RFC 7541 appendix A).
    fn is_answer(&self) -> bool {
        self.kind == HEADERS && self.says == 0x88
    }

    fn is_bad_request(&self) -> bool {
        self.kind == HEADERS && self.says == 0x8c
    }
}

/// Ends with what is allowed, or with an error that is not.
fn is_enough(heard: &[u8], may: May) -> bool {
    whole(heard).any(|frame| frame.is_allowed(may) || frame.is_end() || frame.kind == RST_STREAM)
}

fn whole(mut wire: &[u8]) -> impl Iterator<Item = Got> {
    std::iter::from_fn(move || {
        let (head, rest) = wire.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).unwrap())?;
        wire = rest;
        let at = match head[3] {
            GO_AWAY => 7,
            RST_STREAM => 3,
            _ => 0,
        };
        Some(Got {
            kind: head[3],
            flags: head[4],
            says: payload.get(at).copied().unwrap_or_default(),
        })
    })
}

fn j(frames: &[Vec<u8>]) -> Vec<u8> {
    frames.concat()
}

fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, stream, block)
}

fn more(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(CONTINUATION, flags, stream, block)
}

fn data(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

fn settings(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(SETTINGS, flags, stream, payload)
}

fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"pingping")
}

/// Literals without indexing and without Huffman's code.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The block of a plain GET.
fn plain() -> Vec<u8> {
    fields(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", LIMITS),
        (":authority", "localhost"),
    ])
}

fn path_and_host() -> Vec<u8> {
    fields(&[(":path", LIMITS), (":authority", "localhost")])
}

/// A request without a body.
fn head(stream: u32, lines: &[(&str, &str)]) -> Vec<u8> {
    headers(LAST | WHOLE, stream, &fields(lines))
}

fn get(stream: u32) -> Vec<u8> {
    headers(LAST | WHOLE, stream, &plain())
}

/// A plain GET with more lines.
fn with(lines: &[(&str, &str)]) -> Vec<u8> {
    headers(LAST | WHOLE, 1, &[plain(), fields(lines)].concat())
}

/// A request whose answer does not come.
fn held(stream: u32) -> Vec<u8> {
    let lines = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", HELD),
        (":authority", "localhost"),
    ];
    head(stream, &lines)
}

const POST: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", SINK),
    (":authority", "localhost"),
];

/// The head of a request whose body is to come.
fn post(stream: u32) -> Vec<u8> {
    headers(WHOLE, stream, &fields(&POST))
}

/// The same, which says how long its body is.
fn long(stream: u32, length: &str) -> Vec<u8> {
    let length = fields(&[("content-length", length)]);
    headers(WHOLE, stream, &[fields(&POST), length].concat())
}
