//! Other people's words, as the access log shows them: not endless, without sessions, on one line.

use std::{borrow::Cow, io::Write};

use crate::system::{escape, quote::without_sessions};

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

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

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
