//! Bodies as they are compressed on the wire.

use std::io::Write;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};

/// Compresses by the name of a coding; `deflate` means zlib, as RFC 9110 section 8.4.1.2 says.
pub(crate) fn compress(coding: &str, body: &str) -> Vec<u8> {
    match coding {
        "gzip" => gzip(body),
        "deflate" => zlib(body),
        _ => panic!("{coding}"),
    }
}

pub(crate) fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zlib(body: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Compresses without the frame that RFC 9110 section 8.4.1.2 asks for.
pub(crate) fn bare_deflate(body: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
