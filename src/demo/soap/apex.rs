//! Apex: code that is run, and the web services of classes.

use super::{element::Element, xml::Xml};

/// `executeAnonymous`: whatever it is, it works.
pub(super) fn execute_anonymous(xml: &mut Xml) {
    xml.within("result", |xml| {
        xml.text("column", "-1");
        xml.nil("compileProblem");
        xml.bool("compiled", true);
        xml.nil("exceptionMessage");
        xml.nil("exceptionStackTrace");
        xml.text("line", "-1");
        xml.bool("success", true);
    });
}

/// Any method of any class returns its arguments, one after the other.
pub(super) fn echo(method: &Element, xml: &mut Xml) {
    let arguments: Vec<_> = method
        .children
        .iter()
        .map(|argument| argument.text.as_str())
        .collect();
    xml.text("result", &arguments.join(" "));
}
