//! `login()` of the SOAP API: a session for a username and a password.
//!
//! # Its end
//!
//! | When | What | Source |
//! |---|---|---|
//! | Winter '26 | not in API version 65.0 and later; off in orgs that are new since then, until an admin turns it on | [article 005132110], [login()] |
//! | Summer '26 | in new orgs users need the permission 'Use Any API Auth' besides | [article 005132110] |
//! | Summer '27 | retired in versions 31.0 to 64.0, and so in all | [article 005132110] |
//!
//! The SOAP API stays, with a session from elsewhere in its `SessionHeader`. Versions end in order of
//! age, the next with Summer '28 ([article 005321531]): 64.0, the last that has `login()`, is one that
//! every org will know for years.
//!
//! # Requests
//!
//! `POST /services/Soap/u/NN.0` or `…/c/NN.0`. The first child of `Body` is `login`, with `username`
//! and `password` in it; the security token is a part of the password. A `LoginScopeHeader` names
//! `organizationId` and `portalId` for users of sites ([login()]).
//!
//! ```xml
//! <se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Header/><se:Body>
//! <login xmlns="urn:partner.soap.sforce.com"><username>…</username><password>…</password></login>
//! </se:Body></se:Envelope>
//! ```
//!
//! That one is jsforce's ([soap.ts]). Others have prefixes, no header, gzip, or slashes too many:
//! [`families`](super::families). Data Loader logs in with 64.0 whatever version it works with
//! ([LoginClient]).
//!
//! # The result
//!
//! Status 200. The elements have no prefix, their namespace is the default one, and their order is the
//! WSDL's, which WSC checks ([TypeMapper]):
//!
//! ```text
//! loginResponse/result: metadataServerUrl passwordExpired sandbox serverUrl sessionId userId userInfo
//! userInfo: accessibilityMode chatterExternal currencySymbol orgAttachmentFileSizeLimit
//!   orgDefaultCurrencyIsoCode orgDefaultCurrencyLocale orgDisallowHtmlAttachments
//!   orgHasPersonAccounts organizationId organizationMultiCurrency organizationName profileId roleId
//!   sessionSecondsValid userDefaultCurrencyIsoCode userEmail userFullName userId userLanguage
//!   userLocale userName userTimeZone userType userUiSkin
//! ```
//!
//! A whole one is in [TestSalesforceBasicAuthenticator] (partner, 46.0).
//!
//! - URLs end in the id of the org, in its form of 15 characters: `…/services/Soap/u/46.0/00D…`. The
//!   elements have ids of 18.
//! - `userInfo` is what `getUserInfo` answers. A WSC client fails if a child is missing.
//! - jsforce reads `serverUrl`, `sessionId`, `userId` and `organizationId` by regular expression
//!   ([connection.ts]); WSC takes the version from behind `/services/Soap/u/` in `serverUrl`.
//! - `logout()` is answered with an empty `<logoutResponse/>` in the same namespace.
//!
//! # Faults
//!
//! Status 500, in the form that [`expiry`](super::expiry) shows.
//!
//! | Code | Message | Source |
//! |---|---|---|
//! | `INVALID_OPERATION` | `The SOAP Login operation is not available in the API version specified (65.0). Refer to the documentation for supported versions.` | observed February 2026: [wsc #363] |
//! | `INVALID_OPERATION` | `SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API login().` | observed July 2026: [adaptors #1715] |
//! | `INVALID_LOGIN`, detail `sf:LoginFault` | `Invalid username, password, security token; or user locked out.` | [TestSalesforceBasicAuthenticator] |
//!
//! Clients read `sf:exceptionCode` with that very prefix ([simple-salesforce]).
//!
//! [article 005132110]: https://help.salesforce.com/s/articleView?id=005132110&type=1
//! [article 005321531]: https://help.salesforce.com/s/articleView?id=005321531&type=1
//! [login()]: https://developer.salesforce.com/docs/platform/api/guide/sforce-api-calls-login.html
//! [soap.ts]: https://github.com/jsforce/jsforce/blob/main/src/soap.ts
//! [connection.ts]: https://github.com/jsforce/jsforce/blob/main/src/connection.ts
//! [LoginClient]: https://github.com/forcedotcom/dataloader/blob/master/src/main/java/com/salesforce/dataloader/client/LoginClient.java
//! [TypeMapper]: https://github.com/forcedotcom/wsc/blob/master/src/main/java/com/sforce/ws/bind/TypeMapper.java
//! [TestSalesforceBasicAuthenticator]: https://github.com/trinodb/trino/blob/master/plugin/trino-password-authenticators/src/test/java/io/trino/plugin/password/salesforce/TestSalesforceBasicAuthenticator.java
//! [simple-salesforce]: https://github.com/simple-salesforce/simple-salesforce/blob/master/simple_salesforce/login.py
//! [wsc #363]: https://github.com/forcedotcom/wsc/issues/363
//! [adaptors #1715]: https://github.com/OpenFn/adaptors/issues/1715
