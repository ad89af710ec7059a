//! A session in an envelope: another parser reads back what was there, and our session in its place.

use roxmltree::{Document, Node};

use super::{tests::with_session, *};
use crate::fuzz::property;

#[test]
fn another_parser_reads_back_what_was_there_and_our_session() {
    property!("envelope", WORDS, 96, holds);
}

const WORDS: [&str; 74] = [
    "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>",
    "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/' xmlns='urn:partner.soap.sforce.com'>",
    "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/' xmlns:u='urn:partner.soap.sforce.com'>",
    "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'>",
    "</e:Envelope>",
    "</Envelope>",
    "<e:Header>",
    "<e:Header>",
    "<e:Header/>",
    "<e:Header xmlns='urn:partner.soap.sforce.com'>",
    "</e:Header>",
    "</e:Header>",
    "<Header>",
    "</Header>",
    "<e:Body>",
    "<e:Body>",
    "<e:Body/>",
    "</e:Body>",
    "<Body>",
    "</Body>",
    "<u:SessionHeader>",
    "<u:SessionHeader a='b'>",
    "<u:SessionHeader/>",
    "</u:SessionHeader>",
    "<SessionHeader>",
    "<SessionHeader xmlns='urn:partner.soap.sforce.com'>",
    "<SessionHeader xmlns='urn:other'>",
    "</SessionHeader>",
    "<u:sessionId>",
    "<u:sessionId/>",
    "</u:sessionId>",
    "<sessionId>",
    "<sessionId xmlns=''>",
    "</sessionId>",
    "old",
    "<u:CallOptions>",
    "<u:CallOptions/>",
    "</u:CallOptions>",
    "<u:client>",
    "</u:client>",
    "<CallOptions>",
    "</CallOptions>",
    "<u:query>",
    "</u:query>",
    "<query xmlns='urn:partner.soap.sforce.com'/>",
    "<u:query/>",
    "<a:b xmlns:a='urn:a' a:c='d>e'/>",
    "<a b=\"'\">",
    "</a>",
    " ",
    "\r\n",
    "é",
    "&amp;",
    "&#60;",
    "&#x3c;",
    "&lt;",
    "&bomb;",
    "<!-- <sessionId> -->",
    "<!--",
    "-->",
    "<![CDATA[",
    "</sessionId>]]>",
    "]]>",
    "<?pi <e:Body> ?>",
    "<?xml version='1.0' encoding='UTF-8'?>",
    "<!DOCTYPE a [<!ENTITY bomb 'x'>]>",
    "\u{feff}",
    "\0",
    "<é:Envelope xmlns:é='http://schemas.xmlsoap.org/soap/envelope/'>",
    "<é:Header/>",
    "<é:Body>",
    "<e:Header é='ü'/>",
    "<SessionHeader xmlns='urn:é'>",
    "&#x6f;ld",
];

fn holds(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    for wsdl in [Wsdl::Partner, Wsdl::Other] {
        let Ok(envelope) = Envelope::read(text.as_bytes(), wsdl) else {
            continue;
        };
        let spliced = with_session(text, &envelope);
        let again = Envelope::read(spliced.as_bytes(), wsdl).expect(&spliced);
        assert_eq!(again.said, SESSION, "{spliced}");
        assert_eq!(again.operation, envelope.operation, "{spliced}");

        // What is not XML for one of them, the org reads in its own way: both refuse it.
        let Ok(theirs) = Document::parse(text) else {
            continue;
        };
        let ours = Document::parse(&spliced).expect(&spliced);
        assert_eq!(sessions(&ours), [Some(SESSION)], "{spliced}");
        assert_eq!(outline(&ours), outline(&theirs), "{spliced}");
    }
}

/// The texts of all that another reader may take for the session.
fn sessions<'a>(document: &'a Document<'_>) -> Vec<Option<&'a str>> {
    let all = document.descendants().filter(is_session_id);
    all.map(|session| session.text()).collect()
}

/// The document without the session, and without what holds nothing else.
fn outline(document: &Document<'_>) -> String {
    let mut outline = String::new();
    write(document.root_element(), &mut outline);
    outline
}

fn write(node: Node<'_, '_>, outline: &mut String) {
    if node.is_text() {
        outline.push_str(node.text().unwrap_or_default());
    }
    if !node.is_element() || is_session_id(&node) || is_frame(&node) && is_bare(node) {
        return;
    }
    outline.push_str(&format!("<{:?}", node.tag_name()));
    for attribute in node.attributes() {
        outline.push_str(&format!(" {attribute:?}"));
    }
    outline.push('>');
    for child in node.children() {
        write(child, outline);
    }
    outline.push_str("</>");
}

/// Returns whether nothing is left without the session.
fn is_bare(node: Node<'_, '_>) -> bool {
    let mut children = node.children().filter(Node::is_element);
    children.all(|child| is_session_id(&child) || is_frame(&child) && is_bare(child))
        && !(node.tag_name().name() == "Header" && has_text(node))
}

fn has_text(node: Node<'_, '_>) -> bool {
    let mut texts = node.children().filter(Node::is_text);
    texts.any(|text| !text.text().unwrap_or_default().trim().is_empty())
}

/// Returns whether it is one of the elements that were made if they were not there. The header comes before
/// the body (SOAP 1.1 section 4), and what follows that is not looked at.
fn is_frame(node: &Node<'_, '_>) -> bool {
    let above = node.parent_element();
    match node.tag_name().name() {
        "Header" => {
            let mut before = node.prev_siblings();
            before.all(|it| it.tag_name().name() != "Body")
                && above.is_some_and(|above| above.parent_element().is_none())
        }
        "SessionHeader" => {
            above.is_some_and(|above| above.tag_name().name() == "Header" && is_frame(&above))
        }
        _ => false,
    }
}

fn is_session_id(node: &Node<'_, '_>) -> bool {
    let is_within =
        |above: Node<'_, '_>| above.tag_name().name() == "SessionHeader" && is_frame(&above);
    node.tag_name().name() == "sessionId" && node.parent_element().is_some_and(is_within)
}

/// The one of the tests.
const SESSION: &str = "00D!x";
