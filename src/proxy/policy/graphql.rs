//! GraphQL: queries read, mutations write. Neither says which objects it is about in a way that can be
//! told here.

use std::fmt::Display;

use super::{
    json::Json,
    judge::{Judge, Judged, Object},
};

/// Judges the body of a request.
pub(super) fn judge(judge: Judge<'_>, what: &dyn Display, body: &Json) -> Judged {
    let Some(text) = body.text("query") else {
        return judge.unclear(what, "its body has no query in GraphQL");
    };
    let operations = match operations(text) {
        Ok(operations) => operations,
        Err(why) => return judge.unclear(what, why),
    };
    for operation in operations {
        match operation {
            Operation::Query => judge.read(what, Object::Unknown)?,
            Operation::Mutation => judge.write(what, Object::Unknown)?,
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Query,
    Mutation,
}

/// The operations of a document, all of which are judged, whichever is asked for.
///
/// # Errors
/// What is not known in it.
fn operations(text: &str) -> Result<Vec<Operation>, &'static str> {
    let mut operations = Vec::new();
    let mut open = Vec::new();
    let mut is_new = true;
    let mut rest = text;
    while let Some((token, after)) = next(rest)? {
        rest = after;
        let is_top = open.is_empty();
        match token {
            Token::Open(mark) => {
                if is_top && is_new {
                    match mark {
                        '{' => operations.push(Operation::Query),
                        _ => return Err(ODD),
                    }
                }
                is_new = false;
                open.push(mark);
            }
            Token::Close(mark) => {
                if open.pop() != Some(mark) {
                    return Err(ODD);
                }
                // A definition ends with what it selects.
                is_new = open.is_empty() && mark == '{';
            }
            Token::Name(name) if is_top && is_new => {
                match name {
                    "query" => operations.push(Operation::Query),
                    "mutation" => operations.push(Operation::Mutation),
                    "fragment" => {}
                    _ => return Err(ODD),
                }
                is_new = false;
            }
            Token::Name(_) | Token::Other => {}
        }
    }
    if !open.is_empty() || !is_new || operations.is_empty() {
        return Err(ODD);
    }
    Ok(operations)
}

enum Token<'a> {
    Name(&'a str),
    /// By the character that opens.
    Open(char),
    Close(char),
    Other,
}

/// The next token, and what follows it (GraphQL, October 2021, section 2.1).
fn next(text: &str) -> Result<Option<(Token<'_>, &str)>, &'static str> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n', ',']);
    let Some(first) = text.chars().next() else {
        return Ok(None);
    };
    let (token, length) = match first {
        '{' | '(' | '[' => (Token::Open(first), 1),
        '}' => (Token::Close('{'), 1),
        ')' => (Token::Close('('), 1),
        ']' => (Token::Close('['), 1),
        '!' | '$' | '&' | ':' | '=' | '@' | '|' | '.' => (Token::Other, 1),
        '-' | '0'..='9' => {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.');
            (
                Token::Other,
                text.find(|c| !is_part(c)).unwrap_or(text.len()),
            )
        }
        'a'..='z' | 'A'..='Z' | '_' => {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
            (Token::Name(&text[..end]), end)
        }
        '"' => (Token::Other, string_length(text)?),
        // A comment ends with its line, and readers differ in what ends a line.
        _ => return Err("its GraphQL has a comment, or a character that has no place there"),
    };
    Ok(Some((token, &text[length..])))
}

fn string_length(text: &str) -> Result<usize, &'static str> {
    if text.starts_with("\"\"\"") {
        return Err("its GraphQL has a block string");
    }
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return Ok(at + 1),
            '\n' | '\r' => break,
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    Err("a text in its GraphQL does not end")
}

const ODD: &str = "its GraphQL is not as it is usual";

#[cfg(test)]
mod tests {
    use super::{Operation::*, *};

    #[test]
    fn operations_are_found_and_nothing_is_taken_for_one() {
        for (text, expected) in [
            ("{ a { b } }", Some(&[Query][..])),
            ("query { a }", Some(&[Query])),
            (
                "query mutation($x: ID = \"}\") @d(a: {b: [1]}) { a(x: $x) }",
                Some(&[Query]),
            ),
            (
                "fragment mutation on Account { Name } { a { ...mutation } }",
                Some(&[Query]),
            ),
            ("mutation { a }", Some(&[Mutation])),
            ("query A { a } mutation B { b }", Some(&[Query, Mutation])),
            ("{ mutation: a { mutation } }", Some(&[Query])),
            ("subscription { a }", None),
            ("# mutation\n{ a }", None),
            ("{ a(b: \"\"\"}\"\"\") }", None),
            ("{ a", None),
            ("{ a } }", None),
            ("query", None),
            ("fragment a on B { c }", None),
            ("", None),
            ("\u{feff}{ a }", None),
        ] {
            assert_eq!(operations(text).ok().as_deref(), expected, "{text}");
        }
    }
}
