//! A path, however it is spelled.

use std::borrow::Cow;

/// The words of a path: doubled and trailing slashes, as some clients send them, do not count, and
/// some servers take `\` for a slash. As bytes, because to split a `str` costs twice as much.
pub(crate) fn words(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    path.split(|byte| matches!(byte, b'/' | b'\\'))
        .filter(|word| !word.is_empty())
}

pub(crate) fn is(word: Option<&[u8]>, expected: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(expected.as_bytes()))
}

/// Returns whether a server may take `found` for `word`: with a format behind it, or with dots and blanks
/// that some cut off.
pub(crate) fn is_alike(found: Option<&[u8]>, word: &[u8]) -> bool {
    found.is_some_and(|found| stem(found).eq_ignore_ascii_case(word))
}

/// `word` as servers see it that cut off a format, or dots and blanks, until there is nothing left to cut:
/// one server may cut what another has left.
pub(crate) fn stem(mut word: &[u8]) -> &[u8] {
    loop {
        let shorter = without_format(trimmed(word));
        if shorter.len() == word.len() {
            return word;
        }
        word = shorter;
    }
}

/// `word` without blanks around it, and without dots behind it.
fn trimmed(word: &[u8]) -> &[u8] {
    let is_cut = |byte: &u8| *byte <= b' ' || *byte == b'.';
    let end = word.iter().rev().take_while(|byte| is_cut(byte)).count();
    let word = word.get(..word.len() - end).unwrap_or_default();
    let start = word.iter().take_while(|byte| **byte <= b' ').count();
    word.get(start..).unwrap_or_default()
}

/// `word` without the `.json` or `.xml` behind it that some servers take for the format of the answer.
fn without_format(word: &[u8]) -> &[u8] {
    let stem = |format: &[u8]| {
        let at = word.len().checked_sub(format.len())?;
        let (stem, end) = word.split_at_checked(at)?;
        end.eq_ignore_ascii_case(format).then_some(stem)
    };
    stem(b".json").or_else(|| stem(b".xml")).unwrap_or(word)
}

/// Returns whether there is one way only to read `path`, as with nearly all: there is nothing to
/// decode, to cut and to fold, and no segment begins with a dot.
pub(crate) fn is_plain(path: &[u8]) -> bool {
    // Both go to the end, whatever they find: many bytes at a time then take as long as one.
    let special = |found, byte: &u8| found | matches!(byte, b'%' | b'\\' | b';' | 0x80..);
    let dotted = |found, (first, second): (&u8, &u8)| found | (*first == b'/' && *second == b'.');
    let rest = path.get(1..).unwrap_or_default();
    !path.iter().fold(false, special) && !path.iter().zip(rest).fold(false, dotted)
}

/// `path` as a server reads it: decoded, without `;parameters`. Where servers differ in what
/// matters, the guard refuses it.
pub(crate) fn resolved(path: &[u8]) -> Cow<'_, [u8]> {
    if is_plain(path) {
        return path.into();
    }
    let readings = readings(path).unwrap_or_default();
    let resolved = readings.into_iter().find(Reading::is_resolved);
    resolved.map_or_else(|| path.into(), |reading| reading.bytes.into())
}

/// One way to read a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) bytes: Vec<u8>,
    /// True if an encoded slash, or a backslash, stayed part of its segment.
    keeps_slashes: bool,
}

impl Reading {
    /// Returns whether there is nothing left to decode or to cut.
    pub(crate) fn is_resolved(&self) -> bool {
        !self.keeps_slashes && self.cut().is_none() && self.decode(b"").is_none()
    }

    /// Without path parameters (RFC 3986 section 3.3), if it has any.
    fn cut(&self) -> Option<Self> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut is_parameter = false;
        for byte in &self.bytes {
            is_parameter = *byte != b'/' && (is_parameter || *byte == b';');
            if !is_parameter {
                bytes.push(*byte);
            }
        }
        self.changed(bytes, self.keeps_slashes)
    }

    /// Decoded once, if there is anything to decode. Of slashes and backslashes, those in `kept` stay part
    /// of their segment.
    fn decode(&self, kept: &[u8]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut rest = &self.bytes[..];
        while let Some((first, after)) = rest.split_first() {
            let decoded = (*first == b'%').then(|| hex(after)).flatten();
            rest = decoded.map_or(after, |_| &after[2..]);
            bytes.push(match decoded {
                Some(byte) if kept.contains(&byte) => KEPT,
                Some(byte) => byte,
                None => *first,
            });
        }
        self.changed(bytes, self.keeps_slashes || !kept.is_empty())
    }

    /// With its backslashes as the plain characters that they are to most servers, if it has any.
    fn literal(&self) -> Option<Self> {
        let plain = |byte: &u8| if *byte == b'\\' { KEPT } else { *byte };
        self.changed(self.bytes.iter().map(plain).collect(), true)
    }

    /// With plain letters in place of those that are the same to servers which look away from case, as
    /// Java's `String.equalsIgnoreCase` does, if it has any.
    fn folded(&self) -> Option<Self> {
        if self.bytes.is_ascii() {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for chunk in self.bytes.utf8_chunks() {
            let plain = |c| match c {
                '\u{17f}' => 's',
                '\u{130}' | '\u{131}' => 'i',
                '\u{212a}' => 'k',
                other => other,
            };
            let text: String = chunk.valid().chars().map(plain).collect();
            bytes.extend_from_slice(text.as_bytes());
            bytes.extend_from_slice(chunk.invalid());
        }
        self.changed(bytes, self.keeps_slashes)
    }

    fn changed(&self, bytes: Vec<u8>, keeps_slashes: bool) -> Option<Self> {
        (bytes != self.bytes).then_some(Self {
            bytes,
            keeps_slashes,
        })
    }
}

