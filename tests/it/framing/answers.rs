//! Answers as an org may write them, and what of each the client is to see.

use orgproxy::demo::Then;

use super::peer::{Message, Peer, Reply, exchange, messages};

/// What becomes of an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    /// The client gets exactly this, and the connection to the org goes on.
    Kept(&'static str),
    /// The same, but the connection to the org is not used again.
    Last(&'static str),
    /// The client gets 502, and the connection to the org is not used again.
    Bad,
    /// The client gets a head and so much of a body, but not its end.
    Broken(&'static str),
}

use Seen::{Bad, Broken, Kept, Last};
use Then::{Close, Cut, Keep, Reset};

/// How the request begins.
const GET: &str = "GET {} HTTP/1.1\r\n";
const HEAD: &str = "HEAD {} HTTP/1.1\r\n";
const POST: &str = "POST {} HTTP/1.1\r\nContent-Length: 0\r\n";
const OLD: &str = "GET {} HTTP/1.0\r\n";

const FIVE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDATE\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nDATE\r\nTransfer-Encoding: chunked\r\n\r\nhello";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDATE\r\n\r\n";
const BARE: &str = "HTTP/1.1 200 OK\r\nDATE\r\n\r\n";

type Class = (
    &'static str,
    &'static str,
    Then,
    &'static [(&'static str, Seen)],
);

