//! The session in what the org says: gone, however often it is percent-encoded.

use percent_encoding::percent_decode;

use super::*;
use crate::fuzz::property;

#[test]
fn no_reading_of_what_is_left_shows_the_session() {
    property!("disclosure", WORDS, 48, holds);
}

const TOKEN: &[u8] = b"00D!A.b_c";

const WORDS: [&str; 26] = [
    "00D!A.b_c",
    "00D!A.b_",
    "00D",
    "0",
    "!A.b_c",
    "%21A.b_c",
    "%2521A%2eb_c",
    "00D%21",
    "%30",
    "%2530",
    "%252530",
    "%44",
    "%64",
    "%",
    "%2",
    "%25",
    "%2525",
    "c",
    "_c",
    "%5F",
    "%5f%63",
    "/a?sid=",
    "&",
    "#",
    "é",
    "00D!A.b_c00D!A.b_c",
];

fn holds(text: &[u8]) {
    let mut left = replace(text, TOKEN, "<placeholder>").unwrap_or_else(|| text.to_vec());
    for _ in 0..5 {
        let shows = memchr::memmem::find(&left, TOKEN).is_some();
        assert!(
            !shows,
            "{} leaves {}",
            text.escape_ascii(),
            left.escape_ascii()
        );
        left = percent_decode(&left).collect();
    }
}
