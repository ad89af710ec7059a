//! A small document in XML, as a tree.

use quick_xml::{
    NsReader, XmlVersion,
    escape::resolve_xml_entity,
    events::{BytesDecl, BytesRef, BytesStart, Event},
    name::{Namespace, NamespaceResolver, ResolveResult},
};

use crate::proxy::family::check_declaration;

/// An element by its local name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Its namespace, as far as the operation in an envelope; further down there are too many.
    pub(super) namespace: String,
    /// The local name in its `xsi:type`.
    pub(super) kind: Option<String>,
    is_nil: bool,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

impl Element {
    /// Reads a document, and returns its root.
    ///
    /// # Errors
    /// What is wrong with it, or may be read in another way by others.
    pub(super) fn parse(document: &[u8]) -> Result<Self, String> {
        let document = document.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(document);
        // In the encodings that are allowed all that counts is ASCII, and the rest may not pass for it.
        let text = String::from_utf8(document.to_vec()).unwrap_or_else(|_| {
            let letter = |byte: &u8| {
                if byte.is_ascii() {
                    char::from(*byte)
                } else {
                    OTHER
                }
            };
            document.iter().map(letter).collect()
        });
        Self::tree(&text).map_err(str::to_owned)
    }

    fn tree(text: &str) -> Found<Self> {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        // The elements that are open; the first stands for the document.
        let mut open = vec![Self::default()];
        let mut count = 0;
        loop {
            let is_first = reader.buffer_position() == 0;
            let event = reader.read_event().map_err(|_| MALFORMED)?;
            let depth = open.len();
            let innermost = open.last_mut().ok_or(MALFORMED)?;
            match event {
                Event::Start(tag) => {
                    count += 1;
                    if depth > DEEPEST || count > MOST {
                        return Err("its XML is too deep, or has too many elements");
                    }
                    open.push(Self::begin(&tag, reader.resolver(), depth)?);
                }
                Event::End(_) => {
                    let ended = open.pop().ok_or(MALFORMED)?;
                    if ended.is_nil && !(ended.text.trim().is_empty() && ended.children.is_empty())
                    {
                        return Err("its XML has something in an element that is nil");
                    }
                    open.last_mut().ok_or(MALFORMED)?.children.push(ended);
                }
                Event::Text(text) => innermost.add(&text.xml_content(XmlVersion::Implicit1_0)),
                Event::CData(text) => innermost.add(&text.xml_content(XmlVersion::Implicit1_0)),
                Event::GeneralRef(reference) => innermost.refer(&reference)?,
                Event::DocType(_) => return Err("its XML has a DOCTYPE"),
                Event::Decl(decl) => check_first(&decl, is_first)?,
                Event::Eof => break,
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) => {}
            }
        }
        let document = open.pop().filter(|_| open.is_empty());
        let document = document.ok_or("its XML ends too early")?;
        if !document.text.trim().is_empty() {
            return Err("its XML has text outside of its root");
        }
        let mut roots = document.children.into_iter();
        match (roots.next(), roots.next()) {
            (Some(root), None) => Ok(root),
            _ => Err("its XML has not exactly one root"),
        }
    }

    fn begin(tag: &BytesStart<'_>, names: &NamespaceResolver, depth: usize) -> Found<Self> {
        let mut element = Self {
            name: tag.local_name().into_inner().to_owned(),
            ..Self::default()
        };
        if depth <= WITH_NAMESPACE
            && let (ResolveResult::Bound(namespace), _) = names.resolve_element(tag.name())
        {
            namespace.into_inner().clone_into(&mut element.namespace);
        }
        for (at, attribute) in tag.attributes().enumerate() {
            let attribute = attribute.map_err(|_| "its XML has an invalid attribute")?;
            if at > MOST_ATTRIBUTES {
                return Err("its XML has too many attributes at one element");
            }
            // It is not XML, and others may take it for the beginning of a tag.
            if attribute.value.contains('<') {
                return Err("its XML has < in an attribute");
            }
            let (namespace, name) = names.resolve_attribute(attribute.key);
            let name = name.into_inner();
            let is_declaration = attribute.key.as_namespace_binding().is_some();
            if is_declaration && attribute.value.contains('&') {
                return Err("its XML has a namespace with a reference in it");
            }
            if is_declaration || !["type", "nil"].contains(&name) {
                continue;
            }
            // Of another namespace or of none, the org may take it for that, or not.
            if namespace != ResolveResult::Bound(Namespace(INSTANCE)) {
                return Err("its XML has an attribute type or nil other than xsi:type and xsi:nil");
            }
            if name == "nil" {
                element.is_nil = !["false", "0"].contains(&attribute.value.trim());
            } else if element.kind.replace(local(&attribute.value)?).is_some() {
                return Err("its XML has more than one xsi:type at one element");
            }
        }
        Ok(element)
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn refer(&mut self, reference: &BytesRef<'_>) -> Found<()> {
        match reference.resolve_char_ref() {
            Ok(Some(character)) => self.text.push(character),
            Ok(None) => {
                let known = resolve_xml_entity(reference);
                self.add(known.ok_or("its XML has an unknown entity")?);
            }
            Err(_) => return Err("its XML has an invalid reference"),
        }
        Ok(())
    }

    /// The children of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the child of this name, if there is exactly one, and nothing but text in it.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        let mut all = self.all(name);
        let first = all.next()?;
        let is_text = all.next().is_none() && first.children.is_empty();
        is_text.then_some(first.text.trim())
    }

    /// Returns whether it is of this name and namespace.
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// Returns whether there is text in it, outside of its children.
    pub(super) fn has_text(&self) -> bool {
        !self.text.trim().is_empty()
    }
}

fn check_first(decl: &BytesDecl<'_>, is_first: bool) -> Found<()> {
    if !is_first {
        return Err("its XML is declared after its beginning");
    }
    check_declaration(decl).map_err(|_| "its XML is not XML 1.0 in UTF-8")
}

/// The local name in the value of an `xsi:type`.
fn local(kind: &str) -> Found<String> {
    let kind = kind.trim();
    let local = kind.split_once(':').map_or(kind, |(_, local)| local);
    if kind.contains('&') || local.contains(':') {
        return Err("its XML has an xsi:type that is not a name");
    }
    Ok(local.to_owned())
}

type Found<T> = Result<T, &'static str>;

/// The namespace of `xsi:type` and `xsi:nil`.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Stands for a byte that is not ASCII.
const OTHER: char = '\u{fffd}';

const DEEPEST: usize = 64;

/// Envelope, body and operation.
const WITH_NAMESPACE: usize = 3;

/// Elements: 200 records of 800 fields, and some more. As a tree, each takes many times its bytes.
const MOST: usize = 200_000;

/// Each is compared with all before it.
const MOST_ATTRIBUTES: usize = 64;

const MALFORMED: &str = "its XML is not well-formed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_with_more_elements_or_attributes_than_are_looked_at_is_not_read() {
        let elements = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
        assert!(Element::parse(elements(MOST).as_bytes()).is_ok());
        assert!(Element::parse(elements(MOST + 1).as_bytes()).is_err());
        let attributes = |count: usize| {
            let all: String = (0..count).map(|at| format!(" a{at}=''")).collect();
            format!("<a{all}/>")
        };
        assert!(Element::parse(attributes(MOST_ATTRIBUTES).as_bytes()).is_ok());
        assert!(Element::parse(attributes(100 * MOST_ATTRIBUTES).as_bytes()).is_err());
    }
}
