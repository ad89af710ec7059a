//! The words of a query.

/// A part of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword, a function, or a field with the relationships that lead to it: `Account.Owner.Name`.
    Word(&'a str),
    /// A text, a number, a date.
    Literal,
    Mark(char),
}

impl Token<'_> {
    /// Returns whether it is this keyword, in lower case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn is_mark(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }
}

/// Takes `text` apart.
///
/// # Errors
/// What is not known in it: others may take it for something else.
pub(super) fn lex(text: &str) -> Result<Vec<Token<'_>>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\t' | '\r' | '\n' => 1,
            '\'' => {
                tokens.push(Token::Literal);
                text_length(rest)?
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let word = prefix(rest, |c| {
                    c.is_ascii_alphanumeric() || matches!(c, '_' | '.')
                });
                if word.ends_with('.') || word.contains("..") {
                    return Err("its query has a name that ends with a dot");
                }
                tokens.push(Token::Word(word));
                word.len()
            }
            '0'..='9' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || "_.:+-".contains(c);
                let number = prefix(rest, is_part);
                if !is_number(number) {
                    return Err("a number in its query runs into a word");
                }
                tokens.push(Token::Literal);
                number.len()
            }
            '(' | ')' | ',' | '=' | '!' | '<' | '>' | ':' | '-' | '+' => {
                tokens.push(Token::Mark(first));
                1
            }
            _ => return Err("its query has a character that has no place there"),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(tokens)
}

fn prefix(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    &text[..end]
}

/// Returns whether this is a number, a date, or a moment such as `2026-01-31T10:00:00.000+01:00`: some
/// readers see a word begin where a number ends.
fn is_number(text: &str) -> bool {
    let text = match text.split_once('T') {
        Some((date, time)) if date.len() == DATE && time.len() > 1 => {
            let time = time.strip_suffix('Z').unwrap_or(time);
            return is_number(date) && is_number(time);
        }
        _ => text,
    };
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || b".:+-".contains(&byte))
}

/// The length of `2026-01-31`.
const DATE: usize = 10;

/// The length of a text in quotes, whose escapes all readers know.
fn text_length(text: &str) -> Result<usize, &'static str> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok(at + 1),
            '\\' => match chars.next() {
                Some((_, 'n' | 'N' | 'r' | 'R' | 't' | 'T' | 'b' | 'B' | 'f' | 'F')) => {}
                Some((_, '\'' | '"' | '\\' | '_' | '%')) => {}
                Some((_, 'u')) if is_plain_escape(&mut chars) => {}
                _ => return Err("a text in its query has an unusual escape"),
            },
            _ => {}
        }
    }
    Err("a text in its query does not end")
}

/// Returns whether what follows `\u` in a text are the four digits of a character that neither ends a text
/// nor escapes anything, for readers who take texts apart only after that.
fn is_plain_escape(chars: &mut impl Iterator<Item = (usize, char)>) -> bool {
    let digits = chars.take(4).map(|(_, digit)| digit.to_digit(16));
    let code = digits.fold((0, 0), |(count, code), digit| match digit {
        Some(digit) => (count + 1, code * 16 + digit),
        None => (count, code),
    });
    match code {
        // Half of a character beyond four digits is none by itself.
        (4, code) => char::from_u32(code).is_none_or(|c| !c.is_control() && !"'\"\\".contains(c)),
        _ => false,
    }
}
