//! The objects and fields that a query reads: to filter or to sort by a field is to read it.

use std::{collections::HashSet, fmt::Display};

use super::{
    super::{
        judge::{Judge, Judged, Object},
        names, objects,
    },
    lexer::Token,
};

/// The objects and fields of a query.
#[derive(Debug, Default)]
pub(super) struct Uses<'a> {
    scopes: Vec<Scope<'a>>,
}

/// One SELECT, or one object of a search.
#[derive(Debug)]
struct Scope<'a> {
    /// More than one where a relationship may lead to either.
    objects: Vec<&'a str>,
    /// Names for the object in its fields.
    names: Vec<&'a str>,
    /// Names that it gives to results.
    aliases: Vec<&'a str>,
    /// Words by which it sorts: fields, or aliases where it has groups.
    sorted: Vec<&'a str>,
    has_groups: bool,
    /// The words that are, or may be, fields.
    fields: Vec<&'a str>,
    /// Fields that lead back to the records of the query around it.
    lookups: Vec<String>,
    reads_all: bool,
}

type Found<T> = Result<T, &'static str>;

impl<'a> Uses<'a> {
    /// Those of a query in SOQL.
    pub(super) fn of_query(tokens: &[Token<'a>]) -> Found<Self> {
        let mut uses = Self::default();
        let rest = uses.select(tokens, None, 0)?;
        match rest {
            [] => Ok(uses),
            _ => Err("its query goes on after its end"),
        }
    }

    /// Those of a search in SOSL, after `FIND {…}`.
    pub(super) fn of_search(tokens: &[Token<'a>]) -> Found<Self> {
        let at = tokens.iter().position(|it| it.is("returning"));
        let mut rest = at.map_or(&[][..], |at| &tokens[at + 1..]);
        let mut uses = Self::default();
        if at.is_none() {
            return Err("its search has no RETURNING, so it returns all objects");
        }
        loop {
            // Whatever its name: `Order` is an object, too.
            let [Token::Word(object), after @ ..] = rest else {
                return Err(INCOMPLETE);
            };
            let mut scope = Scope::of(vec![object]);
            // A search looks through fields that it does not name.
            scope.reads_all = true;
            rest = match after {
                [Token::Mark('('), ..] => {
                    let (inner, after) = parenthesized(after)?;
                    uses.clauses(inner, &mut scope, 0)?;
                    after
                }
                // Without a list it returns the id alone.
                _ => after,
            };
            uses.scopes.push(scope);
            match rest {
                [Token::Mark(','), after @ ..] => rest = after,
                [] => return Ok(uses),
                [next, ..] if SEARCH_CLAUSES.iter().any(|it| next.is(it)) => return Ok(uses),
                _ => return Err("its search has something odd after RETURNING"),
            }
        }
    }

    /// Reads a SELECT, to its end or the parenthesis behind it. Returns what follows. If it is in the list of
    /// another one, that is about `parents`.
    fn select<'t>(
        &mut self,
        tokens: &'t [Token<'a>],
        parents: Option<&[&'a str]>,
        depth: u8,
    ) -> Found<&'t [Token<'a>]> {
        if depth > DEEPEST {
            return Err("its query has too many queries within queries");
        }
        let [first, rest @ ..] = tokens else {
            return Err(INCOMPLETE);
        };
        if !first.is("select") {
            return Err(INCOMPLETE);
        }
        let from = at_top(rest, |it| it.is("from")).ok_or(INCOMPLETE)?;
        let (selected, rest) = (&rest[..from], &rest[from + 1..]);
        // The object and its alias.
        let mut names = rest.iter().take(3).take_while(|it| !it.is_mark(')'));
        if names.any(is_out_of_place) {
            return Err(OUT_OF_PLACE);
        }
        let [Token::Word(object), rest @ ..] = rest else {
            return Err(INCOMPLETE);
        };
        let mut scope = Scope::behind_from(object, parents)?;
        scope.names.push(object);
        let rest = match rest {
            [named, Token::Word(alias), rest @ ..] if named.is("as") => {
                scope.names.push(alias);
                rest
            }
            [Token::Word(alias), rest @ ..] if !is_keyword(alias) => {
                scope.names.push(alias);
                rest
            }
            rest => rest,
        };
        if rest.first().is_some_and(|it| it.is_mark(',')) {
            return Err("its query is from more than one object");
        }
        let end = at_top(rest, |it| it.is_mark(')')).unwrap_or(rest.len());
        self.selected(selected, &mut scope, depth)?;
        self.clauses(&rest[..end], &mut scope, depth)?;
        self.scopes.push(scope);
        Ok(&rest[end..])
    }

