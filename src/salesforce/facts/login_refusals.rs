//! Refusals of the token endpoint, and their causes.
//!
//! A refusal has status 400, even where [RFC 6749] section 5.2 would have 401, and the JSON body of
//! that section: `{"error":"…","error_description":"…"}` ([errors]). Words vary in case, and "hasn't"
//! comes with a straight or a curly apostrophe. Salesforce has published the 44 values that `error`
//! has on its server ([OAuthErrorCode]); documentation names others, such as `inactive_user`,
//! `inactive_org` and `rate_limit_exceeded` ([errors]), so an unknown one is to be expected.
//!
//! # Causes
//!
//! | `error` | `error_description` | Cause | Source |
//! |---|---|---|---|
//! | `invalid_grant` | `user hasn't approved this consumer` | no pre-authorization, a scope is missing, or the user is in another org | observed 2018: [question 207685] |
//! | `invalid_app_access` | `user is not admin approved to access this app` | pre-authorization is on, and the user has none of the app's profiles or permission sets | observed |
//! | `app_not_found` | `External client app is not installed in this org` | another org has the app, it is not installed, or a sandbox refresh changed its key; or the audience ([`jwt_bearer`](super::jwt_bearer)) | observed 2025 |
//! | `invalid_client_id` | `client identifier invalid` | a mistyped consumer key; the wrong org; an app of the last 30 minutes, or a deleted one | observed |
//! | `invalid_client` | `app must be installed into org` | an app that was never installed ([`timeline`](super::timeline)) | observed 2026 |
//! | `invalid_client` | `invalid client credentials` | not of this flow | observed |
//! | `invalid_grant` | `audience is invalid` | host and `aud` do not fit, or `aud` is not one whole URL | observed 2025: [cli #3325] |
//! | `invalid_grant` | `Audience validation failed` | the same | [errors] |
//! | `invalid_grant` | `invalid assertion` | a certificate of another key or app, an expired one, or a malformed JWT. The words are the same for all | observed |
//! | `invalid_grant` | `expired authorization code` | the assertion had expired: the clock is behind | observed 2020 to 2024: [simple-salesforce #371], [#491][simple-salesforce #491], [exporter #31] |
//! | `invalid_grant` | `inactive user` | a deactivated or frozen user; also `inactive_user`, `user is inactive` | [errors] |
//! | `invalid_grant` | `user is locked` | wrong passwords before this | observed |
//! | `inactive_org` | `organization is inactive` | the org is locked, closed, or suspended | [errors] |
//! | `invalid_grant` | `ip restricted`, `ip not allowed` | the profile's login IP ranges, which hold for this flow whatever the app's IP policy | [continuous IP] |
//! | `invalid_grant` | `invalid login hours` | the profile's login hours | [errors] |
//! | `rate_limit_exceeded` | `login rate exceeded` | [`limits`](super::limits) | [article 000381578] |
//! | `invalid_grant` | `authentication failure` | the username; the permission 'API Enabled'; in the password flow an External Client App | [force] |
//! | `invalid_grant` | `request not supported on this domain` | a flow that needs the My Domain | observed |
//! | `unsupported_grant_type` | `grant type not supported` | a body that is not a form, or a host without the flow | observed |
//! | `oauth_flow_disabled` | `The external client app or the OAuth plugin is disabled.` | what it says, or the flow is off | observed |
//! | `invalid_scope` | `no valid scopes defined` | the app has no usable scope | observed |
//! | `unknown_error` | `retry your request` | a fault of the server, or TLS before 1.2 | observed |
//! | any | contains `Data Not Available` | the scratch org is gone | [authInfo] |
//!
//! Their words are not captured: `unauthorized_client`, `app_blocked`, `fail_close_app_blocked`,
//! `ecapp_policy_not_found`, `oauth_policy_not_found`, `installation_error`, `invalid_session_level`,
//! `bad_jti_claim`, `server_error`, `service_unavailable`, `system_down`, `slow_down`. Neither is the
//! refusal of a frozen user, nor the status that comes with too many logins.
//!
//! # Answers that are not a refusal
//!
//! A host for browsers, or one under maintenance, answers with HTML and status 200, 302 or 503. Status
//! 420 means that a scratch org has expired ([request.ts]).
//!
//! # Trying again
//!
//! Worth it: transport errors, 5xx, `unknown_error`, `server_error`, `service_unavailable`,
//! `system_down`, `slow_down`. Never: the others, each of which counts as a login and changes only when
//! a person changes a setting. A user that Salesforce froze for its address is not helped by more
//! logins ([article 005318944]).
//!
//! [RFC 6749]: https://www.rfc-editor.org/rfc/rfc6749
//! [errors]: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm&type=5
//! [continuous IP]: https://help.salesforce.com/s/articleView?id=xcloud.connected_app_continuous_ip.htm&type=5
//! [article 000381578]: https://help.salesforce.com/s/articleView?id=000381578&type=1
//! [article 005318944]: https://help.salesforce.com/s/articleView?id=005318944&type=1
//! [OAuthErrorCode]: https://github.com/forcedotcom/SalesforceMobileSDK-Android/blob/dev/libs/SalesforceSDK/src/com/salesforce/androidsdk/auth/OAuthErrorCode.kt
//! [authInfo]: https://github.com/forcedotcom/sfdx-core/blob/main/src/org/authInfo.ts
//! [request.ts]: https://github.com/jsforce/jsforce/blob/main/src/request.ts
//! [force]: https://github.com/ForceCLI/force/blob/master/lib/jwt.go
//! [question 207685]: https://salesforce.stackexchange.com/questions/207685
//! [cli #3325]: https://github.com/forcedotcom/cli/issues/3325
//! [simple-salesforce #371]: https://github.com/simple-salesforce/simple-salesforce/issues/371
//! [simple-salesforce #491]: https://github.com/simple-salesforce/simple-salesforce/issues/491
//! [exporter #31]: https://github.com/newrelic/newrelic-salesforce-exporter/issues/31
