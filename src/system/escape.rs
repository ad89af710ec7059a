//! Escapes other people's words: a terminal would obey some of their characters, and people would
//! not see others.

use std::{borrow::Cow, fmt::Write};

/// `text` on one line. Characters that a terminal would obey, or nobody would see, are escaped as
/// in JSON.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    spell_out(text, is_tricky)
}

/// Like [`line()`], but lines stay lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    spell_out(text, |c| is_tricky(c) && c != '\n')
}

/// Returns whether it is a control (C0, DEL, C1), ends a line elsewhere, is not shown by most programs
/// (Unicode's `Default_Ignorable_Code_Point`, but for what only varies the character before it), or
/// changes the direction of the text.
pub(crate) fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

fn spell_out(text: &str, is_tricky: fn(char) -> bool) -> Cow<'_, str> {
    // Nearly all are plain; to look at all bytes at once costs less than to stop at the first.
    let is_plain = |plain, byte: &u8| plain & matches!(byte, b' '..=b'~');
    if text.as_bytes().iter().fold(true, is_plain) || !text.contains(is_tricky) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !is_tricky(c) => shown.push(c),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            '\n' => shown.push_str("\\n"),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left() {
        for (text, expected) in [
            ("Zürich, 東京", "Zürich, 東京"),
            ("a\tb\r\n", "a\\tb\\r\\n"),
            ("\u{1b}[2Jx\u{7f}\0", "\\u001b[2Jx\\u007f\\u0000"),
            ("\u{9b}31m", "\\u009b31m"),
            ("\u{202e}moc\u{2069}", "\\u202emoc\\u2069"),
            (
                "a\u{200b}b\u{61c}\u{2064}\u{feff}",
                "a\\u200bb\\u061c\\u2064\\ufeff",
            ),
            (
                "a\u{ad}b\u{3164}\u{e0041}",
                "a\\u00adb\\u3164\\udb40\\udc41",
            ),
        ] {
            assert_eq!(line(text), expected);
        }
        assert_eq!(lines("two\nlines\u{1b}"), "two\nlines\\u001b");
    }
}
