//! A dead session: nobody can have the org say so of another's, and another parser finds the words
//! where ours found them.

use quick_xml::escape::escape;
use roxmltree::{Document, Node};
use serde_json::json;

use super::{
    super::{Format, Wsdl},
    *,
};
use crate::fuzz::property;

#[test]
fn no_words_that_the_org_repeats_end_a_session() {
    property!("verdict", WORDS, 96, holds);
}

const WORDS: [&str; 46] = [
    "INVALID_SESSION_ID",
    "InvalidSessionId",
    "sf:INVALID_SESSION_ID",
    "Bad_OAuth_Token",
    "URL_NOT_RESET",
    "REQUEST_LIMIT_EXCEEDED",
    "Session expired or invalid",
    "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"\"}]",
    "[{\"message\":\"",
    "\",\"errorCode\":\"",
    "\"}]",
    "[{",
    "}]",
    "\"",
    "\\",
    ",",
    "<Envelope>",
    "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>",
    "</e:Envelope>",
    "</Envelope>",
    "<Body>",
    "<e:Body>",
    "</e:Body>",
    "</Body>",
    "<Fault>",
    "<e:Fault>",
    "</e:Fault>",
    "</Fault>",
    "<faultcode>",
    "</faultcode>",
    "<faultstring>",
    "</faultstring>",
    "<detail><x>",
    "</x></detail>",
    "<exceptionCode>",
    "</exceptionCode>",
    "<error>",
    "<error xmlns='http://www.force.com/2009/06/asyncapi/dataload'>",
    "</error>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?xml version='1.0'?>",
    "&#73;",
    "\u{feff}",
];

fn holds(text: &[u8]) {
    let words = String::from_utf8_lossy(text);
    let quoted = escape(&*words);
    let families = [
        Family::Rest,
        Family::OAuth,
        Family::Page,
        Family::Identity,
        Family::Soap(Wsdl::Partner),
        Family::Bulk(Format::Xml),
        Family::Bulk(Format::Json),
        Family::Cometd,
    ];
    let repeated = [
        json!([{"message": words, "errorCode": "MALFORMED_QUERY", "fields": [words]}]).to_string(),
        json!({"exceptionMessage": words, "exceptionCode": "InvalidBatch", "Name": words})
            .to_string(),
        json!([{"channel": "/a", "successful": true, "data": words}]).to_string(),
        format!(
            "<Errors><Error><message>{quoted}</message><errorCode>A</errorCode></Error></Errors>"
        ),
        format!(
            "<e:Envelope><e:Body><e:Fault><faultcode>A</faultcode><faultstring>{quoted}</faultstring>\
             <detail><a b=\"{quoted}\"><exceptionMessage>{quoted}</exceptionMessage></a></detail>\
             </e:Fault></e:Body></e:Envelope>"
        ),
        format!(
            "<e:Envelope><e:Body><queryResponse><result><Name>{quoted}</Name></result></queryResponse>\
             </e:Body></e:Envelope>"
        ),
        format!(
            "<error><exceptionMessage>{quoted}</exceptionMessage><exceptionCode>A</exceptionCode></error>"
        ),
    ];
    for status in [200, 302, 400, 401, 403, 500].map(|code| StatusCode::from_u16(code).unwrap()) {
        for family in families {
            for body in &repeated {
                let verdict = Verdict::of(family, &Method::GET, status, body.as_bytes());
                assert_ne!(verdict, Verdict::Dead, "{family:?} {status}: {body}");
            }
            // Anything goes, and nothing panics.
            Verdict::of(family, &Method::GET, status, text);
        }
    }
    let Ok(document) = Document::parse(&words) else {
        return;
    };
    let of_soap = Verdict::of_soap(text) == Verdict::Dead;
    let of_bulk = Verdict::of_bulk(text) == Verdict::Dead;
    assert!(
        !of_soap || finds(&document, "faultcode") || finds(&document, "exceptionCode"),
        "{words}"
    );
    assert!(!of_bulk || finds(&document, "exceptionCode"), "{words}");
}

/// Returns whether an element of this name says that the session is dead.
fn finds(document: &Document<'_>, name: &str) -> bool {
    let mut named = document
        .descendants()
        .filter(|node| node.tag_name().name() == name);
    named.any(|node| {
        let texts = node.children().filter(Node::is_text);
        let text: String = texts.filter_map(|text| text.text()).collect();
        let code = text.rsplit(':').next().unwrap_or_default().trim();
        ["INVALID_SESSION_ID", "InvalidSessionId"].contains(&code)
    })
}
