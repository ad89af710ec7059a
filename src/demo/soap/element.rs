//! Reading XML elements: a tree, with namespaces resolved.

use quick_xml::{
    NsReader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use super::XSI;

/// An element. It keeps the order of its children, but not the place of text between them.
#[derive(Debug, Default)]
pub(in crate::demo) struct Element {
    /// Empty if it has none.
    pub(super) namespace: String,
    /// Without prefix.
    pub(super) name: String,
    /// The value of `xsi:type`, without prefix.
    pub(super) kind: Option<String>,
    /// `xsi:nil`
    pub(super) nil: bool,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

impl Element {
    /// The first child of this name, in any namespace.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of this name; empty if there is none.
    pub(super) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.trim())
    }
}

/// Reads a document piece by piece. Errors are a few words each.
pub(super) struct Elements<'a>(NsReader<&'a [u8]>);

impl<'a> Elements<'a> {
    pub(super) fn new(document: &'a str) -> Self {
        let mut reader = NsReader::from_str(document.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        Self(reader)
    }

    /// The start of the next element within the one that was begun last, without its content;
    /// nothing if that one ends here.
    pub(super) fn begin(&mut self) -> Result<Option<Begun>, String> {
        loop {
            match self.event()? {
                Event::Start(start) => return self.begun(start).map(Some),
                Event::End(_) | Event::Eof => return Ok(None),
                Event::Text(text) if text.trim().is_empty() => {}
                _ => return Err("text where an element has to be".to_owned()),
            }
        }
    }

    /// The element that was begun, with its content.
    pub(super) fn finish(&mut self, begun: Begun) -> Result<Element, String> {
        self.content(begun.0, 0)
    }

    fn content(&mut self, mut element: Element, depth: usize) -> Result<Element, String> {
        if depth > DEEPEST {
            return Err("elements are nested too deep".to_owned());
        }
        loop {
            match self.event()? {
                Event::Start(start) => {
                    let begun = self.begun(start)?;
                    let child = self.content(begun.0, depth + 1)?;
                    element.children.push(child);
                }
                Event::End(_) => return Ok(element),
                Event::Text(text) => element.text.push_str(&text.xml10_content()),
                Event::CData(text) => element.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => element.text.push(character),
                    Ok(None) => element.text.push_str(
                        resolve_predefined_entity(&reference)
                            .ok_or_else(|| format!("unknown entity &{};", &*reference))?,
                    ),
                    Err(error) => return Err(error.to_string()),
                },
                _ => return Err("the document ends too soon".to_owned()),
            }
        }
    }

    fn begun(&self, start: BytesStart<'a>) -> Result<Begun, String> {
        let (namespace, name) = self.0.resolver().resolve_element(start.name());
        let mut element = Element {
            namespace: bound(namespace)?,
            name: name.as_ref().to_owned(),
            ..Element::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (namespace, name) = self.0.resolver().resolve_attribute(attribute.key);
            let value = attribute
                .normalized_value(XmlVersion::Explicit1_0)
                .map_err(|error| error.to_string())?;
            match (bound(namespace)?.as_str(), name.as_ref()) {
                (XSI, "type") => {
                    let local = value.rsplit(':').next();
                    element.kind = local.map(str::to_owned);
                }
                (XSI, "nil") => element.nil = matches!(&*value, "true" | "1"),
                _ => {}
            }
        }
        Ok(Begun(element))
    }

    /// The next event that has a meaning.
    fn event(&mut self) -> Result<Event<'a>, String> {
        loop {
            match self.0.read_event().map_err(|error| error.to_string())? {
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::DocType(_) => {
                    return Err("a document type declaration is not allowed".to_owned());
                }
                event => return Ok(event),
            }
        }
    }
}

/// An element whose content has not been read yet.
pub(super) struct Begun(Element);

impl Begun {
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.0.namespace == namespace && self.0.name == name
    }
}

fn bound(namespace: ResolveResult<'_>) -> Result<String, String> {
    match namespace {
        ResolveResult::Bound(Namespace(namespace)) => Ok(namespace.to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(prefix) => Err(format!("The prefix \"{prefix}\" is not bound.")),
    }
}

const DEEPEST: usize = 100;
