//! SOQL and SOSL, as far as a policy needs them: which objects and fields a query reads, and whether it
//! leaves a trace. What is not understood is refused.

use std::fmt::Display;

use self::{
    lexer::{Token, lex},
    uses::Uses,
};
use super::judge::{Judge, Judged};

mod lexer;
mod uses;

/// Judges a query in SOQL.
pub(super) fn judge(judge: Judge<'_>, what: &dyn Display, text: &str) -> Judged {
    if !judge.looks() {
        return Ok(());
    }
    if is_too_long(text) {
        return judge.unclear(what, TOO_LONG);
    }
    let tokens = match lex(text) {
        Ok(tokens) => tokens,
        Err(why) => return judge.unclear(what, why),
    };
    if !tokens.first().is_some_and(|first| first.is("select")) {
        return judge.unclear(what, "its query does not begin with SELECT");
    }
    traces(judge, what, &tokens)?;
    if !judge.limits_reading() {
        return Ok(());
    }
    match Uses::of_query(&tokens) {
        Ok(uses) => uses.judge(judge, what),
        Err(why) => judge.unclear(what, why),
    }
}

/// Judges a search in SOSL.
pub(super) fn judge_search(judge: Judge<'_>, what: &dyn Display, text: &str) -> Judged {
    if !judge.looks() {
        return Ok(());
    }
    if is_too_long(text) {
        return judge.unclear(what, TOO_LONG);
    }
    let Some((sought, rest)) = split_search(text) else {
        return judge.unclear(what, "its search does not begin with FIND {…}");
    };
    let tokens = match lex(rest) {
        Ok(tokens) => tokens,
        Err(why) => return judge.unclear(what, why),
    };
    // With these, not every reader may see the end of the text in the same place.
    if sought.contains(['\\', '"']) {
        let sought = sought.to_ascii_lowercase();
        if sought.contains("update") || judge.limits_reading() && sought.contains("returning") {
            let why = "it searches for `update` or `returning` with quotes or backslashes";
            return judge.unclear(what, why);
        }
    }
    traces(judge, what, &tokens)?;
    if !judge.limits_reading() {
        return Ok(());
    }
    match Uses::of_search(&tokens) {
        Ok(uses) => uses.judge(judge, what),
        Err(why) => judge.unclear(what, why),
    }
}

/// `FOR VIEW` and `FOR REFERENCE` set when a record was last viewed, `FOR UPDATE` locks it, and `UPDATE
/// VIEWSTAT` and `UPDATE TRACKING` count: SOQL and SOSL Reference.
fn traces(judge: Judge<'_>, what: &dyn Display, tokens: &[Token<'_>]) -> Judged {
    let found = tokens.iter().find(|it| it.is("for") || it.is("update"));
    match found {
        Some(_) => judge.leaves_trace(&format!("{what} with FOR or UPDATE in its query")),
        None => Ok(()),
    }
}

/// The text between the braces of `FIND {…}`, and what follows.
fn split_search(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let find = text.get(..4)?;
    let rest = text.get(4..)?.trim_start_matches([' ', '\t', '\r', '\n']);
    let rest = rest.strip_prefix('{')?;
    let mut is_escaped = false;
    let end = rest.find(|c| {
        let ends = c == '}' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    find.eq_ignore_ascii_case("find")
        .then(|| (&rest[..end], &rest[end + 1..]))
}

fn is_too_long(text: &str) -> bool {
    text.len() > LONGEST && text.chars().count() > LONGEST
}

/// Characters, as many as Salesforce takes: SOQL and SOSL Reference, *SOQL and SOSL Limits*.
pub(super) const LONGEST: usize = 100_000;

const TOO_LONG: &str = "its query has more than 100,000 characters";

#[cfg(test)]
#[path = "../../../tests/fuzz/soql.rs"]
mod fuzz;
