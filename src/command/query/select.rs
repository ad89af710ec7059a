//! The names and the order of the columns, as far as the text of a query shows them.

/// Returns whether it is `SELECT COUNT()`, whose result is a number without records.
pub(super) fn is_count(soql: &str) -> bool {
    let tokens = tokens(soql);
    let (items, _) = items(&tokens);
    let [item] = items.as_slice() else {
        return false;
    };
    matches!(item, [name, "(", ")"] if name.eq_ignore_ascii_case("COUNT"))
}

/// The path of each column, such as `Owner.Name`. None if the text does not show it, as in
/// `FIELDS(ALL)`.
pub(super) fn columns(soql: &str) -> Option<Vec<String>> {
    let tokens = tokens(soql);
    let (items, source) = items(&tokens);
    let names = names(source);
    let mut unnamed = 0;
    let columns: Option<Vec<_>> = items
        .iter()
        .map(|item| {
            let column = column(item, &mut unnamed)?;
            let (first, rest) = column.split_once('.').unwrap_or_default();
            let is_name = names.iter().any(|name| name.eq_ignore_ascii_case(first));
            Some(if is_name { rest.to_owned() } else { column })
        })
        .collect();
    columns.filter(|columns| !columns.is_empty())
}

/// What may stand before a field for the object itself, by the tokens behind `FROM`: its name and its
/// alias.
fn names<'a>(source: &[&'a str]) -> Vec<&'a str> {
    let mut words = source.iter().copied();
    let object = words.next();
    let alias = words.find(|word| !word.eq_ignore_ascii_case("AS"));
    let is_clause = |word: &&str| {
        let is = |clause: &&str| word.eq_ignore_ascii_case(clause);
        CLAUSES.iter().any(is) || !word.starts_with(char::is_alphabetic)
    };
    object
        .into_iter()
        .chain(alias.filter(|word| !is_clause(word)))
        .collect()
}

/// The key of an item of the list in records. `unnamed` counts items without one, which are
/// `expr0`, `expr1`, and so on.
fn column(item: &[&str], unnamed: &mut usize) -> Option<String> {
    match item {
        ["(", subquery @ ..] => Some(children(subquery)?.to_owned()),
        [word, field, ..] if word.eq_ignore_ascii_case("TYPEOF") => Some((*field).to_owned()),
        [field] => Some((*field).to_owned()),
        [function, "(", inner @ .., ")"] => {
            if function.eq_ignore_ascii_case("FIELDS") {
                return None;
            }
            let keeps_name = |name: &&str| function.eq_ignore_ascii_case(name);
            if RENDERERS.iter().any(keeps_name) {
                return column(inner, unnamed);
            }
            *unnamed += 1;
            Some(format!("expr{}", *unnamed - 1))
        }
        [.., alias] => Some((*alias).to_owned()),
        [] => None,
    }
}

/// The name of the relationship that a subquery is about.
fn children<'a>(subquery: &[&'a str]) -> Option<&'a str> {
    let mut depth = 0;
    let from = subquery.iter().position(|token| {
        depth = deeper(depth, token);
        depth == 0 && token.eq_ignore_ascii_case("FROM")
    })?;
    subquery.get(from + 1)?.rsplit('.').next()
}

/// The items between `SELECT` and `FROM`, in tokens, and what is behind that.
fn items<'a, 'b>(tokens: &'b [&'a str]) -> (Vec<&'b [&'a str]>, &'b [&'a str]) {
    let nothing = (Vec::new(), &[][..]);
    let Some((first, rest)) = tokens.split_first() else {
        return nothing;
    };
    if !first.eq_ignore_ascii_case("SELECT") {
        return nothing;
    }
    let mut depth = 0;
    let mut items = Vec::new();
    let mut start = 0;
    for (index, token) in rest.iter().enumerate() {
        depth = deeper(depth, token);
        let is_end = depth == 0 && token.eq_ignore_ascii_case("FROM");
        if is_end || depth == 0 && *token == "," {
            items.push(&rest[start..index]);
            start = index + 1;
        }
        if is_end {
            return (items, &rest[index + 1..]);
        }
    }
    nothing
}

/// The depth within parentheses, and from `TYPEOF` to `END`, where commas do not end items.
fn deeper(depth: i32, token: &str) -> i32 {
    match token {
        "(" => depth + 1,
        ")" => depth - 1,
        word if word.eq_ignore_ascii_case("TYPEOF") => depth + 1,
        word if word.eq_ignore_ascii_case("END") => depth - 1,
        _ => depth,
    }
}

/// Names with their dots, strings with their quotes, and single characters.
fn tokens(soql: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = soql.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => string(rest),
            c if is_of_name(c) => rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

/// The length in bytes of the string literal at the start.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            '\'' if !escaped => return index + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The words that begin what comes behind the objects.
const CLAUSES: [&str; 11] = [
    "USING", "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "UPDATE", "ALL",
];

/// Functions that change how a field is shown, not its name.
const RENDERERS: [&str; 3] = ["toLabel", "format", "convertCurrency"];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("SELECT Id FROM A", "Id"; "one")]
    #[test_case("select\n  Id,Name , Owner.Name\nfrom A", "Id|Name|Owner.Name"; "several lines")]
    #[test_case("SELECT Id, (SELECT Id, (SELECT Id FROM X) FROM a.Contacts WHERE Name = 'a, b) FROM \\' c') FROM Account a", "Id|Contacts"; "subqueries")]
    #[test_case("SELECT Industry, COUNT(Id), MAX(Name) top, SUM(Amount) FROM A GROUP BY Industry", "Industry|expr0|top|expr1"; "aggregates")]
    #[test_case("SELECT Industry i FROM A GROUP BY Industry", "i"; "an alias")]
    #[test_case("SELECT toLabel(Status), FORMAT(convertCurrency(Amount)), format(Amount) a FROM A", "Status|Amount|a"; "renderers")]
    #[test_case("SELECT TYPEOF What WHEN Account THEN Phone, Name ELSE Id END FROM Event", "What"; "typeof")]
    #[test_case("SELECT Id, DISTANCE(L__c, GEOLOCATION(37,122), 'mi') FROM A", "Id|expr0"; "commas within")]
    #[test_case("SELECT FIELDS(ALL) FROM A LIMIT 1", ""; "fields")]
    #[test_case("SELECT a.Id, A.Owner.Name, b.C FROM X a", "Id|Owner.Name|b.C"; "an alias")]
    #[test_case("SELECT a.Id, X.Name FROM X AS a", "Id|Name"; "an alias with AS, and the object")]
    #[test_case("SELECT where.Id FROM X WHERE Id = 1", "where.Id"; "no alias but a clause")]
    #[test_case("SELECT e.Id, TYPEOF e.What WHEN Account THEN Phone END FROM Event e", "Id|What"; "an alias within TYPEOF")]
    #[test_case("SELECT Id", ""; "no FROM")]
    #[test_case("SELECT FROM A", ""; "no field")]
    #[test_case("FIND {x}", ""; "no query")]
    #[test_case("", ""; "nothing")]
    #[test_case("SELECT 'é FROM", ""; "an open string")]
    fn columns_are_in_the_order_of_the_list(soql: &str, expected: &str) {
        assert_eq!(columns(soql).unwrap_or_default().join("|"), expected);
    }

    #[test_case("SELECT COUNT() FROM A", true)]
    #[test_case("select count ( ) from A", true)]
    #[test_case("SELECT COUNT(Id) FROM A", false)]
    #[test_case("SELECT Id FROM A", false)]
    fn a_count_is_known(soql: &str, expected: bool) {
        assert_eq!(is_count(soql), expected);
    }
}
