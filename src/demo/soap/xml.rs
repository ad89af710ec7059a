//! Writing XML.

use quick_xml::escape::partial_escape;

/// A growing piece of a document.
#[derive(Default)]
pub(super) struct Xml(String);

impl Xml {
    /// The beginning of a whole document.
    pub(super) fn document() -> Self {
        Self(r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned())
    }

    /// Adds an element with `within` in it. Attributes may follow the name in `tag`.
    pub(super) fn within(&mut self, tag: &str, within: impl FnOnce(&mut Self)) {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.0 += &format!("<{tag}>");
        let before = self.0.len();
        within(self);
        if self.0.len() == before {
            self.0.insert(before - 1, '/');
        } else {
            self.0 += &format!("</{name}>");
        }
    }

    /// Adds an element with text. Attributes may follow the name in `tag`.
    pub(super) fn text(&mut self, tag: &str, text: &str) {
        self.within(tag, |xml| xml.0 += &partial_escape(text));
    }

    pub(super) fn bool(&mut self, tag: &str, value: bool) {
        self.text(tag, if value { "true" } else { "false" });
    }

    /// Adds an element for a missing value.
    pub(super) fn nil(&mut self, name: &str) {
        self.0 += &format!(r#"<{name} xsi:nil="true"/>"#);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}
