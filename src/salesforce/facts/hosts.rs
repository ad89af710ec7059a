//! The hosts of Salesforce's APIs.
//!
//! | Kind | Host | Source |
//! |---|---|---|
//! | login, for any org | `login.salesforce.com`, `test.salesforce.com`, `prerellogin.pre.salesforce.com` | [URL formats], [force.go] |
//! | My Domain | `NAME.my.salesforce.com` | [URL formats] |
//! | sandbox | `NAME--SANDBOX.sandbox.my.salesforce.com` | [URL formats] |
//! | scratch org, Developer Edition and the like | `NAME.scratch.my.salesforce.com`, `….develop.…`, `….trailblaze.…`, `….demo.…`, `….patch.…`, `….free.…` | [partitions] |
//! | older | `NAME--SANDBOX.csNN.my.salesforce.com`, `csNN.salesforce.com`, `naNN.salesforce.com`, `gs1.salesforce.com` | [CumulusCI] |
//! | Government Cloud, Defense | `NAME.my.salesforce.mil` | [sfdcUrl] |
//! | China | `NAME.my.sfcrmproducts.cn` | [sfdcUrl] |
//! | alternative | `NAME.my-salesforce.com` | [sfdcUrl] |
//! | Experience Cloud | `NAME.my.site.com`, `NAME.force.com`, `NAME.secure.force.com`; customers' own domains | [URL formats], [sfdcUrl] |
//! | older brands | `*.cloudforce.com`, `*.database.com` | [sfdcUrl] |
//! | browsers only, no API | `*.lightning.force.com`, `*.lightning.crmforce.mil`, `*.lightning.sfcrmapps.cn`, `*.my-lightning.com`, `*.visualforce.com`, `*.vf.force.com`, `*.salesforce-setup.com` | [URL formats], [sfdcUrl] |
//! | Pub/Sub API | `api.pubsub.salesforce.com` | [`families`](super::families) |
//!
//! - An org can forbid the generic login hosts to its users, and to its APIs
//!   (`canOnlyLoginWithMyDomainUrl`, `doesApiLoginRequireOrgDomain` of [MyDomainSettings]). Then a WSDL
//!   names the My Domain instead of a login host.
//! - A sandbox is known by `--` in its name, in every form that its host has had.
//! - An org that is renamed or moved answers at its old host with a redirect for some time only
//!   ([redirections]). A session must not follow it to another host: log in again for the new
//!   `instance_url`.
//! - A host is one of these if it ends in one behind a dot. Lists without the dot have let
//!   `evilcrmforce.mil` pass.
//!
//! [URL formats]: https://help.salesforce.com/s/articleView?id=xcloud.domain_name_app_url_changes.htm&type=5
//! [partitions]: https://help.salesforce.com/s/articleView?id=xcloud.domain_name_partitioned_domains.htm&type=5
//! [redirections]: https://help.salesforce.com/s/articleView?id=xcloud.domain_name_redirections_manage.htm&type=5
//! [MyDomainSettings]: https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_mydomainsettings.htm
//! [sfdcUrl]: https://github.com/forcedotcom/sfdx-core/blob/main/src/util/sfdcUrl.ts
//! [CumulusCI]: https://github.com/SFDO-Tooling/CumulusCI/blob/main/cumulusci/oauth/salesforce.py
//! [force.go]: https://github.com/ForceCLI/force/blob/master/lib/force.go
