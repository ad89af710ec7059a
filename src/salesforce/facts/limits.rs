//! Limits, timeouts, and the headers that report them.
//!
//! | What | Limit | Beyond it | Source |
//! |---|---|---|---|
//! | logins | 3,600 per hour and user | refused for an hour | [article 000381578] |
//! | requests of a day | by edition and licences | 403 `REQUEST_LIMIT_EXCEEDED`, or a SOAP fault of that code; no `Retry-After` | [request limits], [status codes] |
//! | requests of 20 s and more at the same time | 25, in Developer Edition and trials 5 | the same | [request limits] |
//! | time of a REST or SOAP request | 10 minutes, but for queries | `REQUEST_RUNNING_TOO_LONG` | [request limits] |
//! | URI and headers together | 16,384 bytes | 431, or 414 if the URI alone has more | [article 000386264] |
//! | silence of a Pub/Sub subscription | 270 s | | [proto] |
//!
//! - `Sforce-Limit-Info: api-usage=18/5000` comes with every response of the REST API but the list of
//!   versions: requests of the day, used and allowed ([limit info]). More may follow, such as
//!   `; per-app-api-usage=17/250(appName=…)` or `; api-bursts=1/750`. Clients match it from end to end,
//!   so it must pass unchanged.
//! - A day is the last 24 hours. Calls of the REST, SOAP and Bulk APIs and of Apex classes count, a
//!   composite as one; logins, userinfo, the list of versions, pages, the Streaming and the Pub/Sub API
//!   do not, as far as is known ([request limits], and reports).
//! - While as many requests of 20 s and more are open as may be, the next request is refused, however
//!   short it would be, without being carried out: `ConcurrentRequests (Concurrent API Requests) Limit
//!   exceeded.`; for those of Apex, `ConcurrentPerOrgLongTxn Limit exceeded.` ([article 000389067]). When
//!   those of the day are used up it is `TotalRequests Limit exceeded.`
//! - Whether Salesforce offers HTTP/2 by ALPN for a My Domain is not documented. The Pub/Sub API has
//!   nothing else, and the Streaming API is made for HTTP/1.1.
//! - The time that an unused connection stays open is not documented.
//!
//! [article 000381578]: https://help.salesforce.com/s/articleView?id=000381578&type=1
//! [article 000386264]: https://help.salesforce.com/s/articleView?id=000386264&type=1
//! [article 000389067]: https://help.salesforce.com/s/articleView?id=000389067&type=1
//! [request limits]: https://developer.salesforce.com/docs/platform/salesforce-app-limits-cheatsheet/guide/salesforce-app-limits-platform-api.html
//! [status codes]: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
//! [limit info]: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm
//! [proto]: https://github.com/forcedotcom/pub-sub-api/blob/main/pubsub_api.proto
