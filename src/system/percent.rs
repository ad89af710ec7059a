//! Percent-encoding, as often as it was done.

/// The first byte of `text`, and what follows: `%21`, `%2521`, `%%32%31` and so on are all `!`.
pub(crate) fn decode(text: &[u8]) -> Option<(u8, &[u8])> {
    decode_within(text, DEEPEST)
}

/// Like [`decode`]. The digits of an escape can be escaped as well, `depth` times.
fn decode_within(text: &[u8], depth: usize) -> Option<(u8, &[u8])> {
    let (first, mut rest) = text.split_first()?;
    let mut byte = *first;
    while byte == b'%'
        && let Some((decoded, next)) = digits(rest, depth)
    {
        (byte, rest) = (decoded, next);
    }
    Some((byte, rest))
}

/// The byte of the two digits that `text` begins with, and what follows.
fn digits(text: &[u8], depth: usize) -> Option<(u8, &[u8])> {
    let (high, rest) = digit(text, depth)?;
    let (low, rest) = digit(rest, depth)?;
    Some((high * 16 + low, rest))
}

fn digit(text: &[u8], depth: usize) -> Option<(u8, &[u8])> {
    let (byte, rest) = match text.first()? {
        b'%' => decode_within(text, depth.checked_sub(1)?)?,
        plain => (*plain, &text[1..]),
    };
    let digit = char::from(byte).to_digit(16)?;
    Some((u8::try_from(digit).ok()?, rest))
}

/// Nobody decodes more often than that, and text of many `%` must cost little.
const DEEPEST: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use percent_encoding::percent_decode;

    use super::*;

    #[test]
    fn it_is_what_is_left_after_decoding_until_nothing_changes() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let length = random.usize(1..30);
            let text: Vec<u8> = (0..length)
                .map(|_| b"%%%%22235501"[random.usize(..12)])
                .collect();
            let mut ours = Vec::new();
            let mut rest = &*text;
            while let Some((byte, next)) = decode(rest) {
                ours.push(byte);
                rest = next;
            }
            let mut theirs = text.clone();
            while let decoded = percent_decode(&theirs).collect::<Vec<_>>()
                && decoded != theirs
            {
                theirs = decoded;
            }
            assert_eq!(ours, theirs, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn many_escapes_are_read_in_little_time() {
        for piece in ["%", "%25", "%2%35", "%%32%35", "25", "%252"] {
            let text = format!("%{}", piece.repeat(100_000));
            let start = Instant::now();
            for at in memchr::memchr_iter(b'%', text.as_bytes()).take(1000) {
                decode(&text.as_bytes()[at..]);
            }
            assert!(start.elapsed() < Duration::from_secs(5), "{piece}");
        }
    }
}
