//! Paths that hand out a session, show one, or end one. None may be reached with a session that its
//! client does not own.
//!
//! | Path | What it does | Source |
//! |---|---|---|
//! | `/services/oauth2/token` | logs in | [`jwt_bearer`](super::jwt_bearer) |
//! | `/services/oauth2/revoke` | ends a session for all who share it | [`sessions`](super::sessions) |
//! | `/services/oauth2/introspect` | describes any session of the app | [introspection] |
//! | `/services/oauth2/singleaccess` | answers with a `frontdoor_uri` that opens a browser session | [frontdoor] |
//! | `/services/oauth2/userinfo` | says whose session it is: harmless | |
//! | `/secur/frontdoor.jsp`, `/secur/logout.jsp`, others below `/secur` | open or end a browser session | [frontdoor] |
//! | `/services/a360/token` | a token for Data 360 | [Data 360] |
//! | `/agentforce/bootstrap/nameduser` | a JWT, for a session as cookie `sid` | [agents] |
//! | `/ide/auth` | a bearer token | observed |
//! | `/services/auth/idp/oidc/logout`, `/services/auth/sp/saml2/logout`, others below `/services/auth` | log in and out by another service, or for one | [single logout] |
//! | `/visualforce/session`, `/content/session` | a session for another host | observed |
//! | `/idp/…` | logs in to other services as the user | |
//! | `/servlet/servlet.su` | logs in as another user | observed |
//! | `/servlet/networks/session/create`, others below `/servlet/networks` | a session for a site | observed |
//! | `/services/data/vXX.X/platformconnect/signedrequest` | a signed request with an access token, maybe a refresh token, for a Canvas app | [Canvas] |
//! | SOAP `logout()`, `invalidateSessions()` | end sessions | [logout()] |
//!
//! [introspection]: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oidc_token_introspection_endpoint.htm&type=5
//! [frontdoor]: https://help.salesforce.com/s/articleView?id=xcloud.frontdoor_singleaccess.htm&type=5
//! [Data 360]: https://help.salesforce.com/s/articleView?id=005104785&type=1
//! [agents]: https://github.com/forcedotcom/agents/blob/main/src/utils.ts
//! [single logout]: https://help.salesforce.com/s/articleView?id=xcloud.slo_about.htm&type=5
//! [Canvas]: https://developer.salesforce.com/docs/atlas.en-us.platform_connect.meta/platform_connect/client_object.htm
//! [logout()]: https://developer.salesforce.com/docs/platform/api/guide/sforce-api-calls-logout.html
