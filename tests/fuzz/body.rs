//! The body of a response: wherever it is cut the same, and in chunks as another reader finds them.

use super::{tests::read, *};
use crate::fuzz::property;

#[test]
fn a_body_ends_where_another_reader_ends_it_and_wherever_it_is_cut() {
    property!("body", WORDS, 128, holds);
}

const WORDS: [&[u8]; 28] = [
    b"5\r\nhello\r\n",
    b"5;a=b\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b"5\t;a\r\nhello\r\n",
    b"5;\nb\r\nhello\r\n",
    b"5;\rb\r\nhello\r\n",
    b"05\r\nhello\r\n",
    b"5\nhello\r\n",
    b"5\r\nhello\n",
    b"A\r\n",
    b"ffffffffffffffff\r\n",
    b"8000000000000000\r\n",
    b"00000000000000000000005\r\n",
    b"0\r\n",
    b"0\r\n\r\n",
    b"0;a\r\n\r\n",
    b"0\r\nT: u\r\n\r\n",
    b"0\r\nT: u\n\n",
    b"0\n\n",
    b"\r\n",
    b"\n",
    b"\r",
    b";",
    b" ",
    b"hello",
    b"-1\r\n",
    b"0x5\r\n",
    b"\0",
];

fn holds(wire: &[u8]) {
    for rest in [Rest::Size, Rest::Length(7), Rest::UntilClose] {
        let whole = outcome(rest, wire, wire.len());
        for size in [1, 3] {
            let cut = outcome(rest, wire, size);
            assert_eq!(whole, cut, "{} by {size}", wire.escape_ascii());
        }
    }
    if let Some((body, Rest::Nothing, left)) = outcome(Rest::Size, wire, wire.len()) {
        let others = chunks(wire);
        assert_eq!(others, Some((body, left)), "{}", wire.escape_ascii());
    }
}

/// The body, how it goes on, and what is left of `wire`; nothing if it is refused.
fn outcome(rest: Rest, wire: &[u8], size: usize) -> Option<(Vec<u8>, Rest, Vec<u8>)> {
    read(rest, wire, size.max(1)).ok()
}

/// The same as a reader finds it that takes any line end, and digits for the size up to anything
/// else.
fn chunks(wire: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut body, mut rest) = (Vec::new(), wire);
    loop {
        let line = line(&mut rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let digits: Vec<u8> = digits.copied().collect();
        let size = u64::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        let (piece, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        body.extend_from_slice(piece);
        rest = after;
        self::line(&mut rest)?.is_empty().then_some(())?;
    }
    while !line(&mut rest)?.is_empty() {}
    Some((body, rest.to_vec()))
}

/// Takes a line off `rest`, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = rest.split_at(end + 1);
    *rest = after;
    let line = &line[..end];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}