    /// The list between SELECT and FROM.
    fn selected(&mut self, tokens: &[Token<'a>], scope: &mut Scope<'a>, depth: u8) -> Found<()> {
        let mut rest = tokens;
        let mut before = None;
        while let [token, after @ ..] = rest {
            rest = after;
            match token {
                Token::Mark('(') if after.first().is_some_and(|it| it.is("select")) => {
                    let end = self.select(after, Some(&scope.objects), depth + 1)?;
                    rest = end.get(1..).ok_or(INCOMPLETE)?;
                }
                Token::Word(_) if is_out_of_place(token) => return Err(OUT_OF_PLACE),
                Token::Word(word) if is_odd_call(word, after) => return Err(ODD_CALL),
                Token::Word(word) if word.eq_ignore_ascii_case("typeof") => {
                    return Err("TYPEOF leads to objects that cannot be told");
                }
                Token::Word(word) if word.eq_ignore_ascii_case("fields") => scope.reads_all = true,
                Token::Word(_) if after.first().is_some_and(|it| it.is_mark('(')) => {}
                // `COUNT(Id) n`, `Name n`
                Token::Word(word) if matches!(before, Some(Token::Word(_) | Token::Mark(')'))) => {
                    scope.aliases.push(word);
                }
                Token::Word(word) => scope.fields.push(word),
                Token::Literal | Token::Mark(_) => {}
            }
            before = Some(*token);
        }
        Ok(())
    }

    /// What follows the object: conditions, order, groups.
    fn clauses(&mut self, tokens: &[Token<'a>], scope: &mut Scope<'a>, depth: u8) -> Found<()> {
        let (mut rest, mut open, mut sorts) = (tokens, 0_usize, false);
        let mut before = None;
        scope.has_groups = at_top(tokens, |it| it.is("group")).is_some();
        while let [token, after @ ..] = rest {
            rest = after;
            match token {
                Token::Mark('(') if after.first().is_some_and(|it| it.is("select")) => {
                    let end = self.select(after, None, depth + 1)?;
                    rest = end.get(1..).ok_or(INCOMPLETE)?;
                }
                Token::Word(_) if is_out_of_place(token) => return Err(OUT_OF_PLACE),
                Token::Word(word) if is_odd_call(word, after) => return Err(ODD_CALL),
                Token::Word(word) if word.eq_ignore_ascii_case("fields") => scope.reads_all = true,
                Token::Word(word)
                    if !after.first().is_some_and(|it| it.is_mark('('))
                        && (!is_keyword(word) || is_field(before, *token, after)) =>
                {
                    if sorts && open == 0 {
                        scope.sorted.push(word);
                    } else {
                        scope.fields.push(word);
                    }
                }
                Token::Word(_) if token.is("order") => {
                    sorts = after.first().is_some_and(|it| it.is("by"));
                }
                Token::Word(_) if BEFORE_ORDER.iter().any(|it| token.is(it)) => sorts = false,
                Token::Mark('(') => open += 1,
                Token::Mark(')') => open = open.saturating_sub(1),
                Token::Word(_) | Token::Literal | Token::Mark(_) => {}
            }
            before = Some(*token);
        }
        Ok(())
    }

    /// Judges them all.
    pub(super) fn judge(&self, judge: Judge<'_>, what: &dyn Display) -> Judged {
        for scope in &self.scopes {
            for object in &scope.objects {
                judge.read(what, Object::Named(object))?;
                if scope.reads_all {
                    judge.read_all(what, object)?;
                }
            }
            for lookup in &scope.lookups {
                let mut objects = scope.objects.iter();
                objects.try_for_each(|object| judge.read_field(what, object, lookup))?;
            }
            for field in &scope.fields {
                scope.judge_field(judge, what, field)?;
            }
            let aliases = scope.aliases.iter().filter(|_| scope.has_groups);
            let aliases: HashSet<_> = aliases.map(|it| it.to_ascii_lowercase()).collect();
            for field in &scope.sorted {
                if !aliases.contains(&field.to_ascii_lowercase()) {
                    scope.judge_field(judge, what, field)?;
                }
            }
            for alias in &scope.aliases {
                // Perhaps a field after all.
                if judge.denies_named(alias) {
                    return judge.unclear(what, "it gives something the name of a denied field");
                }
            }
        }
        Ok(())
    }
}

impl<'a> Scope<'a> {
    fn of(objects: Vec<&'a str>) -> Self {
        Self {
            objects,
            names: Vec::new(),
            aliases: Vec::new(),
            sorted: Vec::new(),
            has_groups: false,
            fields: Vec::new(),
            lookups: Vec::new(),
            reads_all: false,
        }
    }

    /// That of what is behind FROM: an object, or a relationship of `parents`.
    fn behind_from(name: &'a str, parents: Option<&[&'a str]>) -> Found<Self> {
        let Some(parents) = parents else {
            if name.contains('.') {
                return Err("its query is from a relationship");
            }
            return Ok(Self::of(vec![name]));
        };
        let object = objects::of_children(name);
        let object = object.ok_or("it cannot be told which object a query within it is about")?;
        let lookups = parents
            .iter()
            .filter_map(|parent| objects::lookup_of_children(name, parent));
        Ok(Self {
            lookups: lookups.collect(),
            ..Self::of(vec![object])
        })
    }

    fn judge_field(&self, judge: Judge<'_>, what: &dyn Display, path: &str) -> Judged {
        let words: Vec<_> = path.split('.').collect();
        if words.len() == 1 && is_constant(path) {
            return Ok(());
        }
        if words.len() > 1 && self.names.iter().any(|it| is(it, words[0])) {
            self.judge_path(judge, what, &words[1..])?;
            if !self.may_be_relationship(words[0]) {
                return Ok(());
            }
        }
        self.judge_path(judge, what, &words)
    }

    /// Returns whether a name of the object may lead to another object as well, as in `SELECT What.Name
    /// FROM Task What`. Relationships have longer names than `a` or, for an account, `acc`.
    fn may_be_relationship(&self, name: &str) -> bool {
        if objects::of_lookup(name).is_some() {
            return true;
        }
        let mut objects = self.objects.iter();
        let is_usual_alias = name.len() <= 2
            || objects.any(|object| {
                let first = object.get(..3);
                is(object, name) || first.is_some_and(|first| is(first, name))
            });
        !is_usual_alias
    }

    /// A field, and the relationships that lead to it.
    fn judge_path(&self, judge: Judge<'_>, what: &dyn Display, words: &[&str]) -> Judged {
        let Some((field, relationships)) = words.split_last() else {
            return Ok(());
        };
        let mut objects = self.objects.clone();
        for relationship in relationships {
            // `Account.Name` shows who is behind `AccountId`, but in a query from accounts.
            let lookup = names::lookup(relationship);
            let mut others = objects.iter().filter(|object| !is(object, relationship));
            others.try_for_each(|object| judge.read_field(what, object, &lookup))?;
            let found = objects
                .iter()
                .map(|object| objects::of_lookup_from(object, relationship));
            let Some(found) = found.collect::<Option<Vec<_>>>() else {
                let why = format!("it cannot be told which object {relationship} leads to");
                return judge.unclear(what, why);
            };
            objects = found.concat();
            objects.sort_unstable();
            objects.dedup();
            for object in &objects {
                judge.read(what, Object::Named(object))?;
            }
        }
        objects
            .iter()
            .try_for_each(|object| judge.read_field(what, object, field))
    }
}

/// Returns whether it begins a query, or says what one is from or what a search returns, where there can
/// be none.
fn is_out_of_place(token: &Token<'_>) -> bool {
    ["select", "from", "returning"]
        .iter()
        .any(|it| token.is(it))
}

/// Returns whether it is like a function, but with a dot in its name, as in `c.FIELDS(ALL)`.
fn is_odd_call(word: &str, after: &[Token<'_>]) -> bool {
    word.contains('.') && after.first().is_some_and(|it| it.is_mark('('))
}

/// The place of the first token that is as wanted and in no parenthesis.
fn at_top(tokens: &[Token<'_>], is_it: impl Fn(&Token<'_>) -> bool) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        if depth == 0 && is_it(token) {
            return Some(at);
        }
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// What is in the parenthesis that `tokens` begin with, and what follows it.
fn parenthesized<'t, 'a>(tokens: &'t [Token<'a>]) -> Found<(&'t [Token<'a>], &'t [Token<'a>])> {
    let inner = tokens.get(1..).ok_or(INCOMPLETE)?;
    let end = at_top(inner, |it| it.is_mark(')')).ok_or(INCOMPLETE)?;
    Ok((&inner[..end], &inner[end + 1..]))
}

