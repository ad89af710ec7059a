//! A part of SOSL: words, the fields to search, and the fields to return of each object.

use serde_json::Value;

use super::{
    data::{Data, Field, Kind, Record},
    soql::{self, Error, like},
};

/// A search, written as SOSL or put together from parameters.
pub(super) struct Search {
    pub(super) words: Words,
    pub(super) scope: Scope,
    /// The objects to return; all if it is empty.
    pub(super) returning: Vec<Returning>,
    pub(super) limit: usize,
}

impl Search {
    /// Reads `FIND {words} IN ALL FIELDS RETURNING Account(Id, Name WHERE … LIMIT 5) LIMIT 10`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let rest = after_word(text, "FIND")
            .ok_or_else(|| Error::malformed_search("expecting FIND"))?
            .strip_prefix('{')
            .ok_or_else(|| Error::malformed_search("expecting '{' after FIND"))?;
        let end = unescaped(rest, '}')
            .ok_or_else(|| Error::malformed_search("expecting '}', found '<EOF>'"))?;
        let mut search = Self {
            words: Words::parse(&rest[..end])?,
            scope: Scope::All,
            returning: Vec::new(),
            limit: MOST,
        };
        let mut rest = rest[end + 1..].trim_start();
        if let Some(scope) = after_word(rest, "IN") {
            let (name, further) = word(scope);
            search.scope = Scope::named(name)
                .ok_or_else(|| Error::malformed_search(format!("unknown search group: {name}")))?;
            rest = after_word(further, "FIELDS")
                .ok_or_else(|| Error::malformed_search("expecting FIELDS"))?;
        }
        if let Some(mut list) = after_word(rest, "RETURNING") {
            loop {
                let (one, further) = Returning::parse(list)?;
                search.returning.push(one);
                rest = further;
                match further.strip_prefix(',') {
                    Some(next) => list = next.trim_start(),
                    None => break,
                }
            }
        }
        // WITH and the like make no difference here.
        let (_, limit) = limited(rest)?;
        search.limit = limit.unwrap_or(MOST).min(MOST);
        Ok(search)
    }

    /// The records, object by object. Their URLs have `version` in them.
    pub(super) fn run(&self, data: &Data, version: &str) -> Result<Vec<Value>, Error> {
        let all: Vec<_>;
        let returning = if self.returning.is_empty() {
            let names = data.tables.iter().map(|table| table.object.name);
            all = names.map(Returning::ids).collect();
            &all
        } else {
            &self.returning
        };
        let mut found = Vec::new();
        for one in returning {
            let records = soql::run(data, version, &one.query())?.records;
            let wanted = records
                .into_iter()
                .filter(|record| self.is_wanted(data, &one.object, record));
            found.extend(wanted.take(one.limit.unwrap_or(MOST)));
        }
        found.truncate(self.limit);
        Ok(found)
    }

    fn is_wanted(&self, data: &Data, object: &str, shown: &Value) -> bool {
        let url = shown["attributes"]["url"].as_str().unwrap_or_default();
        let id = url.rsplit('/').next().unwrap_or_default();
        let Some(table) = data.table(object) else {
            return false;
        };
        let fields = table.object.fields.iter();
        let fields: Vec<_> = fields.filter(|field| self.scope.has(field)).collect();
        table
            .find(id)
            .is_some_and(|record| self.words.are_in(record, &fields))
    }
}

/// The fields to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    Name,
    Email,
    Phone,
}

impl Scope {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "ALL" | "SIDEBAR" => Self::All,
            "NAME" => Self::Name,
            "EMAIL" => Self::Email,
            "PHONE" => Self::Phone,
            _ => return None,
        })
    }

    fn has(self, field: &Field) -> bool {
        match self {
            Self::All => field.kind == Kind::Text,
            Self::Name => field.name.ends_with("Name"),
            Self::Email => field.name == "Email",
            Self::Phone => field.name == "Phone",
        }
    }
}

/// The fields to return of one object, and the conditions.
pub(super) struct Returning {
    pub(super) object: String,
    /// In SOQL, separated by commas.
    pub(super) fields: String,
    /// `WHERE … ORDER BY …`
    pub(super) conditions: String,
    pub(super) limit: Option<usize>,
}

impl Returning {
    /// The ids of all records.
    pub(super) fn ids(object: &str) -> Self {
        Self {
            object: object.to_owned(),
            fields: "Id".to_owned(),
            conditions: String::new(),
            limit: None,
        }
    }

