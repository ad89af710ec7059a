//! The checks of what the token endpoint reports about a session.

use super::report::Check;
use crate::{auth::Session, config::Org};

/// Opaque, or a JWT, which most of the older APIs do not take.
pub(super) fn format(session: &Session) -> Check {
    let identity = &session.identity;
    let mut says = if session.is_jwt() {
        "in JWT format".to_owned()
    } else {
        "opaque".to_owned()
    };
    for (what, id) in [("org", &identity.org_id), ("user", &identity.user_id)] {
        if let Some(id) = id {
            says += &format!(", {what} {id}");
        }
    }
    if session.is_jwt() {
        Check::warning("session", says)
            .advise("why: only the REST APIs accept it; SOAP, Bulk 1.0 and the Metadata API do not")
            .advise(
                "do: if clients need those, turn off 'Issue JSON Web Token (JWT)-based access \
                 tokens' in the app's OAuth settings",
            )
    } else {
        Check::passed("session", says)
    }
}

/// Without `api` nothing can be asked.
pub(super) fn scopes(session: &Session) -> Check {
    let Some(scope) = &session.identity.scope else {
        return Check::skipped("scopes", "the org does not report them");
    };
    let has = |name| scope.split(' ').any(|scope| scope == name);
    if !has("api") && !has("full") {
        return Check::failed("scopes", format!("{scope}, but not api"))
            .advise("why: without it the org refuses every API request")
            .advise("do: add 'Manage user data via APIs (api)' to the app's OAuth scopes");
    }
    Check::passed("scopes", scope)
}

/// The host that requests go to.
pub(super) fn instance(session: &Session, org: &Org) -> Check {
    let instance = session.instance_url();
    let login_url = org.login_url.as_str().trim_end_matches('/');
    if instance == login_url {
        return Check::passed(
            "instance",
            format!("{instance}, which is also where the login goes"),
        );
    }
    let check = Check::passed("instance", &instance);
    match org.my_domain() {
        None if org.logs_in_at(org.login_url.host_str().unwrap_or_default()) => {
            check.advise(format!(
                "hint: login_url = \"{instance}\" works even if the org forbids logins at {}; keep \
             audience = \"{}\" with it",
                org.login_url.host_str().unwrap_or_default(),
                org.audience
            ))
        }
        _ => check,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use test_case::test_case;

    use super::*;
    use crate::auth::Identity;

    #[test_case(Some("api id"), "Passed", "\"api id\"")]
    #[test_case(Some("full"), "Passed", "\"full\"")]
    #[test_case(Some("api refresh_token"), "Passed", "\"api refresh_token\"")]
    #[test_case(Some("id openid"), "Failed", "but not api")]
    #[test_case(Some("chatter_api"), "Failed", "but not api")]
    #[test_case(None, "Skipped", "does not report"; "nothing")]
    fn scopes_are_judged(scope: Option<&str>, outcome: &str, says: &str) {
        let check = format!("{:?}", scopes(&session("00D!x", scope)));
        assert!(check.contains(outcome) && check.contains(says), "{check}");
    }

    #[test]
    fn a_jwt_is_warned_of() {
        let check = format!("{:?}", format(&session("eyJh.eyJp.c2ln", None)));
        assert!(
            check.contains("Warning") && check.contains("Bulk 1.0"),
            "{check}"
        );
    }

    fn session(token: &str, scope: Option<&str>) -> Session {
        let identity = Identity {
            scope: scope.map(str::to_owned),
            ..Identity::default()
        };
        let authority = http::uri::Authority::from_static("acme.my.salesforce.com");
        Session::new(authority, token, identity, None, Duration::ZERO).unwrap()
    }
}
