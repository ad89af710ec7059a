//! An element of a small document, as another parser finds it.

use roxmltree::{Document, Node};

use super::*;
use crate::fuzz::property;

#[test]
fn an_element_is_what_another_parser_finds() {
    property!("xml", WORDS, 64, holds);
}

const WORDS: [&str; 36] = [
    "<a>",
    "<a>",
    "</a>",
    "</a>",
    "<b>",
    "<b>",
    "</b>",
    "</b>",
    "<b/>",
    "<c>",
    "</c>",
    "<c/>",
    "<d>",
    "</d>",
    "<x:b xmlns:x='urn:x'>",
    "</x:b>",
    "<c d='>'>",
    "<c d=\"</c>\"/>",
    "text",
    " ",
    "\r\n",
    "\r",
    "\t",
    "&amp;",
    "&lt;",
    "&#13;",
    "&#x41;",
    "&bomb;",
    "<!-- </b> -->",
    "<![CDATA[",
    "]]>",
    "<c>",
    "<?pi </b>?>",
    "<?xml version='1.0'?>",
    "<!DOCTYPE a>",
    "é",
];

fn holds(text: &[u8]) {
    let text = self::text(text);
    let Ok(ours) = Element::find(&text, &["a", "b"]) else {
        return;
    };
    // What is not well-formed for one of them is refused by the other further on.
    let Ok(document) = Document::parse(&text) else {
        return;
    };
    let root = document.root_element();
    let mut parents = root.children().filter(|_| root.tag_name().name() == "a");
    let theirs = parents.find(|node| node.is_element() && node.tag_name().name() == "b");
    assert_eq!(ours.is_some(), theirs.is_some(), "{text}");
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return;
    };
    let children = theirs.children().filter(Node::is_element);
    let children: Vec<_> = children
        .map(|child| (child.tag_name().name(), content(child)))
        .collect();
    // What a line end beside a reference becomes, each has its own mind about.
    let ours = ours.children.iter();
    let ours: Vec<_> = ours
        .map(|(name, text)| (&**name, text.replace('\r', "\n")))
        .collect();
    assert_eq!(ours, children, "{text}");
}

fn content(node: Node<'_, '_>) -> String {
    let texts = node.children().filter(Node::is_text);
    let text: String = texts.filter_map(|text| text.text()).collect();
    text.replace('\r', "\n")
}