/// All the ways to read `path`: some servers cut parameters before they decode, some after, some
/// decode twice, not all take an encoded slash, or a backslash, for one, and some know more letters in
/// two cases than ASCII has. `None` if there are too many.
pub(crate) fn readings(path: &[u8]) -> Option<Vec<Reading>> {
    let mut readings = vec![Reading {
        bytes: path.to_vec(),
        keeps_slashes: false,
    }];
    let mut next = 0;
    while let Some(reading) = readings.get(next) {
        let more = [
            reading.cut(),
            reading.decode(b""),
            reading.decode(b"/\\"),
            // A browser's rules make a slash of a plain backslash, and none of an encoded one.
            reading.decode(b"\\"),
            reading.decode(b"/"),
            reading.literal(),
            reading.folded(),
        ];
        for reading in more.into_iter().flatten() {
            if !readings.iter().any(|known| known.bytes == reading.bytes) {
                readings.push(reading);
            }
        }
        if readings.len() > MOST_READINGS {
            return None;
        }
        next += 1;
    }
    Some(readings)
}

fn hex(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Bytes of the path of a request within a request: as many as Salesforce takes in a URL. Each way to read a
/// path is a copy of it.
pub(crate) const LONGEST_WITHIN: usize = 16 * 1024;

/// More than anybody needs who means well: an external id with a semicolon and a slash that are
/// encoded twice has nine.
const MOST_READINGS: usize = 24;

/// Stands for an encoded slash, or a backslash, that is none.
const KEPT: u8 = b'_';

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Vec<String> {
        let readings = readings(path.as_bytes()).unwrap();
        let text = |reading: Reading| String::from_utf8(reading.bytes).unwrap();
        readings.into_iter().map(text).collect()
    }

    #[test]
    fn a_stem_is_what_is_left_when_all_is_cut_off() {
        for (word, expected) in [
            ("token", "token"),
            ("token.json", "token"),
            ("token..json", "token"),
            ("token .XML. ", "token"),
            ("token.json.xml", "token"),
            ("\ttoken", "token"),
            ("..json", ""),
            (" . .xml", ""),
            ("62.0", "62.0"),
            ("token.jsonx", "token.jsonx"),
            (".well-known", ".well-known"),
        ] {
            assert_eq!(stem(word.as_bytes()), expected.as_bytes(), "{word}");
        }
    }

    #[test]
    fn every_order_of_cutting_and_decoding_is_a_reading() {
        assert_eq!(read("/a/b"), ["/a/b"]);
        assert_eq!(read("/a;b/c"), ["/a;b/c", "/a/c"]);
        assert_eq!(
            read("/a;b%2fc"),
            ["/a;b%2fc", "/a", "/a;b/c", "/a;b_c", "/a/c"]
        );
        assert_eq!(read("/a%3bb/c"), ["/a%3bb/c", "/a;b/c", "/a/c"]);
        assert_eq!(
            read("/%2561;%2f"),
            [
                "/%2561;%2f",
                "/%2561",
                "/%61;/",
                "/%61;_",
                "/%61",
                "/%61/",
                "/a;/",
                "/a;_",
                "/a",
                "/a/"
            ]
        );
        assert_eq!(read("/100%/%zz/%2"), ["/100%/%zz/%2"]);
        assert_eq!(read("/a\\b"), ["/a\\b", "/a_b"]);
        assert_eq!(read("/\u{17f}"), ["/\u{17f}", "/s"]);
        assert_eq!(read("/%c4%b0d"), ["/%c4%b0d", "/\u{130}d", "/id"]);
    }

    #[test]
    fn what_is_encoded_without_end_is_not_read() {
        assert_eq!(
            readings(format!("/%{}41", "25".repeat(100)).as_bytes()),
            None
        );
    }

    #[test]
    fn a_path_is_resolved_as_servers_read_it() {
        for (path, resolved) in [
            ("/services/data", "/services/data"),
            ("/%73ervices/data", "/services/data"),
            ("/services;x/data", "/services/data"),
            ("/services%2Fdata%3bx", "/services/data"),
            ("/%2573ervices", "/services"),
        ] {
            let found = super::resolved(path.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), resolved, "{path}");
        }
    }
}
