//! A document of the org, rewritten for the client as a whole.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::body::Body as _;

use super::{
    Body,
    document::{Document, Edit},
    url_rewriter::UrlRewriter,
};
use crate::proxy::coding::{self, Coding};

/// Rewrites the URLs in the body of `response` for the client. What is too large, or is not what it
/// seems, goes on as it is.
///
/// # Errors
/// When the body breaks off, there is nothing to pass on.
pub(super) async fn rewrite(
    response: &mut Response<Body>,
    document: Document,
    rewriter: &UrlRewriter<'_>,
) -> io::Result<()> {
    let Ok(coding) = Coding::of(response.headers()) else {
        return Ok(());
    };
    if response.body().size_hint().lower() > MOST as u64 {
        return Ok(());
    }
    let (body, whole) = response.body_mut().gather(MOST + 1, None).await?;
    if whole && let Some(body) = rewritten(&body, coding, document, rewriter) {
        describe(response.headers_mut(), body.len());
        response.body_mut().replace(body);
    }
    Ok(())
}

/// `body` with URLs that lead to the proxy, if there are any to change.
fn rewritten(
    body: &[u8],
    coding: Option<Coding>,
    document: Document,
    rewriter: &UrlRewriter,
) -> Option<Bytes> {
    let text = decode(body, coding).ok()?;
    let edits = document.edits(&text, rewriter)?;
    if edits.is_empty() {
        return None;
    }
    encode(apply(&text, &edits), coding).ok().map(Bytes::from)
}

/// `text` with `edits` done, which are in its order.
pub(super) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut done = String::with_capacity(text.len());
    let mut after = 0;
    for edit in edits {
        done.push_str(&text[after..edit.at.start]);
        done.push_str(&edit.text);
        after = edit.at.end;
    }
    done + &text[after..]
}

/// Corrects the headers that describe a body that is no longer the org's.
///
/// Its validator becomes a weak one: the rewritten body means the same, but has other bytes (RFC
/// 9110 section 8.8.1). A client can still ask with it whether something changed. Digests of the
/// org's bytes are of no use any more.
fn describe(headers: &mut HeaderMap, length: usize) {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(tag) = headers.get_mut(header::ETAG)
        && !tag.as_bytes().starts_with(b"W/")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        *tag = weak;
    }
    for digest in DIGESTS {
        headers.remove(digest);
    }
}

/// Text of a bounded length.
fn decode(body: &[u8], coding: Option<Coding>) -> io::Result<String> {
    let mut text = String::new();
    let decoded = coding::decoder(coding, body);
    if decoded.take(MOST as u64 + 1).read_to_string(&mut text)? > MOST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

fn encode(text: String, coding: Option<Coding>) -> io::Result<Vec<u8>> {
    match coding {
        Some(Coding::Gzip) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()
        }
        Some(Coding::Deflate) => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()
        }
        None => Ok(text.into_bytes()),
    }
}

/// Bytes of a body, compressed or not. The WSDL of a big org has some millions.
const MOST: usize = 16 * 1024 * 1024;

/// RFC 9530, and what came before it.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

#[cfg(test)]
pub(super) mod tests {
    use http::uri::Authority;

    use super::*;
    use crate::proxy::response::url_rewriter::tests::rewriter;

    /// `text` with its `edits` for an org at `acme.my.salesforce.com`.
    pub(in crate::proxy::response) fn rewritten(
        text: &str,
        edits: impl Fn(&str, &UrlRewriter<'_>) -> Option<Vec<Edit>>,
    ) -> Option<String> {
        let instance = Authority::from_static("acme.my.salesforce.com");
        let edits = edits(text, &rewriter(&instance))?;
        Some(apply(text, &edits))
    }

    #[test]
    fn what_is_compressed_stays_so() {
        for coding in [None, Some(Coding::Gzip), Some(Coding::Deflate)] {
            let body = encode("déjà vu".repeat(1000), coding).unwrap();
            assert_eq!(body.len() < 1000, coding.is_some());
            assert_eq!(decode(&body, coding).unwrap(), "déjà vu".repeat(1000));
            let cut = decode(&body[..body.len() - 1], coding);
            assert_eq!(cut.is_err(), coding.is_some());
        }
        assert!(decode(b"\xff", None).is_err());
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = encode(" ".repeat(MOST + 1), Some(Coding::Gzip)).unwrap();
        assert!(bomb.len() < MOST / 100);
        assert!(decode(&bomb, Some(Coding::Gzip)).is_err());
    }

    #[test]
    fn what_is_said_of_the_body_is_true() {
        for (theirs, expected) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ETAG, HeaderValue::from_static(theirs));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(7));
            headers.insert("content-md5", HeaderValue::from_static("x"));
            describe(&mut headers, 12);
            assert_eq!(headers[header::ETAG], expected);
            assert_eq!(headers[header::CONTENT_LENGTH], "12");
            assert_eq!(headers.len(), 2);
        }
    }
}
