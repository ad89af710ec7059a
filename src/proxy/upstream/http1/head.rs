//! The head of a response as it comes over HTTP/1.1 (RFC 9112 sections 4 to 6).

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};
use hyper::ext::ReasonPhrase;
use memchr::memchr;

use super::{Malformed, body::Rest};
use crate::{
    proxy::headers::{is_foreign, is_localized, members},
    spelling::Received,
};

/// The head of a response, and what it says of its body.
pub(super) struct Head {
    pub(super) response: Response<()>,
    framing: Framing,
}

/// The framing of a response, as its header lines declare it.
#[derive(Default)]
struct Framing {
    /// Bytes.
    length: Option<u64>,
    /// If true, that was declared more than once, or begins with zeros.
    is_odd: bool,
    /// If true, it comes in chunks.
    chunked: bool,
    /// If true, the connection ends with the response.
    close: bool,
}

/// The header lines of the latest response, in their order. Most of the next one's are the same,
/// and to compare a line costs a tenth of reading it.
#[derive(Default)]
pub(super) struct Lines {
    cached: Vec<CachedLine>,
    /// Empty, with room for the next one's.
    room: HeaderMap,
}

struct CachedLine {
    /// All of it, with its end.
    text: Vec<u8>,
    name: HeaderName,
    value: HeaderValue,
    handling: Handling,
    /// If true, it goes out as it came if it is spelled as usual.
    may_stay: bool,
    /// If true, it says where the response ends, or the connection.
    is_framing: bool,
}

/// The handling of a line before a client gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handling {
    Dropped,
    /// It goes out as it came.
    AsIs,
    /// It is looked at.
    Other,
}

impl Head {
    /// Takes the next head out of `input`, or nothing if it has not all come, and has `sent` be its
    /// header lines. What only says that another will come is skipped (RFC 9110 section 15.2).
    pub(super) fn take(
        input: &mut BytesMut,
        lines: &mut Lines,
        sent: &mut Received,
    ) -> Result<Option<Self>, Malformed> {
        loop {
            match Self::read(input, lines, sent)? {
                Some((head, length)) => {
                    input.advance(length);
                    let status = head.response.status();
                    if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                        return Ok(Some(head));
                    }
                }
                None if input.len() < LONGEST_HEAD => return Ok(None),
                None => return Err(Malformed::LongHead),
            }
        }
    }

    /// The head that `input` begins with, and how many bytes that has.
    fn read(
        input: &[u8],
        lines: &mut Lines,
        sent: &mut Received,
    ) -> Result<Option<(Self, usize)>, Malformed> {
        let Some(first) = first_line(input) else {
            return Ok(None);
        };
        let mut response = status(bare(first))?;
        let mut framing = Framing::default();
        let headers = response.headers_mut();
        *headers = std::mem::take(&mut lines.room);
        headers.reserve(lines.cached.len());
        sent.clear();
        let mut at = first.len();
        // Where those begin that go on and are not in `sent`.
        let mut passed = at;
        for index in 0.. {
            let rest = &input[at..];
            if let [b'\r', b'\n', ..] | [b'\n', ..] = rest {
                sent.lines.extend_from_slice(&input[passed..at]);
                // To some, a number that begins with zeros is octal.
                if framing.is_odd
                    && let Some(length) = framing.length
                {
                    headers.insert(header::CONTENT_LENGTH, length.into());
                    sent.is_special = true;
                }
                // Chunks win over a length (RFC 9112 section 6.3), which then says nothing.
                if framing.chunked && framing.length.is_some() {
                    headers.remove(header::CONTENT_LENGTH);
                    sent.is_special = true;
                }
                sent.count = headers.len();
                sent.length = framing.length;
                let length = at + if rest[0] == b'\r' { 2 } else { 1 };
                return Ok(Some((Self { response, framing }, length)));
            }
            let Some(line) = lines.read(index, rest)? else {
                return Ok(None);
            };
            if index == MOST_HEADERS {
                return Err(Malformed::LongHead);
            }
            if line.is_framing {
                framing.note(&line.name, line.value.as_bytes())?;
            }
            let end = at + line.text.len();
            if line.handling == Handling::Dropped {
                sent.lines.extend_from_slice(&input[passed..at]);
                passed = end;
            } else {
                headers.append(line.name.clone(), line.value.clone());
                sent.is_special |= line.handling == Handling::Other;
                sent.longest = sent.longest.max(line.text.len());
            }
            at = end;
        }
        Ok(None)
    }

    /// The body that is to come of this response to a request of `method`.
    pub(super) fn rest(&self, method: &Method) -> Result<Rest, Malformed> {
        let status = self.response.status();
        if *method == Method::HEAD
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
        {
            return Ok(Rest::Nothing);
        }
        Ok(match (self.framing.chunked, self.framing.length) {
            (true, _) if self.response.version() == Version::HTTP_10 => {
                return Err(Malformed::Framing);
            }
            // Chunks win over a length.
            (true, _) => Rest::Size,
            (false, Some(0)) => Rest::Nothing,
            (false, Some(length)) => Rest::Length(length),
            (false, None) => Rest::UntilClose,
        })
    }

    /// Returns whether the connection outlives the response.
    pub(super) fn is_persistent(&self) -> bool {
        !self.framing.close && self.response.version() == Version::HTTP_11
    }
}

