//! The head of an answer as it comes over HTTP/1.1 (RFC 9112 sections 4 to 6).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::{Malformed, body::Rest};
use crate::headers::members;

/// The head of an answer, and what it says of what comes behind.
pub(super) struct Head {
    pub(super) response: Response<()>,
    framing: Framing,
}

/// What the header lines say of it.
#[derive(Default)]
struct Framing {
    /// Bytes.
    length: Option<u64>,
    /// Whether the last transfer coding is `chunked`, if there is any.
    chunked: Option<bool>,
    /// Whether the connection ends with the answer.
    close: bool,
}

impl Head {
    /// Takes the next head out of `input`, or nothing if it has not all come. What only says that
    /// another will come is skipped (RFC 9110 section 15.2).
    pub(super) fn take(input: &mut &[u8]) -> Result<Option<Self>, Malformed> {
        while let Some(head) = Self::parse(input)? {
            let status = head.response.status();
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    fn parse(input: &mut &[u8]) -> Result<Option<Self>, Malformed> {
        let mut lines = [const { MaybeUninit::uninit() }; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        let length = match ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            input,
            &mut lines,
        ) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if input.len() < LONGEST_HEAD => return Ok(None),
            Ok(Status::Partial) => return Err(Malformed::LongHead),
            Err(error) => return Err(Malformed::Head(error)),
        };
        // One copy for all values.
        let copy = Bytes::copy_from_slice(&input[..length]);
        let start = input.as_ptr().addr();
        let share = |part: &[u8]| {
            let at = part.as_ptr().addr() - start;
            copy.slice(at..at + part.len())
        };

        let mut response = Response::new(());
        *response.status_mut() =
            StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(|_| Malformed::Status)?;
        *response.version_mut() = match parsed.version {
            Some(1) => Version::HTTP_11,
            _ => Version::HTTP_10,
        };
        let reason = parsed.reason.unwrap_or_default();
        if Some(reason) != response.status().canonical_reason()
            // Copied: where there is none it is no part of the input.
            && let Ok(reason) = ReasonPhrase::try_from(reason.as_bytes().to_vec())
        {
            response.extensions_mut().insert(reason);
        }
        let mut framing = Framing::default();
        response.headers_mut().reserve(parsed.headers.len());
        for line in parsed.headers {
            let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Malformed::Line)?;
            framing.note(&name, line.value)?;
            let value =
                HeaderValue::from_maybe_shared(share(line.value)).map_err(|_| Malformed::Line)?;
            response.headers_mut().append(name, value);
        }
        *input = &input[length..];
        Ok(Some(Self { response, framing }))
    }

    /// What is to come of the body of this answer to a request of `method`.
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
            (Some(_), _) if self.response.version() == Version::HTTP_10 => {
                return Err(Malformed::Framing);
            }
            // Chunks win over a length.
            (Some(true), _) => Rest::Size,
            (None, Some(0)) => Rest::Nothing,
            (None, Some(length)) => Rest::Length(length),
            (Some(false), _) | (None, None) => Rest::UntilClose,
        })
    }

    /// Whether the connection outlives the answer.
    pub(super) fn is_persistent(&self) -> bool {
        !self.framing.close && self.response.version() == Version::HTTP_11
    }
}

impl Framing {
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), Malformed> {
        if *name == header::CONTENT_LENGTH {
            for length in members(value) {
                let length = number(length).ok_or(Malformed::Framing)?;
                // The same twice is once (RFC 9112 section 6.3).
                if *self.length.get_or_insert(length) != length {
                    return Err(Malformed::Framing);
                }
            }
        } else if *name == header::TRANSFER_ENCODING {
            let last = members(value).last().unwrap_or_default();
            self.chunked = Some(last.eq_ignore_ascii_case(b"chunked"));
        } else if *name == header::CONNECTION {
            self.close |= members(value).any(|option| option.eq_ignore_ascii_case(b"close"));
        }
        Ok(())
    }
}

/// Digits and nothing else: Rust's own parser takes a sign.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Salesforce sends about twenty.
const MOST_HEADERS: usize = 100;

/// Bytes.
const LONGEST_HEAD: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn take(head: &str) -> Result<(Rest, bool), Malformed> {
        let mut input = head.as_bytes();
        let head = Head::take(&mut input)?.expect("a whole head");
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
                "1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked",
                Rest::Size,
                true,
            ),
            (
                "1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                Rest::Size,
                true,
            ),
            (
                "1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
                Rest::Size,
                true,
            ),
            (
                "1.1 200 OK\r\nTransfer-Encoding: gzip",
                Rest::UntilClose,
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
            "1.0 200 OK\r\nTransfer-Encoding: chunked",
            "1.1 200 OK\r\nA : b",
            "1.1 200 OK\r\nA: b\r\n c",
            "1.1 20 OK\r\nA: b",
            "2.0 200 OK\r\nA: b",
        ] {
            assert!(take(&format!("HTTP/{lines}\r\n\r\n")).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn nothing_follows_the_answer_to_head() {
        let mut input = &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"[..];
        let head = Head::take(&mut input).unwrap().unwrap();
        assert_eq!(head.rest(&Method::HEAD), Ok(Rest::Nothing));
    }

    #[test]
    fn comes_in_pieces_and_after_others() {
        let wire = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
            HTTP/1.1 299 As they say\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n";
        for size in [1, 3, 1000] {
            let mut input = Vec::new();
            let mut taken = None;
            for piece in wire.as_bytes().chunks(size) {
                assert!(taken.is_none(), "whole before its end, in pieces of {size}");
                input.extend_from_slice(piece);
                let mut unread = &input[..];
                taken = Head::take(&mut unread).unwrap();
                input = unread.to_vec();
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
    fn one_without_end_is_refused() {
        let head = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(LONGEST_HEAD));
        assert!(Head::take(&mut head.as_bytes()).is_err());
    }
}
