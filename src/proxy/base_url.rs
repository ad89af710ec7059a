//! The address by which a client finds the proxy.

use std::fmt;

use http::{HeaderValue, header, request::Parts, uri::Scheme};

use crate::{
    proxy::{delivery::Delivery, error::Error, exchange::Exchange, guard::Named},
    watch::{Sign, Wait},
};

/// The beginning of URLs that lead the client back to the proxy: `http://127.0.0.1:8080`, without a
/// slash at the end, as the org's `instance_url`.
#[derive(Debug, Clone)]
pub(crate) struct BaseUrl {
    secure: bool,
    host: Option<HeaderValue>,
}

impl BaseUrl {
    /// The scheme of the connection, and the host that the request names.
    pub(crate) fn of(head: &Parts, secure: bool) -> Self {
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            // Mostly the first, so that to look it up would cost more.
            None => {
                let mut lines = head.headers.iter();
                let host = lines.find(|(name, _)| **name == header::HOST);
                host.map(|(_, value)| value.clone())
            }
        };
        Self { secure, host }
    }

    /// The base for a client that takes orgproxy for its HTTPS proxy and has `named` a host of this
    /// org's: it goes on at the instance as it is now, by way of the proxy, since where it logs in
    /// there are no calls.
    ///
    /// # Errors
    /// When there is no session, or the host is another org's.
    pub(crate) async fn of_instance(
        named: &Named,
        head: &Parts,
        exchange: &Exchange,
        delivery: &Delivery,
    ) -> Result<Self, Error> {
        // Who is about to log in has no user yet, and all of an org are at the same instance.
        let user = delivery.sessions_for(exchange);
        let sessions = user.unwrap_or(&delivery.sessions);
        let session = exchange.awaits(Wait::Login, sessions.current()).await?;
        named.check(&session, sessions)?;
        if named.is_old(&session) {
            exchange.shows(Sign::OldHost);
        }
        let connection = &exchange.connection;
        Ok(Self {
            secure: connection.intercepted().is_some() || head.uri.scheme() == Some(&Scheme::HTTPS),
            host: HeaderValue::from_str(session.authority.as_str()).ok(),
        })
    }

    /// Returns whether the client came by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        // The guard lets no request pass without.
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        write!(f, "{scheme}://{}", host.unwrap_or("localhost"))
    }
}
