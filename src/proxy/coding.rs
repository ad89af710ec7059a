//! Content-Encoding: the compression of requests, responses, and what the proxy itself asks.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// The compression of a body (RFC 9110 section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// The compression that `headers` declare, if they declare any.
    ///
    /// # Errors
    /// The words that they have instead, if they are not known here.
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

/// Decompresses `body` as it is read. What claims to be deflated may lack the header that it should
/// have, as with some senders.
pub(crate) fn decoder(coding: Option<Coding>, body: &[u8]) -> Box<dyn Read + '_> {
    match coding {
        Some(Coding::Gzip) => Box::new(MultiGzDecoder::new(body)),
        Some(Coding::Deflate) if is_bare(body) => Box::new(DeflateDecoder::new(body)),
        Some(Coding::Deflate) => Box::new(ZlibDecoder::new(body)),
        None => Box::new(body),
    }
}

/// Returns whether `body`, which is deflated, begins without the header of zlib (RFC 1950 section
/// 2.2).
pub(crate) fn is_bare(body: &[u8]) -> bool {
    body.first().is_some_and(|first| first & 0x0f != 8)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write};
    use http::HeaderValue;

    use super::*;

    #[test]
    fn knows_codings() {
        for (lines, expected) in [
            (&[][..], Some(None)),
            (&["identity"], Some(None)),
            (&["gzip"], Some(Some(Coding::Gzip))),
            (&["X-GZIP"], Some(Some(Coding::Gzip))),
            (&["deflate"], Some(Some(Coding::Deflate))),
            (&["br"], None),
            (&["gzip, gzip"], None),
            (&["gzip", "gzip"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(Coding::of(&headers).ok(), expected, "{lines:?}");
        }
    }

    #[test]
    fn each_coding_is_read_with_its_header_and_without() {
        let mut gzip = write::GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = write::ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut bare = write::DeflateEncoder::new(Vec::new(), Compression::fast());
        for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut bare] {
            encoder.write_all(b"a body").unwrap();
        }
        for (coding, body) in [
            (Some(Coding::Gzip), gzip.finish().unwrap()),
            (Some(Coding::Deflate), zlib.finish().unwrap()),
            (Some(Coding::Deflate), bare.finish().unwrap()),
            (None, b"a body".to_vec()),
        ] {
            let mut text = String::new();
            decoder(coding, &body).read_to_string(&mut text).unwrap();
            assert_eq!(text, "a body", "{coding:?}");
        }
    }
}
