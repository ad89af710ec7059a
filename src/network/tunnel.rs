//! A tunnel through a proxy that speaks HTTP (RFC 9110 section 9.3.6).

use std::io;

use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{own::is_own_mark, proxies::Proxy};

/// Asks the proxy at the other end of `stream` to connect to `host`.
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    port: u16,
    authorization: Option<&HeaderValue>,
) -> Result<(), TunnelError> {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let mut request =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    stream.flush().await?;

    let mut input = Vec::new();
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(&input) {
            Ok(httparse::Status::Complete(length)) => {
                let is_all = length == input.len();
                return judge(&response, is_all);
            }
            Ok(httparse::Status::Partial) if input.len() < LONGEST_HEAD => {}
            Ok(httparse::Status::Partial) | Err(_) => return Err(TunnelError::Malformed),
        }
    }
}

fn judge(response: &httparse::Response<'_, '_>, is_all: bool) -> Result<(), TunnelError> {
    let is_of_orgproxy = response.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("proxy-status") && is_own_mark(header.value)
    });
    if is_of_orgproxy {
        return Err(TunnelError::Orgproxy);
    }
    match response.code.unwrap_or_default() {
        // The host does not speak first, so nothing may follow the head.
        200..300 if is_all => Ok(()),
        200..300 => Err(TunnelError::Malformed),
        407 => {
            let is_offer = |name: &str| name.eq_ignore_ascii_case("proxy-authenticate");
            let offers = response.headers.iter();
            let offers = offers.filter(|header| is_offer(header.name));
            Err(TunnelError::Unauthorized(
                offers.flat_map(|header| schemes(header.value)).collect(),
            ))
        }
        // In its own words there may be those of our request, with the password.
        code => Err(TunnelError::Refused(described(code))),
    }
}

fn described(code: u16) -> String {
    StatusCode::from_u16(code).map_or_else(|_| code.to_string(), |status| status.to_string())
}

/// The names of the schemes in a `Proxy-Authenticate` (RFC 9110 section 11.6.1), whose commas
/// separate both schemes and parameters.
fn schemes(value: &[u8]) -> Vec<String> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let mut is_quoted = false;
    value
        .split(|byte| {
            is_quoted ^= *byte == b'"';
            *byte == b',' && !is_quoted
        })
        .filter_map(|member| {
            let member = member.trim_ascii();
            let end = member.iter().position(|byte| !is_token(byte));
            let (name, rest) = member.split_at(end.unwrap_or(member.len()));
            // A name with a value is a parameter of the scheme before it.
            let is_scheme = !rest.trim_ascii_start().starts_with(b"=");
            let name = str::from_utf8(name).ok()?;
            (is_scheme && !name.is_empty()).then(|| known(name).to_owned())
        })
        .take(MOST_SCHEMES)
        .collect()
}

/// A scheme by a name that nothing secret has.
fn known(name: &str) -> &str {
    let known = SCHEMES.iter().any(|known| name.eq_ignore_ascii_case(known));
    if known { name } else { "another scheme" }
}

/// The reason that there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    #[error("it broke off: {0}")]
    Io(#[from] io::Error),
    #[error("it does not answer as an HTTP proxy")]
    Malformed,
    #[error("it is an orgproxy, which leads back here")]
    Orgproxy,
    #[error("it answered {0}")]
    Refused(String),
    /// The schemes that it offers.
    #[error("it answered 407")]
    Unauthorized(Vec<String>),
}

