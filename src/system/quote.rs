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

/// `text` with a mark in place of each `00D…!…` and each JWT, however they are percent-encoded, and
/// of whatever is joined to their ends. Their signs may be escaped as in HTML or JSON.
pub(crate) fn without_sessions(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    // The capital of a JWT is rare in paths, and costs less to look for than the three letters.
    let has_sign = memchr::memchr3(b'!', b'%', b'J', bytes).is_some();
    if !has_sign && memchr::memchr2(b'&', b'\\', bytes).is_none() {
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
        let (byte, next) = unescape(rest)?;
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

/// The first byte, percent-decoded, or as an entity (`&#33;`, `&excl;`) or escape (`\u0021`, `\!`)
/// stands for it.
fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = percent::decode(text)?;
    let meant = match first {
        b'&' => entity(rest),
        b'\\' => escaped(rest),
        _ => None,
    };
    Some(meant.unwrap_or((first, rest)))
}

fn entity(text: &[u8]) -> Option<(u8, &[u8])> {
    let end = text
        .iter()
        .take(LONGEST_ENTITY)
        .position(|byte| *byte == b';')?;
    let (name, rest) = (str::from_utf8(&text[..end]).ok()?, &text[end + 1..]);
    let byte = match (name.strip_prefix(['#']), name) {
        (Some(number), _) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => u8::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        },
        (None, "excl") => b'!',
        (None, "period") => b'.',
        (None, "lowbar") => b'_',
        _ => return None,
    };
    Some((byte, rest))
}

fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let digits = match text.first()? {
        b'u' => text.get(1..5)?,
        b'x' => text.get(1..3)?,
        sign if sign.is_ascii_punctuation() => return Some((*sign, &text[1..])),
        _ => return None,
    };
    let byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some((byte, &text[1 + digits.len()..]))
}

fn is_of_session(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-!".contains(&byte)
}

const MARK: &str = "[session]";

/// Bytes: `#x0021;` and some zeros.
const LONGEST_ENTITY: usize = 10;

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
        without_sessions(text).into_owned()
    }

    #[test]
    fn what_looks_like_many_sessions_is_read_once() {
        let text = format!("{}!", "eyJ".repeat(1 << 20));
        assert_eq!(without_sessions(&text), text);
        let text = "00D".repeat(1 << 20) + "!";
        assert_eq!(without_sessions(&text), text);
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
