//! Requests as clients may write them, and what of each the org is to see.

use futures_util::future::join_all;

use super::peer::{Message, Peer, exchange, messages};

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    /// The org sees nothing of it. The client gets this status, or nothing for 0, and the connection ends.
    Refused(u16),
    /// The org may see its beginning, but never its end. The connection ends.
    Broken,
    /// The same, for one whose client says that no more comes.
    Cut,
    /// The org sees nothing of it. The client gets this status, and the connection goes on.
    Answered(u16),
    /// The same, but the connection may end, because the rest of the body has not come by then.
    Left(u16),
    /// The org sees exactly this, and the connection goes on.
    Whole(&'static str),
}

use Seen::{Answered, Broken, Cut, Left, Refused, Whole};

/// How a request begins whose rest is in the table. `{}` stands for its target.
const POST: &str = "POST {} HTTP/1.1\r\nHost: localhost\r\n";
const CHUNKS: &str = "POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
const GET: &str = "GET {} HTTP/1.1\r\nHost: localhost\r\n";
const NOTHING: &str = "";

/// What the org sees of them.
const FIVE: Seen = Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nContent-Length: 5\r\nAUTH\r\n\r\nhello");
const CHUNKED: Seen =
    Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\nhello");
const PLAIN: Seen = Whole("GET {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\n\r\n");

type Class = (&'static str, &'static str, &'static [(&'static str, Seen)]);

