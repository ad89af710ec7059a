//! The reasons why a login brought no session, in words that say what to do.

use super::{
    super::diagnosis::{self, About, Diagnosis},
    ATTEMPT_TIMEOUT,
};
use crate::{
    network::{ConnectError, ConnectFault},
    system::escape,
};

/// The reason why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The org said no. Usually a setting of the app or the user:
    /// [`crate::salesforce::facts::login_refusals`].
    #[error(
        "{url} refused the login: {} ({}); {}",
        quoted(.error, .description),
        diagnosis::of(.error, .description).cause,
        diagnosis::of(.error, .description).fix
    )]
    Refused {
        /// The token endpoint.
        url: String,
        /// The `error` of RFC 6749 §5.2, or one of Salesforce's own.
        error: String,
        /// The org's `error_description`.
        description: String,
    },
    /// The token endpoint could not be reached. The network, its name, or its certificate.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The token endpoint.
        url: String,
        /// The chain of causes, without URLs.
        reason: String,
    },
    /// A proxy on the way refuses the user and password that it was shown.
    #[error("cannot reach {url}: {reason}")]
    Barred {
        /// The token endpoint.
        url: String,
        /// The proxy, and what to do.
        reason: String,
    },
    /// This process has run out of what connections need.
    #[error("{0}")]
    Exhausted(String),
    /// The way to the token endpoint leads back to an orgproxy.
    #[error("cannot reach {url}: {reason}")]
    Loop {
        /// The token endpoint.
        url: String,
        /// The sign of it, and the way out.
        reason: String,
    },
    /// The token endpoint did not answer in time.
    #[error("{url} did not answer within {}s", ATTEMPT_TIMEOUT.as_secs())]
    TimedOut {
        /// The token endpoint.
        url: String,
    },
    /// Something answered, but not as a token endpoint does. Usually a wrong `login_url`, a
    /// network that intercepts, or maintenance.
    #[error(
        "{url} answered {status} with {response}, unlike a token endpoint ({}); {}",
        diagnosis::of_response(*.status).cause,
        diagnosis::of_response(*.status).fix
    )]
    Strange {
        /// The token endpoint.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The kind of response.
        response: String,
    },
    /// The org named an instance that must not have the session.
    #[error(
        "the org returned the instance {instance}, which is not trusted: {reason}; if it is yours, add its host to trusted_hosts"
    )]
    Instance {
        /// The `instance_url` of the response.
        instance: String,
        /// The reason why it is not trusted.
        reason: String,
    },
    /// The access token is not a valid one. A fault of the token endpoint, or of what stands in its
    /// place.
    #[error(
        "the login returned a malformed access token: {0}; try again in a few minutes, and check whether a gateway on the way to login_url changes responses"
    )]
    Token(&'static str),
    /// The assertion could not be signed. A fault of the key.
    #[error("cannot sign the assertion: {0}")]
    Sign(String),
    /// The login ended without a result: a bug in orgproxy, or the program is stopping.
    #[error("the login ended without a result; this is a bug in orgproxy unless it is stopping")]
    Lost,
}

impl LoginError {
    /// Returns whether the same login may succeed later with nothing changed. What is malformed
    /// most often comes of maintenance, or of a network in trouble.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Refused { error, .. } => TRANSIENT.contains(&error.as_str()),
            Self::Strange { status, .. } => !diagnosis::is_for_good(*status),
            Self::Token(_)
            | Self::Unreachable { .. }
            | Self::Barred { .. }
            | Self::Exhausted(_)
            | Self::TimedOut { .. }
            | Self::Lost => true,
            Self::Loop { .. } | Self::Instance { .. } | Self::Sign(_) => false,
        }
    }

    /// Returns whether the org, or a proxy on the way, holds a user back, so that each further
    /// login can only make it worse.
    pub(in crate::auth) fn is_about_user(&self) -> bool {
        let about = self.diagnosis().map(|diagnosis| diagnosis.about);
        about == Some(About::User) || matches!(self, Self::Barred { .. })
    }

    /// The meaning of it, if the org or what stands in its place responded.
    pub(crate) fn diagnosis(&self) -> Option<&'static Diagnosis> {
        match self {
            Self::Refused {
                error, description, ..
            } => Some(diagnosis::of(error, description)),
            Self::Strange { status, .. } => Some(diagnosis::of_response(*status)),
            Self::Unreachable { .. }
            | Self::Barred { .. }
            | Self::Exhausted(_)
            | Self::Loop { .. }
            | Self::TimedOut { .. }
            | Self::Instance { .. }
            | Self::Token(_)
            | Self::Sign(_)
            | Self::Lost => None,
        }
    }

    pub(super) fn unconnected(url: &str, error: ConnectError) -> Self {
        let url = url.to_owned();
        // Certificates are quoted in it, which anybody can make.
        let reason = escape::line(&error.why.to_string()).into_owned();
        match error.why {
            ConnectFault::Exhausted(_) => Self::Exhausted(reason),
            ConnectFault::Loop(_) => Self::Loop { url, reason },
            ConnectFault::Proxy {
                wrong_password: true,
                ..
            } => Self::Barred { url, reason },
            _ => Self::Unreachable { url, reason },
        }
    }

    pub(super) fn unreachable(url: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unreachable {
            url: url.to_owned(),
            reason: escape::line(&crate::system::chain::causes(error)).into_owned(),
        }
    }
}

/// The org's words. Not every error has a description.
fn quoted(error: &str, description: &str) -> String {
    match description {
        "" => error.to_owned(),
        description => format!("{error}: {description}"),
    }
}

/// Refusals that are worth asking again: [`crate::salesforce::facts::login_refusals`].
const TRANSIENT: [&str; 5] = [
    "unknown_error",
    "server_error",
    "service_unavailable",
    "system_down",
    "slow_down",
];
