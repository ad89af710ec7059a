//! The meaning of a refused login, and what to do about it: the table of
//! [`crate::salesforce::facts::login_refusals`], with a remedy for each cause.

/// Why the org refuses, as far as its words tell, and the setting to change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// What is wrong.
    pub(crate) cause: &'static str,
    /// What to do about it.
    pub(crate) fix: &'static str,
    /// What else could be looked at to be sure.
    pub(crate) about: About,
}

/// What a refusal is about, for those who can look at it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Where the login goes, and for whom: another `login_url` or `audience` may do.
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

/// Of the `error` and the `error_description` of a token endpoint.
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

/// Whether nothing but a person can change an answer without an error of this status.
pub(super) fn is_for_good(status: u16) -> bool {
    matches!(status, 300..400 | 420)
}

/// Of an answer without an error, as no token endpoint gives it.
pub(crate) fn of_answer(status: u16) -> &'static Diagnosis {
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
            "make a new one, and put its username and login_url into proxy.toml",
        ),
    ),
    (
        &[("invalid_grant", "approved this consumer")],
        means(
            About::Place,
            "the user is not pre-authorized for the app, the app lacks a scope, or there is no such user in this org",
            "pre-authorize the user: in the app's Policies set Permitted Users to 'Admin approved users are pre-authorized', add a permission set or profile of this user, and grant the scopes api and refresh_token; or correct username, login_url or audience, if the user lives in another org",
        ),
    ),
    (
        &[("invalid_app_access", "")],
        means(
            About::Place,
            "the app takes only users that an admin has approved, and this user is none of them",
            "give the app a permission set of this user (External Client App: Policies, App Policies, Selected Permission Sets; connected app: Manage Permission Sets), or assign that permission set to the user",
        ),
    ),
    (
        &[("app_not_found", "")],
        means(
            About::Place,
            "the org does not know the app: another org has it, it was never installed here, or a sandbox refresh gave it a new consumer key",
            "check client_id and login_url (login for production, test for sandboxes); else install the app in this org, or give the user 'Approve Uninstalled Connected Apps'",
        ),
    ),
    (
        &[("invalid_client_id", "")],
        means(
            About::Place,
            "no app has this consumer key here: a slip in it, an app that is minutes old or deleted, or one of another org",
            "check client_id (the consumer key) and login_url: copy the key again from the app's OAuth settings; a new app takes up to 30 minutes to be known",
        ),
    ),
    (
        &[("invalid_client", "installed")],
        means(
            About::Place,
            "the connected app was never installed in this org, and Salesforce blocks those that were not",
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
            "the org does not take this audience (aud) from this login host",
            "set audience: https://login.salesforce.com for production, https://test.salesforce.com for sandboxes and scratch orgs, the site's URL for Experience Cloud",
        ),
    ),
    (
        &[("", "audience")],
        means(
            About::Place,
            "the audience (aud) is not that of this kind of org",
            "set audience in proxy.toml to the org's kind: https://login.salesforce.com (production), https://test.salesforce.com (sandbox, scratch org), or the site's URL (Experience Cloud)",
        ),
    ),
    (
        &[("invalid_grant", "assertion")],
        means(
            About::Key,
            "the signature does not check: the certificate in the app belongs to another key, has expired, or is of another app",
            "upload the certificate that belongs to private_key to the app (External Client App: Settings, OAuth Settings, Enable JWT Bearer Flow; connected app: Use digital signatures), and check client_id",
        ),
    ),
    // In this flow the text means the assertion's exp.
    (
        &[("invalid_grant", "expired authorization code")],
        means(
            About::Clock,
            "in spite of its words, the assertion had expired when it arrived: the clock of this machine is behind",
            "set the clock: have the system keep it by NTP (timedatectl set-ntp true)",
        ),
    ),
    (
        &[("", "frozen")],
        means(
            About::User,
            "the user is frozen, by an admin, or by Salesforce since it called from an address with a high risk",
            "press Unfreeze at the user (Setup, Users), and have it call from another address if Salesforce froze it: the user's Login History says; asking again before that does not help",
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
            "press Unfreeze at the user (Setup, Users), or reactivate it (Edit, Active); Salesforce freezes users that call from an address with a high risk, so that more logins do not help",
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
            "press Unlock, or Unfreeze, at the user (Setup, Users), and find the program that still tries an old password",
        ),
    ),
    (
        &[("inactive_org", ""), ("", "organization is inactive")],
        means(
            About::Org,
            "the org is locked, closed or suspended, or its trial is over",
            "log in to it by browser to see why; Salesforce's support or your account executive opens it again",
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
            "the address that this machine calls from is not in the login IP ranges of the user's profile, which always hold for the JWT bearer flow, whatever the app's IP policy says",
            "add it, IPv6 too, to the login IP ranges of the user's profile (Setup, Profiles, Login IP Ranges)",
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
            "more than 3,600 logins of this user within an hour, from all programs",
            "wait an hour, and look in the user's Login History for the program that logs in all the time",
        ),
    ),
    (
        &[("", "authentication failure")],
        means(
            About::Place,
            "the org takes this user for none of its own, or lets it use no API",
            "check username letter by letter; then give the user the permission 'API Enabled', and check that the org does not block the app's flow",
        ),
    ),
    (
        &[("", "not supported on this domain")],
        means(
            About::Place,
            "this host does not serve the app's flow",
            "set login_url to the org's My Domain, https://NAME.my.salesforce.com (Setup, My Domain)",
        ),
    ),
    (
        &[("", "client credentials user")],
        means(
            About::Org,
            "the app is set up for the client credentials flow, and without a user for it",
            "enable the JWT bearer flow of the app; or, if something on the way changes the request, look at what",
        ),
    ),
    (
        &[("invalid_grant", "expired access/refresh token")],
        means(
            About::Org,
            "the answer is one to a refresh token, and none was sent",
            "check whether a gateway on the way to login_url logs in by itself",
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
            "the app, its OAuth settings or its JWT bearer flow are disabled",
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
            "the app asks for a high assurance session, which this flow does not give",
            "in the app's Policies take High Assurance out of the session policies",
        ),
    ),
    (
        &[("bad_jti_claim", "")],
        means(
            About::Org,
            "the org found fault with jti, a claim that orgproxy does not send",
            "check whether something on the way to login_url makes the assertion anew",
        ),
    ),
    (
        &[("invalid_client", "")],
        means(
            About::Org,
            "the app wants a consumer secret, does not take signatures, or has the certificate of another key",
            "enable digital signatures for the app, with the certificate that belongs to private_key (External Client App: Enable JWT Bearer Flow)",
        ),
    ),
    (
        &[("unknown_error", "")],
        means(
            About::Org,
            "Salesforce failed at this login, which may pass; or the org is being moved",
            "try again; if it stays, see status.salesforce.com",
        ),
    ),
    (
        &[("slow_down", "")],
        means(
            About::Org,
            "Salesforce asks to be asked less often",
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
            "Salesforce is down or in maintenance",
            "try again in a few minutes; see status.salesforce.com",
        ),
    ),
    (
        &[("invalid_request", "refresh_token scope")],
        means(
            About::Org,
            "the app lacks the scope refresh_token, which this flow asks for although it gives none",
            "add 'Perform requests at any time (refresh_token, offline_access)' to the app's OAuth scopes, and see that a permission set of the user is in its Policies",
        ),
    ),
    (
        &[("invalid_request", "")],
        means(
            About::Org,
            "the org misses something in the request, which orgproxy sends: it was changed on the way",
            "check whether a gateway on the way to login_url changes requests",
        ),
    ),
];

