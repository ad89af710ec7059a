//! Decompresses what a client sends, within bounds.

use std::{io, io::Write, mem};

use bytes::{Buf, Bytes};
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::ClientFault;
use crate::proxy::coding::{Coding, is_bare};

/// A body's decompression under way.
pub(super) struct Inflate {
    decoder: Decoder,
    /// The bytes that are still to be decompressed.
    input: Bytes,
    /// Bytes in, and out, so far.
    taken: usize,
    given: usize,
    /// The number of turns of the decoder since the last pause.
    steps: usize,
}

enum Decoder {
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// One whose first byte will show whether it is bare, as some senders have it.
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
            steps: 0,
        }
    }

    /// Takes in the next piece. The one before must have been used up.
    pub(super) fn feed(&mut self, piece: Bytes) {
        self.input = piece;
    }

    /// The next decompressed piece of what was fed, or nothing once it is used up, or enough was
    /// done at once.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, ClientFault> {
        while !self.input.is_empty() && self.steps < MOST_STEPS {
            self.steps += 1;
            let length = self.input.len().min(STEP);
            let step = &self.input[..length];
            if let Decoder::Unknown = self.decoder {
                self.decoder = if is_bare(step) {
                    Decoder::Bare(DeflateDecoder::new(Vec::new()))
                } else {
                    Decoder::Zlib(ZlibDecoder::new(Vec::new()))
                };
            }
            // As much as fills the decoder's buffer: what is small can become a thousand times as
            // much.
            let used = match &mut self.decoder {
                Decoder::Gzip(decoder) => decoder.write(step),
                Decoder::Zlib(decoder) => decoder.write(step),
                Decoder::Bare(decoder) => decoder.write(step),
                Decoder::Unknown => Ok(0),
            };
            let used = used.map_err(|_| ClientFault::Undecodable)?;
            // After its end there must be nothing.
            if used == 0 {
                return Err(ClientFault::Undecodable);
            }
            self.input.advance(used);
            self.taken += used;
            if let Some(piece) = self.output()? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Returns whether enough was done at once. Then more may be done.
    pub(super) fn pauses(&mut self) -> bool {
        let pauses = self.steps >= MOST_STEPS;
        if pauses {
            self.steps = 0;
        }
        pauses
    }

    /// The rest when all was fed.
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
        // Thousands of members with a byte each, or none: each takes as long as a long one.
        if self.taken > SLACK + 2 * self.given {
            return Err(ClientFault::Hollow);
        }
        Ok(Some(Bytes::from(piece)).filter(|piece| !piece.is_empty()))
    }
}

/// Bytes of input at once.
const STEP: usize = 4 * 1024;

/// Turns of the decoder before others have theirs: some hundred microseconds.
const MOST_STEPS: usize = 32;

/// Bytes of input that may come to nothing. Some are still on their way through the decoder.
const SLACK: usize = 96 * 1024;

/// Bytes of output. Salesforce takes 50 MB.
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// Bytes of output that are not worth a question.
const HARMLESS: usize = 512 * 1024;

/// Times as much out as in: rows that hardly differ stay below, a bomb has a thousand.
const RATIO: usize = 400;

#[cfg(test)]
#[path = "../../../tests/fuzz/inflate.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    /// The output, the longest piece of it, and the most that went in at once without a pause.
    fn inflate(compressed: &[u8]) -> Result<(Vec<u8>, usize, usize), ClientFault> {
        let mut inflate = Inflate::new(Coding::Gzip);
        let (mut plain, mut longest, mut most) = (Vec::new(), 0, 0);
        for piece in compressed.chunks(100_000) {
            inflate.feed(Bytes::copy_from_slice(piece));
            loop {
                let before = inflate.taken;
                match inflate.next()? {
                    Some(piece) => {
                        longest = longest.max(piece.len());
                        plain.extend_from_slice(&piece);
                    }
                    None if inflate.pauses() => most = most.max(inflate.taken - before),
                    None => break,
                }
            }
        }
        plain.extend_from_slice(&inflate.finish()?.unwrap_or_default());
        Ok((plain, longest, most))
    }

    #[test]
    fn gives_back_what_was_compressed_in_pieces_of_a_bounded_length() {
        let noise: Vec<u8> = (0..500_000_u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect();
        let members = [&gzip(b"hello ")[..], &gzip(b""), &gzip(&noise)].concat();
        let many = gzip(&[b'x'; 100]).repeat(5000);
        for (compressed, expected) in [
            (gzip(b"hello"), b"hello".to_vec()),
            (gzip(&[b'x'; 400_000]), vec![b'x'; 400_000]),
            (gzip(&noise), noise.clone()),
            (members, [&b"hello "[..], &noise].concat()),
            (many, vec![b'x'; 500_000]),
        ] {
            let (plain, longest, most) = inflate(&compressed).unwrap();
            assert!(plain == expected);
            assert!(longest <= 64 * 1024, "{longest}");
            assert!(most <= MOST_STEPS * STEP, "{most}");
        }
    }

    #[test]
    fn input_that_comes_to_nothing_is_refused() {
        for content in ["", "x", "xyz"] {
            let hollow = gzip(content.as_bytes()).repeat(100_000);
            assert_eq!(inflate(&hollow).unwrap_err(), ClientFault::Hollow);
        }
        assert_eq!(
            inflate(&gzip(&vec![0; 10 << 20])).unwrap_err(),
            ClientFault::Inflated
        );
        assert_eq!(inflate(b"no gzip").unwrap_err(), ClientFault::Undecodable);
    }
}
