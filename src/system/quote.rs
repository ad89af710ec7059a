//! Other people's words in ours: on one line, not endless, without sessions.

use std::{borrow::Cow, iter};

use super::{escape, percent};

/// Makes `text` fit for one line of a log: escaped by [`escape`], not longer than [`LONGEST_QUOTE`],
/// and without what looks like a session or an assertion.
pub(crate) fn quoted(text: &str) -> String {
    let kept: String = without_sessions(text)
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .take(LONGEST_QUOTE)
        .collect();
    escape::line(&kept).into_owned()
}

/// `text` with a mark in place of each of `secrets` and of each longer piece of one, whatever blanks and
/// line ends are in it.
pub(crate) fn without(secrets: &[&str], text: &str) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let mut dense = String::new();
        // The place in `text` of each byte.
        let mut places = Vec::new();
        for (place, c) in text.char_indices() {
            if !c.is_whitespace() && !escape::is_tricky(c) {
                dense.push(c);
                places.resize(dense.len(), place..place + c.len_utf8());
            }
        }
        let mut kept = String::new();
        let mut after = 0;
        let least = secret.len().min(SHORTEST_PIECE);
        let is_piece = |piece: &[u8]| memchr::memmem::find(secret.as_bytes(), piece).is_some();
        let dense = dense.as_bytes();
        // Whether the byte at a place goes on with a word of which the next place has more.
        let is_joined = |at: usize, next: usize| {
            let is_of_word = |at| {
                dense
                    .get(at)
                    .is_some_and(|byte| is_of_session(char::from(*byte)))
            };
            is_of_word(at) && is_of_word(next) && places[at].end == places[next].start
        };
        let (mut rest, mut last) = (0, 0);
        while let Some(piece) = dense.get(rest..rest + least) {
            if !is_piece(piece) {
                rest += 1;
                continue;
            }
            let mut start = rest;
            rest += least;
            while dense.get(start..=rest).is_some_and(is_piece) {
                rest += 1;
            }
            // What is joined to a piece may be the rest of another secret.
            if rest - start < secret.len() {
                while start > last && is_joined(start - 1, start) {
                    start -= 1;
                }
                while is_joined(rest - 1, rest) {
                    rest += 1;
                }
            }
            last = rest;
            kept.push_str(text.get(after..places[start].start).unwrap_or_default());
            kept.push_str(MARK);
            after = places[rest - 1].end;
        }
        kept.push_str(&text[after..]);
        text = kept;
    }
    text
}

