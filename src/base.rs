//! The address by which a client knows us.

use std::fmt;

use http::{HeaderValue, header, request::Parts};

/// Where URLs that lead the client back to us begin: `http://127.0.0.1:8080`, without a slash at the
/// end, as the org's `instance_url` (S§1.5).
#[derive(Debug, Clone)]
pub(crate) struct Base {
    secure: bool,
    host: Option<HeaderValue>,
}

impl Base {
    /// The scheme of the connection, and the host that the request names.
    pub(crate) fn of(head: &Parts, secure: bool) -> Self {
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => head.headers.get(header::HOST).cloned(),
        };
        Self { secure, host }
    }

    /// Whether the client came by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.secure {
            true => "https",
            false => "http",
        };
        // The guard lets no request pass without.
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        write!(f, "{scheme}://{}", host.unwrap_or("localhost"))
    }
}
