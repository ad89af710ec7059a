//! The user of a session.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;

use super::query::query;
use crate::proxy::error::Unanswerable;
use crate::{
    auth::Identity,
    proxy::{Proxy, base_url::BaseUrl, error::Error, exchange::Exchange},
    watch::Wait,
};

/// The user that the requests of a client act as.
pub(super) struct User {
    pub(super) org_id: String,
    pub(super) user_id: String,
    pub(super) scope: String,
}

impl User {
    /// The user whom the org named at the login; if it named none, the org is asked.
    ///
    /// # Errors
    /// When there is no session, or the org does not say.
    pub(super) async fn of(proxy: &Proxy, exchange: &Exchange) -> Result<Self, Error> {
        let login = proxy.delivery.sessions_for(exchange)?.current();
        let session = exchange.awaits(Wait::Login, login).await?;
        let Identity {
            org_id,
            user_id,
            scope,
        } = session.identity.clone();
        let (org_id, user_id) = match (org_id, user_id) {
            (Some(org_id), Some(user_id)) => (org_id, user_id),
            _ => ids(proxy, exchange).await?,
        };
        Ok(Self {
            org_id,
            user_id,
            scope: scope.unwrap_or_else(|| "api".to_owned()),
        })
    }

    /// The identity URL, as clients read the ids from it, pointing at the proxy.
    pub(super) fn url(&self, base: &BaseUrl) -> String {
        format!("{base}/id/{}/{}", self.org_id, self.user_id)
    }
}

/// The ids of org and user, asked for: [`crate::salesforce::facts::sessions`].
async fn ids(proxy: &Proxy, exchange: &Exchange) -> Result<(String, String), Error> {
    #[derive(Deserialize)]
    struct Userinfo {
        organization_id: String,
        user_id: String,
    }

    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = http::Uri::from_static("/services/oauth2/userinfo");
    let reply = query(proxy, request, exchange).await?;
    if reply.status != StatusCode::OK {
        let why = format!(
            "userinfo answered {}; grant the app the scope id or openid",
            reply.status.as_u16()
        );
        return Err(Unanswerable::Unidentified(why).into());
    }
    match serde_json::from_slice::<Userinfo>(&reply.body) {
        Ok(userinfo) => Ok((userinfo.organization_id, userinfo.user_id)),
        Err(_) => {
            // What is wrong with it would be told with words of it, which may be secret.
            let why = "userinfo answered without the ids of org and user";
            Err(Unanswerable::Unidentified(why.to_owned()).into())
        }
    }
}
