//! Removes the wrappings of editors, shells and secret stores from PEM and DER.

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use super::key::is_der;

/// The PEM or DER in `bytes`: in UTF-16, after a byte order mark, with line ends spelled out as
/// `\n` or `\\n`, or in base64 as a whole. Anything else is returned unchanged.
pub(super) fn unwrap(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let bytes = as_utf8(bytes);
    let Ok(text) = str::from_utf8(&bytes) else {
        return bytes;
    };
    if text.contains(BEGIN) {
        return without_escapes(text);
    }
    match decode(text).map(|inner| as_utf8(&inner)) {
        Some(inner) if is_der(&inner) => inner,
        Some(inner) => match str::from_utf8(&inner) {
            Ok(text) if text.contains(BEGIN) => without_escapes(text),
            _ => bytes,
        },
        None => bytes,
    }
}

/// `bytes` without a byte order mark, converted from UTF-16, which PowerShell's `>` writes.
pub(super) fn as_utf8(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let units: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        [0xef, 0xbb, 0xbf, text @ ..] => return Zeroizing::new(text.to_vec()),
        _ => return Zeroizing::new(bytes.to_vec()),
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().skip(1).map(|pair| units(*pair));
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for letter in char::decode_utf16(units) {
        match letter {
            Ok(letter) => text.push(letter),
            Err(_) => return Zeroizing::new(bytes.to_vec()),
        }
    }
    Zeroizing::new(text.as_bytes().to_vec())
}

/// Removes escapes. PEM and base64 have no backslash of their own, so each belongs to an escaped
/// string, perhaps one in another: `\n`, `\r\n`, `\\n`, `\/`.
fn without_escapes(text: &str) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut is_escaped = false;
    for byte in text.bytes() {
        match (byte, is_escaped) {
            (b'\\', _) => is_escaped = true,
            (b'n' | b'r' | b't', true) => {
                plain.push(b'\n');
                is_escaped = false;
            }
            (byte, _) => {
                plain.push(byte);
                is_escaped = false;
            }
        }
    }
    plain
}

/// Decodes base64 of either alphabet, with or without padding, in lines or quotes.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let plain = without_escapes(text);
    let plain = str::from_utf8(&plain).ok()?;
    let mut letters = Zeroizing::new(String::with_capacity(plain.len()));
    letters.extend(
        plain
            .trim_matches(['"', '\'', ' ', '\n', '\r'])
            .chars()
            .filter_map(|letter| match letter {
                '-' => Some('+'),
                '_' => Some('/'),
                letter if letter.is_whitespace() => None,
                letter => Some(letter),
            }),
    );
    let letters = letters.trim_end_matches('=');
    Base64Unpadded::decode_vec(letters).ok().map(Zeroizing::new)
}

const BEGIN: &str = "-----BEGIN ";
