//! What is compressed comes out as it went in, in small pieces; what is not, comes out as another
//! reader has it, or not at all.

use std::io::Read;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};

use super::*;
use crate::{fuzz::property, proxy::coding::decoder};

#[test]
fn what_was_compressed_comes_out_and_nothing_else() {
    const NONE: [&str; 0] = [];
    property!("inflate", NONE, 512, holds);
}

fn holds(input: &[u8]) {
    let Some((how, rest)) = input.split_first() else {
        return;
    };
    let many = rest.repeat(1 + usize::from(how >> 4) * 64);
    let level = Compression::new(u32::from(how % 10));
    let size = 1 + usize::from(*how) * 37;
    let mut gzip = GzEncoder::new(Vec::new(), level);
    let mut zlib = ZlibEncoder::new(Vec::new(), level);
    let mut bare = DeflateEncoder::new(Vec::new(), level);
    for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut bare] {
        encoder.write_all(&many).unwrap();
    }
    let (gzip, zlib, bare) = (
        gzip.finish().unwrap(),
        zlib.finish().unwrap(),
        bare.finish().unwrap(),
    );
    // A bare one that begins as one with a header does is not known as such.
    let is_known = bare.first().is_some_and(|first| first & 0x0f != 8);
    for (coding, body, expected) in [
        (Coding::Gzip, &gzip, true),
        (Coding::Deflate, &zlib, true),
        (Coding::Deflate, &bare, is_known),
    ] {
        let plain = inflated(coding, body, size);
        // A bomb is refused, and so is what comes to nothing.
        let may_fail = many.len() > HARMLESS || !expected;
        assert!(
            may_fail && plain.is_none() || plain.as_deref() == Some(&many[..]),
            "{coding:?}"
        );
        // Damaged in one place.
        let mut damaged = body.clone();
        let at = usize::from(rest.first().copied().unwrap_or_default()) % damaged.len();
        damaged[at] ^= 1 << (how & 7);
        agrees(coding, &damaged, size);
        agrees(coding, &damaged[..at], size);
        agrees(coding, rest, size);
    }
}

/// Another reader has the same, where ours is content.
fn agrees(coding: Coding, body: &[u8], size: usize) {
    let Some(plain) = inflated(coding, body, size) else {
        return;
    };
    let mut others = Vec::new();
    let read = decoder(Some(coding), body).read_to_end(&mut others);
    assert!(
        read.is_ok() && others == plain,
        "{coding:?} {}",
        body.escape_ascii()
    );
}

fn inflated(coding: Coding, body: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut inflate = Inflate::new(coding);
    let mut plain = Vec::new();
    for piece in body.chunks(size) {
        inflate.feed(Bytes::copy_from_slice(piece));
        loop {
            match inflate.next().ok()? {
                Some(piece) => {
                    assert!(piece.len() <= 64 * 1024, "{}", piece.len());
                    plain.extend_from_slice(&piece);
                }
                None if inflate.pauses() => {}
                None => break,
            }
        }
    }
    plain.extend_from_slice(&inflate.finish().ok()?.unwrap_or_default());
    Some(plain)
}
