//! The response of each API family to a dead session. Only some use status 401.
//!
//! | Family | Status | What says so | Source |
//! |---|---|---|---|
//! | REST and its relatives, Apex REST, Bulk API 2.0 | 401 | `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]` | [status codes] |
//! | the same, asked for XML | 401 | `<Errors><Error><errorCode>INVALID_SESSION_ID</errorCode>…` | [http-api.ts] |
//! | `userinfo`, identity URLs | 403 | `Bad_OAuth_Token` as plain text | observed; [nforce] |
//! | SOAP | 500 | the fault below | [SoapConnection] |
//! | Bulk API 1.0 | 400 | `<error xmlns="http://www.force.com/2009/06/asyncapi/dataload"><exceptionCode>InvalidSessionId</exceptionCode>…`, or `{"exceptionCode":"InvalidSessionId",…}` for JSON jobs | [bulk.ts] |
//! | CometD, `/meta/connect` | 200 | `"error":"401::Authentication invalid"`, advice `none` | [streaming errors] |
//! | CometD, `/meta/handshake` | 200 | `"error":"403::Handshake denied"`, and the 401 as `failureReason` in `ext.sfdc` | [streaming errors] |
//! | CometD, no header | 200 | `401::Request requires authentication` | [streaming errors] |
//! | Pub/Sub API | trailer | `UNAUTHENTICATED`, and `error-code` `sfdc.platform.eventbus.grpc.service.auth.error` or `….auth.refresh.invalid` | [PubSubApiClient] |
//! | pages, servlets, `/sfc` | 200, 302 | a login page, or a script or redirect that leads to one; never 401 | observed |
//!
//! The bodies of Bulk API 1.0 for JSON jobs, of the identity URLs' other refusals, and of a Pub/Sub
//! call's `grpc-message` are not captured.
//!
//! # The SOAP fault
//!
//! ```xml
//! <soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Invalid
//! Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash: …
//! </faultstring><detail><sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault">…</detail>
//! ```
//!
//! - `sf` is `urn:fault.partner.soap.sforce.com`, `urn:fault.enterprise.soap.sforce.com`,
//!   `urn:fault.tooling.soap.sforce.com`, or the namespace of the API itself: Metadata, Apex, and web
//!   services of Apex classes. These have no `<detail>` (observed).
//! - Clients find it by regular expression on `<faultcode>` ([soap.ts]), or by one of "Session timed
//!   out", "Session not found" and "Illegal Session" in `<faultstring>` ([SoapConnection]).
//!
//! # What is not a dead session
//!
//! | Answer | Meaning | Source |
//! |---|---|---|
//! | 401, `This session is not valid for use with the REST API` | policy: the app lacks the scope `api`, API Access Control, or a session level. A new session is refused, too | observed; [http-api.ts] |
//! | 401, `BlackTab users cannot perform API operations` | the same | [http-api.ts] |
//! | 401, `Connected app is not attached to Agent` | a setting of the app | [Agent API], [http-api.ts] |
//! | 403, `REQUEST_LIMIT_EXCEEDED` | [`limits`](super::limits) | [status codes] |
//! | 403, SOAP 500, `API_CURRENTLY_DISABLED` | the user lacks 'API Enabled' | [force.go] |
//! | 403, SOAP 500, `API_DISABLED_FOR_ORG` | the org's edition has no API | [force.go] |
//! | `INVALID_OPERATION_WITH_EXPIRED_PASSWORD` | the user's password has expired | [force.go] |
//! | 400, `URL_NOT_RESET`; SOAP `UNKNOWN_EXCEPTION`, "Destination URL not reset…" | the org is at another host | observed |
//! | CometD, `403::Unknown client` | the server forgot the client, which shakes hands anew | [streaming errors] |
//!
//! [status codes]: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
//! [streaming errors]: https://developer.salesforce.com/docs/atlas.en-us.api_streaming.meta/api_streaming/streaming_handling_errors.htm
//! [Agent API]: https://developer.salesforce.com/docs/einstein/genai/guide/agent-api-get-started.html
//! [http-api.ts]: https://github.com/jsforce/jsforce/blob/main/src/http-api.ts
//! [bulk.ts]: https://github.com/jsforce/jsforce/blob/main/src/api/bulk.ts
//! [soap.ts]: https://github.com/jsforce/jsforce/blob/main/src/soap.ts
//! [SoapConnection]: https://github.com/forcedotcom/wsc/blob/master/src/main/java/com/sforce/ws/transport/SoapConnection.java
//! [PubSubApiClient]: https://github.com/apache/camel/blob/main/components/camel-salesforce/camel-salesforce-component/src/main/java/org/apache/camel/component/salesforce/internal/client/PubSubApiClient.java
//! [nforce]: https://github.com/kevinohara80/nforce/blob/master/index.js
//! [force.go]: https://github.com/ForceCLI/force/blob/master/lib/force.go