fn is(known: &str, word: &str) -> bool {
    known.eq_ignore_ascii_case(word)
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|it| it.eq_ignore_ascii_case(word))
}

/// Returns whether a keyword is a field here, as in `WHERE Category = 'x'` and `ORDER BY Category`.
fn is_field(before: Option<Token<'_>>, word: Token<'_>, after: &[Token<'_>]) -> bool {
    if VALUES.iter().any(|it| word.is(it)) {
        return false;
    }
    let is_compared = match after {
        [Token::Mark('=' | '!' | '<' | '>'), ..] => true,
        [first, second, ..] if first.is("not") => second.is("in"),
        [next, ..] => OPERATORS.iter().any(|it| next.is(it)),
        [] => false,
    };
    let is_listed = |it: Token<'_>| it.is("by") || it.is_mark(',') || it.is_mark('(');
    is_compared || before.is_some_and(is_listed)
}

/// Returns whether it is a date such as `TODAY`, `LAST_N_DAYS` or `N_DAYS_AGO`, or an amount such as
/// `USD5000`.
fn is_constant(word: &str) -> bool {
    let is_currency = word.len() > 3
        && word.bytes().take(3).all(|byte| byte.is_ascii_uppercase())
        && word.bytes().skip(3).all(|byte| byte.is_ascii_digit());
    let upper = word.to_ascii_uppercase();
    is_currency
        || ["TODAY", "YESTERDAY", "TOMORROW"].contains(&&*upper)
        || ["LAST_", "THIS_", "NEXT_"]
            .iter()
            .any(|it| upper.starts_with(it))
            && !upper.contains("__")
        || upper.starts_with("N_") && upper.ends_with("S_AGO") && !upper.contains("__")
}

const OUT_OF_PLACE: &str = "its query has a SELECT, FROM or RETURNING that belongs to none";
const ODD_CALL: &str = "its query has a function with a dot in its name";
const INCOMPLETE: &str = "its query is incomplete";

/// Queries within queries; Salesforce takes five.
const DEEPEST: u8 = 6;

/// Words of SOQL and SOSL that are no fields after FROM, but where only a field can be.
const KEYWORDS: [&str; 51] = [
    "above",
    "above_or_below",
    "all",
    "and",
    "as",
    "asc",
    "at",
    "below",
    "by",
    "category",
    "cube",
    "data",
    "delegated",
    "desc",
    "everything",
    "excludes",
    "false",
    "first",
    "for",
    "group",
    "having",
    "in",
    "includes",
    "last",
    "like",
    "limit",
    "mine",
    "mine_and_my_groups",
    "my_team_territory",
    "my_territory",
    "not",
    "null",
    "nulls",
    "offset",
    "or",
    "order",
    "reference",
    "rollup",
    "rows",
    "scope",
    "scopingrule",
    "security_enforced",
    "system_mode",
    "team",
    "true",
    "update",
    "user_mode",
    "using",
    "view",
    "where",
    "with",
];

/// Keywords that may be where a field may be, and are none.
const VALUES: [&str; 4] = ["false", "not", "null", "true"];

/// Words that compare the field before them.
const OPERATORS: [&str; 4] = ["excludes", "in", "includes", "like"];

/// Words that begin what comes before ORDER BY.
const BEFORE_ORDER: [&str; 5] = ["where", "group", "having", "with", "using"];

/// What may follow the objects of a search.
const SEARCH_CLAUSES: [&str; 5] = ["with", "limit", "update", "offset", "order"];
