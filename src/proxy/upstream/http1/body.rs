//! The body of a response as it comes over HTTP/1.1 (RFC 9112 sections 6 and 7).

use bytes::{Buf, Bytes, BytesMut};
use httparse::Status;
use memchr::memchr;

use super::Malformed;

/// The part of a body that is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Bytes.
    Length(u64),
    /// The size of a chunk, and the chunk.
    Size,
    /// Bytes of this chunk, and other chunks.
    Chunk(u64),
    /// The end of a chunk's line, and other chunks.
    ChunkEnd,
    Trailers,
    /// All that comes until the connection ends.
    UntilClose,
    Nothing,
}

impl Rest {
    /// Takes the next piece out of `input`, or nothing where that takes more input or has all been
    /// taken. Trailers are not passed on.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        while !input.is_empty() {
            match *self {
                Self::Length(left) => {
                    let piece = cut(input, left);
                    *self = match left - piece.len() as u64 {
                        0 => Self::Nothing,
                        left => Self::Length(left),
                    };
                    return Ok(Some(piece));
                }
                Self::Chunk(left) => {
                    let piece = cut(input, left);
                    *self = match left - piece.len() as u64 {
                        0 => Self::ChunkEnd,
                        left => Self::Chunk(left),
                    };
                    return Ok(Some(piece));
                }
                Self::UntilClose => return Ok(Some(cut(input, u64::MAX))),
                Self::Nothing => return Ok(None),
                // The parser takes no digits for none.
                Self::Size if !input[0].is_ascii_hexdigit() => return Err(Malformed::Chunk),
                // It takes a line feed alone for a part of an extension.
                Self::Size if has_bare_end(input) => return Err(Malformed::Chunk),
                Self::Size => match httparse::parse_chunk_size(input) {
                    // The parser takes a line feed alone for part of an extension.
                    Ok(Status::Complete((line, _))) if memchr(b'\n', input) != Some(line - 1) => {
                        return Err(Malformed::Chunk);
                    }
                    // No length is as large, and whoever reads it signed takes it for negative.
                    Ok(Status::Complete((_, size))) if i64::try_from(size).is_err() => {
                        return Err(Malformed::Chunk);
                    }
                    Ok(Status::Complete((line, size))) => {
                        input.advance(line);
                        *self = match size {
                            0 => Self::Trailers,
                            size => Self::Chunk(size),
                        };
                    }
                    Ok(Status::Partial) if input.len() < LONGEST_SIZE_LINE => return Ok(None),
                    Ok(Status::Partial) | Err(_) => return Err(Malformed::Chunk),
                },
                Self::ChunkEnd => match **input {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    [b'\r'] => return Ok(None),
                    _ => return Err(Malformed::Chunk),
                },
                Self::Trailers => {
                    let mut lines = [httparse::EMPTY_HEADER; MOST_TRAILERS];
                    match httparse::parse_headers(input, &mut lines) {
                        Ok(Status::Complete((length, _))) => {
                            input.advance(length);
                            *self = Self::Nothing;
                        }
                        Ok(Status::Partial) if input.len() < LONGEST_TRAILERS => return Ok(None),
                        Ok(Status::Partial) | Err(_) => return Err(Malformed::Trailers),
                    }
                }
            }
        }
        Ok(None)
    }

    pub(super) fn is_nothing(self) -> bool {
        self == Self::Nothing
    }
}

/// Returns whether the first line of `input` ends in a line feed alone.
fn has_bare_end(input: &[u8]) -> bool {
    memchr(b'\n', input).is_some_and(|end| !input[..end].ends_with(b"\r"))
}

/// The first bytes of `input`, at most `most`.
fn cut(input: &mut BytesMut, most: u64) -> Bytes {
    let length = input.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    input.split_to(length).freeze()
}

/// Bytes of a chunk's size and all that may stand behind it.
const LONGEST_SIZE_LINE: usize = 16 * 1024;

