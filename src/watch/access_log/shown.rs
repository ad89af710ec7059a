//! Other people's words, as the access log shows them: not endless, without sessions, on one line.

use std::{borrow::Cow, io::Write};

use memchr::memmem;

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
    let (decoded, starts) = decoded(bytes);
    let mut kept = String::new();
    let mut after = 0;
    let mut begin = 0;
    for run in decoded.split_inclusive(|byte| !is_of_session(*byte)) {
        let length = run.iter().take_while(|byte| is_of_session(**byte)).count();
        if let Some(secret) = session_in(&run[..length]) {
            // Both are where ASCII characters begin.
            let (from, to) = (starts[begin + secret], starts[begin + length]);
            kept.push_str(text.get(after..from).unwrap_or_default());
            kept.push_str(MARK);
            after = to;
        }
        begin += run.len();
    }
    if after == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(text.get(after..).unwrap_or_default());
    Cow::Owned(kept)
}

/// The bytes of `text` without percent-encoding, and where each of them, and their end, is.
fn decoded(text: &[u8]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut starts = Vec::with_capacity(text.len() + 1);
    let mut rest = text;
    while let Some((byte, next)) = percent::decode(rest) {
        bytes.push(byte);
        starts.push(text.len() - rest.len());
        rest = next;
    }
    starts.push(text.len());
    (bytes, starts)
}

/// Where in `run`, which has nothing that sessions do not have, the first begins.
fn session_in(run: &[u8]) -> Option<usize> {
    // An id of an org has 15 or 18 characters.
    let is_followed = |at: usize, separator: u8, within: usize| {
        let rest = &run[at + 3..];
        let found = rest.iter().take(within).position(|byte| *byte == separator);
        found.is_some_and(|found| found + 1 < rest.len())
    };
    let opaque = memmem::find_iter(run, ORG_ID).find(|at| is_followed(*at, b'!', 16));
    let jwt = memmem::find(run, JWT.as_bytes()).filter(|at| is_followed(*at, b'.', run.len()));
    opaque.into_iter().chain(jwt).min()
}

fn is_of_session(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-!".contains(&byte)
}

/// What ids of orgs begin with, and JWTs.
const ORG_ID: &[u8] = b"00D";
const JWT: &str = "eyJ";

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
