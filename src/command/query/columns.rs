//! The columns of records.

use crate::command::json::Json;

use super::select;

/// The path of each, such as `Owner.Name`.
pub(super) struct Columns {
    paths: Vec<String>,
    /// If true, there may be others in the records that follow.
    are_found: bool,
}

impl Columns {
    /// The columns from the query's text, if the first records agree: a parent that is null in all
    /// of them does not show which of its fields were asked for. Otherwise those of the records.
    pub(super) fn new(soql: &str, records: &[Json<'_>]) -> Self {
        match select::columns(soql) {
            Some(columns) if records.first().is_none_or(|record| agree(&columns, record)) => Self {
                paths: columns,
                are_found: false,
            },
            _ => Self {
                paths: found(records),
                are_found: true,
            },
        }
    }

    /// Returns whether a value of the record is in none of them.
    pub(super) fn miss(&self, record: &Json<'_>) -> bool {
        let mut paths = Vec::new();
        if self.are_found {
            find(record, "", &mut paths);
        }
        let leads_to = |path: &str, field: &str| {
            let rest = field.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_shown = |path: &String| {
            let mut all = self.paths.iter();
            // That of a parent is null.
            all.any(|column| leads_to(path, column) || leads_to(column, path))
        };
        !paths.iter().all(is_shown)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.paths
    }

    /// The cells of a record.
    pub(super) fn cells(&self, record: &Json<'_>) -> Vec<String> {
        let cells = self.paths.iter().map(|path| {
            let mut value = Some(record);
            for name in path.split('.') {
                value = value.and_then(|value| value.get(name));
            }
            value.map(Json::text).unwrap_or_default()
        });
        cells.collect()
    }
}

/// Returns whether the first parts of the columns are the keys of the record, all of them and no
/// others.
fn agree(columns: &[String], record: &Json<'_>) -> bool {
    let Json::Object(entries) = record else {
        return false;
    };
    let begins = |column: &str, key: &str| {
        let first = column.split('.').next().unwrap_or_default();
        first.eq_ignore_ascii_case(key)
    };
    let are_there = columns
        .iter()
        .all(|column| entries.iter().any(|(key, _)| begins(column, key)));
    let are_all = entries
        .iter()
        .filter(|(key, _)| key != ATTRIBUTES)
        .all(|(key, _)| columns.iter().any(|column| begins(column, key)));
    are_there && are_all
}

/// The paths to all values in the records, in their order.
fn found(records: &[Json<'_>]) -> Vec<String> {
    let mut paths = Vec::new();
    for record in records {
        find(record, "", &mut paths);
    }
    // A parent that is null in some records is not a column beside its fields.
    let is_parent = |path: &String| {
        let start = format!("{path}.");
        paths.iter().any(|other| other.starts_with(&start))
    };
    paths
        .iter()
        .filter(|path| !is_parent(path))
        .cloned()
        .collect()
}

fn find(record: &Json<'_>, start: &str, paths: &mut Vec<String>) {
    let Json::Object(entries) = record else {
        return;
    };
    for (key, value) in entries.iter().filter(|(key, _)| key != ATTRIBUTES) {
        let path = format!("{start}{key}");
        // Addresses and children are objects, too, but not records.
        if value.get(ATTRIBUTES).is_some() {
            let mut fields = Vec::new();
            find(value, &format!("{path}."), &mut fields);
            fields.retain(|field| !paths.contains(field));
            // In place of the parent, if it was null so far.
            let place = paths.iter().position(|other| *other == path);
            match place {
                Some(index) => drop(paths.splice(index..=index, fields)),
                None => paths.extend(fields),
            }
        } else if !paths.contains(&path) {
            paths.push(path);
        }
    }
}

/// The key of a record's type and URL.
pub(super) const ATTRIBUTES: &str = "attributes";

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use test_case::test_case;

    use super::*;

    const PARENTS: &str = r#"[
        {"attributes":{},"Id":"1","Owner":null,"Address":null},
        {"attributes":{},"Id":"2","Owner":{"attributes":{},"Name":"A","Boss":{"attributes":{},"Id":"3"}},"Address":{"city":"Cork"}}]"#;

    #[test_case("SELECT Id, Owner.Name, Owner.Boss.Id, Address FROM X", PARENTS, "Id|Owner.Name|Owner.Boss.Id|Address", "2|A|3|{\"city\":\"Cork\"}"; "by the text")]
    #[test_case("SELECT address, owner.name, ID FROM X", PARENTS, "address|owner.name|ID", "{\"city\":\"Cork\"}|A|2"; "in its order and spelling")]
    #[test_case("SELECT x.Id, X.Owner.Name, x.Address FROM X x", PARENTS, "Id|Owner.Name|Address", "2|A|{\"city\":\"Cork\"}"; "by the text, with an alias")]
    #[test_case("SELECT FIELDS(ALL) FROM X", PARENTS, "Id|Owner.Name|Owner.Boss.Id|Address", "2|A|3|{\"city\":\"Cork\"}"; "by the records")]
    #[test_case("SELECT Id, Name FROM X", "[]", "Id|Name", ""; "without records")]
    #[test_case("SELECT COUNT(Id) FROM X", r#"[{"attributes":{"type":"AggregateResult"},"expr0":7}]"#, "expr0", "7"; "a number")]
    fn columns_are_known(soql: &str, records: &str, names: &str, last: &str) {
        let records: Vec<&RawValue> = serde_json::from_str(records).unwrap();
        let records: Vec<_> = records.into_iter().map(Json::new).collect();
        let columns = Columns::new(soql, &records);
        assert_eq!(columns.names().join("|"), names);
        let cells = records.last().map(|record| columns.cells(record));
        assert_eq!(cells.unwrap_or_default().join("|"), last);
    }

    #[test_case("SELECT FIELDS(ALL) FROM X", r#"{"Id":"1","What":{"attributes":{},"Amount":7}}"#, true; "one that comes later")]
    #[test_case("SELECT FIELDS(ALL) FROM X", r#"{"Id":"1","What":null}"#, false; "a parent that is null")]
    #[test_case("SELECT FIELDS(ALL) FROM X", r#"{"What":{"attributes":{},"Phone":"3"}}"#, false; "one that is there")]
    #[test_case("SELECT Id, What FROM X", r#"{"Id":"1","What":{"attributes":{},"Amount":7}}"#, false; "one that is named")]
    fn a_value_without_a_column_is_missed(soql: &str, later: &str, is_missed: bool) {
        let first = r#"{"Id":"1","What":{"attributes":{},"Phone":"2"}}"#;
        let [first, later] =
            [first, later].map(|it| serde_json::from_str::<&RawValue>(it).unwrap());
        let columns = Columns::new(soql, &[Json::new(first)]);
        assert_eq!(columns.miss(&Json::new(later)), is_missed);
    }
}