/// Bytes.
const LONGEST_TRAILERS: usize = 16 * 1024;

const MOST_TRAILERS: usize = 32;

#[cfg(test)]
#[path = "../../../../tests/fuzz/body.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    /// The body that comes out when `wire` comes in pieces of `size` bytes, and what is left of it.
    pub(super) fn read(
        mut rest: Rest,
        wire: &[u8],
        size: usize,
    ) -> Result<(Vec<u8>, Rest, Vec<u8>), Malformed> {
        let mut input = BytesMut::new();
        let mut body = Vec::new();
        for piece in wire.chunks(size) {
            input.extend_from_slice(piece);
            while let Some(piece) = rest.take(&mut input)? {
                body.extend_from_slice(&piece);
            }
        }
        Ok((body, rest, input.into()))
    }

    #[test]
    fn ends_where_the_message_ends() {
        let large = vec![b'x'; 0x3000];
        let chunked = [b"3000\r\n", &large[..], b"\r\n0\r\n\r\nmore"].concat();
        for (rest, wire, body, more) in [
            (
                Rest::Length(5),
                &b"hellomore"[..],
                &b"hello"[..],
                &b"more"[..],
            ),
            (Rest::Length(0x3000), &large, &large, b""),
            (
                Rest::Size,
                b"5\r\nhello\r\n0\r\n\r\nmore",
                b"hello",
                b"more",
            ),
            (
                Rest::Size,
                b"5;a=\"b\"\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n",
                b"hello world",
                b"",
            ),
            (
                Rest::Size,
                b"00A \r\nabcdefghij\r\n0\r\n\r\n",
                b"abcdefghij",
                b"",
            ),
            (Rest::Size, &chunked, &large, b"more"),
        ] {
            for size in [1, 2, 3, 7, 100_000] {
                let (read, rest, left) = read(rest, wire, size).unwrap();
                assert_eq!(read, body);
                assert_eq!(
                    (rest, &left[..]),
                    (Rest::Nothing, more),
                    "in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn is_not_over_before_its_end() {
        for (rest, wire) in [
            (Rest::Length(6), "hello"),
            (Rest::Size, "5\r\nhell"),
            (Rest::Size, "5\r\nhello\r"),
            (Rest::Size, "5\r\nhello\r\n"),
            (Rest::Size, "5\r\nhello\r\n0\r\n"),
            (Rest::Size, "5\r\nhello\r\n0\r\nA: b\r\n"),
            (Rest::UntilClose, "hello"),
        ] {
            for size in [1, 2, 100] {
                let (_, rest, _) = read(rest, wire.as_bytes(), size).unwrap();
                assert!(!rest.is_nothing(), "{wire:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for wire in [
            "x\r\n".to_owned(),
            "-5\r\nhello\r\n".to_owned(),
            "\r\n".to_owned(),
            ";a\r\n".to_owned(),
            "5\nhello\n".to_owned(),
            "5;a\nb\r\nhello\r\n".to_owned(),
            "5\r\nhello!\r\n".to_owned(),
            "5\r\nhello\n0\r\n\r\n".to_owned(),
            "5;a\nhello\r\n0\r\n\r\n".to_owned(),
            "5;a\rb\r\nhello\r\n0\r\n\r\n".to_owned(),
            "11111111111111111\r\n".to_owned(),
            "8000000000000000\r\n".to_owned(),
            "ffffffffffffffff\r\n".to_owned(),
            format!("5;{}", "a".repeat(LONGEST_SIZE_LINE)),
            "0\r\n a\r\n\r\n".to_owned(),
            format!("0\r\nA: {}", "a".repeat(LONGEST_TRAILERS)),
            format!("0\r\n{}\r\n", "A: b\r\n".repeat(MOST_TRAILERS + 1)),
        ] {
            for size in [1, 5, 100_000] {
                let read = read(Rest::Size, wire.as_bytes(), size);
                assert!(read.is_err(), "{wire:?} in pieces of {size}");
            }
        }
    }
}
