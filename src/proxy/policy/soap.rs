//! The SOAP APIs: the operation says what a request does, and its elements to what.

use std::fmt::{self, Display, Formatter};

use super::{
    judge::{Judge, Judged, Object},
    names, objects,
    refused::{Refused, Switch},
    soql,
    xml::Element,
};
use crate::proxy::family::{Operation, SOAP, Wsdl};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Reads,
    ReadsAny,
    Queries,
    Searches,
    Retrieves,
    ReadsIds,
    /// Shows metadata, which custom metadata records are among.
    ReadsMetadata,
    /// Writes the records in these elements.
    Writes(&'static str),
    /// Writes the records with the ids in these elements.
    WritesIds(&'static str),
    WritesAny,
    /// Nothing besides what needs its own switch.
    Deploys,
    SetsUp,
    ExecutesAnonymous,
    RunsCode,
}

/// Judges what the beginning of an envelope says. Returns whether that is all that counts, so that what
/// may be large need not be read.
pub(super) fn judge_beginning(
    judge: Judge<'_>,
    wsdl: Wsdl,
    operation: Option<&Operation>,
) -> Result<bool, Box<Refused>> {
    let name = operation.map_or("", |operation| &operation.name);
    let what = Call(name);
    if wsdl == Wsdl::Other {
        return judge.unknown(&what).map(|()| true);
    }
    let deploys = |judge: Judge<'_>| judge.switch(&what, Switch::MetadataDeploy);
    // Nothing else can be done there in this namespace.
    let is_metadata = wsdl == Wsdl::Metadata
        && operation.is_some_and(|it| Some(&*it.namespace) == wsdl.namespace());
    if is_metadata && deploys(judge).is_ok() {
        return Ok(true);
    }
    if is_deployment(wsdl, name) {
        deploys(judge)?;
    }
    Ok(false)
}

/// Judges an envelope, all of which has come.
pub(super) fn judge(judge: Judge<'_>, wsdl: Wsdl, envelope: &Element) -> Judged {
    let operation = match operation(wsdl, envelope) {
        Ok(operation) => operation,
        Err(why) => return judge.unclear(&"the envelope", why),
    };
    let what = Call(&operation.name);
    for header in envelope.all("Header").flat_map(|header| &header.children) {
        judge_header(judge, &what, header)?;
    }
    let Some(does) = does(wsdl, &operation.name) else {
        return judge.unclear(&what, "nothing is known of this operation");
    };
    if is_deployment(wsdl, &operation.name) {
        judge.switch(&what, Switch::MetadataDeploy)?;
    }
    apply(judge, &what, does, operation)
}

/// Judges what a header has done beside the operation: SOAP API Developer Guide, *SOAP Headers*.
fn judge_header(judge: Judge<'_>, what: &Call<'_>, header: &Element) -> Judged {
    let name = &*header.name;
    let with_it = format!("{what} with {name}");
    match name {
        "MruHeader" if header.children.iter().any(|it| it.text.trim() != "false") => {
            judge.leaves_trace(&with_it)
        }
        "CallOptions" => {
            let mut named = header.all("defaultNamespace");
            if named.any(|namespace| !namespace.text.trim().is_empty()) {
                return judge.renames(what);
            }
            Ok(())
        }
        // The answer has all fields of the records that one is like.
        "DuplicateRuleHeader" if sets(header, "includeRecordDetails") => {
            judge.read(&with_it, Object::Unknown)
        }
        // The answer has a log of what code has read.
        "DebuggingHeader" => judge.read(&with_it, Object::Unknown),
        // Records of other objects get another owner.
        "OwnerChangeOptions" if sets(header, "execute") => judge.write(&with_it, Object::Other),
        "UserTerritoryDeleteHeader" => judge.write(&with_it, Object::Other),
        _ => Ok(()),
    }
}

/// The one element in the one body.
fn operation(wsdl: Wsdl, envelope: &Element) -> Result<&Element, &'static str> {
    let body = match &envelope.children[..] {
        [body] => body,
        [header, body] if header.is(SOAP, "Header") && !header.has_text() => body,
        _ => return Err("it has other parts than one Header and one Body"),
    };
    if !envelope.is(SOAP, "Envelope") || !body.is(SOAP, "Body") {
        return Err("it has not exactly one Body");
    }
    if envelope.has_text() || body.has_text() {
        return Err("it has text where there is none in an envelope");
    }
    match &body.children[..] {
        [operation] if Some(&*operation.namespace) == wsdl.namespace() => Ok(operation),
        [_] => Err("its operation is in another namespace than that of its path"),
        _ => Err("its Body has not exactly one operation"),
    }
}

