//! The user: userinfo, the identity URL, and the end of a session.

use http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Inner,
    answer::Answer,
    id::{ORG_ID, same_id, user_id},
    service::Call,
    session::Access,
};

/// A user that the app may log in as.
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
}

impl Inner {
    /// The place of this user among those that the app may log in as; 0 is its own.
    pub(super) fn number_of(&self, user: &str) -> Option<usize> {
        if user == self.app.username {
            return Some(0);
        }
        let known = self.knobs().users;
        let at = known.iter().position(|known| known == user)?;
        Some(at + 1)
    }

    /// The user of this name; that of the app if it is not known.
    pub(super) fn user(&self, name: Option<&str>) -> User {
        let name = name.unwrap_or(&self.app.username);
        User {
            id: user_id(self.number_of(name).unwrap_or_default()),
            name: name.to_owned(),
        }
    }

    /// The user whose session `call` has.
    pub(super) fn user_of(&self, call: &Call) -> User {
        self.user(self.sessions.user_in(&call.head.headers).as_deref())
    }

    pub(super) fn identity_url(&self, user: &User) -> String {
        format!("{}/id/{ORG_ID}/{}", self.origin, user.id)
    }

    /// `/services/oauth2/userinfo`
    pub(super) fn userinfo(&self, call: &Call) -> Answer {
        refusal(call.access).unwrap_or_else(|| Answer::json(self.about(&self.user_of(call))))
    }

    /// `/id/{org}/{user}`
    pub(super) fn identity(&self, call: &Call, org: &str, user: &str) -> Answer {
        if let Some(refusal) = refusal(call.access) {
            return refusal;
        }
        if !same_id(org, ORG_ID) {
            return forbidden("Wrong_Org");
        }
        let own = self.user_of(call);
        if !same_id(user, &own.id) {
            return forbidden("Bad_Id");
        }
        let mut about = self.about(&own);
        about["id"] = self.identity_url(&own).into();
        about["asserted_user"] = true.into();
        about["username"] = own.name.into();
        about["display_name"] = "Integration User".into();
        Answer::json(about)
    }

    /// `/services/oauth2/revoke`
    pub(super) fn revoke(&self, form: &[u8]) -> Answer {
        if let Some((_, token)) = form_urlencoded::parse(form).find(|(name, _)| name == "token") {
            self.sessions.end(&token);
        }
        Answer::empty(StatusCode::OK)
    }

    fn about(&self, user: &User) -> Value {
        let origin = &self.origin;
        json!({
            "sub": self.identity_url(user),
            "user_id": user.id,
            "organization_id": ORG_ID,
            "preferred_username": user.name,
            "nickname": "integration",
            "name": "Integration User",
            "email": user.name,
            "email_verified": true,
            "given_name": "Integration",
            "family_name": "User",
            "zoneinfo": "America/Los_Angeles",
            "user_type": "STANDARD",
            "active": true,
            "language": "en_US",
            "locale": "en_US",
            "utcOffset": -28_800_000,
            "urls": {
                "enterprise": format!("{origin}/services/Soap/c/{{version}}/{}", &ORG_ID[..15]),
                "metadata": format!("{origin}/services/Soap/m/{{version}}/{}", &ORG_ID[..15]),
                "partner": format!("{origin}/services/Soap/u/{{version}}/{}", &ORG_ID[..15]),
                "rest": format!("{origin}/services/data/v{{version}}/"),
                "sobjects": format!("{origin}/services/data/v{{version}}/sobjects/"),
                "search": format!("{origin}/services/data/v{{version}}/search/"),
                "query": format!("{origin}/services/data/v{{version}}/query/"),
                "recent": format!("{origin}/services/data/v{{version}}/recent/"),
                "tooling_soap": format!("{origin}/services/Soap/T/{{version}}/{}", &ORG_ID[..15]),
                "tooling_rest": format!("{origin}/services/data/v{{version}}/tooling/"),
                "profile": format!("{origin}/{}", user.id),
                "custom_domain": origin,
            },
        })
    }
}

/// The answer to a request without a live session, in plain text and with 403.
fn refusal(access: Access) -> Option<Answer> {
    match access {
        Access::Live => None,
        Access::Missing => Some(forbidden("Missing_OAuth_Token")),
        Access::Garbled | Access::Dead => Some(forbidden("Bad_OAuth_Token")),
    }
}

fn forbidden(why: &str) -> Answer {
    Answer::text(
        StatusCode::FORBIDDEN,
        "text/html; charset=UTF-8",
        why.to_owned(),
    )
}
