//! A SOAP 1.1 request.

use super::{
    ENVELOPE,
    element::{Element, Elements},
};

/// A request's operation and headers.
pub(super) struct Envelope {
    header: Vec<Element>,
    /// The first element of the body.
    pub(super) operation: Element,
}

impl Envelope {
    /// Reads a document. The error says what is wrong.
    pub(super) fn read(document: &str) -> Result<Self, String> {
        let mut elements = Elements::new(document);
        open(&mut elements)?;
        let mut header = Vec::new();
        while let Some(part) = elements.begin()? {
            if part.is(ENVELOPE, "Header") {
                header = elements.finish(part)?.children;
            } else if part.is(ENVELOPE, "Body") {
                let mut children = elements.finish(part)?.children.into_iter();
                let operation = children.next().ok_or("the Body is empty")?;
                while let Some(other) = elements.begin()? {
                    elements.finish(other)?;
                }
                return Ok(Self { header, operation });
            } else {
                return Err("there is more than Header and Body in the Envelope".to_owned());
            }
        }
        Err("there is no Body in the Envelope".to_owned())
    }

    /// The header of this name.
    pub(super) fn header(&self, namespace: &str, name: &str) -> Option<&Element> {
        find(&self.header, namespace, name)
    }

    /// The session in it.
    pub(super) fn session(&self, namespace: &str) -> Option<&str> {
        session(&self.header, namespace)
    }
}

/// The session in a document whose Body may be incomplete.
pub(in crate::demo) fn session_of(document: &str, namespace: &str) -> Option<String> {
    let mut elements = Elements::new(document);
    open(&mut elements).ok()?;
    let header = elements.begin().ok()??;
    if !header.is(ENVELOPE, "Header") {
        return None;
    }
    let header = elements.finish(header).ok()?;
    session(&header.children, namespace).map(str::to_owned)
}

fn open(elements: &mut Elements<'_>) -> Result<(), String> {
    match elements.begin()? {
        Some(root) if root.is(ENVELOPE, "Envelope") => Ok(()),
        Some(_) => Err("the document is not a SOAP 1.1 Envelope".to_owned()),
        None => Err("Premature end of file.".to_owned()),
    }
}

/// The `sessionId` of a `SessionHeader`, both in the namespace of the WSDL.
fn session<'a>(header: &'a [Element], namespace: &str) -> Option<&'a str> {
    let session = find(header, namespace, "SessionHeader")?;
    let id = find(&session.children, namespace, "sessionId")?;
    Some(id.text.trim())
}

fn find<'a>(elements: &'a [Element], namespace: &str, name: &str) -> Option<&'a Element> {
    elements
        .iter()
        .find(|element| element.namespace == namespace && element.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTNER: &str = "urn:partner.soap.sforce.com";

    #[test]
    fn the_session_is_found_however_it_is_written() {
        for header in [
            "<SessionHeader xmlns='urn:partner.soap.sforce.com'><sessionId>a&amp;b</sessionId></SessionHeader>",
            "<u:SessionHeader xmlns:u='urn:partner.soap.sforce.com'>\n<!-- x --><u:sessionId> <![CDATA[a&b]]>\n</u:sessionId></u:SessionHeader>",
            "<CallOptions xmlns='x'/><p:SessionHeader xmlns:p=\"urn:partner.soap.sforce.com\"><p:sessionId>a&#38;b</p:sessionId></p:SessionHeader>",
        ] {
            let document = format!(
                "\u{feff}<?xml version='1.0'?><e:Envelope xmlns:e='{ENVELOPE}'><e:Header>{header}</e:Header><e:Body><x>1</x></e:Body></e:Envelope>"
            );
            let envelope = Envelope::read(&document).unwrap();
            assert_eq!(envelope.session(PARTNER), Some("a&b"), "{header}");
            assert_eq!(envelope.session("urn:other"), None);
            assert_eq!(envelope.operation.text, "1");
            let (head, _) = document.split_once("<x>").unwrap();
            assert_eq!(session_of(head, PARTNER).as_deref(), Some("a&b"));
        }
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let deep = "<x>".repeat(200);
        for (document, why) in [
            ("", "Premature end of file."),
            ("<x/>", "not a SOAP 1.1 Envelope"),
            ("<e:Envelope/>", "The prefix \"e\" is not bound."),
            ("<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "document type"),
            (
                "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'/>",
                "no Body",
            ),
            (
                "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body/></Envelope>",
                "the Body is empty",
            ),
            (
                "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><x>&a;</x></Body></Envelope>",
                "unknown entity",
            ),
            (
                "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body><x>",
                "ends too soon",
            ),
            (
                "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body></x></Body>",
                "expected `</Body>`",
            ),
            (
                &format!(
                    "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body>{deep}"
                ),
                "too deep",
            ),
        ] {
            let refused = Envelope::read(document).err().unwrap_or_default();
            assert!(refused.contains(why), "{document} {refused}");
        }
    }
}