    /// Reads one from the beginning of `text`, and returns the rest.
    fn parse(text: &str) -> Result<(Self, &str), Error> {
        let (object, rest) = word(text);
        if object.is_empty() {
            return Err(Error::malformed_search("expecting an object"));
        }
        let mut returning = Self::ids(object);
        let Some(within) = rest.strip_prefix('(') else {
            return Ok((returning, rest));
        };
        let end = closing(within)
            .ok_or_else(|| Error::malformed_search("expecting ')', found '<EOF>'"))?;
        let (within, rest) = (&within[..end], &within[end + 1..]);
        let (within, limit) = limited(within)?;
        let conditions = ["WHERE", "ORDER"]
            .into_iter()
            .filter_map(|keyword| find_word(within, keyword))
            .min();
        let (fields, conditions) = within.split_at(conditions.unwrap_or(within.len()));
        returning.fields = fields.to_owned();
        returning.conditions = conditions.to_owned();
        returning.limit = limit;
        Ok((returning, rest.trim_start()))
    }

    fn query(&self) -> String {
        let Self {
            object,
            fields,
            conditions,
            ..
        } = self;
        format!("SELECT {fields} FROM {object} {conditions}")
    }
}

/// The words to search for: any of these groups, and all terms of a group.
pub(super) struct Words(Vec<Vec<Term>>);

struct Term {
    /// In lower case, as for LIKE.
    pattern: String,
    /// If true, it is found anywhere in the text, and not only as a word: it is several words, or
    /// has other characters in it.
    anywhere: bool,
    wanted: bool,
}

impl Words {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut any = vec![Vec::new()];
        let mut wanted = true;
        let mut rest = text.trim_start_matches(SEPARATORS);
        while !rest.is_empty() {
            let (term, further) = match rest.strip_prefix('"') {
                Some(phrase) => {
                    let end = unescaped(phrase, '"').unwrap_or(phrase.len());
                    (&phrase[..end], phrase.get(end + 1..).unwrap_or_default())
                }
                None => rest.split_at(rest.find(SEPARATORS).unwrap_or(rest.len())),
            };
            match term {
                "AND" => {}
                "OR" => any.push(Vec::new()),
                "NOT" => wanted = false,
                _ => {
                    let term = Term::new(term, wanted)?;
                    if let Some(all) = any.last_mut() {
                        all.push(term);
                    }
                    wanted = true;
                }
            }
            rest = further.trim_start_matches(SEPARATORS);
        }
        if any.iter().any(Vec::is_empty) {
            return Err(Error::malformed_search("entity type needs a search term"));
        }
        Ok(Self(any))
    }

    fn are_in(&self, record: &Record, fields: &[&Field]) -> bool {
        let texts: Vec<_> = fields
            .iter()
            .filter_map(|field| record.get(field.name)?.as_str())
            .map(str::to_lowercase)
            .collect();
        let holds = |term: &Term| texts.iter().any(|text| term.is_in(text)) == term.wanted;
        self.0.iter().any(|all| all.iter().all(holds))
    }
}

impl Term {
    fn new(text: &str, wanted: bool) -> Result<Self, Error> {
        let mut pattern = String::new();
        let mut long = 0;
        let mut anywhere = false;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => pattern.push('%'),
                '?' => pattern.push('_'),
                c => {
                    let c = if c == '\\' {
                        chars.next().unwrap_or(c)
                    } else {
                        c
                    };
                    if matches!(c, '%' | '_' | '\\') {
                        pattern.push('\\');
                    }
                    pattern.extend(c.to_lowercase());
                    anywhere |= !c.is_alphanumeric();
                    long += 1;
                }
            }
        }
        if long < 2 {
            return Err(Error::malformed_search(format!(
                "search term must be longer than one character: {text}"
            )));
        }
        if anywhere {
            pattern = format!("%{pattern}%");
        }
        Ok(Self {
            pattern,
            anywhere,
            wanted,
        })
    }

    fn is_in(&self, text: &str) -> bool {
        if self.anywhere {
            return like(text, &self.pattern);
        }
        text.split(|c: char| !c.is_alphanumeric())
            .any(|word| like(word, &self.pattern))
    }
}

