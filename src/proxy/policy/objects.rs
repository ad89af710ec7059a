//! Facts about objects that no request says.

use super::{judge::Object, names};

/// Returns whether `object` is about users and permissions.
pub(super) fn is_setup(object: &str) -> bool {
    let is_rule = names::strip_end(object, SHARING_RULE).is_some();
    is_rule || SETUP.iter().any(|known| known.eq_ignore_ascii_case(object))
}

/// Returns whether records of `object` are code or other metadata.
pub(super) fn is_metadata(object: &str) -> bool {
    let mut known = METADATA.iter();
    known.any(|known| known.eq_ignore_ascii_case(object))
}

/// Returns whether records of `object` show what is in those of any other.
pub(super) fn is_of_any(object: &str) -> bool {
    let mut known = OF_ANY.iter();
    names::strip_end(object, EVENT_LOG).is_some()
        || known.any(|known| known.eq_ignore_ascii_case(object))
}

/// The object of the record with this id, by its first three characters, where these say it.
pub(super) fn of_id(id: &str) -> Object<'static> {
    let is_id = matches!(id.len(), 15 | 18) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some(prefix) = id.get(..3).filter(|_| is_id && has_its_case(id)) else {
        return Object::Unknown;
    };
    let known = PREFIXES.iter().find(|(known, _)| *known == prefix);
    match known {
        Some((_, object)) => Object::Named(object),
        // Custom objects, whichever.
        None if prefix.starts_with('a') => Object::Other,
        None => Object::Unknown,
    }
}

/// Returns whether the first letters of an id are written as it says itself: in one of 18 characters,
/// the last three say which of the others are capitals, so that it means the same in whatever case
/// ([Object Reference](https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm),
/// *ID Field Type*).
fn has_its_case(id: &str) -> bool {
    let Some(said) = id.as_bytes().get(15) else {
        return true;
    };
    let capitals = match said.to_ascii_uppercase() {
        letter @ b'A'..=b'Z' => letter - b'A',
        digit @ b'0'..=b'5' => digit - b'0' + 26,
        _ => return false,
    };
    let mut first = id.bytes().take(3).enumerate();
    first.all(|(at, byte)| byte.is_ascii_uppercase() == (capitals >> at & 1 == 1))
}

/// The object that a lookup with this relationship name leads to, where it is always the same.
pub(super) fn of_lookup(relationship: &str) -> Option<&'static [&'static str]> {
    find(&LOOKUPS, relationship)
}

/// The same for a lookup of `object`: some names lead elsewhere from another one.
pub(super) fn of_lookup_from(object: &str, relationship: &str) -> Option<Vec<&'static str>> {
    let known = LOOKUPS_FROM.iter().find(|(own, name, _)| {
        own.eq_ignore_ascii_case(object) && name.eq_ignore_ascii_case(relationship)
    });
    match known {
        Some((_, _, leads_to)) => Some(vec![leads_to]),
        None => of_lookup(relationship).map(<[&str]>::to_vec),
    }
}

/// The object of the records behind this name of a child relationship, where it is always the same.
pub(super) fn of_children(relationship: &str) -> Option<&'static str> {
    children(relationship).map(|(_, object, _)| *object)
}

/// The field by which the records behind this child relationship lead back to that of `parent` around them.
pub(super) fn lookup_of_children(relationship: &str, parent: &str) -> Option<String> {
    let (_, _, lookups) = children(relationship)?;
    let mut lookups = lookups.iter();
    let known = lookups.find(|(of, _)| *of == ANY || of.eq_ignore_ascii_case(parent));
    Some(match known {
        Some((_, field)) => (*field).to_owned(),
        None => names::lookup(parent),
    })
}

fn children(relationship: &str) -> Option<&'static Children> {
    let mut known = CHILDREN.iter();
    known.find(|(known, _, _)| known.eq_ignore_ascii_case(relationship))
}

