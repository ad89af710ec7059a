//! Changes with a date that concern this program. Those of `login()` are in
//! [`soap_login`](super::soap_login).
//!
//! | When | What | Source |
//! |---|---|---|
//! | Summer '22, '25 | API versions to 20.0, to 30.0 are gone: REST answers 410, SOAP `UNSUPPORTED_API_VERSION`, Bulk 400 `InvalidVersion` | [article 000389618], [article 005321531] |
//! | September 2025 | an app that was never installed in the org is refused, unless the user has 'Approve Uninstalled Connected Apps' | observed |
//! | December 2025 | 'Use Any API Client' is no longer a way around that | [article 005228838] |
//! | Spring '26 | new connected apps can no longer be made: External Client Apps take their place | [article 005228017] |
//! | April 2026 | API users that call from an address of high risk are frozen | [article 005318944] |
//! | 2026, org by org | another edge network: header names may arrive in lower case, HTTP/2 may be offered | [article 005318663] |
//! | Summer '26 | hosts of the wrong instance no longer redirect | [redirections] |
//! | February 2027 | the OAuth username-password flow ends | [article 005461976] |
//! | Summer '27, '28 | API versions 31.0 to 40.0 are deprecated, then gone | [article 005321531] |
//!
//! [article 000389618]: https://help.salesforce.com/s/articleView?id=000389618&type=1
//! [article 005228017]: https://help.salesforce.com/s/articleView?id=005228017&type=1
//! [article 005228838]: https://help.salesforce.com/s/articleView?id=005228838&type=1
//! [article 005318663]: https://help.salesforce.com/s/articleView?id=005318663&type=1
//! [article 005318944]: https://help.salesforce.com/s/articleView?id=005318944&type=1
//! [article 005321531]: https://help.salesforce.com/s/articleView?id=005321531&type=1
//! [article 005461976]: https://help.salesforce.com/s/articleView?id=005461976&type=1
//! [redirections]: https://help.salesforce.com/s/articleView?id=xcloud.domain_name_redirections_manage.htm&type=5