/// Nobody has written down what it means.
static UNKNOWN: Diagnosis = means(
    About::Unknown,
    "what it means is not known",
    "see the user's Login History in Setup: it names the reason",
);

static PAGE: Diagnosis = means(
    About::Place,
    "something else answered in place of the token endpoint, such as a page for people in maintenance",
    "try again in a few minutes; if it stays, check login_url, which must not be a Lightning or setup host, and see whether a network's sign-in page or a proxy answers in its place",
);

static REDIRECT: Diagnosis = means(
    About::Place,
    "the host sends logins elsewhere, and the assertion goes to the configured host only",
    "set login_url to the org's My Domain, https://NAME.my.salesforce.com; after a rename, to the new one",
);

static MAINTENANCE: Diagnosis = means(
    About::Org,
    "the host has trouble, or is in maintenance",
    "try again in a few minutes; see status.salesforce.com",
);

static GONE: Diagnosis = means(
    About::Org,
    "420 is what a scratch org answers that has expired or was deleted",
    "make a new scratch org, and put its username and login_url into proxy.toml",
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
                None => of_answer(refusal.status()),
            };
            assert_ne!(diagnosis, &UNKNOWN, "{}", refusal.name());
            if let Some((name, _)) = seen.iter().find(|(_, other)| *other == diagnosis) {
                panic!("{name} and {} are told alike", refusal.name());
            }
            seen.push((refusal.name(), diagnosis));
        }
        let answers = [&PAGE, &REDIRECT, &MAINTENANCE, &GONE];
        for diagnosis in TABLE.iter().map(|(_, diagnosis)| diagnosis).chain(answers) {
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

    /// "SAML bearer assertion and JWT bearer token flows always enforce IP restrictions regardless of
    /// the connected app policy" (help, connected_app_continuous_ip).
    #[test]
    fn no_advice_is_to_relax_what_always_holds() {
        for (_, diagnosis) in TABLE {
            let words = format!("{} {}", diagnosis.cause, diagnosis.fix).to_ascii_lowercase();
            assert!(!words.contains("relax"), "{diagnosis:?}");
        }
    }
}