/// The first line of `input` with its end, if that has come.
fn first_line(input: &[u8]) -> Option<&[u8]> {
    memchr(b'\n', input).map(|end| &input[..=end])
}

/// A line without its end, for which a line feed alone will do (RFC 9112 section 2.2).
fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A response without headers, as its first line says (RFC 9112 section 4).
fn status(line: &[u8]) -> Result<Response<()>, Malformed> {
    let (version, rest) = match line.split_at_checked(b"HTTP/1.1 ".len()) {
        Some((b"HTTP/1.1 ", rest)) => (Version::HTTP_11, rest),
        Some((b"HTTP/1.0 ", rest)) => (Version::HTTP_10, rest),
        _ => return Err(Malformed::Version),
    };
    let (code, reason) = rest.split_at_checked(3).ok_or(Malformed::Status)?;
    let code = StatusCode::from_bytes(code).map_err(|_| Malformed::Status)?;
    let reason = match reason {
        [] => reason,
        [b' ', reason @ ..] => reason,
        _ => return Err(Malformed::Status),
    };
    let mut response = Response::new(());
    *response.status_mut() = code;
    *response.version_mut() = version;
    if Some(reason) != code.canonical_reason().map(str::as_bytes) {
        let reason = ReasonPhrase::try_from(reason).map_err(|_| Malformed::Status)?;
        response.extensions_mut().insert(reason);
    }
    Ok(response)
}

impl Lines {
    /// The header line that `input` begins with, if all of it has come. It is the one at `index`.
    fn read(&mut self, index: usize, input: &[u8]) -> Result<Option<&CachedLine>, Malformed> {
        let is_cached = |cached: &CachedLine| input.starts_with(&cached.text);
        if !self.cached.get(index).is_some_and(is_cached) {
            let Some(text) = first_line(input) else {
                return Ok(None);
            };
            match self.cached.get_mut(index) {
                Some(cached) => cached.change(text)?,
                None => self.cached.push(CachedLine::read(text)?),
            }
        }
        Ok(self.cached.get(index))
    }

    /// Has the next response's headers be where these were.
    pub(super) fn reuse(&mut self, mut headers: HeaderMap) {
        headers.clear();
        self.room = headers;
    }
}

impl CachedLine {
    fn read(text: &[u8]) -> Result<Self, Malformed> {
        let colon = memchr(b':', text).ok_or(Malformed::Line)?;
        let name = HeaderName::from_bytes(&text[..colon]).map_err(|_| Malformed::Line)?;
        let is_dropped = name == header::TRANSFER_ENCODING || is_foreign(name.as_str());
        let mut line = Self {
            text: text.to_vec(),
            value: value(&text[colon + 1..])?,
            handling: if is_dropped {
                Handling::Dropped
            } else {
                Handling::Other
            },
            is_framing: Framing::is_declared_by(&name),
            may_stay: !is_dropped && !is_localized(name.as_str()) && name != header::TRAILER,
            name,
        };
        line.judge();
        Ok(line)
    }

