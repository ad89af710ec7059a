//! Characters that no URL may have as they are, and that clients send all the same: what a strict
//! reader might misread is percent-encoded, which means the same (RFC 3986 section 2).

use std::fmt::Write;

use memchr::{memchr, memmem, memrchr};

/// Returns whether nobody misreads `byte`, wherever in a request line it is.
pub(crate) fn is_plain(byte: u8) -> bool {
    // Pairs that differ in one bit are asked for at once: `<` and `>`, `\\` and `^`.
    matches!(byte, b' '..=b'~')
        && !matches!(byte, b'"' | b'#' | b'`' | b'{'..=b'}')
        && byte | 2 != b'>'
        && byte | 2 != b'^'
}

/// The target of a request `line`, percent-encoded where that is needed. `None` if it has what
/// means something else when it is encoded, or has no place in a URL: `#`, a blank, a control
/// character, and anything odd in a host.
pub(crate) fn of_line(line: &[u8]) -> Option<String> {
    let (start, end) = (memchr(b' ', line)? + 1, memrchr(b' ', line)?);
    let target = line.get(start..end)?;
    let is_odd = |part: &[u8]| !part.iter().all(|byte| is_plain(*byte));
    let path = path_of(target)?;
    let before = &target[..target.len() - path.len()];
    if is_odd(&line[..start]) || is_odd(&line[end..]) || is_odd(before) {
        return None;
    }
    let encoded = encode(path)?;
    Some(String::from_utf8_lossy(before).into_owned() + &encoded)
}

/// `target`, which begins with its path, as [`of_line`].
pub(crate) fn encode(target: &[u8]) -> Option<String> {
    let mut encoded = String::with_capacity(target.len() + 16);
    let mut is_query = false;
    for byte in target {
        is_query |= *byte == b'?';
        match *byte {
            0..=b' ' | b'#' | 0x7f => return None,
            b'"' | b'<' | b'>' | 0x80.. => write!(encoded, "%{byte:02X}").ok()?,
            // Servers take these in a query as they are, and some clients sign what they sent.
            b'\\' | b'^' | b'`' | b'{'..=b'}' if !is_query => {
                write!(encoded, "%{byte:02X}").ok()?
            }
            byte => encoded.push(char::from(byte)),
        }
    }
    Some(encoded)
}

/// The part after the host of an absolute target, or all of another.
fn path_of(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return Some(target);
    }
    let authority = &target[memmem::find(target, b"://")? + 3..];
    let path = authority
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))?;
    Some(&authority[path..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_might_be_misread_is_encoded_and_the_rest_is_not() {
        for (target, expected) in [
            ("/a<b>\"c", "/a%3Cb%3E%22c"),
            ("/{a}|b^`c\\d", "/%7Ba%7D%7Cb%5E%60c%5Cd"),
            ("/a?{b}|c^d`e\\f", "/a?{b}|c^d`e\\f"),
            (
                "/a?q=x>1 AND".split(' ').next().unwrap_or_default(),
                "/a?q=x%3E1",
            ),
            ("/a?q=\"<\u{e9}>\"", "/a?q=%22%3C%C3%A9%3E%22"),
            ("/\u{e9}%C3%a9", "/%C3%A9%C3%a9"),
            ("/100%?%", "/100%?%"),
            ("http://host:1/\u{e9}?\"", "http://host:1/%C3%A9?%22"),
            ("http://host?\"", "http://host?%22"),
        ] {
            let line = format!("GET {target} HTTP/1.1");
            assert_eq!(
                of_line(line.as_bytes()).as_deref(),
                Some(expected),
                "{target}"
            );
        }
        assert_eq!(of_line(b"GET /\xe9 HTTP/1.1").as_deref(), Some("/%E9"));
    }

    #[test]
    fn what_would_mean_something_else_is_not_encoded() {
        for line in [
            "GET /a#b HTTP/1.1",
            "GET /a\"b c HTTP/1.1",
            "GET /\u{e9}\u{7f} HTTP/1.1",
            "GET /\"\u{1} HTTP/1.1",
            "GET /\"\t HTTP/1.1",
            "GET http://h\"st/ HTTP/1.1",
            "GET http://h\u{f6}st/ HTTP/1.1",
            "CONNECT h\"st:443 HTTP/1.1",
            "G\"T /a HTTP/1.1",
            "GET /a HTTP/1.\"",
            "GET",
            "\"",
        ] {
            assert_eq!(of_line(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn plain_is_what_needs_no_look() {
        for byte in 0..=u8::MAX {
            let odd = b"\"#<>\\^`{|}".contains(&byte) || !(b' '..=b'~').contains(&byte);
            assert_eq!(is_plain(byte), !odd, "{byte}");
        }
    }
}
