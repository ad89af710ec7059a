//! The meaning of a refused login, and what to do about it: the table of
//! [`crate::salesforce::facts::login_refusals`], with a remedy for each cause.

/// The reason why the org refuses, as far as its words say, and the setting to change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// The cause.
    pub(crate) cause: &'static str,
    /// The remedy.
    pub(crate) fix: &'static str,
    /// The area to look at to be sure.
    pub(crate) about: About,
}

/// The area that a refusal is about, for those who can look at it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The place where the login goes, and the user: another `login_url` or `audience` may do.
    Place,
    /// The key and its certificate.
    Key,
    /// The time.
    Clock,
    /// The user, whom the org holds back: each further login makes that worse.
    User,
    /// Something that only shows in the org.
    Org,
    /// Nobody knows what.
    Unknown,
}

/// Diagnoses the `error` and the `error_description` of a token endpoint.
pub(crate) fn of(error: &str, description: &str) -> &'static Diagnosis {
    let error = error.to_ascii_lowercase();
    let description = description
        .to_ascii_lowercase()
        .replace(['\u{2018}', '\u{2019}'], "'");
    let fits = |&&(code, words): &&(&str, &str)| {
        (code.is_empty() || code == error) && description.contains(words)
    };
    TABLE
        .iter()
        .find(|(when, _)| when.iter().any(|pair| fits(&pair)))
        .map_or(&UNKNOWN, |(_, diagnosis)| diagnosis)
}

/// Returns whether nothing but a person can change a response of this status without an error.
pub(super) fn is_for_good(status: u16) -> bool {
    matches!(status, 300..400 | 420)
}

/// Diagnoses a response without an error, which a token endpoint does not give.
pub(crate) fn of_response(status: u16) -> &'static Diagnosis {
    match status {
        300..400 => &REDIRECT,
        420 => &GONE,
        429 | 500.. => &MAINTENANCE,
        _ => &PAGE,
    }
}