    /// Has it be `text`, which mostly has the same name.
    fn change(&mut self, text: &[u8]) -> Result<(), Malformed> {
        match text.split_at_checked(self.name.as_str().len() + 1) {
            Some((name, rest)) if self.text.starts_with(name) => {
                self.value = value(rest)?;
                self.text.clear();
                self.text.extend_from_slice(text);
                self.judge();
            }
            _ => *self = Self::read(text)?,
        }
        Ok(())
    }

    fn judge(&mut self) {
        if self.may_stay {
            let rest = self.text.get(self.name.as_str().len()..);
            let rest = rest.and_then(|rest| rest.strip_prefix(b": ")?.strip_suffix(b"\r\n"));
            self.handling = if rest == Some(self.value.as_bytes()) {
                Handling::AsIs
            } else {
                Handling::Other
            };
        }
    }
}

/// The text behind the colon of a line, without the white space around it (RFC 9110 section 5.5).
fn value(rest: &[u8]) -> Result<HeaderValue, Malformed> {
    let rest = bare(rest);
    let counts = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let value = match (rest.iter().position(counts), rest.iter().rposition(counts)) {
        (Some(first), Some(last)) => &rest[first..=last],
        _ => &[],
    };
    HeaderValue::from_bytes(value).map_err(|_| Malformed::Line)
}

impl Framing {
    fn is_declared_by(name: &HeaderName) -> bool {
        [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ]
        .contains(name)
    }

    /// Notes what a line of such a name says.
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), Malformed> {
        if *name == header::CONTENT_LENGTH {
            for length in members(value) {
                self.is_odd |= self.length.is_some() || length.starts_with(b"0") && length != b"0";
                let length = number(length).ok_or(Malformed::Framing)?;
                // The same twice is once (RFC 9112 section 6.3).
                if *self.length.get_or_insert(length) != length {
                    return Err(Malformed::Framing);
                }
            }
        } else if *name == header::TRANSFER_ENCODING {
            // Nobody asked for another by TE, and none is taken off here (RFC 9112 section 6.1).
            let mut codings = members(value);
            let only = codings.next().filter(|_| codings.next().is_none());
            if self.chunked || !only.is_some_and(|only| only.eq_ignore_ascii_case(b"chunked")) {
                return Err(Malformed::Coding);
            }
            self.chunked = true;
        } else if *name == header::CONNECTION {
            self.close |= members(value).any(|option| option.eq_ignore_ascii_case(b"close"));
        }
        Ok(())
    }
}

/// Returns whether the length that these headers name, if any, is a valid one.
pub(in crate::proxy::upstream) fn has_length(headers: &HeaderMap) -> bool {
    let lengths = headers.get_all(header::CONTENT_LENGTH);
    lengths
        .iter()
        .flat_map(|value| members(value.as_bytes()))
        .all(|length| number(length).is_some())
}

/// Digits and nothing else: Rust's own parser takes a sign. From 2^63 on, who reads it signed takes
/// it for negative.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(digits).ok()?.parse().ok()?;
    i64::try_from(number).is_ok().then_some(number)
}

/// Salesforce sends about twenty.
const MOST_HEADERS: usize = 100;

/// Bytes.
const LONGEST_HEAD: usize = 256 * 1024;

