//! The look of a text of the wrong kind. It may be a secret, so it is described and never shown.

use std::fmt::{self, Display, Formatter};

/// The format that a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Pem,
    /// For example with four hyphens, or with the dashes that word processors make of them.
    OtherDashes,
    NoBegin,
    NoEnd,
    MailQuoted,
    Json,
    UrlEncoded,
    Hexadecimal,
    Numbers,
    Base64,
    /// UTF-16 without a byte order mark.
    Utf16,
}

impl Look {
    /// Recognises the format of a text, if it has a known one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let has = |word: &str| {
            let word = word.as_bytes();
            let mut windows = text.as_bytes().windows(word.len());
            windows.any(|window| window.eq_ignore_ascii_case(word))
        };
        let is_all = |is: fn(char) -> bool| text.chars().all(|c| c.is_whitespace() || is(c));
        let letters = text.chars().filter(|c| !c.is_whitespace()).count();
        let is_mixed = text.contains(|c: char| c.is_ascii_uppercase())
            && text.contains(|c: char| c.is_ascii_lowercase());
        if text.contains('\0') {
            Some(Self::Utf16)
        } else if is_mail_quoted(text) {
            Some(Self::MailQuoted)
        } else if has("%2B") || has("%0A") || has("%20PRIVATE") || has("+PRIVATE+KEY") {
            Some(Self::UrlEncoded)
        } else if text.contains("-----BEGIN ") && text.contains("-----END ") {
            Some(Self::Pem)
        } else if text.contains("-----BEGIN ") {
            Some(Self::NoEnd)
        } else if text.contains("-----END ") {
            Some(Self::NoBegin)
        } else if has("BEGIN ") || has("PRIVATE KEY") {
            Some(Self::OtherDashes)
        } else if text.trim_start().starts_with('{') {
            Some(Self::Json)
        } else if letters < SHORTEST {
            None
        } else if is_all(|c| c.is_ascii_digit() || "[](),;".contains(c)) {
            Some(Self::Numbers)
        } else if is_all(|c| c.is_ascii_hexdigit() || "x:,-\\".contains(c)) {
            Some(Self::Hexadecimal)
        } else if is_mixed && is_all(|c| c.is_ascii_alphanumeric() || "+/-_=\"'\\".contains(c)) {
            Some(Self::Base64)
        } else {
            None
        }
    }

    /// The advice where a private key is wanted.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Pem => "it is damaged; use the file as openssl wrote it",
            Self::OtherDashes => {
                "write the first line as -----BEGIN PRIVATE KEY----- and the last as \
                 -----END PRIVATE KEY-----, each with five hyphens before and after"
            }
            Self::NoBegin => "use all of it, from -----BEGIN to -----END",
            Self::NoEnd => "it may be cut off; use all of it, from -----BEGIN to -----END",
            Self::MailQuoted => "remove the > from its lines: `sed 's/^[> ]*//' FILE`",
            Self::Json => "use the key alone, in PEM",
            Self::UrlEncoded => {
                "decode it: `python3 -c 'import sys, urllib.parse; \
                 print(urllib.parse.unquote(sys.stdin.read()))'`"
            }
            Self::Hexadecimal => "convert it to bytes: `xxd -r -p FILE server.key`",
            Self::Numbers => {
                "convert it to bytes: `python3 -c 'import re, sys; \
                 sys.stdout.buffer.write(bytes(map(int, re.findall(\"[0-9]+\", \
                 sys.stdin.read()))))'`"
            }
            Self::Base64 => {
                "it is neither complete PEM nor complete DER; encode the file again: `base64 -w0 \
                 FILE`"
            }
            Self::Utf16 => "convert it: `iconv -f utf-16le -t utf-8 FILE`",
        }
    }
}

/// Completes "it looks like".
impl Display for Look {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "PEM",
            Self::OtherDashes => "PEM with a malformed first line",
            Self::NoBegin => "PEM without its first line",
            Self::NoEnd => "PEM without its last line",
            Self::MailQuoted => "PEM quoted as in an email",
            Self::Json => "JSON",
            Self::UrlEncoded => "URL-encoded text",
            Self::Hexadecimal => "hexadecimal digits",
            Self::Numbers => "a list of numbers",
            Self::Base64 => "base64",
            Self::Utf16 => "UTF-16 without a byte order mark",
        })
    }
}

fn is_mail_quoted(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.clone().count() > 0 && lines.all(|line| line.trim_start().starts_with('>'))
}

/// Fewer letters than a secret has in any encoding that could be recognised.
const SHORTEST: usize = 24;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n" => Some(Look::Pem))]
    #[test_case("----BEGIN PRIVATE KEY----\nMIIE\n----END PRIVATE KEY----\n" => Some(Look::OtherDashes); "four dashes")]
    #[test_case("\u{2014}\u{2014}BEGIN RSA PRIVATE KEY\u{2014}\u{2014}\nMIIE" => Some(Look::OtherDashes); "typographic")]
    #[test_case("MIIE\n-----END PRIVATE KEY-----" => Some(Look::NoBegin))]
    #[test_case("-----BEGIN PRIVATE KEY-----\nMIIE" => Some(Look::NoEnd))]
    #[test_case("> -----BEGIN PRIVATE KEY-----\n> MIIE\n> -----END PRIVATE KEY-----" => Some(Look::MailQuoted))]
    #[test_case("-----BEGIN+PRIVATE+KEY-----%0AMIIE%2B" => Some(Look::UrlEncoded))]
    #[test_case("{\"key\":\"MIIE\"}" => Some(Look::Json))]
    #[test_case("[48, 130, 4, 189, 2, 1, 0, 48, 13, 6, 9]" => Some(Look::Numbers))]
    #[test_case("308204bd020100300d06092a864886f7" => Some(Look::Hexadecimal))]
    #[test_case("30:82:04:BD:02:01:00:30:0D:06:09" => Some(Look::Hexadecimal); "with colons")]
    #[test_case("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj" => Some(Look::Base64))]
    #[test_case("_9j-4AAQSkZJRgABAQEASABIAAD" => Some(Look::Base64); "for URLs")]
    #[test_case("M\0I\0I\0E\0" => Some(Look::Utf16))]
    #[test_case("server.key" => None)]
    #[test_case("/run/secrets/a-folder/with-a-long-name/server" => None; "a long path")]
    #[test_case("correct-horse" => None)]
    fn a_look(text: &str) -> Option<Look> {
        Look::of(text)
    }
}