/// `text` with a mark in place of each `00D…!…` and each JWT, however they are percent-encoded, and
/// of whatever is joined to their ends. Their signs may be escaped as in HTML or JSON, and there may
/// be characters within that nobody sees.
pub(crate) fn without_sessions(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    // The capital of a JWT is rare in paths, and costs less to look for than the three letters.
    let has_sign = memchr::memchr3(b'!', b'%', b'J', bytes).is_some();
    if !has_sign && memchr::memchr3(b'&', b'\\', WIDE, bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let (mut after, mut barren) = (0, 0);
    // From each place on its own: a percent sign may belong to what is before it.
    for start in memchr::memchr3_iter(b'0', b'e', b'%', bytes) {
        if start < after || bytes[start] == b'e' && start < barren {
            continue;
        }
        match session(&bytes[start..]) {
            Ok(length) => {
                // Both are where ASCII characters begin.
                kept.push_str(text.get(after..start).unwrap_or_default());
                kept.push_str(MARK);
                after = start + length;
            }
            Err(looked) => barren = barren.max(start + looked),
        }
    }
    if after == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(text.get(after..).unwrap_or_default());
    Cow::Owned(kept)
}

/// The bytes of the session that `text` begins with, and of what is joined to it. If there is none,
/// how many need not be looked at for a JWT again.
fn session(text: &[u8]) -> Result<usize, usize> {
    let mut rest = text;
    let mut run = iter::from_fn(|| {
        let is_first = rest.len() == text.len();
        let (c, next) = if is_first {
            unescape(rest)?
        } else {
            visible(rest)?
        };
        is_of_session(c).then(|| {
            rest = next;
            c
        })
    });
    let begin = [(); 3].map(|()| run.next().unwrap_or_default());
    // An id of an org has 15 or 18 characters.
    let is_whole = match &begin {
        ['0', '0', 'D'] => run.by_ref().take(16).any(|c| c == '!') && run.next().is_some(),
        ['e', 'y', 'J'] => run.any(|c| c == '.') && run.next().is_some(),
        _ => false,
    };
    if is_whole {
        run.for_each(drop);
        return Ok(text.len() - rest.len());
    }
    Err(match &begin {
        ['e', 'y', 'J'] => text.len() - rest.len(),
        _ => 0,
    })
}

/// The first character behind what nobody would see, such as the end of a line, unless that is long.
/// `%00` may be a percent sign before a session.
fn visible(mut text: &[u8]) -> Option<(char, &[u8])> {
    for _ in 0..=MOST_UNSEEN {
        let (c, rest) = unescape(text)?;
        if !escape::is_tricky(c) || c == '\0' {
            return Some((c, rest));
        }
        text = rest;
    }
    None
}

/// The first character, percent-decoded, or as an entity (`&#33;`, `&excl;`) or escape (`\u0021`,
/// `\u{21}`, `%u0021`, `\!`) stands for it. A wide one is taken for the usual one.
fn unescape(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = percent::decode(text)?;
    let meant = match first {
        b'&' => entity(rest),
        b'\\' => escaped(rest),
        b'%' => rest.strip_prefix(b"u").and_then(unit),
        0xc2..=0xef => encoded(first, rest),
        _ => None,
    };
    let (meant, rest) = meant.unwrap_or_else(|| (char::from(first), rest));
    let usual = match meant {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(meant) - 0xff01 + 0x21)?,
        _ => meant,
    };
    Some((usual, rest))
}

fn entity(text: &[u8]) -> Option<(char, &[u8])> {
    let (name, rest) = until(b';', text)?;
    let c = match (name.strip_prefix(['#']), name) {
        (Some(number), _) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => hexadecimal(digits)?,
            None => char::from_u32(number.parse().ok()?)?,
        },
        (None, "excl") => '!',
        (None, "period") => '.',
        (None, "lowbar") => '_',
        _ => return None,
    };
    Some((c, rest))
}

fn escaped(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = text.split_first()?;
    match first {
        b'u' => match rest.strip_prefix(b"{") {
            Some(rest) => {
                let (digits, rest) = until(b'}', rest)?;
                Some((hexadecimal(digits)?, rest))
            }
            None => unit(rest),
        },
        b'x' => of_digits(2, rest),
        sign if sign.is_ascii_punctuation() => Some((char::from(*sign), rest)),
        _ => None,
    }
}

/// A unit of UTF-16, which is a character here, by its four digits.
fn unit(text: &[u8]) -> Option<(char, &[u8])> {
    of_digits(4, text)
}

fn of_digits(count: usize, text: &[u8]) -> Option<(char, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    Some((hexadecimal(str::from_utf8(digits).ok()?)?, rest))
}

fn hexadecimal(digits: &str) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

/// What is before the next `end`, and what is behind it.
fn until(end: u8, text: &[u8]) -> Option<(&str, &[u8])> {
    let mut near = text.iter().take(LONGEST_ENTITY);
    let length = near.position(|byte| *byte == end)?;
    Some((str::from_utf8(&text[..length]).ok()?, &text[length + 1..]))
}

/// The character of two or three bytes in UTF-8 that `first` begins.
fn encoded(first: u8, mut rest: &[u8]) -> Option<(char, &[u8])> {
    let length = if first < 0xe0 { 2 } else { 3 };
    let mut bytes = [first, 0, 0];
    for byte in &mut bytes[1..length] {
        (*byte, rest) = percent::decode(rest)?;
    }
    let text = str::from_utf8(&bytes[..length]).ok()?;
    Some((text.chars().next()?, rest))
}

