//! What passes the guard leads to what is about sessions by nobody's reading.

use super::{
    tests::{by_servers, is_of_sessions},
    *,
};
use crate::fuzz::property;

#[test]
fn what_passes_leads_to_sessions_by_nobodys_reading() {
    property!("path", WORDS, 48, holds);
}

const WORDS: [&str; 56] = [
    "/",
    "/",
    "/",
    "/",
    "//",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "%252f",
    "%25",
    "%",
    ";",
    ";a",
    ";a=b",
    "%3b",
    "%253b",
    ".",
    "..",
    "%2e",
    "%2E.",
    "%252e",
    "services",
    "SERVICES",
    "%73ervices",
    "%2573ervices",
    "oauth2",
    "OAuth2",
    "o%61uth2",
    "revoke",
    "token",
    "userinfo",
    "data",
    "v62.0",
    "secur",
    "secu%72",
    "logout.jsp",
    "frontdoor.jsp",
    "apexrest",
    "Soap",
    "u",
    "async",
    "idp",
    "ide",
    "auth",
    "visualforce",
    "session",
    "servlet",
    "servlet.su",
    "%c4%b1dp",
    "to%e2%84%aaen",
    "%c5%bf",
    "%c5%bfervices",
    "a360",
    "site",
    "%00",
];

fn holds(path: &[u8]) {
    // The target of a request is a text by then, and begins so.
    let Ok(path) = str::from_utf8(path) else {
        return;
    };
    let path = format!("/{path}");
    let is_target = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
    // What is answered here reaches nobody.
    if !path.bytes().all(is_target) || judge(&path, &[]) != Ok(None) {
        return;
    }
    for reading in by_servers(&path) {
        // As `String.equalsIgnoreCase` of Java compares.
        let same = |c: char| c.to_uppercase().flat_map(char::to_lowercase);
        let reading: String = reading.chars().flat_map(same).collect();
        assert!(!is_of_sessions(&reading), "{path} is {reading}");
        assert_eq!(denied(reading.as_bytes()), None, "{path} is {reading}");
    }
    // Nor does it become a SOAP API, whose session is elsewhere, where it is decoded.
    let is_soap = |path: &str| matches!(Target::parse(path.as_bytes()).api, Api::Soap(_));
    for reading in by_servers(&path) {
        assert!(is_soap(&path) || !is_soap(&reading), "{path} is {reading}");
    }
}
