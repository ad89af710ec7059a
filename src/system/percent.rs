//! Percent-encoding, as often as it was done.

/// The first byte of `text`, and what follows: `%21`, `%2521` and so on are all `!`.
pub(crate) fn decode(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, mut rest) = text.split_first()?;
    if *first != b'%' {
        return Some((*first, rest));
    }
    while let [b'2', b'5', next @ ..] = rest
        && hex(next).is_some()
    {
        rest = next;
    }
    Some(match hex(rest) {
        Some(byte) => (byte, &rest[2..]),
        None => (b'%', rest),
    })
}

fn hex(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
