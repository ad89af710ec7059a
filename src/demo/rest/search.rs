//! `/search` and `/parameterizedSearch`.

use http::StatusCode;
use serde_json::{Value, json};

use super::RestCall;
use crate::demo::{
    Inner,
    answer::Answer,
    sosl::{Returning, Scope, Search, Words},
};

impl Inner {
    /// `/search?q=FIND …`
    pub(super) fn search(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        let search = Search::parse(call.parameter("q").ok_or_else(no_search)?)?;
        self.search_records(call, &search)
    }

    /// `/parameterizedSearch`, with parameters in the query or in JSON.
    pub(super) fn parameterized_search(&self, call: &RestCall<'_>) -> Result<Answer, Answer> {
        let parameters = if call.method == "POST" {
            call.json()?
        } else {
            from_query(call)
        };
        let search = from_parameters(&parameters)?;
        self.search_records(call, &search)
    }

    fn search_records(&self, call: &RestCall<'_>, search: &Search) -> Result<Answer, Answer> {
        let found = search.run(&self.data(), call.version)?;
        Ok(Answer::json(json!({"searchRecords": found})))
    }
}

/// The parameters of a GET in the form of those of a POST.
fn from_query(call: &RestCall<'_>) -> Value {
    let list =
        |name: &str| -> Option<Vec<&str>> { Some(call.parameter(name)?.split(',').collect()) };
    let sobjects: Vec<_> = call
        .parameters
        .iter()
        .filter(|(name, _)| name == "sobject")
        .flat_map(|(_, names)| names.split(','))
        .map(|name| {
            json!({
                "name": name,
                "fields": list(&format!("{name}.fields")),
                "where": call.parameter(&format!("{name}.where")),
                "orderBy": call.parameter(&format!("{name}.orderBy")),
                "limit": call.parameter(&format!("{name}.limit")),
            })
        })
        .collect();
    json!({
        "q": call.parameter("q"),
        "in": call.parameter("in"),
        "fields": list("fields"),
        "defaultLimit": call.parameter("defaultLimit"),
        "overallLimit": call.parameter("overallLimit"),
        "sobjects": sobjects,
    })
}

fn from_parameters(asked: &Value) -> Result<Search, Answer> {
    let words = asked["q"].as_str().ok_or_else(no_search)?;
    let scope = asked["in"].as_str().unwrap_or("ALL");
    let default = json!(["Id"]);
    let fields = |one: &Value| {
        let lists = [one, asked].into_iter().map(|from| &from["fields"]);
        let list = lists.chain([&default]).find_map(Value::as_array);
        let names = list.into_iter().flatten().filter_map(Value::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    let clause = |keyword: &str, value: &Value| match value.as_str() {
        Some(text) => format!("{keyword} {text} "),
        None => String::new(),
    };
    let sobjects = asked["sobjects"].as_array().into_iter().flatten();
    let returning = sobjects.map(|one| Returning {
        object: one["name"].as_str().unwrap_or_default().to_owned(),
        fields: fields(one),
        conditions: clause("WHERE", &one["where"]) + &clause("ORDER BY", &one["orderBy"]),
        limit: count(&one["limit"]).or_else(|| count(&asked["defaultLimit"])),
    });
    Ok(Search {
        words: Words::parse(words)?,
        scope: Scope::named(scope)
            .ok_or_else(|| malformed(&format!("Unknown search group: {scope}")))?,
        returning: returning.collect(),
        limit: count(&asked["overallLimit"]).unwrap_or(MOST).min(MOST),
    })
}

/// Reads a number, which may be in quotes.
fn count(value: &Value) -> Option<usize> {
    let number = value.as_u64().and_then(|number| number.try_into().ok());
    number.or_else(|| value.as_str()?.parse().ok())
}

fn no_search() -> Answer {
    malformed("A search string has to be specified")
}

fn malformed(message: &str) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, "MALFORMED_SEARCH", message)
}

/// Records in one response.
const MOST: usize = 2000;
