//! Decompresses what a client sends, within bounds.

use std::{io, io::Write, mem};

use bytes::{Buf, Bytes};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

use super::ClientFault;

/// How a body is compressed (RFC 9110 section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// What `headers` say of a body, if they say that it is compressed.
    ///
    /// # Errors
    /// What they say instead, if it is in a way that we do not know.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, String> {
        let mut lines = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        if lines.next().is_some() {
            return Err("more than one".to_owned());
        }
        match line.as_bytes().trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(None),
            b"gzip" | b"x-gzip" => Ok(Some(Self::Gzip)),
            b"deflate" => Ok(Some(Self::Deflate)),
            other => Err(String::from_utf8_lossy(other).into_owned()),
        }
    }
}

/// A body's decompression under way.
pub(super) struct Inflate {
    decoder: Decoder,
    /// What is still to be decompressed.
    input: Bytes,
    /// Bytes in, and out, so far.
    taken: usize,
    given: usize,
}

enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// Of which the first byte will tell whether it is bare, as some senders have it.
    Unknown,
    Zlib(ZlibDecoder<Vec<u8>>),
    Bare(DeflateDecoder<Vec<u8>>),
}

impl Inflate {
    pub(super) fn new(coding: Coding) -> Self {
        Self {
            decoder: match coding {
                Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(Vec::new())),
                Coding::Deflate => Decoder::Unknown,
            },
            input: Bytes::new(),
            taken: 0,
            given: 0,
        }
    }

    /// Takes in the next piece. The one before must have been used up.
    pub(super) fn feed(&mut self, piece: Bytes) {
        self.input = piece;
    }

    /// The next decompressed piece of what was fed, or nothing once it is used up.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, ClientFault> {
        while !self.input.is_empty() {
            // A little at a time, since it can become a thousand times as much.
            let length = self.input.len().min(STEP);
            let step = &self.input[..length];
            if let Decoder::Unknown = self.decoder {
                self.decoder = match step[0] & 0x0f == 8 {
                    true => Decoder::Zlib(ZlibDecoder::new(Vec::new())),
                    false => Decoder::Bare(DeflateDecoder::new(Vec::new())),
                };
            }
            let written = match &mut self.decoder {
                Decoder::Gzip(decoder) => decoder.write_all(step),
                Decoder::Zlib(decoder) => decoder.write_all(step),
                Decoder::Bare(decoder) => decoder.write_all(step),
                Decoder::Unknown => Ok(()),
            };
            self.input.advance(length);
            self.taken += length;
            written.map_err(|_| ClientFault::Undecodable)?;
            if let Some(piece) = self.output()? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// What is left when all was fed.
    pub(super) fn finish(&mut self) -> Result<Option<Bytes>, ClientFault> {
        let finished = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zlib(decoder) => decoder.try_finish(),
            Decoder::Bare(decoder) => decoder.try_finish(),
            Decoder::Unknown => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        finished.map_err(|_| ClientFault::Undecodable)?;
        self.output()
    }

    fn output(&mut self) -> Result<Option<Bytes>, ClientFault> {
        let output = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zlib(decoder) => decoder.get_mut(),
            Decoder::Bare(decoder) => decoder.get_mut(),
            Decoder::Unknown => return Ok(None),
        };
        let piece = mem::take(output);
        self.given += piece.len();
        let is_bomb = self.given > HARMLESS && self.given / RATIO > self.taken;
        if self.given > MOST || is_bomb {
            return Err(ClientFault::Inflated);
        }
        Ok(Some(Bytes::from(piece)).filter(|piece| !piece.is_empty()))
    }
}

/// Bytes of input at once.
const STEP: usize = 4 * 1024;

/// Bytes of output. Salesforce takes 50 MB (S§7).
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// Bytes of output that are not worth a question.
const HARMLESS: usize = 512 * 1024;

/// Times as much out as in: rows that hardly differ stay below, a bomb has a thousand.
const RATIO: usize = 400;