/// By threat, with the request and what follows the answer.
#[rustfmt::skip]
pub(super) const CLASSES: &[Class] = &[
    ("R22, R59: lengths", GET, Keep, &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\ncontent-length:5 \r\n\r\nhello", Kept("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nDATE\r\n\r\nhello")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 005\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Kept(EMPTY)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5.0\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: \u{665}\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length:\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551611\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length\r\n\r\nhello", Bad),
    ]),
    ("R20: a length and chunks", GET, Keep, &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\nhello", Bad),
    ]),
    ("R21: codings", GET, Keep, &[
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTRANSFER-ENCODING:\tChunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Bad),
    ]),
    ("R23, R59: chunks", GET, Keep, &[
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0005\r\nhello\r\n000\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0;c\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\nSet-Cookie: sid=x\r\n\r\n", Kept(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", Kept("HTTP/1.1 200 OK\r\nDATE\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\nhello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\rhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ng\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;a=b\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r0\r\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", Broken("hell")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX y\r\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX : y\r\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n y: z\r\n\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: \u{0}\r\n\r\n", Broken("hello")),
    ]),
    ("R24: lines", GET, Keep, &[
        ("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", Kept("HTTP/1.1 200 \r\nContent-Length: 5\r\nDATE\r\n\r\nhello")),
        ("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", Kept("HTTP/1.1 200 \r\nContent-Length: 5\r\nDATE\r\n\r\nhello")),
        ("HTTP/1.1 200 Fine, thanks\r\nContent-Length: 5\r\n\r\nhello", Kept("HTTP/1.1 200 Fine, thanks\r\nContent-Length: 5\r\nDATE\r\n\r\nhello")),
        ("HTTP/1.1 299 Odd\r\nContent-Length: 5\r\n\r\nhello", Kept("HTTP/1.1 299 Odd\r\nContent-Length: 5\r\nDATE\r\n\r\nhello")),
        ("HTTP/1.1 200 OK\r\nX:y\r\nContent-Length: 5\r\n\r\nhello", Kept("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\nDATE\r\n\r\nhello")),
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nX: y\nContent-Length: 5\r\n\r\nhello", Kept("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\nDATE\r\n\r\nhello")),
        ("HTTP/1.1 200 OK\r\nX: y\rContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nX: \u{0}\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nX: \u{1b}[31m\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nX\u{0}: y\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nX Y: z\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\n: y\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nX\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 O\u{0}K\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\u{7f}\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1  200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1\t200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 +20 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        (" HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("<html>hello</html>\n", Bad),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", Bad),
    ]),
    ("R25: switches", GET, Keep, &[
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: evil\r\n\r\n", Bad),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\n\r\nhello", Bad),
        ("HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: evil\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
    ]),
    ("R27: interim answers", GET, Keep, &[
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
    ]),
    ("R27: answers without a body", GET, Keep, &[
        ("HTTP/1.1 204 No Content\r\n\r\n", Kept("HTTP/1.1 204 No Content\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", Kept("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Kept("HTTP/1.1 304 Not Modified\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Kept("HTTP/1.1 204 No Content\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", Kept("HTTP/1.1 204 No Content\r\nDATE\r\n\r\n")),
    ]),
    ("R27: answers to HEAD", HEAD, Keep, &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Kept("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Kept(BARE)),
        ("HTTP/1.1 200 OK\r\nX: y\r\n\r\n", Kept("HTTP/1.1 200 OK\r\nX: y\r\nDATE\r\n\r\n")),
    ]),
    ("R27: bytes that nobody asked for", GET, Keep, &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", Last(FIVE)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\r\n", Last(FIVE)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Last(FIVE)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nevil", Last(EMPTY)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nevil", Last(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Last(CHUNKED)),
        ("HTTP/1.1 204 No Content\r\n\r\nevil", Last("HTTP/1.1 204 No Content\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", Last("HTTP/1.1 204 No Content\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 304 Not Modified\r\n\r\nevil", Last("HTTP/1.1 304 Not Modified\r\nDATE\r\n\r\n")),
    ]),
    ("R27: bodies to HEAD", HEAD, Keep, &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Last("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nDATE\r\n\r\n")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", Last(BARE)),
    ]),
    ("R27: the end of the connection is the end of the answer", GET, Close, &[
        ("HTTP/1.1 200 OK\r\n\r\nhello", Last(CHUNKED)),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", Last(CHUNKED)),
        ("HTTP/1.0 200 OK\r\n\r\nhello", Last(CHUNKED)),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", Last(FIVE)),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", Last(FIVE)),
    ]),
    ("R28: answers that break off", GET, Close, &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Broken("hell")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5", Broken("")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", Broken("hell")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Bad),
        ("HTTP/1.1 100 Continue\r\n\r\n", Bad),
        ("HTTP/1.1 200", Bad),
        ("H", Bad),
    ]),
    ("R28: answers that are cut", GET, Cut, &[
        ("HTTP/1.1 200 OK\r\n\r\nhello", Broken("hello")),
        ("HTTP/1.0 200 OK\r\n\r\nhello", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Broken("hell")),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Last(FIVE)),
    ]),
    ("R28: answers to HTTP/1.0 that break off", OLD, Cut, &[
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Broken("hello")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Broken("hell")),
        ("HTTP/1.1 200 OK\r\n\r\nhello", Broken("hello")),
    ]),
    ("R61: answers of which nothing or a part came to what is done once", POST, Reset, &[
        ("", Bad),
        ("H", Bad),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Bad),
    ]),
    ("R15, R58, R63: lines that go no further", GET, Keep, &[
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nConnection: x-secret\r\nX-Secret: a\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nProxy-Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nAlt-Svc: h3=\":443\"\r\nNEL: {}\r\nReport-To: {}\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nClear-Site-Data: \"*\"\r\nPublic-Key-Pins: x\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nProxy-Status: orgproxy; error=http_request_error\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
        ("HTTP/1.1 200 OK\r\nSet-Cookie: sid=secret; path=/\r\nContent-Length: 5\r\n\r\nhello", Kept(FIVE)),
    ]),
    ("R27: nothing but a head", GET, Close, &[
        ("HTTP/1.1 200 OK\r\n\r\n", Last("HTTP/1.1 200 OK\r\nDATE\r\nTransfer-Encoding: chunked\r\n\r\n")),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Last(EMPTY)),
    ]),
];

pub(super) fn count() -> usize {
    CLASSES.iter().map(|(.., cases)| cases.len()).sum()
}

/// Has the org send all of them, one after the other, in one piece and byte by byte, and asks for
/// something plain after each. Returns what went otherwise than the table says.
pub(super) async fn faults(peer: &Peer) -> Vec<String> {
    let mut faults = Vec::new();
    let mut number = 0;
    for (class, request, then, texts) in CLASSES {
        for (text, seen) in *texts {
            for size in [usize::MAX, 1] {
                // What comes late may come behind the next request, where nobody can know it.
                if size == 1 && class.starts_with("R27: b") {
                    continue;
                }
                number += 1;
                let target = format!("/services/data/v62.0/c{number}");
                let reply = Reply {
                    bytes: text.as_bytes().to_vec(),
                    size,
                    then: *then,
                };
                peer.answer(&target, reply);
                let fault = fault(peer, request, &target, *seen).await;
                let name = format!("{class}: {text:?} in pieces of {size}");
                faults.extend(fault.map(|fault| format!("{name}: {fault}")));
            }
        }
    }
    faults
}

