//! The API families: their paths, and the place of the session in each.
//!
//! | Family | Path | Session |
//! |---|---|---|
//! | REST, Tooling, UI, Connect, Composite, GraphQL, Analytics, Bulk API 2.0 | `/services/data/vNN.0/…` | `Authorization: Bearer` ([REST]), or `Authorization: OAuth`, as older clients have it |
//! | list of versions | `/services/data`, `/services/data/` | none needed ([REST versions]) |
//! | Apex REST | `/services/apexrest/…`, at sites below their path; any method and content | as REST |
//! | SOAP, partner and enterprise | `/services/Soap/u/NN.0[/ORG]`, `/services/Soap/c/NN.0[/ORG]` | `<SessionHeader><sessionId>` in the envelope, namespace `urn:partner.soap.sforce.com`, `urn:enterprise.soap.sforce.com` ([SessionHeader]) |
//! | SOAP, Metadata | `/services/Soap/m/NN.0[/ORG]` | the same, `http://soap.sforce.com/2006/04/metadata` |
//! | SOAP, Tooling | `/services/Soap/T/NN.0` | the same, `urn:tooling.soap.sforce.com` |
//! | SOAP, Apex | `/services/Soap/s/NN.0` | the same, `http://soap.sforce.com/2006/08/apex` |
//! | web services of Apex classes | `/services/Soap/class/[NAMESPACE/]CLASS` | the same, in the namespace of the class |
//! | the same, called by the AJAX Toolkit (`sforce.apex.execute`) | `/services/Soap/package/CLASS` | the same, in the namespace of the package |
//! | Bulk API 1.0 | `/services/async/NN.0/job…` | `X-SFDC-Session`, the bare session ([Bulk API]) |
//! | CometD | `/cometd/NN.0`, `/cometd/replay/36.0` | as REST, on every request, with the cookies of the handshake ([Streaming API]) |
//! | Pub/Sub API | gRPC at `api.pubsub.salesforce.com`, ports 7443 and 443 | metadata `accesstoken`, `instanceurl`, `tenantid` ([Pub/Sub authentication]) |
//! | userinfo, identity | `/services/oauth2/userinfo`, `/id/ORG/USER` | as REST, or the parameter `oauth_token` or `access_token` ([connection.ts]) |
//! | pages, servlets, `/sfc`, WSDLs at `/services/wsdl/…` and `/soap/wsdl.jsp` | anything else | cookie `sid` |
//!
//! - Case does not matter in these paths. A slash too many does not, either: Data Loader sends
//!   `//services/Soap/u/64.0/` ([LoginClient]).
//! - Some clients spell the version of SOAP `v62.0`.
//! - Clients of CometD before 37.0 have events replayed at `/cometd/replay/NN.0`, later ones at
//!   `/cometd/NN.0` itself ([LoginHelper]).
//!
//! # SOAP
//!
//! - No source says that SOAP takes a session from `Authorization`: every client puts it into the
//!   envelope. Data Loader also sends the header, and `X-SFDC-Session: Bearer …`, with every request
//!   ([HttpTransportImpl]), so a header too many does no harm.
//! - Bodies arrive gzip-compressed from programs built on WSC, by default ([ConnectorConfig]).
//! - Prefixes vary (`urn:`, `cmd:`, `met:`, `n1:`, none), the header may be empty or absent, and
//!   `SOAPAction` is `""`, `''`, `login` or something else.
//!
//! # Pub/Sub API
//!
//! - There is no host for sandboxes. Orgs whose data must stay in the EU have
//!   `api.deu.pubsub.salesforce.com` (observed in public clients).
//! - `instanceurl` is the org's real instance, whatever host the call goes to.
//! - A subscription stays open for days. If there is nothing to report, the server says so within
//!   270 s ([proto]).
//!
//! [LoginHelper]: https://github.com/forcedotcom/EMP-Connector/blob/master/src/main/java/com/salesforce/emp/connector/LoginHelper.java
//! [REST]: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/quickstart_oauth.htm
//! [REST versions]: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_versions.htm
//! [SessionHeader]: https://developer.salesforce.com/docs/platform/api/guide/sforce-api-header-sessionheader.html
//! [Bulk API]: https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/asynch_api_basics_session_header.htm
//! [Streaming API]: https://developer.salesforce.com/docs/platform/api-streaming/guide/streaming-error-codes.html
//! [Pub/Sub authentication]: https://developer.salesforce.com/docs/platform/pub-sub-api/guide/supported-auth.html
//! [proto]: https://github.com/forcedotcom/pub-sub-api/blob/main/pubsub_api.proto
//! [connection.ts]: https://github.com/jsforce/jsforce/blob/main/src/connection.ts
//! [LoginClient]: https://github.com/forcedotcom/dataloader/blob/master/src/main/java/com/salesforce/dataloader/client/LoginClient.java
//! [HttpTransportImpl]: https://github.com/forcedotcom/dataloader/blob/master/src/main/java/com/salesforce/dataloader/client/HttpTransportImpl.java
//! [ConnectorConfig]: https://github.com/forcedotcom/wsc/blob/master/src/main/java/com/sforce/ws/ConnectorConfig.java