#[cfg(test)]
#[path = "../../../../tests/fuzz/head.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn take(head: &str) -> Result<(Rest, bool), Malformed> {
        let mut input = BytesMut::from(head);
        let head = Head::take(&mut input, &mut Lines::default(), &mut Received::default())?
            .expect("a whole head");
        assert!(input.is_empty());
        Ok((head.rest(&Method::GET)?, head.is_persistent()))
    }

    #[test]
    fn tells_how_long_the_body_is_and_whether_the_connection_stays() {
        for (lines, rest, persistent) in [
            ("1.1 200 OK\r\nContent-Length: 5", Rest::Length(5), true),
            ("1.1 200 OK\r\nContent-Length: 0", Rest::Nothing, true),
            ("1.1 200\r\nContent-Length: 5", Rest::Length(5), true),
            ("1.1 200 \r\nContent-Length: 5", Rest::Length(5), true),
            ("1.1 200 \u{e9}\r\nContent-Length: 5", Rest::Length(5), true),
            (
                "1.1 200 OK\r\nEmpty:\r\nContent-Length: 5",
                Rest::Length(5),
                true,
            ),
            (
                "1.1 200 OK\r\nContent-Length: 5, 5\r\ncontent-length:5",
                Rest::Length(5),
                true,
            ),
            ("1.1 200 OK\r\nTransfer-Encoding: chunked", Rest::Size, true),
            (
                "1.1 200 OK\r\nTransfer-Encoding: Chunked ",
                Rest::Size,
                true,
            ),
            (
                "1.1 200 OK\r\nContent-Length: 9223372036854775807",
                Rest::Length(i64::MAX.unsigned_abs()),
                true,
            ),
            (
                "1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
                Rest::Size,
                true,
            ),
            ("1.1 200 OK\r\nA: b", Rest::UntilClose, true),
            (
                "1.1 204 No Content\r\nContent-Length: 5",
                Rest::Nothing,
                true,
            ),
            (
                "1.1 304 Not Modified\r\nContent-Length: 5",
                Rest::Nothing,
                true,
            ),
            (
                "1.1 101 Switching Protocols\r\nUpgrade: x",
                Rest::Nothing,
                true,
            ),
            (
                "1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close",
                Rest::Length(5),
                false,
            ),
            (
                "1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive",
                Rest::Length(5),
                false,
            ),
        ] {
            let taken = take(&format!("HTTP/{lines}\r\n\r\n"));
            assert_eq!(taken, Ok((rest, persistent)), "{lines:?}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for lines in [
            "1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
            "1.1 200 OK\r\nContent-Length: 5, 6",
            "1.1 200 OK\r\nContent-Length: +5",
            "1.1 200 OK\r\nContent-Length: ",
            "1.1 200 OK\r\nContent-Length: 5x",
            "1.1 200 OK\r\nContent-Length: 99999999999999999999",
            "1.1 200 OK\r\nContent-Length: 9223372036854775808",
            "1.1 200 OK\r\nContent-Length: 18446744073709551615",
            "1.1 204 No Content\r\nContent-Length: 9223372036854775808",
            "1.1 200 OK\r\nTransfer-Encoding: gzip",
            "1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
            "1.1 200 OK\r\nTransfer-Encoding: chunked, gzip",
            "1.1 200 OK\r\nTransfer-Encoding: chunked, chunked",
            "1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
            "1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5",
            "1.1 200 OK\r\nTransfer-Encoding: xchunked",
            "1.1 200 OK\r\nTransfer-Encoding: chunked;q=1",
            "1.1 200 OK\r\nTransfer-Encoding:",
            "1.0 200 OK\r\nTransfer-Encoding: chunked",
            "1.1 200 OK\r\nA : b",
            "1.1 200 OK\r\nA: b\r\n c",
            "1.1 20 OK\r\nA: b",
            "2.0 200 OK\r\nA: b",
            "1.1 200 OK\rA: b",
            "1.1 200 OK\r\r\nA: b",
            "1.1 200 a\0b\r\nA: b",
            "1.1 200 OK\r\nA: b\rc",
            "1.1 200 OK\r\nA: b\0c",
            "1.1 200 OK\r\n: b",
            "1.1 200 OK\r\nA",
            "1.1  200 OK\r\nA: b",
            "1.1 2000 OK\r\nA: b",
        ] {
            assert!(take(&format!("HTTP/{lines}\r\n\r\n")).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn nothing_follows_the_response_to_head() {
        let mut input = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        let head = Head::take(&mut input, &mut Lines::default(), &mut Received::default());
        let head = head.unwrap().unwrap();
        assert_eq!(head.rest(&Method::HEAD), Ok(Rest::Nothing));
    }

    #[test]
    fn comes_in_pieces_and_after_others() {
        let wire = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
            HTTP/1.1 299 As they say\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n";
        for size in [1, 3, 1000] {
            let mut input = BytesMut::new();
            let mut lines = Lines::default();
            let mut taken = None;
            for piece in wire.as_bytes().chunks(size) {
                assert!(taken.is_none(), "whole before its end, in pieces of {size}");
                input.extend_from_slice(piece);
                taken = Head::take(&mut input, &mut lines, &mut Received::default()).unwrap();
            }
            let response = taken.expect("a whole head").response;
            assert_eq!(response.status(), 299);
            assert_eq!(
                response
                    .extensions()
                    .get::<ReasonPhrase>()
                    .unwrap()
                    .as_bytes(),
                b"As they say"
            );
            let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
            assert_eq!(cookies, ["a", "b"]);
        }
    }

    #[test]
    fn is_read_anew_where_it_is_not_what_the_last_one_was() {
        let heads: [&[(&str, &str)]; 9] = [
            &[("a", "1"), ("b", "2"), ("set-cookie", "x")],
            &[("a", "1"), ("b", "2"), ("set-cookie", "x")],
            &[("A", "1"), ("b", "3"), ("set-cookie", "x")],
            &[
                ("a", "12"),
                ("b", ""),
                ("set-cookie", "x"),
                ("set-cookie", "y"),
            ],
            &[("a", "1"), ("c", "3")],
            &[],
            &[("ab", "1"), ("a", "b:1"), ("a", "b")],
            &[("set-cookie", "y"), ("a", "b")],
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")],
        ];
        let text = |head: &[(&str, &str)]| {
            let lines = head
                .iter()
                .map(|(name, value)| format!("{name}: {value}\r\n"));
            format!("HTTP/1.1 200 OK\r\n{}\r\n", lines.collect::<String>())
        };
        for size in [1, 2, 7, 1000] {
            let mut lines = Lines::default();
            for head in heads {
                let mut input = BytesMut::new();
                let mut taken = None;
                for piece in text(head).as_bytes().chunks(size) {
                    assert!(taken.is_none());
                    input.extend_from_slice(piece);
                    taken = Head::take(&mut input, &mut lines, &mut Received::default()).unwrap();
                }
                let response = taken.expect("a whole head").response;
                let headers = response.headers();
                assert_eq!(headers.len(), head.len(), "{head:?}");
                for (name, _) in head {
                    let is_it = |(other, _): &&(&str, &str)| other.eq_ignore_ascii_case(name);
                    let wanted: Vec<_> =
                        head.iter().filter(is_it).map(|(_, value)| *value).collect();
                    let read: Vec<_> = headers.get_all(*name).iter().collect();
                    assert_eq!(read, wanted, "{name} of {head:?}");
                }
            }
        }
    }

    #[test]
    fn lines_go_on_as_they_are_only_where_that_is_as_usual() {
        for (lines, plain) in [
            ("A: b\r\nc-D: \"e\" f\r\nContent-Length: 0\r\n", true),
            (
                "A: b\r\nTransfer-Encoding: chunked\r\nStrict-Transport-Security: x\r\nC: d\r\n",
                true,
            ),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", false),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", false),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", false),
            ("Content-Length: 5, 5\r\n", false),
            ("Content-Length: 05\r\n", false),
            ("A:b\r\n", false),
            ("A: b \r\n", false),
            ("A:  b\r\n", false),
            ("A: b\n", false),
            ("A:\r\n", false),
            ("Connection: x\r\n", false),
            ("Keep-Alive: x\r\n", false),
            ("Trailer: x\r\n", false),
            ("Set-Cookie: x\r\n", false),
            ("Location: x\r\n", false),
        ] {
            let (mut cache, mut sent) = (Lines::default(), Received::default());
            let mut head = None;
            for lines in ["A: 1\r\nB: 2\r\nC: 3\r\n", "", lines, lines] {
                let mut input = BytesMut::from(&*format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
                head = Head::take(&mut input, &mut cache, &mut sent).unwrap();
            }
            let headers = head.unwrap().response.into_parts().0.headers;
            assert_eq!(!sent.is_special, plain, "{lines:?}");
            assert_eq!(sent.count, headers.len());
            let longest = headers.values().map(HeaderValue::len).max();
            assert!(sent.longest >= longest.unwrap_or_default());
            let passed = lines
                .replace("Transfer-Encoding: chunked\r\n", "")
                .replace("Strict-Transport-Security: x\r\n", "");
            assert_eq!(sent.lines, passed.as_bytes());
        }
    }

    #[test]
    fn one_without_end_is_refused() {
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(LONGEST_HEAD));
        let mut input = BytesMut::from(&*endless);
        assert!(Head::take(&mut input, &mut Lines::default(), &mut Received::default()).is_err());
        let lines = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(take(&lines(MOST_HEADERS)).is_ok());
        assert!(take(&lines(MOST_HEADERS + 1)).is_err());
    }
}
