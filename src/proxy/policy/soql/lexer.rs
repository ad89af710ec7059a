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
                if word.split('.').skip(1).any(begins_with_digit) {
                    if !is_amount(word) {
                        return Err(RUNS_ON);
                    }
                    tokens.push(Token::Literal);
                } else {
                    tokens.push(Token::Word(word));
                }
                word.len()
            }
            '0'..='9' | '.' if begins_with_digit(rest.strip_prefix('.').unwrap_or(rest)) => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || "_.:+-".contains(c);
                let number = prefix(rest, is_part);
                if !is_number(number) {
                    return Err(RUNS_ON);
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

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Returns whether this is a number, a date, or a moment such as `2026-01-31T10:00:00.000+01:00`: some
/// readers see a word begin where a number ends.
fn is_number(text: &str) -> bool {
    if let Some((date, time)) = text.split_once('T')
        && date.len() == DATE
        && time.len() > 1
    {
        let time = time.strip_suffix(['Z', 'z']).unwrap_or(time);
        return is_plain(date) && is_plain(time);
    }
    // `1.5E-6`
    match text.split_once(['E', 'e']) {
        Some((number, exponent)) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            is_decimal(number) && is_digits(exponent)
        }
        None => is_plain(text),
    }
}

/// Returns whether this is an amount with a fraction, such as `USD5000.50`. No field has such a name.
fn is_amount(text: &str) -> bool {
    let parts = text.split_at_checked(CURRENCY);
    parts.is_some_and(|(currency, number)| {
        let is_letters = currency.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_letters && begins_with_digit(number) && is_decimal(number)
    })
}

/// Returns whether this is a number such as `15`, `1.5` or `.5`.
fn is_decimal(text: &str) -> bool {
    match text.split_once('.') {
        Some((whole, fraction)) => (whole.is_empty() || is_digits(whole)) && is_digits(fraction),
        None => is_digits(text),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || b".:+-".contains(&byte))
}

const RUNS_ON: &str = "a number in its query runs into a word";

/// The length of `USD`.
const CURRENCY: usize = 3;

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