/// An error and a part of its description, either of which may be anything; what it means. The
/// first that fits counts, so the commonest come first, and what has less to go by comes last.
type Row = (&'static [(&'static str, &'static str)], Diagnosis);

const fn means(about: About, cause: &'static str, fix: &'static str) -> Diagnosis {
    Diagnosis { cause, fix, about }
}

static TABLE: &[Row] = &[
    // Whatever the error.
    (
        &[("", "data not available")],
        means(
            About::Org,
            "the scratch org was deleted or has expired",
            "create a new one, and put its username and login_url into proxy.toml",
        ),
    ),
    (
        &[("invalid_grant", "approved this consumer")],
        means(
            About::Place,
            "the user is not pre-authorized for the app, the app lacks a scope, or there is no such user in this org",
            "pre-authorize the user: in the app's Policies set Permitted Users to 'Admin approved \
             users are pre-authorized', add a permission set or profile of this user, and grant \
             the scopes api and refresh_token; or correct username, login_url or audience, if the \
             user belongs to another org",
        ),
    ),
    (
        &[("invalid_app_access", "")],
        means(
            About::Place,
            "the app only admits admin-approved users, and this user is not one",
            "add one of this user's permission sets to the app (External Client App: Policies, \
             App Policies, Selected Permission Sets; connected app: Manage Permission Sets), or \
             assign one of the app's permission sets to the user",
        ),
    ),
    (
        &[("app_not_found", "")],
        means(
            About::Place,
            "the org does not know the app: it belongs to another org, was never installed here, \
             or got a new consumer key from a sandbox refresh",
            "check client_id and login_url (login for production, test for sandboxes); otherwise \
             install the app in this org, or give the user 'Approve Uninstalled Connected Apps'",
        ),
    ),
    (
        &[("invalid_client_id", "")],
        means(
            About::Place,
            "no app here has this consumer key: it is mistyped, or the app is only minutes old, \
             deleted, or in another org",
            "check client_id (the consumer key) and login_url: copy the key again from the app's \
             OAuth settings; a new app takes up to 30 minutes to become available",
        ),
    ),
    (
        &[("invalid_client", "installed")],
        means(
            About::Place,
            "the connected app is not installed in this org, and Salesforce blocks uninstalled \
             apps",
            "in Setup, Connected Apps OAuth Usage, find the app and press Install",
        ),
    ),
    (
        &[
            ("invalid_grant", "audience is invalid"),
            ("invalid_grant", "invalid audience"),
        ],
        means(
            About::Place,
            "the org does not accept this audience (aud) from this login host",
            "set audience: https://login.salesforce.com for production, https://test.salesforce.com for sandboxes and scratch orgs, the site's URL for Experience Cloud",
        ),
    ),
    (
        &[("", "audience")],
        means(
            About::Place,
            "the audience (aud) is wrong for this kind of org",
            "set audience in proxy.toml to what this kind of org expects: \
             https://login.salesforce.com (production), https://test.salesforce.com (sandbox, \
             scratch org), or the site's URL (Experience Cloud)",
        ),
    ),
    (
        &[("invalid_grant", "assertion")],
        means(
            About::Key,
            "the signature does not verify: the certificate in the app belongs to another key, \
             has expired, or is another app's",
            "upload the certificate that belongs to private_key to the app (External Client App: Settings, OAuth Settings, Enable JWT Bearer Flow; connected app: Use digital signatures), and check client_id",
        ),
    ),
    // In this flow the text means the assertion's exp.
    (
        &[("invalid_grant", "expired authorization code")],
        means(
            About::Clock,
            "despite the wording, the assertion had expired when it arrived: the clock of this \
             machine is behind",
            "set the clock: let the system synchronize it by NTP (timedatectl set-ntp true)",
        ),
    ),
    (
        &[("", "frozen")],
        means(
            About::User,
            "the user is frozen, by an admin, or by Salesforce because it called from a high-risk \
             address",
            "press Unfreeze on the user's page (Setup, Users); if Salesforce froze the user (the \
             Login History shows it), have it call from another address; trying again before that \
             does not help",
        ),
    ),
    (
        &[
            ("inactive_user", ""),
            ("", "inactive user"),
            ("", "user inactive"),
            ("", "user is inactive"),
            ("", "user is not active"),
            ("", "deactivated"),
        ],
        means(
            About::User,
            "the user is deactivated or frozen",
            "press Unfreeze on the user's page (Setup, Users), or reactivate the user (Edit, \
             Active); Salesforce freezes users that call from a high-risk address, so more logins \
             do not help",
        ),
    ),
    (
        &[
            ("user_locked", ""),
            ("", "user is locked"),
            ("", "user locked"),
            ("", "locked out"),
            ("", "lockout"),
        ],
        means(
            About::User,
            "the user is locked out after wrong passwords, or frozen",
            "press Unlock, or Unfreeze, on the user's page (Setup, Users), and find the program \
             that still tries an old password",
        ),
    ),
    (
        &[("inactive_org", ""), ("", "organization is inactive")],
        means(
            About::Org,
            "the org is locked, closed or suspended, or its trial is over",
            "log in to it in a browser to see why; Salesforce support or your account executive \
             can reopen it",
        ),
    ),
    (
        &[
            ("", "ip restricted"),
            ("", "ip not allowed"),
            ("", "restricted ip"),
            ("", "ip range"),
            ("", "ip address"),
        ],
        means(
            About::Org,
            "the address that this machine calls from is not in the login IP ranges of the user's \
             profile, which are always enforced for the JWT bearer flow, whatever the app's IP \
             policy says",
            "add it (IPv6, too) to the login IP ranges of the user's profile (Setup, Profiles, \
             Login IP Ranges)",
        ),
    ),
    (
        &[("", "login hours")],
        means(
            About::Org,
            "the user's profile forbids logins at this time of day",
            "change the Login Hours of the profile (Setup, Profiles)",
        ),
    ),
    (
        &[("rate_limit_exceeded", ""), ("", "rate exceeded")],
        means(
            About::User,
            "more than 3,600 logins by this user within an hour, from all programs together",
            "wait an hour, and check the user's Login History for the program that keeps logging \
             in",
        ),
    ),
    (
        &[("", "authentication failure")],
        means(
            About::Place,
            "the org does not recognize this user, or does not let it use the API",
            "check username letter by letter; then give the user the permission 'API Enabled', and check that the org does not block the app's flow",
        ),
    ),
    (
        &[("", "not supported on this domain")],
        means(
            About::Place,
            "this host does not support the app's flow",
            "set login_url to the org's My Domain, https://NAME.my.salesforce.com (Setup, My Domain)",
        ),
    ),
    (
        &[("", "client credentials user")],
        means(
            About::Org,
            "the app is set up for the client credentials flow, but has no user for it",
            "enable the JWT bearer flow of the app; if it is enabled, find out what changes the \
             request on the way",
        ),
    ),
    (
        &[("invalid_grant", "expired access/refresh token")],
        means(
            About::Org,
            "the org answered as if to a refresh token, but none was sent",
            "check whether a gateway on the way to login_url logs in on its own",
        ),
    ),
    (
        &[("unsupported_grant_type", "")],
        means(
            About::Place,
            "this host does not offer the JWT bearer flow, or the request was changed on the way",
            "check login_url: the host must be login.salesforce.com, test.salesforce.com, the org's My Domain, or a site with its path",
        ),
    ),
    (
        &[("oauth_flow_disabled", "")],
        means(
            About::Org,
            "the app, its OAuth settings or its JWT bearer flow is disabled",
            "enable the app and its JWT bearer flow in External Client App Manager: the app, Policies, OAuth Policies",
        ),
    ),
    (
        &[("unauthorized_client", "")],
        means(
            About::Org,
            "the app may not use the JWT bearer flow",
            "enable it: External Client App: Settings, Enable JWT Bearer Flow; connected app: Use digital signatures, with the certificate",
        ),
    ),
    (
        &[("invalid_scope", ""), ("", "no valid scopes")],
        means(
            About::Org,
            "the app has no scope that can be granted",
            "add 'Manage user data via APIs (api)' and 'Perform requests at any time (refresh_token, offline_access)' to the app's OAuth scopes",
        ),
    ),
    (
        &[("fail_close_app_blocked", "")],
        means(
            About::Org,
            "API Access Control is on, and the app is not on its list",
            "have an admin allow the app, or give the user 'Use Any API Client'",
        ),
    ),
    (
        &[("app_blocked", "")],
        means(
            About::Org,
            "an admin has blocked the app",
            "in Setup, Connected Apps OAuth Usage, find the app and press Unblock",
        ),
    ),
    (
        &[
            ("ecapp_policy_not_found", ""),
            ("oauth_policy_not_found", ""),
            ("installation_error", ""),
        ],
        means(
            About::Org,
            "the app has no policies in this org yet",
            "open it in External Client App Manager, press Edit on Policies, and save",
        ),
    ),
    (
        &[("invalid_session_level", "")],
        means(
            About::Org,
            "the app requires a high-assurance session, which this flow cannot give",
            "remove High Assurance from the session policies in the app's Policies",
        ),
    ),
    (
        &[("bad_jti_claim", "")],
        means(
            About::Org,
            "the org rejected jti, a claim that orgproxy does not send",
            "check whether something on the way to login_url rewrites the assertion",
        ),
    ),
    (
        &[("invalid_client", "")],
        means(
            About::Org,
            "the app requires a consumer secret, does not accept signatures, or has the \
             certificate of another key",
            "enable digital signatures for the app, with the certificate that belongs to private_key (External Client App: Enable JWT Bearer Flow)",
        ),
    ),
    (
        &[("unknown_error", "")],
        means(
            About::Org,
            "Salesforce failed to process this login, which may be temporary; or the org is being \
             moved",
            "try again; if it persists, see status.salesforce.com",
        ),
    ),
    (
        &[("slow_down", "")],
        means(
            About::Org,
            "Salesforce asks for fewer requests",
            "wait a minute, and look for other programs that log in as this user",
        ),
    ),
    (
        &[
            ("server_error", ""),
            ("service_unavailable", ""),
            ("system_down", ""),
        ],
        means(
            About::Org,
            "Salesforce is down or under maintenance",
            "try again in a few minutes; see status.salesforce.com",
        ),
    ),
    (
        &[("invalid_request", "refresh_token scope")],
        means(
            About::Org,
            "the app lacks the scope refresh_token, which this flow requires although it returns \
             no refresh token",
            "add 'Perform requests at any time (refresh_token, offline_access)' to the app's \
             OAuth scopes, and check that one of the user's permission sets is in its Policies",
        ),
    ),
    (
        &[("invalid_request", "")],
        means(
            About::Org,
            "the org finds something missing from the request that orgproxy does send: it was \
             changed on the way",
            "check whether a gateway on the way to login_url changes requests",
        ),
    ),
];

/// Nobody has written down what it means.
static UNKNOWN: Diagnosis = means(
    About::Unknown,
    "its meaning is unknown",
    "see the user's Login History in Setup, which gives the reason",
);

static PAGE: Diagnosis = means(
    About::Place,
    "something else answered in place of the token endpoint, such as a maintenance page",
    "try again in a few minutes; if it persists, check login_url, which must not be a Lightning \
     or setup host, and check whether a network's sign-in page or a proxy answers in its place",
);

static REDIRECT: Diagnosis = means(
    About::Place,
    "the host redirects logins, but the assertion is sent only to the configured host",
    "set login_url to the org's My Domain, https://NAME.my.salesforce.com (after a rename, the \
     new one)",
);

static MAINTENANCE: Diagnosis = means(
    About::Org,
    "the host has problems, or is under maintenance",
    "try again in a few minutes; see status.salesforce.com",
);

static GONE: Diagnosis = means(
    About::Org,
    "420 means that the scratch org has expired or was deleted",
    "create a new scratch org, and put its username and login_url into proxy.toml",
);

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::salesforce::Refusal;

    #[test]
    fn each_refusal_has_a_diagnosis_of_its_own_and_each_diagnosis_a_refusal() {
        let mut seen: Vec<(&str, &Diagnosis)> = Vec::new();
        for refusal in Refusal::all() {
            let diagnosis = match refusal.words() {
                Some((error, description)) => of(error, description),
                None => of_response(refusal.status()),
            };
            assert_ne!(diagnosis, &UNKNOWN, "{}", refusal.name());
            if let Some((name, _)) = seen.iter().find(|(_, other)| *other == diagnosis) {
                panic!("{name} and {} have the same diagnosis", refusal.name());
            }
            seen.push((refusal.name(), diagnosis));
        }
        let responses = [&PAGE, &REDIRECT, &MAINTENANCE, &GONE];
        for diagnosis in TABLE
            .iter()
            .map(|(_, diagnosis)| diagnosis)
            .chain(responses)
        {
            let is_seen = seen.iter().any(|(_, other)| *other == diagnosis);
            assert!(is_seen, "nobody can provoke: {}", diagnosis.cause);
        }
    }

    #[test_case("invalid_grant", "User hasn\u{2019}t APPROVED this consumer", "pre-authorize"; "another apostrophe")]
    #[test_case("invalid_grant", "IP restricted or invalid login hours", "IP ranges"; "documented meaning")]
    #[test_case("invalid_grant", "ip not allowed", "IP ranges"; "address")]
    #[test_case("invalid_grant", "user is inactive", "reactivate"; "inactive")]
    #[test_case("inactive_user", "", "Unfreeze"; "inactive by code")]
    #[test_case("invalid_grant", "User Inactive", "Unfreeze"; "inactive in another order")]
    #[test_case("invalid_grant", "user is frozen", "Unfreeze"; "frozen")]
    #[test_case("invalid_grant", "LOGIN_ERROR_USER_FROZEN", "Unfreeze"; "frozen as a status")]
    #[test_case("invalid_grant", "user locked out", "Unlock"; "locked")]
    #[test_case("invalid_grant", "login rate exceeded", "wait an hour"; "rate as a grant")]
    #[test_case("invalid_client", "invalid client", "digital signatures"; "client")]
    #[test_case("oauth_policy_not_found", "", "press Edit on Policies"; "policy")]
    #[test_case("invalid_grant", "", "Login History"; "no words")]
    #[test_case("invalid_grant", "never seen", "Login History"; "unheard of")]
    fn words_vary(error: &str, description: &str, fix: &str) {
        let diagnosis = of(error, description);
        assert!(diagnosis.fix.contains(fix), "{diagnosis:?}");
    }

    /// "SAML bearer assertion and JWT bearer token flows always enforce IP restrictions regardless
    /// of the connected app policy" (help, connected_app_continuous_ip).
    #[test]
    fn no_advice_is_to_relax_what_always_holds() {
        for (_, diagnosis) in TABLE {
            let words = format!("{} {}", diagnosis.cause, diagnosis.fix).to_ascii_lowercase();
            assert!(!words.contains("relax"), "{diagnosis:?}");
        }
    }
}
