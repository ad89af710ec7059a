//! `Content-Encoding` of requests.

use std::io::{self, Read};

use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// The body of a request with these `headers`, without gzip or deflate.
pub(super) fn decoded(headers: &HeaderMap, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    decode(headers, body, &mut decoded)?;
    Ok(decoded)
}

/// Like [`decoded`], for a body that may be incomplete.
pub(super) fn decoded_prefix(headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    // An incomplete body has been decoded up to its end.
    let _ = decode(headers, body, &mut decoded);
    decoded
}

fn decode(headers: &HeaderMap, body: &[u8], decoded: &mut Vec<u8>) -> io::Result<usize> {
    // Clients that compress everything announce it for requests without a body, too.
    if body.is_empty() {
        return Ok(0);
    }
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map_or("", |encoding| encoding.to_str().unwrap_or("?"))
        .to_ascii_lowercase();
    match encoding.as_str() {
        "" | "identity" => {
            decoded.extend_from_slice(body);
            Ok(body.len())
        }
        "gzip" | "x-gzip" => GzDecoder::new(body).take(LONGEST).read_to_end(decoded),
        "deflate" => ZlibDecoder::new(body).take(LONGEST).read_to_end(decoded),
        other => Err(io::Error::other(format!("unknown encoding {other}"))),
    }
}

/// Bytes that a compressed body may become.
const LONGEST: u64 = 50 * 1024 * 1024;
