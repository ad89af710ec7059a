//! An error with its causes, in one line.

use std::{error::Error, io};

/// The chain of causes, each named once.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = words(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let words = words(cause);
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text.replace(SILENT_END, "it closed the connection without saying so")
}

/// What `error` itself says. One of HTTP/2 quotes the debug data of the peer, in which may be whatever was
/// sent to it (RFC 9113 section 6.8).
fn words(error: &(dyn Error + 'static)) -> String {
    let within = error.downcast_ref().and_then(io::Error::get_ref);
    let within = within.and_then(|error| error.downcast_ref());
    let of_http2: Option<&h2::Error> = error.downcast_ref().or(within);
    let Some((error, reason)) = of_http2.and_then(|error| Some((error, error.reason()?))) else {
        return error.to_string();
    };
    let what = if error.is_go_away() {
        "connection"
    } else {
        "stream"
    };
    let by = if error.is_remote() {
        "peer"
    } else {
        "orgproxy"
    };
    format!("the {by} ended the {what}: {reason}")
}

/// The words of rustls for a connection that ends without `close_notify`, with advice to programmers.
const SILENT_END: &str = "peer closed connection without sending TLS close_notify: \
     https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof";

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_the_peer_adds_to_the_end_of_an_http2_connection_is_not_quoted() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (_sender, connection) = h2::client::handshake(ours).await.unwrap();
        let debug_data = b"Bearer 00Dxx!secret";
        let mut wire = b"\0\0\0\x04\0\0\0\0\0".to_vec();
        wire.extend([0, 0, 8 + debug_data.len() as u8, 7, 0, 0, 0, 0, 0]);
        wire.extend([0, 0, 0, 0, 0, 0, 0, 11]);
        wire.extend(debug_data);
        theirs.write_all(&wire).await.unwrap();
        let error = connection.await.unwrap_err();
        assert!(error.to_string().contains("secret"), "{error}");
        let is_told = |said: &str| {
            assert!(
                said.starts_with("the peer ended the connection: "),
                "{said}"
            );
            assert!(!said.contains("secret"), "{said}");
        };
        is_told(&causes(&error));
        is_told(&causes(&io::Error::other(error)));
    }

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
