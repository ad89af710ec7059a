//! The response of the token endpoint to a successful login: status 200, and JSON.
//!
//! ```json
//! {
//!   "access_token": "00Dxx0000001gPL!AR8AQ…",
//!   "scope": "web openid api id",
//!   "instance_url": "https://acme.my.salesforce.com",
//!   "id": "https://login.salesforce.com/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS",
//!   "token_type": "Bearer"
//! }
//! ```
//!
//! | Field | What holds for it |
//! |---|---|
//! | `access_token` | see [`sessions`](super::sessions) |
//! | `instance_url` | an origin without a slash at the end; where the APIs are |
//! | `id` | the identity URL: its last two segments are the ids of org and user, 18 characters each. Its host may be a login host or the My Domain |
//! | `scope` | separated by spaces |
//! | `sfdc_community_url`, `sfdc_community_id` | for users of a site only |
//! | `issued_at`, `signature` | milliseconds as a string, and a base64 HMAC. Other flows have them; typed clients may require them, and [django-salesforce] checks the signature |
//! | `api_instance_url` | of some apps |
//!
//! The flow's page has a sample ([flow]); clients read the ids from `id` ([oauth2.ts]).
//!
//! - There is no `expires_in` (observed): a response does not say how long the session lives.
//! - There is never a `refresh_token` ([flow]).
//! - Every field but `access_token` and `instance_url` is to be taken as optional.
//!
//! [flow]: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm&type=5
//! [django-salesforce]: https://github.com/django-salesforce/django-salesforce
//! [oauth2.ts]: https://github.com/jsforce/jsforce/blob/main/src/oauth2.ts
