//! The request of a login: OAuth 2.0 JWT bearer ([RFC 7523], section 2.1).
//!
//! ```text
//! POST /services/oauth2/token HTTP/1.1
//! Content-Type: application/x-www-form-urlencoded
//!
//! grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=HEADER.CLAIMS.SIGNATURE
//! ```
//!
//! Neither `client_id` nor `client_secret` is needed: `iss` names the app ([flow]). The endpoint is at
//! `login.salesforce.com`, `test.salesforce.com`, the org's My Domain, or below the path of an
//! Experience Cloud site.
//!
//! # Claims
//!
//! | Claim | Value |
//! |---|---|
//! | `iss` | the consumer key of the app |
//! | `sub` | the username; `prn` is the older name, and wins if both are there |
//! | `aud` | see below: one string, never a list, with scheme ([datacloud-jdbc #132]) |
//! | `exp` | seconds since 1970, as a number or a string of digits: the page has a string ([flow]) |
//!
//! - The signature is RS256 ([flow]).
//! - `iat`, `jti` and `nbf` are not required, and clients leave them out ([CumulusCI], [force]). The
//!   server has an error `bad_jti_claim` ([OAuthErrorCode]), so that a `jti` can only do harm.
//! - No client sends a `scope`: a session has the scopes that the app was approved for.
//!
//! # Audience
//!
//! | Environment | `aud` | Source |
//! |---|---|---|
//! | production, Developer Edition, trial | `https://login.salesforce.com` | [flow] |
//! | sandbox | `https://test.salesforce.com` | [flow] |
//! | scratch org | as a sandbox; the Salesforce CLI tries both | [sfdcUrl] |
//! | Experience Cloud site | its URL with the path, without a slash at the end | [flow] |
//! | instance `gs1` | `https://gs1.salesforce.com` | [sfdcUrl] |
//! | Government Cloud | as above, posted to the My Domain | observed 2024: [simple-salesforce #711] |
//! | `.my.salesforce.mil`, `.my.sfcrmproducts.cn` | not captured | |
//!
//! - An org can forbid logins at the generic hosts. Then the request goes to the My Domain, while
//!   `aud` stays what it was (observed 2024: [restforce #886]).
//! - Some orgs take the origin of their My Domain as `aud`; since Spring '26 some refuse anything else,
//!   with `app_not_found` (observed 2026: [n8n #29016]).
//! - The Salesforce CLI tries pairs of host and audience until one works, since neither follows from
//!   the other ([sfdcUrl], `getLoginAudienceCombos`). Each try is a login in the user's history.
//!
//! # Expiry
//!
//! Documented are three minutes of validity, and three of tolerance for clocks that differ
//! ([flow]). The enforced bounds differ:
//!
//! - The Salesforce CLI sends milliseconds, a moment some 50,000 years ahead, and logs in
//!   ([authInfo], `tryJwtAuth`).
//! - CumulusCI sends the present second, and logs in ([CumulusCI]).
//! - An `exp` in the past is refused in words that are about something else:
//!   [`login_refusals`](super::login_refusals).
//!
//! Three minutes ahead is what clients agree on: [restforce], [simple-salesforce], [force].
//!
//! # Certificate
//!
//! - The app holds an X.509 certificate, self-signed if you like, as PEM or DER, of 4 KB at most
//!   ([flow]). An expired one makes logins fail.
//! - No lower bound is documented for its RSA key. Every guide begins at 2,048 bits.
//!
//! # Approval
//!
//! An admin pre-authorizes the user, by a profile or permission set of the app, or the user has
//! approved the app before, in a flow that issued a refresh token ([flow]; observed 2018:
//! [question 184363]). The scopes `api` and `refresh_token` are both needed (observed 2018:
//! [question 207685]).
//!
//! [RFC 7523]: https://www.rfc-editor.org/rfc/rfc7523
//! [flow]: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm&type=5
//! [datacloud-jdbc #132]: https://github.com/forcedotcom/datacloud-jdbc/pull/132
//! [OAuthErrorCode]: https://github.com/forcedotcom/SalesforceMobileSDK-Android/blob/dev/libs/SalesforceSDK/src/com/salesforce/androidsdk/auth/OAuthErrorCode.kt
//! [sfdcUrl]: https://github.com/forcedotcom/sfdx-core/blob/main/src/util/sfdcUrl.ts
//! [authInfo]: https://github.com/forcedotcom/sfdx-core/blob/main/src/org/authInfo.ts
//! [CumulusCI]: https://github.com/SFDO-Tooling/CumulusCI/blob/main/cumulusci/oauth/salesforce.py
//! [restforce]: https://github.com/restforce/restforce/blob/main/lib/restforce/middleware/authentication/jwt_bearer.rb
//! [simple-salesforce]: https://github.com/simple-salesforce/simple-salesforce/blob/master/simple_salesforce/login.py
//! [force]: https://github.com/ForceCLI/force/blob/master/lib/jwt.go
//! [simple-salesforce #711]: https://github.com/simple-salesforce/simple-salesforce/pull/711
//! [restforce #886]: https://github.com/restforce/restforce/pull/886
//! [n8n #29016]: https://github.com/n8n-io/n8n/pull/29016
//! [question 184363]: https://salesforce.stackexchange.com/questions/184363
//! [question 207685]: https://salesforce.stackexchange.com/questions/207685
