//! A query that passes names nothing that is denied, by a reading that knows no grammar.

use super::*;
use crate::{
    config::{Fields, Names, Policy},
    fuzz::property,
};

#[test]
fn a_query_that_passes_names_nothing_that_is_denied() {
    property!("soql", WORDS, 64, holds);
}

const WORDS: [&str; 74] = [
    "SELECT ",
    "SELECT ",
    "select ",
    "FROM ",
    " FROM ",
    " FROM ",
    " from ",
    "FROM\n",
    "Account ",
    "Contact ",
    "Contact",
    "Payroll__c ",
    "Payroll__c",
    "payroll__c ",
    "Id ",
    "Id",
    "Name",
    "SSN__c ",
    "ssn__c",
    "Contact.SSN__c ",
    "c.SSN__c",
    "Account.Name",
    "Payrolls__r",
    "FIELDS(ALL) ",
    "COUNT() ",
    "COUNT(Id) x ",
    "toLabel(SSN__c) ",
    "FORMAT(Name) ",
    "TYPEOF ",
    " WHEN ",
    " THEN ",
    " ELSE ",
    " END ",
    " WHERE ",
    " where ",
    " AND ",
    " OR ",
    " NOT ",
    " IN ",
    " LIKE ",
    " = ",
    " != ",
    "= 'x' ",
    "'",
    "'",
    "\\'",
    "'it\\'s'",
    "\\",
    "(",
    ")",
    "(SELECT Id FROM ",
    ",",
    ", ",
    " ORDER BY ",
    " GROUP BY ",
    " HAVING ",
    " LIMIT 1",
    " OFFSET 1",
    " USING SCOPE mine ",
    " WITH SECURITY_ENFORCED ",
    " WITH DATA CATEGORY Geo__c AT x__c ",
    " FOR VIEW",
    " FOR UPDATE",
    " UPDATE TRACKING",
    " ALL ROWS",
    "FIND {x} ",
    "FIND {a\\}b} ",
    "RETURNING ",
    " IN ALL FIELDS ",
    " c ",
    " AS c ",
    "2026-01-01T00:00:00Z",
    "/* */",
    "\u{a0}",
];

fn holds(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let object = Policy {
        deny_objects: Names::of(&["Payroll__c"]),
        ..Policy::default()
    };
    let field = Policy {
        deny_fields: Fields::of(&["Contact.SSN__c"]),
        ..Policy::default()
    };
    let reader = Policy {
        read_only: true,
        ..Policy::default()
    };
    let passes = |policy| judge(Judge::new(policy), &"it", text).is_ok();
    if let Some(words) = words(text) {
        let follow = |first: &[&str], second: &str| {
            let mut pairs = words.windows(2);
            pairs.any(|pair| first.contains(&&*pair[0]) && pair[1] == second)
        };
        assert!(
            !passes(&object) || !follow(&["from"], "payroll__c"),
            "{text}"
        );
        let fields = ["select", "where", "and", "or", "not"];
        let is_of_contacts = follow(&["from"], "contact");
        let is_one = words.iter().filter(|word| *word == "from").count() == 1;
        let names_field = is_one && is_of_contacts && follow(&fields, "ssn__c");
        assert!(!passes(&field) || !names_field, "{text}");
        let has_trace = words.iter().any(|word| word == "for" || word == "update");
        assert!(!passes(&reader) || !has_trace, "{text}");
    } else {
        // A text that does not end.
        assert!(
            !passes(&object) && !passes(&field) && !passes(&reader),
            "{text}"
        );
    }

    let is_found = judge_search(Judge::new(&object), &"it", text).is_ok();
    let rest = text.rsplit('}').next().and_then(words);
    let mut pairs = rest.iter().flat_map(|words| words.windows(2));
    let denies = pairs.any(|pair| pair[0] == "returning" && pair[1] == "payroll__c");
    assert!(!is_found || !denies, "{text}");
}

/// The words of `text` in lower case, without its texts in quotes. `None` if one of them does not
/// end.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
            word.push(c.to_ascii_lowercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c == '\'' {
            loop {
                match rest.next()? {
                    '\\' => drop(rest.next()?),
                    '\'' => break,
                    _ => {}
                }
            }
        }
        if !c.is_whitespace() {
            words.push(c.to_string());
        }
    }
    words.push(word);
    Some(words)
}
