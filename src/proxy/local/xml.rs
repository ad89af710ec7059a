//! One element of a small document, and what is in it.

use std::{borrow::Cow, mem};

use quick_xml::{Reader, XmlVersion, escape::resolve_xml_entity, events::Event};
use zeroize::Zeroizing;

use crate::proxy::{error::Unanswerable, family::check_version};

/// An element whose children are texts.
pub(super) struct Element<'a> {
    /// Its content as it is written.
    pub(super) content: &'a str,
    /// The local names of its children, and their texts.
    children: Vec<(String, Zeroizing<String>)>,
}

impl<'a> Element<'a> {
    /// The first one at `path`: local names from the root on, whatever their prefixes.
    ///
    /// # Errors
    /// A fault of the document, anywhere in it.
    pub(super) fn find(document: &'a str, path: &[&str]) -> Result<Option<Self>, Unanswerable> {
        // Without what the reader says: it quotes, and there are passwords to be quoted.
        let malformed = |_: quick_xml::Error| Unanswerable::Malformed(ILL_FORMED);
        let mut reader = Reader::from_str(document);
        // So that each begins and ends.
        reader.config_mut().expand_empty_elements = true;
        let position = |reader: &Reader<&[u8]>| {
            usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
        };
        let mut depth = 0;
        // How many elements of the path are open, without any other in between.
        let mut matched = 0;
        let mut start = 0;
        let mut children: Vec<(String, Zeroizing<String>)> = Vec::new();
        let mut found = None;
        loop {
            let before = position(&reader);
            let is_text_of_child = matched == path.len() && depth == path.len() + 1;
            let mut add = |text: &str| {
                if let Some((_, all)) = children.last_mut().filter(|_| is_text_of_child) {
                    all.push_str(text);
                }
            };
            match reader.read_event().map_err(malformed)? {
                Event::Start(tag) => {
                    let local_name = tag.local_name();
                    let name = local_name.into_inner();
                    if matched == path.len() && depth == path.len() {
                        children.push((name.to_owned(), Zeroizing::default()));
                    } else if found.is_none() && matched == depth && path.get(depth) == Some(&name)
                    {
                        matched += 1;
                        start = position(&reader);
                    }
                    depth += 1;
                }
                Event::End(_) => {
                    if matched == path.len() && depth == matched {
                        let content = document.get(start..before).unwrap_or_default();
                        let children = mem::take(&mut children);
                        found = Some(Self { content, children });
                    }
                    depth -= 1;
                    matched = matched.min(depth);
                }
                Event::Text(text) => add(&text.xml_content(XmlVersion::Implicit1_0)),
                Event::CData(text) => add(&text.xml_content(XmlVersion::Implicit1_0)),
                Event::GeneralRef(reference) => {
                    match reference.resolve_char_ref().map_err(malformed)? {
                        Some(character) => add(character.encode_utf8(&mut [0; 4])),
                        None => match resolve_xml_entity(&reference) {
                            Some(text) => add(text),
                            None => return Err(Unanswerable::Malformed(ENTITY)),
                        },
                    }
                }
                Event::DocType(_) => return Err(Unanswerable::Malformed(DOCUMENT_TYPE)),
                Event::Eof if depth > 0 => return Err(Unanswerable::Malformed(CUT)),
                Event::Eof => return Ok(found),
                Event::Decl(decl) => {
                    check_version(&decl).map_err(|_| Unanswerable::Malformed(VERSION))?;
                }
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) => {}
            }
        }
    }

    /// The text of the first child of this name, empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        let child = self.children.iter().find(|(child, _)| child == name);
        child.map_or("", |(_, text)| text)
    }

    /// The texts of its children.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.children.iter().map(|(_, text)| text.as_str())
    }

    pub(super) fn count(&self, name: &str) -> usize {
        let named = self.children.iter().filter(|(child, _)| child == name);
        named.count()
    }
}

/// A document as text. What is not UTF-8 is what old clients call ASCII.
pub(super) fn text(document: &[u8]) -> Cow<'_, str> {
    let document = document.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(document);
    match std::str::from_utf8(document) {
        Ok(text) => text.into(),
        Err(_) => document.iter().map(|byte| char::from(*byte)).collect(),
    }
}

const ILL_FORMED: &str = "its tags do not match; escape & and < in text";
const ENTITY: &str = "it has an entity that only a document type could declare";
const VERSION: &str = "it is not in XML 1.0";
const DOCUMENT_TYPE: &str = "a document type (DOCTYPE) is not allowed in it";
const CUT: &str = "it ends too early";

#[cfg(test)]
#[path = "../../../tests/fuzz/xml.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("<a><b><c>1</c><d>2</d></b></a>" => ("<c>1</c><d>2</d>".to_owned(), "1".to_owned()); "plain")]
    #[test_case("<?xml version='1.0'?><x:a><!-- <b/> --><x:b><y:c><![CDATA[<1>]]>&amp;&#x41;</y:c></x:b></x:a>" => ("<y:c><![CDATA[<1>]]>&amp;&#x41;</y:c>".to_owned(), "<1>&A".to_owned()); "prefixes, CDATA and references")]
    #[test_case("<a><z><b><c>no</c></b></z><b><c>1</c></b><b><c>2</c></b></a>" => ("<c>1</c>".to_owned(), "1".to_owned()); "not elsewhere, and the first")]
    #[test_case("<a><b><d><c>no</c></d><c/></b></a>" => ("<d><c>no</c></d><c/>".to_owned(), String::new()); "not deeper")]
    #[test_case("<a><b/></a>" => (String::new(), String::new()); "empty")]
    fn finds(document: &str) -> (String, String) {
        let element = Element::find(document, &["a", "b"]).unwrap().unwrap();
        (element.content.to_owned(), element.text("c").to_owned())
    }

    #[test_case("<a></a>"; "nothing there")]
    #[test_case("<b><b/></b>"; "another root")]
    #[test_case(""; "nothing at all")]
    fn finds_nothing(document: &str) {
        assert!(Element::find(document, &["a", "b"]).unwrap().is_none());
    }

    #[test_case("<a><b><c>1</c>"; "cut")]
    #[test_case("<a><b><c>1</c></b>"; "cut after it")]
    #[test_case("<a><b><c>1</d></b></a>"; "crossed")]
    #[test_case("<a><b><c>&bomb;</c></b></a>"; "an entity")]
    #[test_case("<?xml version='1.1'?><a><b><c/></b></a>"; "another version of XML")]
    #[test_case("<!DOCTYPE a [<!ENTITY bomb 'x'>]><a><b><c>&bomb;</c></b></a>"; "a document type")]
    #[test_case("<a><b><c>&#xFFFFFFFF;</c></b></a>"; "a character that is none")]
    fn refuses(document: &str) {
        assert!(Element::find(document, &["a", "b"]).is_err());
    }
}
