//! The next bytes of a request.

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Up to three pieces that follow each other, and go out in one vectored write.
#[derive(Default)]
pub(super) struct Pieces {
    /// The head of a request, or the size of a chunk, or both.
    pub(super) head: BytesMut,
    /// A piece of the body.
    pub(super) body: Bytes,
    /// The end of a chunk, or of all chunks.
    pub(super) tail: &'static [u8],
}

impl Pieces {
    fn all(&self) -> [&[u8]; 3] {
        [&self.head, &self.body, self.tail]
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    fn chunk(&self) -> &[u8] {
        let mut pieces = self.all().into_iter();
        pieces.find(|piece| !piece.is_empty()).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pieces = self.all().into_iter().filter(|piece| !piece.is_empty());
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    fn advance(&mut self, count: usize) {
        let of_head = count.min(self.head.len());
        self.head.advance(of_head);
        let of_body = (count - of_head).min(self.body.len());
        self.body.advance(of_body);
        self.tail.advance(count - of_head - of_body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_goes_out_in_order_however_much_is_written_at_once() {
        for (head, body, tail) in [
            ("5\r\n", "hello", &b"\r\n"[..]),
            ("GET / HTTP/1.1\r\n\r\n", "", b""),
            ("", "hello", b""),
            ("", "", b"0\r\n\r\n"),
            ("5\r\n", "", b"\r\n"),
            ("", "", b""),
        ] {
            let whole = [head.as_bytes(), body.as_bytes(), tail].concat();
            for most in 1..=whole.len() + 1 {
                let mut pieces = Pieces {
                    head: head.into(),
                    body: body.into(),
                    tail,
                };
                let mut out = Vec::new();
                while pieces.has_remaining() {
                    assert!(whole[out.len()..].starts_with(pieces.chunk()));
                    let mut slices = [IoSlice::new(&[]); 3];
                    let count = pieces.chunks_vectored(&mut slices);
                    assert!(slices[..count].iter().all(|slice| !slice.is_empty()));
                    let left: Vec<u8> = slices[..count].iter().flat_map(|it| it.to_vec()).collect();
                    assert_eq!(left, whole[out.len()..], "all that is left, at once");
                    let written = most.min(left.len());
                    out.extend_from_slice(&left[..written]);
                    pieces.advance(written);
                }
                assert_eq!(out, whole);
            }
        }
    }
}