fn is_of_session(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '!')
}

/// The first byte of wide characters, such as `！`, in UTF-8.
const WIDE: u8 = 0xef;

const MARK: &str = "[session]";

/// Bytes of a secret that are withheld also where the rest of it is not: from fewer, nobody guesses it.
const SHORTEST_PIECE: usize = 24;

/// Bytes: `#x0021;` and many zeros.
const LONGEST_ENTITY: usize = 64;

/// Characters in a row that nobody sees, and that are skipped within a session. Without an end, text
/// of nothing else would be read again and again.
const MOST_UNSEEN: usize = 8;

/// Characters.
const LONGEST_QUOTE: usize = 300;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/services/data/v62.0/query" => "/services/data/v62.0/query")]
    #[test_case("/a?sid=session_00DAc00000xyzAB!AQ" => "/a?sid=session_[session]"; "joined to a word")]
    #[test_case("00DAc00000xyzAB&#33;AQ&#x2e;b c" => "[session] c"; "with entities")]
    #[test_case("00DAc00000xyzAB&excl;AQ&lowbar;b&amp;c" => "[session]&amp;c"; "with named entities")]
    #[test_case("\"00DAc00000xyzAB\\u0021AQ\\\".b" => "\"[session]\\\".b"; "with an escape")]
    #[test_case("00DAc00000xyzAB\\!AQ\\x2eb" => "[session]"; "with a backslash")]
    #[test_case("/a/00DAc00000xyzAB!AQ4A.b_c/d" => "/a/[session]/d"; "a session")]
    #[test_case("/a;sid=00DAc00000xyzABCDE!x" => "/a;sid=[session]"; "with the long id")]
    #[test_case("/00DAc00000xyzAB%21AQ4A.b_c" => "/[session]"; "encoded")]
    #[test_case("/%30%30DAc%252f000xyzAB%2521AQ4A" => "/%30%30DAc%252f000xyzAB%2521AQ4A"; "an odd character within")]
    #[test_case("/00DAc00000xyzAB%u0021AQ4A.b_c/d" => "/[session]/d"; "in the escapes of JavaScript")]
    #[test_case("/00DAc00000%09xyzAB!AQ4A/d" => "/[session]/d"; "with a control character")]
    #[test_case("/00DAc00000%E2%80%8BxyzAB%EF%BC%81AQ4A/d" => "/[session]/d"; "with what is encoded and not seen")]
    #[test_case("00DAc00000\r\n\txyzAB!AQ\n4A b" => "[session] b"; "over several lines")]
    #[test_case("00DAc00000\u{200b}xyzAB!\u{feff}AQ\u{2060}" => "[session]\u{2060}"; "with no width")]
    #[test_case("00DAc00000xyzAB\u{ff01}AQ" => "[session]"; "with a wide sign")]
    #[test_case("00DAc00000xyzAB\\u{21}AQ\\u{0000005f}b}" => "[session]}"; "with braces")]
    #[test_case("00DAc00000xyzAB&#x0000000000000000000000000000000000000021;AQ;" => "[session];"; "with many zeros")]
    #[test_case("eyJh\u{200b}\n.eyJp.c2ln" => "[session]"; "a JWT over two lines")]
    #[test_case("00DAc0\n\n\n\n\n\n\n\n\n0000xyzAB!AQ" => "00DAc0\n\n\n\n\n\n\n\n\n0000xyzAB!AQ"; "with a long gap")]
    #[test_case("\u{ff01}\u{e9}00D\u{e9}!\u{ff01}\u{1f600}" => "\u{ff01}\u{e9}00D\u{e9}!\u{ff01}\u{1f600}"; "nothing in other letters")]
    #[test_case("/%30%30DAc00000xyzAB%252521AQ4A%2Eb/x" => "/[session]/x"; "encoded more than once")]
    #[test_case("/100%00DAc00000xyzAB!AQ/x" => "/100%[session]/x"; "behind a percent sign")]
    #[test_case("/100%00DAc00000xyzAB%21AQ" => "/100%[session]"; "behind a percent sign and encoded")]
    #[test_case("/eyJx00DAc00000xyzAB!AQ" => "/eyJx[session]"; "in what is no JWT")]
    #[test_case("/eyJxeyJ.eyJ" => "/[session]"; "a JWT in another")]
    #[test_case("/x00DAc00000xyzAB!AQ/00DAc00000xyzAB!AQ" => "/x[session]/[session]"; "twice")]
    #[test_case("/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln/x" => "/[session]/x"; "a JWT")]
    #[test_case("/00DAc00000xyzAB" => "/00DAc00000xyzAB"; "the id of an org")]
    #[test_case("/00DAc00000xyzAB!" => "/00DAc00000xyzAB!"; "with nothing behind it")]
    #[test_case("/a!b/100%/eyJ/é%" => "/a!b/100%/eyJ/é%"; "nothing of the kind")]
    fn no_session_is_shown(text: &str) -> String {
        without_sessions(text).into_owned()
    }

    #[test]
    fn what_looks_like_many_sessions_is_read_once() {
        let text = format!("{}!", "eyJ".repeat(1 << 20));
        assert_eq!(without_sessions(&text), text);
        let text = "00D".repeat(1 << 20) + "!";
        assert_eq!(without_sessions(&text), text);
        for unseen in ["%01", "\u{200b}", "&#1;", "%"] {
            let text = format!("!{}", unseen.repeat(1 << 20));
            assert_eq!(without_sessions(&text), text);
            let text = format!("!{}", format!("0{unseen}").repeat(1 << 20));
            assert_eq!(without_sessions(&text), text);
        }
    }

    #[test_case("no abcdefghijklmnopqrstuvwxyz here" => "no [session] here"; "the beginning")]
    #[test_case("x:ijklmnopqrstuvwxyz012345678.a b" => "x:[session] b"; "what is within, and joined to it")]
    #[test_case("é klmnop\nqrstuvwxyz01234567 cdefghijklmnopqrstuvwxyz01" => "é [session] [session]"; "two pieces")]
    #[test_case("abcdefghijklmnopqrstuvw, or lmnopqrstuvwxyz01234567" => "abcdefghijklmnopqrstuvw, or lmnopqrstuvwxyz01234567"; "short ones")]
    fn longer_pieces_of_a_known_secret_are_not_shown(text: &str) -> String {
        without(&["abcdefghijklmnopqrstuvwxyz01234567"], text)
    }

    #[test_case("a s.e-c.r b" => "a [session] b"; "with a blank")]
    #[test_case("é s.e-c\r\n\t.\u{200b}r\n s.e-c.r" => "é [session]\n [session]"; "twice, over lines")]
    #[test_case("s.e-c. s" => "s.e-c. s"; "not whole")]
    #[test_case("two" => "[session]"; "another one")]
    fn a_known_secret_is_found_whatever_blanks_are_in_it(text: &str) -> String {
        without(&["s.e-c.r", "", "two"], text)
    }

    #[test_case("user hasn\u{2019}t approved" => "user hasn\u{2019}t approved")]
    #[test_case("two\r\nlines" => "two  lines"; "lines")]
    #[test_case("\u{1b}[2J\u{9b}m\u{202e}" => "\\u001b[2J\\u009bm\\u202e"; "what a terminal obeys")]
    #[test_case("assertion=eyJh.eyJp.c2ln&x" => "assertion=[session]&x"; "an assertion")]
    #[test_case("\"00Dxx0000001gPL!AQ.EA_Q\"" => "\"[session]\""; "a session")]
    #[test_case("org 00Dxx0000001gPL" => "org 00Dxx0000001gPL"; "the id of an org")]
    fn words_are_quoted_on_one_line_without_secrets(text: &str) -> String {
        quoted(text)
    }

    #[test]
    fn a_quote_has_an_end() {
        assert_eq!(quoted(&"x".repeat(1000)).len(), LONGEST_QUOTE);
    }
}
