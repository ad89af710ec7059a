//! Sessions: their form, their life, and who shares them.
//!
//! # Form
//!
//! An access token is a session id, in one of two formats ([access tokens]):
//!
//! - Opaque, the default: the 15 characters of the org's id, `!`, and about 96 of letters, digits,
//!   `.` and `_`. The Salesforce CLI looks for `(00D\w{12,15})![.\w]*` ([sfdc.ts]).
//! - A JWT, `eyJ….….…`, of a few thousand bytes, if the app is set so
//!   ([JWT-based access tokens]). The setting is one for all flows of the app.
//!
//! A JWT opens REST APIs only, as documented ([JWT-based access tokens]): SOAP answers
//! `INVALID_SESSION_ID`, and a client that logs in again for that does so forever. From API version
//! 68.0 on SOAP takes them, too ([jsforce #1817], August 2026); of Bulk API 1.0 nothing is known. They
//! have a fixed end instead of a timeout.
//!
//! # Life
//!
//! - A session ends after a time without use, and each call begins that time anew ([error handling]).
//!   The time is the app's, else the profile's, else the org's, which begins at two hours
//!   ([Pub/Sub authentication]). The `exp` of the assertion has nothing to do with it.
//! - `sessionSecondsValid` in the response to SOAP `getUserInfo` is that time (observed:
//!   [TestSalesforceBasicAuthenticator] has `7200`).
//! - A connected CometD client keeps its session alive ([streaming errors]); a Pub/Sub subscriber does
//!   not need it any more ([Pub/Sub authentication]).
//! - A session also ends by logout or revocation, by an admin, when the password changes or the user is
//!   frozen, by a sandbox refresh, or a move of the org.
//!
//! # Sharing
//!
//! - A login of a user by an app whose session lives is answered with the same token: eight in a row
//!   were (observed June 2026, one org: [vault plugin]). So a token that comes again after a refusal is
//!   alive, and the refusal has another reason.
//! - So all who log in as this user share the session, and `logout()`, a revocation or `logout.jsp` by
//!   one of them ends it for all. For SOAP this is documented ([implementation considerations]).
//!
//! # Asking about one
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /services/oauth2/userinfo` | `organization_id`, `user_id`, `preferred_username`, `urls`. Reported not to count against the API limit; not documented |
//! | `POST /services/oauth2/introspect` | `active`, and if it is `true` `scope`, `client_id`, `username`, `sub` (the identity URL), `token_type`, `exp`, `iat`, `nbf` ([introspection], [samples]) |
//! | `POST /services/oauth2/revoke` | 200 without a body, and the session is dead for all |
//! | `GET /services/data/` | the list of API versions, for which no session is needed: it proves nothing |
//!
//! [access tokens]: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_access_tokens.htm&type=5
//! [JWT-based access tokens]: https://help.salesforce.com/s/articleView?id=xcloud.jwt_access_tokens.htm&type=5
//! [sfdc.ts]: https://github.com/forcedotcom/sfdx-core/blob/main/src/util/sfdc.ts
//! [jsforce #1817]: https://github.com/jsforce/jsforce/pull/1817
//! [error handling]: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_concepts_errorhandling.htm
//! [Pub/Sub authentication]: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/supported-auth.html
//! [TestSalesforceBasicAuthenticator]: https://github.com/trinodb/trino/blob/master/plugin/trino-password-authenticators/src/test/java/io/trino/plugin/password/salesforce/TestSalesforceBasicAuthenticator.java
//! [streaming errors]: https://developer.salesforce.com/docs/atlas.en-us.api_streaming.meta/api_streaming/streaming_handling_errors.htm
//! [vault plugin]: https://github.com/DarthVaderRC/vault-plugin-secrets-salesforce/blob/main/docs/analysis-of-salesforce-api-limits.md
//! [implementation considerations]: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/implementation_considerations.htm
//! [introspection]: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oidc_token_introspection_endpoint.htm&type=5
//! [samples]: https://github.com/forcedotcom/postman-salesforce-apis
