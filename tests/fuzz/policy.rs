//! A request that a policy passes, one that limits nothing passes as well; and what it refuses, it
//! refuses in every spelling.

use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;

use super::tests::{policy, refusal};
use crate::{fuzz::property, proxy::percent};

#[test]
fn no_spelling_opens_what_a_policy_refuses() {
    property!("policy", WORDS, 48, holds);
}

const WORDS: [&str; 84] = [
    "GET ",
    "GET ",
    "POST ",
    "POST ",
    "PATCH ",
    "PUT ",
    "DELETE ",
    "HEAD ",
    "/services/data/v62.0/",
    "/services/data/v62.0/",
    "/services/data/v62.0/",
    "/services/Soap/u/62.0 ",
    "/services/Soap/m/62.0 ",
    "/services/Soap/s/62.0 ",
    "/services/Soap/T/62.0 ",
    "/services/async/62.0/job",
    "/services/apexrest/reports",
    "/cometd/62.0 ",
    "sobjects/",
    "sobjects/Account/",
    "sobjects/Case",
    "sobjects/User/",
    "sobjects/Payroll__c",
    "/describe",
    "query?q=SELECT+Id+FROM+Account ",
    "query?q=SELECT+Id+FROM+Payroll__c ",
    "queryAll/",
    "search?q=FIND+{x}+RETURNING+Account ",
    "parameterizedSearch",
    "composite",
    "composite/batch",
    "composite/tree/Account",
    "composite/sobjects",
    "graphql",
    "tooling/",
    "tooling/executeAnonymous/?anonymousBody=x ",
    "jobs/ingest",
    "jobs/query",
    "ui-api/records",
    "chatter/feeds",
    "actions/standard",
    "limits",
    "connect/",
    "003xx000004TmiQAAS",
    "?",
    "&",
    "=",
    "/",
    "//",
    "%2f",
    "%20",
    ";a",
    " ",
    " ",
    "?fields=Name,SSN__c ",
    "?_HttpMethod=DELETE ",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"method\":\"GET\",",
    "\"method\":\"DELETE\",",
    "\"url\":\"/services/data/v62.0/sobjects/Case/1\",",
    "\"compositeRequest\":[{",
    "\"batchRequests\":[{",
    "\"richInput\":{",
    "\"referenceId\":\"a\"",
    "\"body\":{\"Subject\":\"a\"}",
    "\"query\":\"query { uiapi { query { Account { edges { node { Id } } } } } }\"",
    "\"query\":\"mutation { a }\"",
    "\"operation\":\"insert\",",
    "\"object\":\"Case\"",
    "\"object\":\"Payroll__c\"",
    "\"attributes\":{\"type\":\"Account\"},",
    "\"records\":[{",
    "\"Name\":\"a\"",
    "}]}",
    "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"urn:partner.soap.sforce.com\"><e:Body>",
    "<query><queryString>SELECT Id FROM Account</queryString></query></e:Body></e:Envelope>",
    "<delete><ids>1</ids></delete></e:Body></e:Envelope>",
    "<create><sObjects><type>Case</type></sObjects></create></e:Body></e:Envelope>",
];

const STRICT: [&str; 9] = [
    "closed",
    "read-only",
    "read-paths",
    "methods",
    "paths",
    "deny-paths",
    "objects",
    "deny-objects",
    "fields",
];

fn holds(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let Some((method, rest)) = text.split_once(' ') else {
        return;
    };
    let (target, body) = rest.split_once(' ').unwrap_or((rest, ""));
    let Some(plain) = request(method, target, body) else {
        return;
    };
    let disguised = [
        ("services", "%73ervices"),
        ("services", "SERVICES"),
        ("/data", "//data"),
        ("sobjects", "sob%6Aects"),
    ]
    .map(|(from, to)| request(method, &target.replacen(from, to, 1), body));
    // What is disguised already may mean something else where it is more so.
    let is_plain = crate::proxy::path::is_plain(plain.uri().path().as_bytes());
    let open = refused("open", &plain);
    for name in STRICT {
        let refusal = refused(name, &plain);
        assert!(
            refusal.is_some() || open.is_none(),
            "{name}: {text}: {open:?}"
        );
        for request in disguised.iter().flatten().filter(|_| is_plain) {
            let passes = refused(name, request).is_none();
            assert!(
                !passes || refusal.is_none(),
                "{name}: {}: {refusal:?}",
                request.uri()
            );
        }
    }
}

fn request(method: &str, target: &str, body: &str) -> Option<Request<Bytes>> {
    let target = percent::encode(target.as_bytes())?;
    let is_target = target.starts_with('/');
    let kind = if body.starts_with('<') {
        "text/xml"
    } else {
        "application/json"
    };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("content-type", kind);
    request
        .body(body.to_owned().into())
        .ok()
        .filter(|_| is_target)
}

fn refused(name: &str, request: &Request<Bytes>) -> Option<String> {
    let refusal = refusal(&policy(name), request).now_or_never();
    refusal.expect("all of it is there")
}