fn apply(judge: Judge<'_>, what: &Call<'_>, does: Does, operation: &Element) -> Judged {
    match does {
        Does::Reads => Ok(()),
        Does::ReadsAny => {
            // The org counts the use: SOAP API Developer Guide, *renderStoredEmailTemplate()*.
            if sets(operation, "updateTemplateUsage") {
                judge.leaves_trace(&format!("{what} with updateTemplateUsage"))?;
            }
            judge.read(what, Object::Unknown)
        }
        Does::Queries => match operation.one("queryString") {
            Some(text) => soql::judge(judge, what, text),
            None => judge.unclear(what, "it has not exactly one queryString"),
        },
        Does::Searches => match operation.one("searchString") {
            Some(text) => soql::judge_search(judge, what, text),
            None => judge.unclear(what, "it has not exactly one searchString"),
        },
        Does::Retrieves => retrieve(judge, what, operation),
        Does::ReadsIds => {
            let object = operation.one("sObjectType");
            super::rest::read_ids(judge, what, object.map_or(Object::Unknown, Object::of))
        }
        Does::ReadsMetadata if names_records(operation) => judge.read(what, Object::Unknown),
        Does::ReadsMetadata => show_kinds(judge, what, operation),
        Does::Writes(name) => {
            judge.leaves_trace(what)?;
            let mut records = operation.all(name).peekable();
            if records.peek().is_none() {
                return judge.unclear(what, "it has no records");
            }
            let key = operation.one("externalIDFieldName");
            records.try_for_each(|record| write(judge, what, record, key))
        }
        Does::WritesIds(name) => {
            judge.leaves_trace(what)?;
            let mut ids = operation.all(name);
            ids.try_for_each(|id| {
                let has_parts = !id.children.is_empty();
                let id = objects::of_id(id.text.trim());
                judge.write(what, if has_parts { Object::Unknown } else { id })
            })
        }
        Does::WritesAny => judge.write(what, Object::Unknown),
        Does::Deploys => Ok(()),
        Does::SetsUp => judge.switch(what, Switch::Setup),
        Does::ExecutesAnonymous => judge.switch(what, Switch::ExecuteAnonymous),
        Does::RunsCode => judge.unknown(what),
    }
}

/// Returns whether this, or an element within, is a flag of this name that is not off.
fn sets(element: &Element, flag: &str) -> bool {
    let is_on =
        element.name.eq_ignore_ascii_case(flag) && !["false", "0"].contains(&element.text.trim());
    is_on || element.children.iter().any(|child| sets(child, flag))
}

/// Returns whether custom metadata records are asked for, or files or a package, which may have some.
fn names_records(element: &Element) -> bool {
    ["packageNames", "specificFiles"].contains(&&*element.name)
        || element.text.trim().eq_ignore_ascii_case("CustomMetadata")
        || element.children.iter().any(names_records)
}

/// Some metadata, such as e-mail templates, are records of an object of the same name.
fn show_kinds(judge: Judge<'_>, what: &Call<'_>, element: &Element) -> Judged {
    if ["type", "name"].contains(&&*element.name) {
        judge.show_kind(what, element.text.trim())?;
    }
    let mut within = element.children.iter();
    within.try_for_each(|child| show_kinds(judge, what, child))
}

fn retrieve(judge: Judge<'_>, what: &Call<'_>, operation: &Element) -> Judged {
    let object = operation
        .one("sObjectType")
        .map_or(Object::Unknown, Object::of);
    judge.read(what, object)?;
    let (Object::Named(object), true) = (object, judge.limits_reading()) else {
        return Ok(());
    };
    let Some(fields) = operation.one("fieldList") else {
        return judge.read_all(what, object);
    };
    super::rest::read_fields(judge, what, object, fields.split(','))
}

/// A record has its type as a child or as `xsi:type`. By the field `key` the org looks whether it is there.
fn write(judge: Judge<'_>, what: &Call<'_>, record: &Element, key: Option<&str>) -> Judged {
    let object = match kind(record) {
        Ok(kind) => Object::of(kind),
        Err(why) => return judge.unclear(what, why),
    };
    judge.write(what, object)?;
    if !judge.limits_fields_written_to(object) {
        return Ok(());
    }
    let Object::Named(object) = object else {
        return judge.unclear(what, "the fields that it writes cannot be told");
    };
    if let Some(key) = key.filter(|key| !key.eq_ignore_ascii_case("Id")) {
        judge.write_field(what, object, key)?;
        judge.read_field(what, object, key)?;
    }
    for field in record.children.iter().filter(|field| field.name != "type") {
        let name = if field.name == "fieldsToNull" {
            field.text.trim()
        } else {
            &field.name
        };
        judge.write_field(what, object, name)?;
        // A record by its external id, instead of its id.
        if !field.children.is_empty() && judge.limits_written_fields() {
            judge.write_field(what, object, &names::lookup(name))?;
            let parts = field.children.iter().map(|part| part.name.as_str());
            judge.find(what, name, parts.filter(|name| *name != "type"))?;
        }
    }
    Ok(())
}

