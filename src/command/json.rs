//! JSON that keeps numbers and strings as they were written: a field of a record may have more
//! digits than a float holds.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A value. Anything but an object or a list is left as it was written.
pub(super) enum Json<'a> {
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
    Leaf(&'a RawValue),
}

impl<'a> Json<'a> {
    pub(super) fn new(raw: &'a RawValue) -> Self {
        Self::within(raw, DEEPEST)
    }

    fn within(raw: &'a RawValue, depth: usize) -> Self {
        let Some(depth) = depth.checked_sub(1) else {
            return Self::Leaf(raw);
        };
        // It has been parsed before, so this does not fail.
        if let Ok(Entries(entries)) = serde_json::from_str(raw.get()) {
            let entries = entries.into_iter();
            return Self::Object(
                entries
                    .map(|(key, value)| (key, Self::within(value, depth)))
                    .collect(),
            );
        }
        match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
            Ok(items) => Self::List(
                items
                    .into_iter()
                    .map(|item| Self::within(item, depth))
                    .collect(),
            ),
            Err(_) => Self::Leaf(raw),
        }
    }

    /// The value of a key, whatever its case, which SOQL ignores.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(entries) = self else {
            return None;
        };
        let mut entries = entries.iter();
        let (_, value) = entries.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Leaf(raw) if raw.get() == "null")
    }

    /// The text without quotes; empty for null; JSON for an object or a list.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Leaf(raw) => match raw.get() {
                "null" => String::new(),
                other => serde_json::from_str(other).unwrap_or_else(|_| other.to_owned()),
            },
            // Writing it to a string cannot fail.
            other => serde_json::to_string(other).unwrap_or_default(),
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
            Self::List(items) => serializer.collect_seq(items),
            Self::Leaf(raw) => raw.serialize(serializer),
        }
    }
}

/// The entries of an object in their order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

/// Levels: far more than SOQL nests, and far fewer than exhaust the stack.
const DEEPEST: usize = 64;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(r#"{"b":1,"a":{"x":[1,{"y":null}]}}"#; "order")]
    #[test_case("12345678901234567.89"; "digits")]
    #[test_case(r#"[1.0,1e3,-0,"\u00e9\n\/"]"#; "spelling")]
    #[test_case(r#"{"a":1,"a":2,"":{}}"#; "keys twice and none")]
    fn it_is_written_as_it_was_read(text: &str) {
        let raw = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&Json::new(raw)).unwrap(), text);
    }

    #[test]
    fn what_is_nested_too_deeply_stays_as_it_is() {
        let text = "[".repeat(100_000) + &"]".repeat(100_000);
        let raw = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&Json::new(raw)).unwrap(), text);
    }

    #[test_case("null", ""; "null")]
    #[test_case("0.10", "0.10"; "number")]
    #[test_case("true", "true"; "truth")]
    #[test_case(r#""a \"b\"\u000a""#, "a \"b\"\n"; "string")]
    #[test_case(r#"{ "a": [ 1 ] }"#, r#"{"a":[1]}"#; "object")]
    fn text_is_what_it_says(json: &str, expected: &str) {
        assert_eq!(
            Json::new(serde_json::from_str(json).unwrap()).text(),
            expected
        );
    }
}
