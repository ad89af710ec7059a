//! The XML of Bulk 1.0.

use quick_xml::{
    Reader,
    escape::{escape, resolve_predefined_entity},
    events::{BytesStart, Event},
};

pub(super) const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

pub(super) const DECLARATION: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// An element, with the parts that Bulk clients use; names have no prefixes.
#[derive(Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    /// `xsi:nil="true"`
    pub(super) nil: bool,
    pub(super) children: Vec<Self>,
}

impl Element {
    fn new(start: &BytesStart<'_>) -> Self {
        let nil = |attribute: &quick_xml::events::attributes::Attribute<'_>| {
            attribute.key.local_name().as_ref() == "nil"
        };
        Self {
            name: start.local_name().as_ref().to_owned(),
            nil: start
                .attributes()
                .flatten()
                .any(|attribute| nil(&attribute) && attribute.value == "true"),
            ..Self::default()
        }
    }

    /// The text of a child.
    pub(super) fn child(&self, name: &str) -> Option<&str> {
        let child = self.children.iter().find(|child| child.name == name)?;
        Some(child.text.trim())
    }
}

/// The outermost element.
pub(super) fn parse(text: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) if open.len() > DEEPEST => {
                return Err(format!("too deep at {:?}", start.name()));
            }
            Event::Start(start) => open.push(Element::new(&start)),
            Event::Empty(start) => add(&mut open, Element::new(&start)),
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    add(&mut open, element);
                }
            }
            Event::Text(text) => say(&mut open, &text.xml10_content()),
            Event::CData(text) => say(&mut open, &text.xml10_content()),
            Event::GeneralRef(name) => match name.resolve_char_ref() {
                Ok(Some(character)) => say(&mut open, character.encode_utf8(&mut [0; 4])),
                _ => match resolve_predefined_entity(&name) {
                    Some(text) => say(&mut open, text),
                    None => return Err(format!("unknown entity {}", &*name)),
                },
            },
            Event::Eof => break,
            _ => {}
        }
    }
    let roots = open.into_iter().next().map(|outside| outside.children);
    let root = roots.and_then(|roots| roots.into_iter().next());
    root.ok_or_else(|| "there is no element".to_owned())
}

fn add(open: &mut [Element], element: Element) {
    if let Some(parent) = open.last_mut() {
        parent.children.push(element);
    }
}

fn say(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Adds `<name>text</name>`.
pub(super) fn write(xml: &mut String, name: &str, text: &str) {
    xml.push_str(&format!("<{name}>{}</{name}>", escape(text)));
}

/// Levels of elements.
const DEEPEST: usize = 16;