/// By threat, with the beginning that all of a class have.
#[rustfmt::skip]
pub(super) const CLASSES: &[Class] = &[
    ("R20: a length and chunks", POST, &[
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", Refused(400)),
        ("content-length: 5\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nX: y\r\nX: z\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Content-Length: 5\r\nX: y\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\r\nTransfer-Encoding:\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\r\nTransfer-Encoding: x\r\n\r\nhello", Refused(400)),
        ("Content-Length:5\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Content-Length: 5\r\nTransfer-Encoding: \tchunked\t\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Connection: content-length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Connection: transfer-encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Content-Length: 5\r\nContent_Length: 6\r\n\r\nhello", FIVE),
    ]),
    ("R21: codings", POST, &[
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("transfer-encoding:chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("Transfer-Encoding: \t chunked \t \r\n\r\n5\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked,chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: identity\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: , ,chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked; a=b\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: 'chunked'\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunke\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunkedd\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked x\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: x chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\u{a0}\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunKed\u{212a}\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\u{c}\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chun\u{0}ked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding:\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: \r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nX: y\r\ntransfer-encoding:\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding :chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        (" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\n , gzip\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer\u{0}-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("Transfer Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ]),
    ("R21: codings in HTTP/1.0", NOTHING, &[
        ("POST {} HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("POST {} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
        ("POST {} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(400)),
    ]),
    ("R22, R59: lengths", POST, &[
        ("Content-Length: 5\r\n\r\nhello", FIVE),
        ("Content-Length:5\r\n\r\nhello", FIVE),
        ("Content-Length: \t5\t \r\n\r\nhello", FIVE),
        ("Content-Length: 05\r\n\r\nhello", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nContent-Length: 5\r\n\r\nhello")),
        ("Content-Length: 0000000000000000000005\r\n\r\nhello", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nContent-Length: 5\r\n\r\nhello")),
        ("Content-Length: 0\r\n\r\n", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nContent-Length: 0\r\nAUTH\r\n\r\n")),
        ("X: y\r\n\r\n", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nX: y\r\nAUTH\r\n\r\n")),
        ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Refused(400)),
        ("Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\r\nX: y\r\ncontent-length: 0\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\r\nContent-Length:\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5,5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5, 5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5, 6\r\n\r\nhello", Refused(400)),
        ("Content-Length: ,5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5,\r\n\r\nhello", Refused(400)),
        ("Content-Length: +5\r\n\r\nhello", Refused(400)),
        ("Content-Length: -5\r\n\r\nhello", Refused(400)),
        ("Content-Length: -0\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5 5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5;q=1\r\n\r\nhello", Refused(400)),
        ("Content-Length: 0x5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5h\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5.0\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5e0\r\n\r\nhello", Refused(400)),
        ("Content-Length: 0b101\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5_0\r\n\r\nhello", Refused(400)),
        ("Content-Length: \"5\"\r\n\r\nhello", Refused(400)),
        ("Content-Length: five\r\n\r\nhello", Refused(400)),
        ("Content-Length: \u{665}\r\n\r\nhello", Refused(400)),
        ("Content-Length: \u{ff15}\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\u{a0}\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\u{c}\r\n\r\nhello", Refused(400)),
        ("Content-Length: \u{b}5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\u{0}\r\n\r\nhello", Refused(400)),
        ("Content-Length:\r\n\r\nhello", Refused(400)),
        ("Content-Length: \r\n\r\nhello", Refused(400)),
        ("Content-Length\r\n\r\nhello", Refused(400)),
        ("Content-Length : 5\r\n\r\nhello", Refused(400)),
        ("Content-Length\t: 5\r\n\r\nhello", Refused(400)),
        (" Content-Length: 5\r\n\r\nhello", Refused(400)),
        ("Content-Length:\r\n 5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 5\r\n 0\r\n\r\nhello", Refused(400)),
        ("Content Length: 5\r\n\r\nhello", Refused(400)),
        ("Content-Length: 1152921504606846977\r\n\r\nhello", Refused(400)),
        ("Content-Length: 9223372036854775807\r\n\r\nhello", Refused(400)),
        ("Content-Length: 9223372036854775808\r\n\r\nhello", Refused(400)),
        ("Content-Length: 18446744073709551611\r\n\r\nhello", Refused(400)),
        ("Content-Length: 18446744073709551615\r\n\r\nhello", Refused(400)),
        ("Content-Length: 18446744073709551616\r\n\r\nhello", Refused(400)),
        ("Content-Length: 18446744073709551621\r\n\r\nhello", Refused(400)),
        ("Content-Length: 4294967301000000000000\r\n\r\nhello", Refused(400)),
        ("Content-Length: 99999999999999999999999999999999999999\r\n\r\nhello", Refused(400)),
    ]),
    ("R23, R59: chunks", CHUNKS, &[
        ("5\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("0005\r\nhello\r\n000\r\n\r\n", CHUNKED),
        ("1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n", CHUNKED),
        ("5;a\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("5;a=b\r\nhello\r\n0;c=d\r\n\r\n", CHUNKED),
        ("5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("5;a;b=c;d\r\nhello\r\n0\r\n\r\n", CHUNKED),
        ("5\r\nhello\r\n0\r\nX: y\r\n\r\n", CHUNKED),
        ("5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\n", CHUNKED),
        ("5\r\nhello\r\n0\r\nAuthorization: Bearer theirs\r\nHost: evil\r\n\r\n", CHUNKED),
        ("A\r\n0123456789\r\n0\r\n\r\n", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n0123456789")),
        ("a\r\n0123456789\r\n0\r\n\r\n", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n0123456789")),
        ("7\r\n0\r\n\r\nGE\r\n0\r\n\r\n", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGE")),
        ("0\r\n\r\n", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\n")),
        ("5\nhello\r\n0\r\n\r\n", Broken),
        ("5\rhello\r\n0\r\n\r\n", Broken),
        ("5\r\r\nhello\r\n0\r\n\r\n", Broken),
        ("5\n\r\nhello\r\n0\r\n\r\n", Broken),
        (" 5\r\nhello\r\n0\r\n\r\n", Broken),
        ("\t5\r\nhello\r\n0\r\n\r\n", Broken),
        ("5 \r\nhello\r\n0\r\n\r\n", Broken),
        ("5\t\r\nhello\r\n0\r\n\r\n", Broken),
        ("5 ;a\r\nhello\r\n0\r\n\r\n", Broken),
        ("+5\r\nhello\r\n0\r\n\r\n", Broken),
        ("-5\r\nhello\r\n0\r\n\r\n", Broken),
        ("0x5\r\nhello\r\n0\r\n\r\n", Broken),
        ("5h\r\nhello\r\n0\r\n\r\n", Broken),
        ("5_\r\nhello\r\n0\r\n\r\n", Broken),
        ("5,5\r\nhello\r\n0\r\n\r\n", Broken),
        ("5.0\r\nhello\r\n0\r\n\r\n", Broken),
        ("\"5\"\r\nhello\r\n0\r\n\r\n", Broken),
        ("5\u{0}\r\nhello\r\n0\r\n\r\n", Broken),
        ("\u{ff15}\r\nhello\r\n0\r\n\r\n", Broken),
        ("g\r\nhello\r\n0\r\n\r\n", Broken),
        ("\r\nhello\r\n0\r\n\r\n", Broken),
        (";a=b\r\nhello\r\n0\r\n\r\n", Broken),
        ("5;a\nhello\r\n0\r\n\r\n", Broken),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", Broken),
        ("5;\nx\r\nhello\r\n0\r\n\r\n", Broken),
        ("5;a=\"\nb\"\r\nhello\r\n0\r\n\r\n", Broken),
        ("5;a=\"\r\nb\"\r\nhello\r\n0\r\n\r\n", Broken),
        ("1000000000000001\r\nhello\r\n0\r\n\r\n", Broken),
        ("7fffffffffffffff\r\nhello\r\n0\r\n\r\n", Broken),
        ("8000000000000000\r\nhello\r\n0\r\n\r\n", Broken),
        ("fffffffffffffffb\r\nhello\r\n0\r\n\r\n", Broken),
        ("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", Broken),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", Broken),
        ("100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", Broken),
        ("5\r\nhelloXX0\r\n\r\n", Broken),
        ("5\r\nhello\n0\r\n\r\n", Broken),
        ("5\r\nhello\r0\r\n\r\n", Broken),
        ("5\r\nhello\n\r0\r\n\r\n", Broken),
        ("5\r\nhello0\r\n\r\n", Broken),
        ("5\r\nhello!\r\n0\r\n\r\n", Broken),
        ("5\r\nhello \r\n0\r\n\r\n", Broken),
        ("4\r\nhello\r\n0\r\n\r\n", Broken),
        ("6\r\nhello\r\n0\r\n\r\n", Broken),
        ("5\r\nhello\r\n\r\n0\r\n\r\n", Broken),
        ("5\r\nhello\r\n0\n\r\n", Broken),
        ("5\r\nhello\r\n0\r\n\n", Broken),
        ("5\r\nhello\r\n0\r\r\n\r\n", Broken),
        ("5\r\nhello\r\n0\r\n\r\r\n", Broken),
        ("5\r\nhello\r\n0\r\nX: y\n\r\n", Broken),
        ("5\r\nhello\r\n0\r\nX y\r\n\r\n", Broken),
        ("5\r\nhello\r\n0\r\nX : y\r\n\r\n", Broken),
        ("5\r\nhello\r\n0\r\nX: \u{0}\r\n\r\n", Broken),
        ("5\r\nhello\r\n0\r\n: y\r\n\r\n", Broken),
        ("5\r\nhello\r\n0 \r\n\r\n", Broken),
        ("5\r\nhello\r\n-0\r\n\r\n", Broken),
    ]),
    ("R24: lines", POST, &[
        ("X: y\r\nContent-Length: 5\r\n\r\nhello", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nX: y\r\nContent-Length: 5\r\nAUTH\r\n\r\nhello")),
        ("X:y\r\nContent-Length: 5\r\n\r\nhello", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nX: y\r\nContent-Length: 5\r\nAUTH\r\n\r\nhello")),
        ("X:\r\nContent-Length: 5\r\n\r\nhello", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nX: \r\nContent-Length: 5\r\nAUTH\r\n\r\nhello")),
        ("X: \t y z\t\r\nContent-Length: 5\r\n\r\nhello", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nX: y z\r\nContent-Length: 5\r\nAUTH\r\n\r\nhello")),
        ("x-Odd~|name: a:b;c=\"d\"\r\nContent-Length: 5\r\n\r\nhello", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nx-Odd~|name: a:b;c=\"d\"\r\nContent-Length: 5\r\nAUTH\r\n\r\nhello")),
        ("X: y\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\n\r\nhello", Refused(400)),
        ("X: y\r\n\nhello", Refused(400)),
        ("X: y\n\nhello", Refused(400)),
        ("X: y\rContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\rContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\n\rContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\n\rContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\u{0}\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: \u{1}\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\u{8}\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\u{7f}\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\u{1b}[31m\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X\u{0}: y\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X : y\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X\t: y\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X Y: z\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X(Y): z\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X\"Y\": z\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X/Y: z\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X\u{e9}: y\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        (": y\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("\tX: y\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\n z\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\n\tz\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\n \r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\n Content-Length: 5\r\n\r\nhello", Refused(400)),
        ("X: y\r\n: z\r\nContent-Length: 5\r\n\r\nhello", Refused(400)),
    ]),
    ("R24: first lines", NOTHING, &[
        ("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", PLAIN),
        ("\r\nGET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", PLAIN),
        ("\r\n\r\nGET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", PLAIN),
        ("GET {} HTTP/1.1\nHost: localhost\r\n\r\n", Refused(400)),
        ("\nGET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("\r\n\nGET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\n\n", Refused(400)),
        ("GET {} HTTP/1.1\rHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1 \r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\t\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET  {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}  HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET\t{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}\tHTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}\u{b}HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        (" GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("\tGET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("\u{0}GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("G\u{0}ET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}\u{0} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}\u{7f} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} x HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}#x HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\n Host: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.2\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/2.0\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/0.9\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.11\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/11\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1,1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} http/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTPS/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} ICY/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}\r\n\r\n", Refused(400)),
        ("GET\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("G(T {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("G\u{e9}T {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("\"GET\" {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Refused(400)),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", Refused(0)),
    ]),
    ("R13, R64: methods", NOTHING, &[
        ("TRACE {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(405)),
        ("TRACK {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(405)),
        ("get {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(405)),
        ("PROPFIND {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", Left(405)),
        ("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n", Refused(405)),
        ("CONNECT {} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(405)),
        ("CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\nContent-Length: 5\r\n\r\nhello", Refused(405)),
        ("DELETE {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", Whole("DELETE {} HTTP/1.1\r\nHost: ORG\r\nContent-Length: 5\r\nAUTH\r\n\r\nhello")),
        ("GET {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", Whole("GET {} HTTP/1.1\r\nHost: ORG\r\nContent-Length: 5\r\nAUTH\r\n\r\nhello")),
        ("PATCH {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Whole("PATCH {} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\nTransfer-Encoding: chunked\r\n\r\nhello")),
    ]),
    ("R10, R50, R55: targets", NOTHING, &[
        ("GET http://localhost:PORT{} HTTP/1.1\r\nHost: localhost\r\n\r\n", PLAIN),
        ("GET HTTP://127.0.0.1:PORT{} HTTP/1.1\r\nHost: localhost\r\n\r\n", PLAIN),
        ("GET http://localhost:5432{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(421)),
        ("GET http://localhost{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(421)),
        ("GET http://evil.com{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(421)),
        ("GET http://user@localhost:PORT{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET //evil.com{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Whole("GET //evil.com{} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\n\r\n")),
        ("GET /\\evil.com{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Whole("GET /%5Cevil.com{} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\n\r\n")),
        ("GET @evil.com{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET .evil.com{} HTTP/1.1\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {}/../../../secur/frontdoor.jsp HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(400)),
        ("GET {}/%2e%2e/x HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(400)),
        ("GET /services;a%2fb/oauth2/singleaccess HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(400)),
        ("GET /;%2fservices/secur/frontdoor.jsp HTTP/1.1\r\nHost: localhost\r\n\r\n", Answered(400)),
    ]),
    ("R1: hosts", NOTHING, &[
        ("GET {} HTTP/1.1\r\nX: y\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\nHost: localhost, evil.com\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\nHost: evil.com\r\n\r\n", Answered(421)),
        ("GET {} HTTP/1.1\r\nHost:\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\nHost : localhost\r\n\r\n", Refused(400)),
        ("GET {} HTTP/1.1\r\nHost: localhost\r\n .evil.com\r\n\r\n", Refused(400)),
    ]),
    ("R14, R15, R25: lines for one connection", GET, &[
        ("Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n", PLAIN),
        ("Connection: x-secret\r\nX-Secret: a\r\n\r\n", PLAIN),
        ("Connection: x, y\r\nConnection: z\r\nX: 1\r\nY: 2\r\nZ: 3\r\n\r\n", PLAIN),
        ("Connection: authorization, host\r\nAuthorization: Bearer theirs\r\n\r\n", PLAIN),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", PLAIN),
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", PLAIN),
        ("Upgrade: TLS/1.2\r\n\r\n", PLAIN),
        ("Proxy-Authorization: Basic eDp5\r\nProxy-Connection: keep-alive\r\n\r\n", PLAIN),
        ("TE: trailers\r\nTrailer: X\r\n\r\n", PLAIN),
        ("Authorization: Bearer theirs\r\n\r\n", PLAIN),
        ("AUTHORIZATION: Bearer theirs\r\nauthorization: Bearer theirs\r\n\r\n", PLAIN),
        ("Authorization_: x\r\nX: y\r\n\r\n", Whole("GET {} HTTP/1.1\r\nHost: ORG\r\nAuthorization_: x\r\nX: y\r\nAUTH\r\n\r\n")),
        ("Cookie: sid=theirs\r\n\r\n", PLAIN),
        ("Expect: 100-continue\r\n\r\n", PLAIN),
        ("Expect: 200-ok\r\n\r\n", Answered(417)),
    ]),
    ("R26: bodies behind refusals", POST, &[
        ("Host: localhost\r\nContent-Length: 39\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n", Refused(400)),
        ("Origin: https://evil.com\r\nContent-Length: 39\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n", Left(403)),
        ("Origin: null\r\nTransfer-Encoding: chunked\r\n\r\n27\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", Left(403)),
        ("Sec-Fetch-Site: cross-site\r\nContent-Length: 39\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n", Left(403)),
        ("Content-Length: 39\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n", Whole("POST {} HTTP/1.1\r\nHost: ORG\r\nContent-Length: 39\r\nAUTH\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\n")),
    ]),
    ("R29: uploads that break off", NOTHING, &[
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Le", Cut),
        ("POST {} HTTP/1.1\r\nHost: localhost\r\n", Cut),
        ("POST {} HTTP/1.1\r\n", Cut),
        ("POST {}", Cut),
        ("P", Cut),
    ]),
];

pub(super) fn count() -> usize {
    CLASSES.iter().map(|(.., cases)| cases.len()).sum()
}

/// A request on its way, and what is to become of it.
struct Case {
    name: String,
    /// Its target, which no other has.
    target: String,
    wire: String,
    size: usize,
    seen: Seen,
}

/// Sends all of them, in one piece and byte by byte, some at a time, each with a plain request behind it.
/// Returns what went otherwise than the table says.
pub(super) async fn faults(peer: &Peer) -> Vec<String> {
    let cases = cases(peer.proxy.address.port());
    let mut faults = Vec::new();
    for several in cases.chunks(AT_A_TIME) {
        let heard = several.iter().map(async |case| {
            let hangs_up = matches!(case.seen, Cut);
            let address = peer.proxy.address;
            exchange(address, case.wire.as_bytes(), case.size, hangs_up).await
        });
        let heard = join_all(heard).await;
        for (case, (heard, _)) in several.iter().zip(heard) {
            let faulty = case.heard(&messages(&heard));
            faults.extend(faulty.map(|fault| format!("{}: {fault}", case.name)));
        }
    }
    let mut all = peer.messages();
    for case in &cases {
        for (target, expected) in case.expected() {
            let found = all.extract_if(.., |seen| is_for(seen, &target));
            let found: Vec<_> = found.collect();
            let may_miss = found.is_empty() && matches!(case.seen, Left(_));
            let fault = fault_of(peer, &found, expected.as_deref());
            if let Some(fault) = fault.filter(|_| !may_miss) {
                faults.push(format!("{}: the org saw {fault}", case.name));
            }
        }
    }
    faults.extend(all.iter().map(|other| format!("the org saw {other:?}")));
    faults
}

fn cases(port: u16) -> Vec<Case> {
    let mut cases = Vec::new();
    for (class, begin, texts) in CLASSES {
        for (text, seen) in *texts {
            for size in [usize::MAX, 1] {
                let target = format!("/services/data/v62.0/c{}", cases.len());
                let wire = format!("{begin}{text}");
                let wire = wire
                    .replace("{}", &target)
                    .replace("PORT", &port.to_string());
                let clean = match seen {
                    Cut => String::new(),
                    _ => format!(
                        "GET {target}/clean HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                    ),
                };
                cases.push(Case {
                    name: format!("{class}: {text:?} in pieces of {size}"),
                    wire: wire + &clean,
                    target,
                    size,
                    seen: *seen,
                });
            }
        }
    }
    cases
}

impl Case {
    /// What is wrong with the answers.
    fn heard(&self, answers: &[Message]) -> Option<String> {
        let target = &self.target;
        let clean = format!("{target}/clean");
        let sent;
        let expected: &[(u16, Option<&str>)] = match self.seen {
            Refused(0) => &[],
            Refused(status) => &[(status, None)],
            Broken | Cut if answers.is_empty() => &[],
            Broken | Cut => &[(400, None)],
            Left(status) if answers.len() == 1 => &[(status, None)],
            Answered(status) | Left(status) => &[(status, None), (200, Some(&clean))],
            Whole(text) => {
                sent = target_of(text, target);
                &[(200, Some(&sent)), (200, Some(&clean))]
            }
        };
        let is_as_expected = |(answer, (status, body)): (&Message, &(u16, Option<&str>))| {
            let status = format!("HTTP/1.1 {status} ");
            answer.is_whole
                && answer.head.starts_with(&status)
                && body.is_none_or(|body| answer.body == body.as_bytes())
                && (body.is_some() || is_our_own(answer))
        };
        let interim = |answer: &&Message| !answer.head.starts_with("HTTP/1.1 100 ");
        let answers: Vec<_> = answers.iter().filter(interim).collect();
        let agree = answers.len() == expected.len()
            && answers.iter().copied().zip(expected).all(is_as_expected);
        (!agree).then(|| format!("the client got {answers:?}"))
    }

    /// The targets that the org may see, and what it sees of each. What may break off is `None`.
    fn expected(&self) -> Vec<(String, Option<String>)> {
        let clean = format!("{}/clean", self.target);
        let plain = format!("GET {clean} HTTP/1.1\r\nHost: ORG\r\nAUTH\r\n\r\n");
        let plain = Some(plain);
        match self.seen {
            Refused(_) => vec![],
            Broken | Cut => vec![(self.target.clone(), None)],
            Answered(_) | Left(_) => vec![(clean, plain)],
            Whole(text) => {
                let target = target_of(text, &self.target);
                let text = text.replace("{}", &self.target);
                vec![(target, Some(text)), (clean, plain)]
            }
        }
    }
}

/// An answer of the proxy itself, which says so and when it was made.
fn is_our_own(answer: &Message) -> bool {
    let head = answer.head.to_lowercase();
    !answer.body.is_empty()
        && head.contains("\r\nproxy-status: orgproxy; error=")
        && head.contains("\r\ndate: ")
}

/// The target that the org sees in `text`.
fn target_of(text: &str, target: &str) -> String {
    let sent = text.split(' ').nth(1).unwrap_or_default();
    sent.replace("{}", target)
}

fn is_for(seen: &Message, target: &str) -> bool {
    seen.head.split(' ').nth(1) == Some(target)
}

fn fault_of(peer: &Peer, found: &[Message], expected: Option<&str>) -> Option<String> {
    let is_fine = match (found, expected) {
        ([one], Some(expected)) => one.is_whole && peer.text(one) == expected,
        ([one], None) => !one.is_whole,
        ([], None) => true,
        _ => false,
    };
    let texts = || found.iter().map(|it| (it.is_whole, peer.text(it)));
    (!is_fine).then(|| format!("{:?}, not {expected:?}", texts().collect::<Vec<_>>()))
}

const AT_A_TIME: usize = 32;
