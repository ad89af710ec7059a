//! Connecting through a SOCKS5 proxy (RFC 1928).

use tokio::net::TcpStream;
use tokio_socks::{Error, tcp::Socks5Stream};

use super::{ConnectFault, proxies::Proxy};

/// Asks `proxy`, at the other end of `tcp`, to connect to `host`.
pub(super) async fn open(
    tcp: TcpStream,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<TcpStream, ConnectFault> {
    let target = (host, port);
    let opened = match &proxy.credentials {
        None => Socks5Stream::connect_with_socket(tcp, target).await,
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(tcp, target, user, password).await
        }
    };
    match opened {
        Ok(stream) => Ok(stream.into_inner()),
        Err(error @ Error::PasswordAuthFailure(_)) => {
            Err(ConnectFault::Credentials(words(&error, proxy)))
        }
        Err(error) => Err(ConnectFault::Tcp(words(&error, proxy))),
    }
}

fn words(error: &Error, proxy: &Proxy) -> String {
    let variable = proxy.variable;
    match error {
        Error::NoAcceptableAuthMethods if proxy.credentials.is_none() => format!(
            "it requires a user and password: put them into {variable} as {}, percent-encoded",
            proxy.example()
        ),
        Error::PasswordAuthFailure(_) => format!(
            "it refuses the user and password of {variable}; correct them there, percent-encoded"
        ),
        Error::NoAcceptableAuthMethods => "it takes neither a user and password (RFC 1929) nor \
             none: ask who runs it how to log in to it"
            .to_owned(),
        Error::UnknownAuthMethod => {
            "it answers with a code that SOCKS5 does not have (RFC 1928)".to_owned()
        }
        Error::InvalidResponseVersion => "it does not answer as a SOCKS5 proxy".to_owned(),
        other => other.to_string(),
    }
}
