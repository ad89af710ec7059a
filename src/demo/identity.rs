//! The user: userinfo, the identity URL, and the end of a session.

use http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Inner,
    answer::Answer,
    id::{ORG_ID, USER_ID, same_id},
    service::Call,
    session::Access,
};

impl Inner {
    pub(super) fn identity_url(&self) -> String {
        format!("{}/id/{ORG_ID}/{USER_ID}", self.origin)
    }

    /// `/services/oauth2/userinfo`
    pub(super) fn userinfo(&self, call: &Call) -> Answer {
        refusal(call.access).unwrap_or_else(|| Answer::json(self.about_user()))
    }

    /// `/id/{org}/{user}`
    pub(super) fn identity(&self, call: &Call, org: &str, user: &str) -> Answer {
        if let Some(refusal) = refusal(call.access) {
            return refusal;
        }
        if !same_id(org, ORG_ID) {
            return forbidden("Wrong_Org");
        }
        if !same_id(user, USER_ID) {
            return forbidden("Bad_Id");
        }
        let mut about = self.about_user();
        about["id"] = self.identity_url().into();
        about["asserted_user"] = true.into();
        about["username"] = self.app.username.as_str().into();
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

    fn about_user(&self) -> Value {
        let origin = &self.origin;
        json!({
            "sub": self.identity_url(),
            "user_id": USER_ID,
            "organization_id": ORG_ID,
            "preferred_username": self.app.username,
            "nickname": "integration",
            "name": "Integration User",
            "email": self.app.username,
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
                "profile": format!("{origin}/{USER_ID}"),
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
