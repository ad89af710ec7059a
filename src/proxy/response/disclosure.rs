//! The session in what the org says, which no client may see.

use crate::system::percent;

/// `text` with `placeholder` in place of `token`, wherever it is and however often it is
/// percent-encoded. `None` if it is nowhere.
pub(super) fn replace(text: &[u8], token: &[u8], placeholder: &str) -> Option<Vec<u8>> {
    let first = *token.first()?;
    let mut kept = Vec::new();
    let mut after = 0;
    for start in memchr::memchr2_iter(first, b'%', text) {
        if start >= after
            && let Some(length) = find(&text[start..], token)
        {
            kept.extend_from_slice(&text[after..start]);
            kept.extend_from_slice(placeholder.as_bytes());
            after = start + length;
        }
    }
    (after > 0).then(|| [&kept, &text[after..]].concat())
}

/// The length of `token` as `text` spells it, if it begins with it.
fn find(text: &[u8], token: &[u8]) -> Option<usize> {
    let mut rest = text;
    for expected in token {
        let (byte, next) = percent::decode(rest)?;
        if byte != *expected {
            return None;
        }
        rest = next;
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
#[path = "../../../tests/fuzz/disclosure.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_replaced_in_every_spelling() {
        for (text, expected) in [
            ("/a?sid=00D!A.b_c", Some("/a?sid=…")),
            ("/a?sid=00D!A.b_c&retURL=%2Fb", Some("/a?sid=…&retURL=%2Fb")),
            ("/a?sid=00D%21A.b_c#x", Some("/a?sid=…#x")),
            ("/a?sid=%30%30D%21A%2eb%5Fc", Some("/a?sid=…")),
            (
                "/a?to=%2Fb%3Fsid%3D00D%2521A.b_c%26x",
                Some("/a?to=%2Fb%3Fsid%3D…%26x"),
            ),
            (
                "/a?to=%25252Fb%25253D00D%252521A.b_c",
                Some("/a?to=%25252Fb%25253D…"),
            ),
            ("00D!A.b_c00D!A.b_c", Some("……")),
            ("000D!A.b_c", Some("0…")),
            ("x%2500D!A.b_c", Some("x%25…")),
            ("/a?sid=00D!A.b", None),
            ("/a?sid=00D!a.b_c", None),
            ("/100%", None),
            ("/%2", None),
            ("/%25", None),
            ("", None),
        ] {
            let kept = replace(text.as_bytes(), b"00D!A.b_c", "…");
            let kept = kept.map(|kept| String::from_utf8(kept).unwrap());
            assert_eq!(kept.as_deref(), expected, "{text}");
        }
    }
}
