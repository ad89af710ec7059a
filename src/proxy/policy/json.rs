//! JSON that every reader takes for the same: no key twice, in whatever case and however it is
//! escaped, no byte order mark, no comments.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, without anything that it contains.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let left = Cell::new(MOST);
        let mut reader = serde_json::Deserializer::from_slice(text);
        let found = Reader(&left).deserialize(&mut reader);
        let found = found.and_then(|json| reader.end().map(|()| json));
        found.map_err(|error| {
            // Its own text may have a part of the document.
            let (line, column) = (error.line(), error.column());
            let what = if left.get() == 0 {
                "it has too many values to be looked at"
            } else if error.is_data() {
                "it has a key twice, perhaps in another case"
            } else {
                "it is not well-formed"
            };
            format!("{what} (line {line}, column {column})")
        })
    }

    /// The value of `key`, in whatever case: it is there once.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(entries) = self else {
            return None;
        };
        let mut entries = entries.iter();
        let found = entries.find(|(known, _)| known.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &str) -> Option<&[Self]> {
        match self.get(key)? {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// Returns whether a part of another answer is to stand in it (`@{…}`).
    pub(super) fn has_reference(&self) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::Number => false,
            Self::Text(text) => text.contains("@{"),
            Self::List(list) => list.iter().any(Self::has_reference),
            Self::Object(entries) => entries
                .iter()
                .any(|(key, value)| key.contains("@{") || value.has_reference()),
        }
    }

    pub(super) fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Object(entries) => entries,
            _ => &[],
        }
    }
}

/// Reads one value, with so many left for the document.
struct Reader<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.0.get().checked_sub(1);
        self.0
            .set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Reader(self.0))? {
            list.push(item);
        }
        list.shrink_to_fit();
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = items.next_key::<String>()? {
            entries.push((key, items.next_value_seed(Reader(self.0))?));
        }
        entries.shrink_to_fit();
        let mut keys: Vec<_> = entries.iter().map(|(key, _)| key.to_lowercase()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom("a key twice"));
        }
        Ok(Json::Object(entries))
    }
}

/// Values of a document: more than in any that Salesforce takes and that is worth looking at. As a tree,
/// each takes many times its bytes.
const MOST: usize = 300_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_with_more_values_than_are_looked_at_is_not_read() {
        let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert!(Json::parse(list(MOST - 1).as_bytes()).is_ok());
        let error = Json::parse(list(MOST).as_bytes()).unwrap_err();
        assert!(error.starts_with("it has too many values"), "{error}");
    }

    #[test]
    fn what_was_read_has_no_room_that_is_not_used() {
        let Ok(Json::List(list)) = Json::parse(br#"[{"a":0},{"a":0},{"a":[0,0,0]}]"#) else {
            panic!("no list");
        };
        assert_eq!(list.capacity(), 3);
        for item in &list {
            let Json::Object(entries) = item else {
                panic!("{item:?}");
            };
            assert_eq!(entries.capacity(), 1);
        }
    }
}