type Relationship = (&'static str, &'static [&'static str]);

/// The name, the object of the records, and by the object that they are below, the fields that lead back to it
/// if they are not called as it is: `AccountId` below an account.
type Children = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

fn find(table: &'static [Relationship], name: &str) -> Option<&'static [&'static str]> {
    let mut known = table.iter();
    let found = known.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, objects)| *objects)
}

/// Objects by which users, their rights and their ways to log in are changed: the standard objects of
/// the Object Reference for users, profiles, permission sets, groups, roles, territories and sessions, and
/// the secrets that encrypt. Shares of a record, such as `AccountShare`, are none of them: its owner makes
/// them without being an administrator. `UserShare` is about a user.
const SETUP: [&str; 63] = [
    "AccountTerritoryAssignmentRule",
    "AccountTerritoryAssignmentRuleItem",
    "AuthProvider",
    "AuthSession",
    "ConnectedApplication",
    "CustomPermission",
    "ExternalClientApplication",
    "ExternalCredential",
    "ExternalDataUserAuth",
    "FieldPermissions",
    "Group",
    "GroupMember",
    "IPAddressRange",
    "LoginIp",
    "MutingPermissionSet",
    "NamedCredential",
    "NetworkMemberGroup",
    "NetworkSelfRegistration",
    "OauthCustomScope",
    "OauthCustomScopeApp",
    "OauthToken",
    "ObjectPermissions",
    "ObjectTerritory2AssignmentRule",
    "ObjectTerritory2AssignmentRuleItem",
    "ObjectTerritory2Association",
    "PermissionSet",
    "PermissionSetAssignment",
    "PermissionSetGroup",
    "PermissionSetGroupComponent",
    "PermissionSetLicenseAssign",
    "PermissionSetTabSetting",
    "Profile",
    "QueueSobject",
    "SamlSsoConfig",
    "SelfServiceUser",
    "SessionPermSetActivation",
    "SetupEntityAccess",
    "TempUserPermission",
    "TenantSecret",
    "Territory",
    "Territory2",
    "Territory2Model",
    "ThirdPartyAccountLink",
    "TwoFactorInfo",
    "TwoFactorMethodsInfo",
    "TwoFactorTempCode",
    "User",
    "UserAccountTeamMember",
    "UserAppInfo",
    "UserAuthCertificate",
    "UserExternalCredential",
    "UserLicense",
    "UserLogin",
    "UserPackageLicense",
    "UserPermissionAccess",
    "UserProvAccount",
    "UserProvisioningConfig",
    "UserProvisioningRequest",
    "UserRole",
    "UserShare",
    "UserTerritory",
    "UserTerritory2Association",
    "VerificationHistory",
];

/// The end of the names of objects that share the records of another one: `AccountOwnerSharingRule`.
const SHARING_RULE: &str = "SharingRule";

/// Objects that have the names, the values or the changes of fields of other objects in them: Object
/// Reference, *Feed Objects*, *History Objects*; Platform Events Developer Guide, *Real-Time Event Monitoring
/// Objects*; and others.
const OF_ANY: [&str; 56] = [
    "ActivityFieldHistory",
    "ActivityHistory",
    "AIInsightFeedback",
    "AIInsightReason",
    "AIInsightValue",
    "ApexExecutionOverlayResult",
    "ApexLog",
    "ApiAnomalyEvent",
    "ApiAnomalyEventStore",
    "ApiEvent",
    "ApiEventStream",
    "BulkApiResultEvent",
    "BulkApiResultEventStore",
    "CollaborationGroupFeed",
    "CombinedAttachment",
    "DeleteEvent",
    "DiscoveryPredictionEvent",
    "EventLogFile",
    "FeedAttachment",
    "FeedComment",
    "FeedItem",
    "FeedPollChoice",
    "FeedPost",
    "FeedRevision",
    "FeedSignal",
    "FeedTrackedChange",
    "FieldHistoryArchive",
    "FileEvent",
    "FileEventStore",
    "GuestUserAnomalyEvent",
    "GuestUserAnomalyEventStore",
    "KnowledgeArticle",
    "KnowledgeArticleVersion",
    "KnowledgeArticleVersionHistory",
    "KnowledgeArticleViewStat",
    "KnowledgeArticleVoteStat",
    "LightningUriEvent",
    "LightningUriEventStream",
    "LinkedArticle",
    "ListViewEvent",
    "ListViewEventStream",
    "LookedUpFromActivity",
    "Name",
    "NewsFeed",
    "NoteAndAttachment",
    "OpenActivity",
    "RecentlyViewed",
    "ReportAnomalyEvent",
    "ReportAnomalyEventStore",
    "ReportEvent",
    "ReportEventStream",
    "TopicFeed",
    "UriEvent",
    "UriEventStream",
    "UserFeed",
    "UserProfileFeed",
];

/// The end of the names of objects that have what is in event log files: Object Reference, such as
/// `ApiTotalUsageEventLog`.
const EVENT_LOG: &str = "EventLog";

/// Objects of the data API by which code and other metadata are changed, as by a deployment: the Object
/// Reference says of each that it can be created or updated, or did so in older versions.
const METADATA: [&str; 41] = [
    "ApexClass",
    "ApexComponent",
    "ApexPage",
    "ApexTrigger",
    "AuraDefinition",
    "AuraDefinitionBundle",
    "BrandTemplate",
    "BusinessProcess",
    "ContentAsset",
    "CorsWhitelistEntry",
    "CspTrustedSite",
    "CustomField",
    "CustomNotificationType",
    "CustomObject",
    "EmailServicesAddress",
    "EmailServicesFunction",
    "EmailTemplate",
    "EnhancedLetterhead",
    "ExternalDataSource",
    "ExternalString",
    "Flow",
    "FlowDefinition",
    "Layout",
    "LightningComponentBundle",
    "LightningComponentResource",
    "MailmergeTemplate",
    "Network",
    "OmniDataTransform",
    "OmniProcess",
    "OmniUiCard",
    "Organization",
    "PlatformCachePartition",
    "RecordType",
    "RedirectWhitelistUrl",
    "RemoteProxy",
    "Scontrol",
    "Site",
    "StaticResource",
    "ValidationRule",
    "WebLink",
    "WorkflowRule",
];

/// The first characters of ids: Salesforce Help, *Standard Field Record ID Prefix Decoder*.
const PREFIXES: [(&str, &str); 39] = [
    ("001", "Account"),
    ("003", "Contact"),
    ("005", "User"),
    ("006", "Opportunity"),
    ("00e", "Profile"),
    ("00E", "UserRole"),
    ("00G", "Group"),
    ("00I", "Partner"),
    ("00J", "Competitor"),
    ("00K", "OpportunityContactRole"),
    ("00P", "Attachment"),
    ("00Q", "Lead"),
    ("00T", "Task"),
    ("00U", "Event"),
    ("00k", "OpportunityLineItem"),
    ("00v", "CampaignMember"),
    ("011", "GroupMember"),
    ("01k", "FieldPermissions"),
    ("01s", "Pricebook2"),
    ("01t", "Product2"),
    ("01u", "PricebookEntry"),
    ("02i", "Asset"),
    ("068", "ContentVersion"),
    ("069", "ContentDocument"),
    ("0PS", "PermissionSet"),
    ("0Pa", "PermissionSetAssignment"),
    ("110", "ObjectPermissions"),
    ("500", "Case"),
    ("701", "Campaign"),
    ("800", "Contract"),
    ("801", "Order"),
    ("802", "OrderItem"),
    ("00a", "CaseComment"),
    ("00X", "EmailTemplate"),
    ("01p", "ApexClass"),
    ("01q", "ApexTrigger"),
    ("066", "ApexPage"),
    ("081", "StaticResource"),
    ("099", "ApexComponent"),
];

/// Relationships whose names lead to the same object from whatever objects have them.
const LOOKUPS: [Relationship; 18] = [
    ("Account", &["Account"]),
    ("Campaign", &["Campaign"]),
    ("Case", &["Case"]),
    ("Contact", &["Contact"]),
    ("ContentDocument", &["ContentDocument"]),
    ("Contract", &["Contract"]),
    ("CreatedBy", &["User"]),
    ("EntityDefinition", &["EntityDefinition"]),
    ("LastModifiedBy", &["User"]),
    ("Opportunity", &["Opportunity"]),
    ("Owner", &["User", "Group"]),
    ("Pricebook2", &["Pricebook2"]),
    ("PricebookEntry", &["PricebookEntry"]),
    ("Product2", &["Product2"]),
    ("Profile", &["Profile"]),
    ("RecordType", &["RecordType"]),
    ("ReportsTo", &["Contact"]),
    ("UserRole", &["UserRole"]),
];

/// Relationships of one object, which lead to records of the last one here.
const LOOKUPS_FROM: [(&str, &str, &str); 10] = [
    ("Account", "MasterRecord", "Account"),
    ("Account", "Parent", "Account"),
    ("Asset", "Parent", "Asset"),
    ("Campaign", "Parent", "Campaign"),
    ("Case", "Parent", "Case"),
    ("Contact", "MasterRecord", "Contact"),
    ("GroupMember", "Group", "Group"),
    ("PermissionSetAssignment", "Assignee", "User"),
    ("PermissionSetAssignment", "PermissionSet", "PermissionSet"),
    ("User", "Manager", "User"),
];

const CHILDREN: [Children; 13] = [
    ("Assets", "Asset", &[]),
    ("Attachments", "Attachment", &[(ANY, "ParentId")]),
    ("CampaignMembers", "CampaignMember", &[]),
    ("CaseComments", "CaseComment", &[(ANY, "ParentId")]),
    (
        "Cases",
        "Case",
        &[("Case", "ParentId"), ("Product2", "ProductId")],
    ),
    ("ChildAccounts", "Account", &[(ANY, "ParentId")]),
    ("Contacts", "Contact", &[]),
    ("Contracts", "Contract", &[]),
    ("Events", "Event", &OF_ACTIVITIES),
    ("Opportunities", "Opportunity", &[]),
    ("OpportunityLineItems", "OpportunityLineItem", &[]),
    ("Orders", "Order", &[]),
    ("Tasks", "Task", &OF_ACTIVITIES),
];

const OF_ACTIVITIES: [(&str, &str); 3] = [("Contact", "WhoId"), ("Lead", "WhoId"), (ANY, "WhatId")];

/// Any other object.
const ANY: &str = "*";

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("00K5g000004CANAEA4", Object::Named("OpportunityContactRole"); "18 characters")]
    #[test_case("00K5g000004CANA", Object::Named("OpportunityContactRole"); "15")]
    #[test_case("00k5g000004CANAAA4", Object::Named("OpportunityLineItem"); "in small letters")]
    #[test_case("00k5g000004CANAea4", Object::Unknown; "in the case of another")]
    #[test_case("00k5g000004canaea4", Object::Unknown; "all in small letters")]
    #[test_case("00K5G000004CANAAA4", Object::Unknown; "all in capitals")]
    #[test_case("001000000000001AAA", Object::Named("Account"); "no letter")]
    #[test_case("001000000000001aaa", Object::Named("Account"); "no letter, and an end in small ones")]
    #[test_case("a00000000000001AAA", Object::Other; "of a custom object")]
    #[test_case("A00000000000001AAA", Object::Unknown; "of one in capitals")]
    #[test_case("0010000000000019AA", Object::Unknown; "an end that no id has")]
    fn an_id_is_of_the_object_that_it_says_in_any_case(id: &str, object: Object<'_>) {
        assert_eq!(of_id(id), object);
    }
}