/// The type of a record. Where it is said twice, the org alone knows what counts.
fn kind(record: &Element) -> Result<&str, &'static str> {
    if record.has_text() {
        return Err("a record in it has text in it");
    }
    let declared = record.kind.as_deref().filter(|kind| *kind != "sObject");
    let said = record.one("type");
    match (record.all("type").count(), declared, said) {
        (0, Some(kind), _) | (1, None, Some(kind)) => Ok(kind),
        (1, Some(declared), Some(said)) if declared == said => Ok(said),
        (0, None, _) => Err("a record in it has no type"),
        _ => Err("a record in it has more than one type"),
    }
}

/// What the operation of this name does. Unlike names, paths are spelled in many ways.
fn does(wsdl: Wsdl, name: &str) -> Option<Does> {
    let table = match wsdl {
        Wsdl::Partner | Wsdl::Enterprise | Wsdl::Tooling => DATA,
        Wsdl::Metadata => METADATA,
        Wsdl::Apex => APEX,
        Wsdl::Other => return None,
    };
    let known = table.iter().find(|(known, _)| *known == name);
    known.map(|(_, does)| *does).or_else(|| {
        let describes = name.starts_with("describe");
        describes.then_some(Does::Reads)
    })
}

/// Returns whether the operation of this name changes metadata.
fn is_deployment(wsdl: Wsdl, name: &str) -> bool {
    wsdl == Wsdl::Tooling && WRITES.contains(&name) || does(wsdl, name) == Some(Does::Deploys)
}

/// In the Tooling API records are metadata, and some are about users and permissions as well.
const WRITES: [&str; 5] = ["create", "update", "upsert", "delete", "undelete"];

/// SOAP API Developer Guide, *Core Calls*, *Utility Calls*; Tooling API, *SOAP Calls*.
#[rustfmt::skip]
const DATA: &[(&str, Does)] = &[
    ("query", Does::Queries),
    ("queryAll", Does::Queries),
    ("queryMore", Does::Reads),
    ("search", Does::Searches),
    ("retrieve", Does::Retrieves),
    ("getUpdated", Does::ReadsIds),
    ("getDeleted", Does::ReadsIds),
    ("getUserInfo", Does::Reads),
    ("getServerTimestamp", Does::Reads),
    ("findDuplicates", Does::ReadsAny),
    ("findDuplicatesByIds", Does::ReadsAny),
    ("create", Does::Writes("sObjects")),
    ("update", Does::Writes("sObjects")),
    ("upsert", Does::Writes("sObjects")),
    ("delete", Does::WritesIds("ids")),
    ("undelete", Does::WritesIds("ids")),
    ("emptyRecycleBin", Does::WritesIds("ids")),
    ("merge", Does::WritesAny),
    ("convertLead", Does::WritesAny),
    ("process", Does::WritesAny),
    ("performQuickActions", Does::WritesAny),
    ("performQuickActionTemplates", Does::WritesAny),
    ("retrieveQuickActionTemplates", Does::ReadsAny),
    ("retrieveMassQuickActionTemplates", Does::ReadsAny),
    ("sendEmail", Does::WritesAny),
    ("sendEmailMessage", Does::WritesAny),
    ("renderEmailTemplate", Does::ReadsAny),
    ("renderStoredEmailTemplate", Does::ReadsAny),
    ("setPassword", Does::SetsUp),
    ("resetPassword", Does::SetsUp),
    ("changeOwnPassword", Does::SetsUp),
    ("executeAnonymous", Does::ExecutesAnonymous),
    ("runTests", Does::RunsCode),
    ("runTestsAsynchronous", Does::RunsCode),
];

/// Metadata API Developer Guide, *File-Based Calls*, *CRUD-Based Metadata Calls*.
#[rustfmt::skip]
const METADATA: &[(&str, Does)] = &[
    ("listMetadata", Does::Reads),
    ("readMetadata", Does::ReadsMetadata),
    ("retrieve", Does::ReadsMetadata),
    ("checkRetrieveStatus", Does::Reads),
    ("checkDeployStatus", Does::Reads),
    ("checkStatus", Does::Reads),
    ("deploy", Does::Deploys),
    ("deployRecentValidation", Does::Deploys),
    ("cancelDeploy", Does::Deploys),
    ("createMetadata", Does::Deploys),
    ("updateMetadata", Does::Deploys),
    ("upsertMetadata", Does::Deploys),
    ("deleteMetadata", Does::Deploys),
    ("renameMetadata", Does::Deploys),
    ("create", Does::Deploys),
    ("update", Does::Deploys),
    ("delete", Does::Deploys),
];

/// Apex Developer Guide, *SOAP API and SOAP Headers for Apex*.
#[rustfmt::skip]
const APEX: &[(&str, Does)] = &[
    ("executeAnonymous", Does::ExecutesAnonymous),
    ("compileAndTest", Does::Deploys),
    ("compileClasses", Does::Deploys),
    ("compileTriggers", Does::Deploys),
    ("runTests", Does::RunsCode),
    ("wsdlToApex", Does::Deploys),
];

/// An operation, for messages.
struct Call<'a>(&'a str);

impl Display for Call<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "the SOAP operation {}", self.0)
    }
}
