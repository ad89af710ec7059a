//! An error with its causes, in one line.

use std::error::Error;

/// The chain of causes, each named once.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text.replace(SILENT_END, "it closed the connection without saying so")
}

/// The words of rustls for a connection that ends without `close_notify`, with advice to programmers.
const SILENT_END: &str = "peer closed connection without sending TLS close_notify: \
     https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof";

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    #[test]
    fn an_end_without_a_word_has_words() {
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let mut tls = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
        tls.read_tls(&mut Cursor::new([])).unwrap();
        let error = tls.reader().read(&mut [0]).unwrap_err();
        assert_eq!(causes(&error), "it closed the connection without saying so");
    }
}