/// Asks for `target` and for something plain, and returns what is wrong with the answers.
async fn fault(peer: &Peer, request: &str, target: &str, seen: Seen) -> Option<String> {
    let begin = request.replace("{}", target);
    let wire = format!("{begin}Host: localhost\r\nConnection: close\r\n\r\n");
    let (heard, is_clean) = exchange(peer.proxy.address, wire.as_bytes(), usize::MAX, false).await;
    let is_old = request == OLD;
    let fault = match seen {
        Kept(text) | Last(text) => whole(&heard, text, request == HEAD),
        Bad => bad(&messages(&heard)),
        Broken(body) => broken(&heard, body, is_old && is_clean),
    };
    let clean = format!("{target}/clean");
    let wire = format!("GET {clean} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (next, _) = exchange(peer.proxy.address, wire.as_bytes(), usize::MAX, false).await;
    let fault = fault.or_else(|| match &messages(&next)[..] {
        [answer] if answer.is_whole && answer.body == clean.as_bytes() => None,
        other => Some(format!("the next client got {other:?}")),
    });
    fault.or_else(|| at_the_org(peer, target, &clean, matches!(seen, Kept(_))))
}

/// What is wrong with an answer that is to be `text`.
fn whole(heard: &[u8], text: &str, to_head: bool) -> Option<String> {
    let shown = |text: &str, body: &[u8]| {
        let lines = text.split_inclusive("\r\n").map(|line| {
            if line.to_ascii_lowercase().starts_with("date: ") {
                "DATE\r\n"
            } else if line.eq_ignore_ascii_case("transfer-encoding: chunked\r\n") {
                "Transfer-Encoding: chunked\r\n"
            } else if line.eq_ignore_ascii_case("connection: close\r\n") {
                ""
            } else {
                line
            }
        });
        lines.collect::<String>() + &String::from_utf8_lossy(body)
    };
    let got = if to_head {
        shown(&String::from_utf8_lossy(heard), &[])
    } else {
        match &messages(heard)[..] {
            [answer] if answer.is_whole => shown(&answer.head, &answer.body),
            other => format!("{other:?}"),
        }
    };
    (got != text).then(|| format!("the client got {got:?}, not {text:?}"))
}

fn bad(answers: &[Message]) -> Option<String> {
    let is_bad = |answer: &Message| {
        let head = answer.head.to_lowercase();
        answer.is_whole
            && head.starts_with("http/1.1 502 ")
            && head.contains("\r\nproxy-status: orgproxy; error=")
    };
    let is_fine = matches!(answers, [answer] if is_bad(answer));
    (!is_fine).then(|| format!("the client got {answers:?}"))
}

/// What is wrong with an answer that is to end behind `body`, and not to be whole.
fn broken(heard: &[u8], body: &str, is_taken_for_whole: bool) -> Option<String> {
    let text = String::from_utf8_lossy(heard);
    // Where there is a length, the client misses the rest.
    let is_taken_for_whole =
        is_taken_for_whole && !text.to_ascii_lowercase().contains("\r\ncontent-length: ");
    let is_fine = text.split_once("\r\n\r\n").is_some_and(|(head, came)| {
        let head = head.to_ascii_lowercase();
        let came: String = if head.contains("transfer-encoding: chunked") {
            // Sizes and ends of lines are all else that there is.
            let chunks = came.split_inclusive("\r\n").skip(1).step_by(2);
            chunks.map(|chunk| chunk.trim_end_matches("\r\n")).collect()
        } else {
            came.to_owned()
        };
        let is_whole = head.contains("chunked") && text.ends_with("0\r\n\r\n");
        head.contains(" 200 ") && came == body && !is_whole
    });
    let is_fine = is_fine && !is_taken_for_whole;
    (!is_fine).then(|| format!("the client got {text:?}, taken for whole: {is_taken_for_whole}"))
}

/// What is wrong with the requests that the org got: each once, and on one connection if that is `kept`.
fn at_the_org(peer: &Peer, target: &str, clean: &str, kept: bool) -> Option<String> {
    let all = peer.messages();
    let of = |target: &str| {
        let is_it = |seen: &&Message| seen.head.split(' ').nth(1) == Some(target);
        let found: Vec<_> = all.iter().filter(is_it).collect();
        match found[..] {
            [one] if one.is_whole => Ok(one.connection),
            _ => Err(format!("the org got {found:?}")),
        }
    };
    match (of(target), of(clean)) {
        (Ok(first), Ok(second)) if (first == second) == kept => None,
        (Ok(first), Ok(second)) => Some(format!("connections {first} and {second}")),
        (Err(fault), _) | (_, Err(fault)) => Some(fault),
    }
}