impl TunnelError {
    /// Returns whether the proxy refuses the password, or wants one.
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Unauthorized(_))
    }

    /// The reason, with what to do about it.
    pub(super) fn advise(&self, proxy: &Proxy) -> String {
        let Self::Unauthorized(schemes) = self else {
            return self.to_string();
        };
        let variable = proxy.variable;
        let offers = schemes.join(", ");
        let is_basic = |scheme: &String| scheme.eq_ignore_ascii_case("basic");
        if !schemes.is_empty() && !schemes.iter().any(is_basic) {
            return format!(
                "it answered 407 and offers only {offers}, which orgproxy does not support: run \
                 px or cntlm on this machine, which do, and set {variable} to its address"
            );
        }
        let offers = if schemes.is_empty() {
            String::new()
        } else {
            format!(" and offers {offers}")
        };
        match proxy.credentials {
            None => format!(
                "it answered 407{offers}: put user and password into {variable} as {}, \
                 percent-encoded",
                proxy.example()
            ),
            Some(_) => format!(
                "it answered 407{offers}: it refuses the user and password of {variable}; correct \
                 them there, percent-encoded"
            ),
        }
    }
}

const MOST_HEADERS: usize = 100;

/// Bytes.
const LONGEST_HEAD: usize = 64 * 1024;

const MOST_SCHEMES: usize = 8;

/// Those that proxies offer (the registry of RFC 9110 section 16.4.1, and two older ones).
const SCHEMES: [&str; 9] = [
    "Basic",
    "Bearer",
    "Digest",
    "HOBA",
    "Kerberos",
    "Mutual",
    "Negotiate",
    "NTLM",
    "SCRAM-SHA-256",
];

#[cfg(test)]
mod tests {
    use test_case::test_case;
    use tokio::io::duplex;

    use super::*;

    #[test_case("Basic realm=\"a\"", &["Basic"]; "one")]
    #[test_case("Negotiate", &["Negotiate"]; "without parameters")]
    #[test_case("Negotiate, NTLM,Basic realm=\"x, y=z\"", &["Negotiate", "NTLM", "Basic"]; "several")]
    #[test_case("Digest realm=\"a\", nonce=\"b, Basic\", qop=auth, algorithm = MD5, basic", &["Digest", "basic"]; "parameters between")]
    #[test_case("NTLM TlRMTVNTUAAC==", &["NTLM"]; "with a token")]
    #[test_case("bWU6cGFzc3dvcmQ", &["another scheme"]; "what might be a password")]
    #[test_case("", &[]; "nothing")]
    fn schemes_are_told_from_parameters(value: &str, names: &[&str]) {
        assert_eq!(schemes(value.as_bytes()), names);
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_words_of_ours() {
        let (mut near, mut far) = duplex(1024);
        let response = b"HTTP/1.1 403 denied for Basic bWU6cGFzc3dvcmQ=\r\n\r\n";
        far.write_all(response).await.unwrap();
        let error = open(&mut near, "::1", 443, None).await.unwrap_err();
        assert_eq!(error.to_string(), "it answered 403 Forbidden");
    }

    #[test_case("HTTP/1.1 200 OK\r\n\r\n", true; "an empty one")]
    #[test_case("HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n", true; "of an old proxy")]
    #[test_case("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK", false; "with more than a response")]
    #[test_case("HTTP/1.1 302 Found\r\nLocation: http://login.corp\r\n\r\n", false; "a redirect")]
    #[test_case("HTTP/1.1 200 OK\r\nProxy-Status: orgproxy\r\n\r\n", false; "of an orgproxy")]
    #[test_case("SSH-2.0-OpenSSH_9\r\n", false; "of another protocol")]
    #[test_case("HTTP/1.1 200 OK\r\n", false; "in part")]
    #[tokio::test]
    async fn a_tunnel_begins_with_a_whole_response(response: &str, is_open: bool) {
        let (mut near, mut far) = duplex(1024);
        far.write_all(response.as_bytes()).await.unwrap();
        far.shutdown().await.unwrap();
        let opened = open(&mut near, "::1", 443, None).await;
        assert_eq!(opened.is_ok(), is_open, "{opened:?}");
        let mut asked = [0; 200];
        let length = far.read(&mut asked).await.unwrap();
        assert_eq!(
            str::from_utf8(&asked[..length]).unwrap(),
            "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"
        );
    }
}
