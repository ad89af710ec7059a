//! Keys and certificates in every form: what cannot be read is refused without a word of it.

use super::{super::certificates, *};
use crate::fuzz::property;

#[test]
fn no_text_that_should_be_a_key_is_shown() {
    property!("pem", WORDS, 96, holds);
}

#[test]
fn no_bytes_that_should_be_a_key_do_harm() {
    const NONE: [&str; 0] = [];
    property!("der", NONE, 256, holds);
}

/// A line of a key.
const SECRET: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw";

const WORDS: [&str; 40] = [
    "-----BEGIN PRIVATE KEY-----\n",
    "-----END PRIVATE KEY-----\n",
    "-----BEGIN RSA PRIVATE KEY-----\n",
    "-----END RSA PRIVATE KEY-----\n",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    "-----END ENCRYPTED PRIVATE KEY-----\n",
    "-----BEGIN EC PRIVATE KEY-----\n",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "-----BEGIN CERTIFICATE-----\n",
    "-----END CERTIFICATE-----\n",
    "-----BEGIN TRUSTED CERTIFICATE-----\n",
    "-----END TRUSTED CERTIFICATE-----\n",
    "-----BEGIN PKCS7-----\n",
    "-----END PKCS7-----\n",
    "-----BEGIN ",
    "-----END ",
    "-----",
    "----BEGIN PRIVATE KEY----\n",
    "Proc-Type: 4,ENCRYPTED\n",
    "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n",
    "DEK-Info: DES-EDE3-CBC,0011223344556677\n\n",
    "DEK-Info: ",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw\n",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw\\n",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw%0A",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==",
    "{\"key\":\"",
    "\"}",
    "\"",
    "=",
    "==",
    "\n",
    "\r\n",
    "\\n",
    "\t",
    "é",
    "\0",
    "\u{feff}",
    "AAAA",
];

fn holds(bytes: &[u8]) {
    let silent = |said: String| {
        assert!(!said.contains(SECRET), "{said}");
        assert!(!said.contains(char::is_control), "{said:?}");
    };
    for passphrase in [None, Some(&b"a"[..])] {
        if let Err(error) = PrivateKey::parse("a place", bytes, passphrase) {
            silent(error.to_string());
        }
        if let Err(error) = parse_any("a place", bytes, passphrase) {
            silent(error.to_string());
        }
    }
    match certificates::parse(bytes) {
        Ok(found) => {
            let ends = found.iter().filter_map(certificates::end);
            assert!(ends.count() <= found.len());
        }
        Err(fault) => silent(fault.to_string()),
    }
}
