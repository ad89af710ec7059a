//! A query's words.

use super::Error;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// In bytes from the start of the query.
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A keyword, a field path, or a function.
    Word(String),
    /// A string; `\%` and `\_` are left as they are, for LIKE.
    Text(String),
    Number(f64),
    /// A date or a time, unquoted.
    Date(String),
    Symbol(&'static str),
    End,
}

impl TokenKind {
    /// The text that the org quotes in an error.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(word) | Self::Date(word) => format!("'{word}'"),
            Self::Text(text) => format!("'{text}'"),
            Self::Number(number) => format!("'{number}'"),
            Self::Symbol(symbol) => format!("'{symbol}'"),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

pub(super) fn tokens(query: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = query[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let rest = &query[at..];
        let (kind, length) = match c {
            '\'' => text(rest).ok_or_else(|| {
                Error::malformed(query.len(), "mismatched character '<EOF>' expecting '''")
            })?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = leading(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
                (TokenKind::Word(word.to_owned()), word.len())
            }
            '0'..='9' | '+' | '-' | '.' => literal(at, rest)?,
            _ => symbol(rest).ok_or_else(|| {
                Error::malformed(
                    at,
                    format!("line 1:{at} no viable alternative at character '{c}'"),
                )
            })?,
        };
        tokens.push(Token { kind, at });
        at += length;
    }
    tokens.push(Token {
        kind: TokenKind::End,
        at,
    });
    Ok(tokens)
}

/// The string that `rest` starts with, and its length in the query.
fn text(rest: &str) -> Option<(TokenKind, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((TokenKind::Text(text), at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                wildcard @ ('%' | '_' | '\\') => text.extend(['\\', wildcard]),
                other => text.push(other),
            },
            c => text.push(c),
        }
    }
    None
}

/// A number, or a date such as `2026-01-31` or `2026-01-31T09:00:00Z`.
fn literal(at: usize, rest: &str) -> Result<(TokenKind, usize), Error> {
    let word = leading(rest, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | ':')
    });
    let kind = if let Ok(number) = word.parse() {
        TokenKind::Number(number)
    } else if word.len() >= 10 && word.as_bytes()[4] == b'-' {
        TokenKind::Date(word.to_owned())
    } else {
        return Err(Error::malformed(at, format!("unexpected token: '{word}'")));
    };
    Ok((kind, word.len()))
}

fn symbol(rest: &str) -> Option<(TokenKind, usize)> {
    // Longer symbols first.
    let symbols = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];
    let symbol = symbols
        .into_iter()
        .find(|symbol| rest.starts_with(symbol))?;
    Some((TokenKind::Symbol(symbol), symbol.len()))
}

fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    &text[..end]
}