/// `text` without its final `LIMIT`, and that.
fn limited(text: &str) -> Result<(&str, Option<usize>), Error> {
    let Some(at) = find_word(text, "LIMIT") else {
        return Ok((text, None));
    };
    let (limit, _) = word(text[at + "LIMIT".len()..].trim_start());
    let limit = limit
        .parse()
        .map_err(|_| Error::malformed_search(format!("LIMIT needs a number, not '{limit}'")))?;
    Ok((&text[..at], Some(limit)))
}

/// The text after `keyword`, if `text` begins with that.
fn after_word<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (first, rest) = word(text.trim_start());
    first.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// The first word of `text`, and the rest.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (word, rest.trim_start())
}

/// The position of a keyword outside of quotes.
fn find_word(text: &str, keyword: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    outside_quotes(text).map(|(at, _)| at).find(|&at| {
        let (before, from) = text.split_at(at);
        let found = from.get(..keyword.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(keyword))
            && !before.ends_with(is_part)
            && !from[keyword.len()..].starts_with(is_part)
    })
}

/// The position of the parenthesis that closes the one opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    outside_quotes(text)
        .find(|(_, c)| {
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            open == 0
        })
        .map(|(at, _)| at)
}

/// The characters outside of single quotes.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().filter(move |&(_, c)| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            _ => return !quoted,
        }
        false
    })
}

/// The position of the first `end` without a backslash before it.
fn unescaped(text: &str, end: char) -> Option<usize> {
    let mut escaped = false;
    let mut chars = text.char_indices();
    chars
        .find(|&(_, c)| {
            let found = c == end && !escaped;
            escaped = c == '\\' && !escaped;
            found
        })
        .map(|(at, _)| at)
}

const SEPARATORS: &[char] = &[' ', '\t', '\r', '\n', '(', ')'];

/// Records in one response.
const MOST: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: &str) -> Result<Vec<String>, String> {
        let data = Data::sample("me@example.com");
        let search = Search::parse(search).map_err(|error| error.to_string())?;
        let found = search.run(&data, "v62.0");
        let found = found.map_err(|error| error.to_string())?;
        let shown = |record: &Value| match &record["Name"] {
            Value::String(name) => name.clone(),
            _ => record["attributes"]["type"].to_string(),
        };
        Ok(found.iter().map(shown).collect())
    }

    #[test]
    fn words_are_found_wherever_they_stand() {
        for (search, expected) in [
            (
                "FIND {zürich} RETURNING Account(Name LIMIT 2)",
                &["Zürich Timber", "Zürich Paper"][..],
            ),
            (
                "find {Z?ric* AND timber}\n IN NAME FIELDS returning Account ( Id, Name )",
                &["Zürich Timber"],
            ),
            (
                "FIND {\"Zürich Paper\" OR \"Osaka Robotics\"} RETURNING Account(Name ORDER BY Name DESC)",
                &["Zürich Paper", "Osaka Robotics"],
            ),
            (
                "FIND {hopper AND NOT Grace} IN EMAIL FIELDS RETURNING Contact(Name WHERE Name LIKE '%) LIMIT 1')",
                &[],
            ),
            (
                "FIND {ada} RETURNING Contact(Name WHERE LastName = 'Lovelace'), Account(Name) LIMIT 1",
                &["Ada Lovelace"],
            ),
            (
                "FIND {ada} RETURNING Contact LIMIT 2",
                &["\"Contact\"", "\"Contact\""],
            ),
            ("FIND {INV\\-00001}", &["\"Invoice__c\""]),
            ("FIND {zür} RETURNING Account(Name)", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(found(search), Ok(expected), "{search}");
        }
    }

    #[test]
    fn a_search_that_cannot_be_read_says_why() {
        for (search, why) in [
            ("SELECT Id FROM Account", "expecting FIND"),
            ("FIND zürich", "expecting '{'"),
            ("FIND {zürich", "expecting '}'"),
            ("FIND {}", "search term"),
            ("FIND {a*}", "longer than one character"),
            ("FIND {ada OR}", "search term"),
            ("FIND {ada} IN SOME FIELDS", "unknown search group: SOME"),
            ("FIND {ada} RETURNING", "expecting an object"),
            ("FIND {ada} RETURNING Contact(Name", "expecting ')'"),
            ("FIND {ada} LIMIT x", "LIMIT needs a number"),
            ("FIND {ada} RETURNING Nope", "INVALID_TYPE"),
            ("FIND {ada} RETURNING Contact(Nope)", "INVALID_FIELD"),
        ] {
            let refused = found(search).unwrap_err();
            assert!(refused.contains(why), "{search}: {refused}");
        }
    }
}
