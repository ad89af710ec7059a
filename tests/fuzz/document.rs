//! A document whose URLs are led to the proxy: for another reader nothing else has changed, and no
//! URL of another host.

use http::uri::Authority;
use roxmltree::Node;
use serde_json::Value;
use url::Url;

use super::{
    super::{rewrite::apply, url_rewriter::tests::rewriter},
    *,
};
use crate::fuzz::property;

#[test]
fn nothing_changes_but_urls_of_the_org() {
    property!("document", WORDS, 64, holds);
}

const WORDS: [&str; 56] = [
    "{",
    "}",
    "{\"urls\":{\"a\":\"",
    "\"urls\":{",
    "\"urls\":",
    "\"identity\":\"",
    "\"identity\":",
    "\"a\":",
    "\"",
    "\"",
    ",",
    "[",
    "]",
    "1.50e1",
    "null",
    "https://acme.my.salesforce.com/",
    "https://acme.my.salesforce.com",
    "https://acme.my.salesforce.com:443/a",
    "HTTPS://ACME.my.salesforce.com/",
    "https:\\/\\/acme.my.salesforce.com\\/id\\/00D",
    "https:/\\/acme.my.salesforce.com/",
    "https:\\u002f\\u002facme.my.salesforce.com/",
    "https://acme.my.salesforce.com@evil.example/",
    "https://acme.my.salesforce.com.evil.example/",
    "https://acme.my.salesforce.com\\@evil.example/",
    "https://acme.my.salesforce.com:8443/",
    "https://login.salesforce.com/id/00D/005",
    "https://login.salesforce.com/services/Soap/u/62.0",
    "https://evil.example/services/Soap/u",
    "https://evil.example/id/a",
    "//acme.my.salesforce.com/",
    "\\\"",
    "\\",
    "\\u0061",
    "<a>",
    "</a>",
    "<urls>",
    "</urls>",
    "<urls a=\"b\">",
    "<rest>",
    "</rest>",
    "<soap:address xmlns:soap=\"urn:s\" location=\"",
    "<address location='",
    "<address location=\"",
    "\"/>",
    "'/>",
    "\">",
    "</address>",
    "&amp;",
    "&#104;ttps://acme.my.salesforce.com/",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "é",
    "\n ",
];

fn holds(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let instance = Authority::from_static("acme.my.salesforce.com");
    let rewriter = rewriter(&instance);
    for document in [
        Document::User(Syntax::Json),
        Document::User(Syntax::Xml),
        Document::Resources,
        Document::Wsdl,
    ] {
        let Some(edits) = document.edits(text, &rewriter) else {
            continue;
        };
        let changed = apply(text, &edits);
        let is_json = matches!(document, Document::User(Syntax::Json) | Document::Resources);
        let (theirs, ours) = if is_json {
            (of_json(text), of_json(&changed))
        } else {
            (of_xml(text), of_xml(&changed))
        };
        // What another reader cannot read is no document.
        let Some(theirs) = theirs else {
            continue;
        };
        let ours = ours.unwrap_or_else(|| panic!("{document:?}: {text} is {changed}"));
        assert_eq!(
            theirs.len(),
            ours.len(),
            "{document:?}: {text} is {changed}"
        );
        for (theirs, ours) in theirs.iter().zip(&ours) {
            let is_right = theirs == ours || leads_here(theirs, ours, document);
            assert!(is_right, "{document:?}: {theirs} is {ours} in {text}");
        }
    }
}

/// Returns whether `ours` is `theirs` at the proxy, and that is one of the org's.
fn leads_here(theirs: &str, ours: &str, document: Document) -> bool {
    let (theirs, ours) = (theirs.trim(), ours.trim());
    let Some(rest) = ours.strip_prefix("http://127.0.0.1:8080") else {
        return false;
    };
    let is_end = theirs.ends_with(rest) && theirs.to_ascii_lowercase().starts_with("https:");
    if document == Document::Resources {
        // Users have one identity, wherever it is said to be.
        return is_end && rest.starts_with("/id/");
    }
    let Ok(url) = Url::parse(theirs) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let is_login = ["login.salesforce.com", "test.salesforce.com"].contains(&host);
    let is_known = host == "acme.my.salesforce.com" || is_login && document == Document::Wsdl;
    is_end && is_known
}

/// All that another reader finds, in its order.
fn of_json(text: &str) -> Option<Vec<String>> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                found.push(name.clone());
                collect(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::String(text) => found.push(text.clone()),
            other => found.push(other.to_string()),
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(text).ok()?, &mut found);
    Some(found)
}

fn of_xml(text: &str) -> Option<Vec<String>> {
    let document = roxmltree::Document::parse(text).ok()?;
    let describe = |node: Node<'_, '_>| {
        let text = node
            .text()
            .filter(|_| !node.is_element())
            .map(str::to_owned);
        let attributes = node.attributes().map(|it| it.value().to_owned());
        let name = node.tag_name().name().to_owned();
        std::iter::once(name)
            .chain(text)
            .chain(attributes)
            .collect::<Vec<_>>()
    };
    Some(document.descendants().flat_map(describe).collect())
}
