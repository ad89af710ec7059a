//! Requirements of clients for a server that stands in for Salesforce.
//!
//! | Client | `http://` | URLs that it follows | Checks | Source |
//! |---|---|---|---|---|
//! | Salesforce CLI | with a warning | `userinfo`, `/services/data`, the user's record | a session matches `(00D\w{12,15})![.\w]*` or is a JWT; the org's id is what precedes `!` | [sfdc.ts], [authInfo] |
//! | jsforce | yes | `instance_url`, `serverUrl` up to its third slash, the identity URL | no JWT for SOAP before 68.0 | [connection.ts], [soap.ts] |
//! | simple-salesforce | no: https is built in | host of `serverUrl`, `nextRecordsUrl` below it | | [api.py] |
//! | restforce | not for the login | `instance_url` | | [jwt_bearer.rb] |
//! | force | yes | scheme and host of `serverUrl` | the org's id is what precedes `!` | [force.go] |
//! | WSC, and what is built on it | yes | `serverUrl` as it is | order and namespaces of elements | [SoapConnection] |
//! | Data Loader | no | scheme and host of `serverUrl` | after a failed login it tries the same credentials at `login.salesforce.com` | [LoginClient], [dataloader #183] |
//!
//! From these it follows:
//!
//! - A session id for clients begins with the org's real id, matches the CLI's expression, and does not
//!   begin with `eyJ`.
//! - An org needs a port or a host of its own: most of them drop what precedes `/services` in a path.
//! - Absolute URLs that a client follows are in few places: `serverUrl` and `metadataServerUrl`,
//!   `instance_url`, `id`, `urls` of `userinfo` and the identity, `identity` among the resources of an
//!   API version, addresses in a WSDL, and `Location`. Everything else is relative: `nextRecordsUrl`,
//!   `attributes.url`, `contentUrl` of a Bulk job.
//! - A cookie with `Domain=.salesforce.com` or `Secure` does not come back to `http://localhost`.
//!
//! [sfdc.ts]: https://github.com/forcedotcom/sfdx-core/blob/main/src/util/sfdc.ts
//! [authInfo]: https://github.com/forcedotcom/sfdx-core/blob/main/src/org/authInfo.ts
//! [connection.ts]: https://github.com/jsforce/jsforce/blob/main/src/connection.ts
//! [soap.ts]: https://github.com/jsforce/jsforce/blob/main/src/soap.ts
//! [api.py]: https://github.com/simple-salesforce/simple-salesforce/blob/master/simple_salesforce/api.py
//! [jwt_bearer.rb]: https://github.com/restforce/restforce/blob/main/lib/restforce/middleware/authentication/jwt_bearer.rb
//! [force.go]: https://github.com/ForceCLI/force/blob/master/lib/force.go
//! [SoapConnection]: https://github.com/forcedotcom/wsc/blob/master/src/main/java/com/sforce/ws/transport/SoapConnection.java
//! [LoginClient]: https://github.com/forcedotcom/dataloader/blob/master/src/main/java/com/salesforce/dataloader/client/LoginClient.java
//! [dataloader #183]: https://github.com/forcedotcom/dataloader/issues/183
