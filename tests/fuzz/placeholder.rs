//! The session ids that clients are given: another org's is refused wherever it is shown, and none
//! but a client's own lets it in.

use std::sync::Arc;

use http::{Method, Request};
use percent_encoding::percent_decode;

use super::*;
use crate::{fuzz::property, proxy::family::Family};

#[test]
fn another_orgs_is_refused_and_nothing_but_its_own_lets_a_client_in() {
    property!("placeholder", WORDS, 64, holds);
}

const ORG: &str = "00Dxx0000001gPL";
const OWN: &str = "ownownownownownownownownownownownownownownownownownownownownownownownownownownownownownownownown";
const OTHER: &str = "another.another.another.another.another.another.another.another.another.another.another.another.";
const CLIENT: &str = "aClientaClientaClientaClientaClientaClientaClientaClientaClientaClientaClientaClientaClientaClie";

const WORDS: [&str; 22] = [
    OWN,
    OTHER,
    OTHER,
    CLIENT,
    CLIENT,
    "another.another.another.another.another.another.another.another.another.another.another.another",
    "ACLIENTaClientaClientaClientaClientaClientaClientaClientaClientaClientaClientaClientaClientaClie",
    ORG,
    "!",
    "!",
    "%21",
    "%2521",
    "%",
    "Bearer ",
    "OAuth ",
    "sid=",
    "; ",
    "&access_token=",
    "\"",
    ",",
    "=",
    " ",
];

fn holds(text: &[u8]) {
    let of_clients = vec![("etl".to_owned(), CLIENT.to_owned())];
    let placeholders = Placeholders {
        own: vec![OWN.to_owned()],
        names: by_digest(&of_clients),
        of_clients,
        others: vec![("two".to_owned(), OTHER.to_owned())],
        ..Placeholders::default()
    };
    let exchange = Exchange::new(Arc::default(), Family::Rest, &Method::GET, None);
    let is_in = |text: &[u8], word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
    let decoded: Vec<u8> = percent_decode(text).collect();
    // As a word of its own, after the id of an org.
    let is_shown = |text: &[u8]| {
        let marked = format!("!{CLIENT}");
        let mut ends = memchr::memmem::find_iter(text, &marked).map(|at| at + marked.len());
        ends.any(|end| !text.get(end).is_some_and(|next| is_in_alphabet(*next)))
    };

    let headers = ["authorization", "cookie", "x-sfdc-session"]
        .map(|name| Request::get("/").header(name, text).body(()));
    for request in headers.into_iter().flatten() {
        let head = request.into_parts().0;
        let is_refused = placeholders.refuse_others(&head, None, &exchange).is_err();
        assert_eq!(is_refused, is_in(text, OTHER));
        let client = placeholders.client_that_shows(&head, None);
        assert_eq!(client.is_some(), is_shown(text));
    }
    let uri = String::from_utf8_lossy(text);
    if let Ok(request) = Request::get(format!("/a?{uri}")).body(())
        && request.uri().query() == Some(&*uri)
    {
        let head = request.into_parts().0;
        let is_refused = placeholders.refuse_others(&head, None, &exchange).is_err();
        assert_eq!(is_refused, is_in(&decoded, OTHER));
        let client = placeholders.client_that_shows(&head, None);
        assert_eq!(client.is_some(), is_shown(&decoded));
    }
    if let Ok(text) = str::from_utf8(text) {
        let is_exact = |word| text.split_once('!').is_some_and(|(_, shown)| shown == word);
        assert_eq!(placeholders.is_own(text), is_exact(OWN) || is_exact(CLIENT));
        assert_eq!(placeholders.client_of(text).is_some(), is_exact(CLIENT));
    }
}
