//! The refusals of the token endpoint, by name: [`super::facts::login_refusals`].

/// A refusal of a login.
#[derive(Debug)]
pub struct Refusal {
    name: &'static str,
    status: u16,
    body: Body,
}

/// The body of the response.
#[derive(Debug)]
pub(crate) enum Body {
    /// `error` and `error_description`.
    Error(&'static str, &'static str),
    Page,
    #[cfg_attr(
        not(feature = "demo"),
        expect(dead_code, reason = "the demo org leads there")
    )]
    Redirect(&'static str),
    Nothing,
}

/// There is one of each name.
impl PartialEq for Refusal {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Refusal {}

impl Refusal {
    /// All refusals, the most common first.
    pub fn all() -> &'static [Self] {
        REFUSALS
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        REFUSALS.iter().map(|refusal| refusal.name)
    }

    /// The refusal of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        REFUSALS.iter().find(|refusal| refusal.name == name)
    }

    /// Its name, such as `user-not-approved`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The `error` and the `error_description`, if the body has the form of RFC 6749 section 5.2.
    pub fn words(&self) -> Option<(&'static str, &'static str)> {
        match self.body {
            Body::Error(error, description) => Some((error, description)),
            Body::Page | Body::Redirect(_) | Body::Nothing => None,
        }
    }

    #[cfg(feature = "demo")]
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }
}

const fn error(name: &'static str, error: &'static str, description: &'static str) -> Refusal {
    Refusal {
        name,
        status: 400,
        body: Body::Error(error, description),
    }
}

const fn other(name: &'static str, status: u16, body: Body) -> Refusal {
    Refusal { name, status, body }
}

#[rustfmt::skip]
static REFUSALS: &[Refusal] = &[
    error("user-not-approved", "invalid_grant", "user hasn't approved this consumer"),
    error("not-admin-approved", "invalid_app_access", "user is not admin approved to access this app"),
    error("app-not-found", "app_not_found", "External client app is not installed in this org"),
    error("client-unknown", "invalid_client_id", "client identifier invalid"),
    error("app-not-installed", "invalid_client", "app must be installed into org"),
    error("client-credentials", "invalid_client", "invalid client credentials"),
    error("audience", "invalid_grant", "audience is invalid"),
    error("audience-validation", "invalid_grant", "Audience validation failed"),
    error("assertion", "invalid_grant", "invalid assertion"),
    error("clock", "invalid_grant", "expired authorization code"),
    // Not captured.
    error("frozen-user", "invalid_grant", "user is frozen"),
    error("inactive-user", "invalid_grant", "inactive user"),
    error("locked-user", "invalid_grant", "user is locked"),
    error("inactive-org", "inactive_org", "organization is inactive"),
    error("ip-restricted", "invalid_grant", "ip restricted"),
    error("login-hours", "invalid_grant", "invalid login hours"),
    error("too-many-logins", "rate_limit_exceeded", "login rate exceeded"),
    error("authentication-failure", "invalid_grant", "authentication failure"),
    error("wrong-domain", "invalid_grant", "request not supported on this domain"),
    error("no-run-as-user", "invalid_grant", "no client credentials user enabled"),
    error("expired-refresh-token", "invalid_grant", "expired access/refresh token"),
    error("grant-type", "unsupported_grant_type", "grant type not supported"),
    error("flow-disabled", "oauth_flow_disabled", "The external client app or the OAuth plugin is disabled."),
    // Not captured.
    error("unauthorized-client", "unauthorized_client", ""),
    error("no-scopes", "invalid_scope", "no valid scopes defined"),
    error("no-refresh-token", "invalid_request", "refresh_token scope is required and the connected app should be installed and preauthorized."),
    // Not captured.
    error("missing-parameter", "invalid_request", ""),
    // Not captured.
    error("app-blocked", "app_blocked", ""),
    // Not captured.
    error("app-not-allowed", "fail_close_app_blocked", ""),
    // Not captured.
    error("no-policy", "ecapp_policy_not_found", ""),
    // Not captured.
    error("session-level", "invalid_session_level", ""),
    // Not captured.
    error("bad-jti", "bad_jti_claim", ""),
    error("unknown-error", "unknown_error", "retry your request"),
    // Not captured.
    error("system-down", "system_down", ""),
    // Not captured.
    error("slow-down", "slow_down", ""),
    // The text before these words varies.
    error("scratch-org-deleted", "unknown_error", "Data Not Available"),
    other("scratch-org-gone", 420, Body::Nothing),
    other("html-page", 200, Body::Page),
    other("redirect", 302, Body::Redirect("https://demo.lightning.force.com/")),
    other("maintenance", 503, Body::Page),
];
