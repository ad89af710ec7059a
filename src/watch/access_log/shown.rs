//! Other people's words, as the access log shows them: not endless, without sessions, on one line.

use std::{borrow::Cow, io::Write, iter};

use crate::system::{escape, percent};

/// `text` without what may be a session, and with a mark where it is cut after `most` bytes.
pub(crate) fn shown(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return without_sessions(text);
    }
    // First, so that what is long costs no more. A session that is cut is one still.
    let kept = without_sessions(&text[..text.floor_char_boundary(most)]);
    Cow::Owned(kept.into_owned() + "…")
}

/// Writes `text` as JSON has it; what a terminal would obey, and what nobody would see, is escaped.
pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for c in text.chars() {
            match c {
                '"' => out.extend_from_slice(br#"\""#),
                '\\' => out.extend_from_slice(br"\\"),
                '\n' => out.extend_from_slice(br"\n"),
                c if escape::is_tricky(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        // Writing to a vector cannot fail.
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// Writes `text` as one word: as it is, if it is one, else as JSON has it.
pub(super) fn word(text: &str, out: &mut Vec<u8>) {
    let is_odd = |c: char| c.is_whitespace() || c == '"' || c == '\\' || escape::is_tricky(c);
    // Nearly all are of one kind. To look at all bytes at once costs less than to stop at the first.
    let is_usual = |usual, byte: &u8| usual & is_plain(*byte) & (*byte != b' ');
    if text.is_empty() || !text.as_bytes().iter().fold(true, is_usual) && text.contains(is_odd) {
        quote(text, out);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes `number` without the machinery of `write!`, which costs several times as much.
pub(super) fn number(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What needs no escape, and is a byte.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

/// `text` with a mark in place of each `00D…!…` and each JWT, however they are percent-encoded, and
/// of whatever is joined to their ends.
fn without_sessions(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    // The capital of a JWT is rare in paths, and costs less to look for than the three letters.
    if memchr::memchr3(b'!', b'%', b'J', bytes).is_none() {
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
        let (byte, next) = percent::decode(rest)?;
        is_of_session(byte).then(|| {
            rest = next;
            byte
        })
    });
    let begin = [(); 3].map(|()| run.next().unwrap_or_default());
    // An id of an org has 15 or 18 characters.
    let is_whole = match &begin {
        b"00D" => run.by_ref().take(16).any(|byte| byte == b'!') && run.next().is_some(),
        b"eyJ" => run.any(|byte| byte == b'.') && run.next().is_some(),
        _ => false,
    };
    if is_whole {
        run.for_each(drop);
        return Ok(text.len() - rest.len());
    }
    Err(match &begin {
        b"eyJ" => text.len() - rest.len(),
        _ => 0,
    })
}

fn is_of_session(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-!".contains(&byte)
}

const MARK: &str = "[session]";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("/services/data/v62.0/query" => "/services/data/v62.0/query")]
    #[test_case("/a/00DAc00000xyzAB!AQ4A.b_c/d" => "/a/[session]/d"; "a session")]
    #[test_case("/a;sid=00DAc00000xyzABCDE!x" => "/a;sid=[session]"; "with the long id")]
    #[test_case("/00DAc00000xyzAB%21AQ4A.b_c" => "/[session]"; "encoded")]
    #[test_case("/%30%30DAc%252500000xyzAB%2521AQ4A" => "/%30%30DAc%252500000xyzAB%2521AQ4A"; "an odd character within")]
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
        shown(text, 2048).into_owned()
    }

    #[test]
    fn what_is_long_is_cut_with_a_mark() {
        assert_eq!(shown("abcdef", 6), "abcdef");
        assert_eq!(shown("abcdefg", 6), "abcdef…");
        assert_eq!(shown("abcdé", 5), "abcd…");
        let session = format!("/{}/00DAc00000xyzAB!secret", "a".repeat(20));
        for most in 0..session.len() {
            assert!(!shown(&session, most).contains("!s"), "{most}");
        }
    }

    #[test]
    fn what_looks_like_many_sessions_is_read_once() {
        let text = format!("{}!", "eyJ".repeat(1 << 20));
        assert_eq!(shown(&text, text.len()), text);
        let text = "00D".repeat(1 << 20) + "!";
        assert_eq!(shown(&text, text.len()), text);
    }

    #[test]
    fn what_is_quoted_is_json_and_says_the_same() {
        for text in [
            "plain",
            "",
            "\"\\\n\u{1b}[2J\u{7f}",
            "\u{202e}\u{2028}é東\u{1f600}\u{9b}",
        ] {
            let mut out = Vec::new();
            quote(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            let shown = String::from_utf8(out).unwrap();
            assert!(!shown.contains(escape::is_tricky), "{shown}");
        }
    }

    #[test_case("python-requests/2.31" => "python-requests/2.31")]
    #[test_case("Zürich" => "Zürich")]
    #[test_case("" => r#""""#)]
    #[test_case("a b" => r#""a b""#)]
    #[test_case("a\u{a0}b" => "\"a\u{a0}b\""; "a blank that is none")]
    #[test_case(r#"a"b\"# => r#""a\"b\\""#; "quotes")]
    #[test_case("a\nb" => r#""a\nb""#; "a line end")]
    fn a_word_is_one(text: &str) -> String {
        let mut out = Vec::new();
        word(text, &mut out);
        String::from_utf8(out).unwrap()
    }
}
