//! The Metadata API: descriptions and lists; a deployment that succeeds at once, and a retrieval
//! that always returns the same.

use super::{element::Element, fault::SoapFault, xml::Xml};
use crate::demo::{
    Inner,
    data::{CLASSES, Kind, Object},
    id::{USER_ID, record_id},
};

impl Inner {
    /// Writes the response to `operation`. Returns false if there is no such operation.
    pub(super) fn metadata(&self, operation: &Element, xml: &mut Xml) -> Result<bool, SoapFault> {
        match operation.name.as_str() {
            "describeMetadata" => describe(xml),
            "listMetadata" => self.list(operation, xml)?,
            "readMetadata" => self.read(operation, xml)?,
            "deploy" => started(xml, &record_id("0Af", 1)),
            "retrieve" => started(xml, &record_id("09S", 1)),
            "checkStatus" => {
                for id in operation.children("asyncProcessId") {
                    finished(xml, id.text.trim());
                }
            }
            "checkDeployStatus" => deployed(xml, operation.text_of("asyncProcessId")),
            "checkRetrieveStatus" => retrieved(xml, operation.text_of("asyncProcessId")),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn list(&self, operation: &Element, xml: &mut Xml) -> Result<(), SoapFault> {
        for query in operation.children("queries") {
            let name = query.text_of("type");
            if let Some(kind) = folder(name) {
                for folder in FOLDERS {
                    let path = format!("{}/{folder}", kind.directory);
                    xml.within("result", |xml| file(xml, name, folder, &path, "00l", 1));
                }
                continue;
            }
            let kind = KINDS.iter().find(|kind| kind.name == name);
            let kind = kind.ok_or_else(|| unknown_type(name))?;
            let within = query.text_of("folder");
            for (number, full_name) in self.names(kind, within).into_iter().enumerate() {
                let path = format!("{}/{full_name}.{}", kind.directory, kind.suffix);
                xml.within("result", |xml| {
                    file(xml, name, &full_name, &path, kind.prefix, number as u64 + 1);
                });
            }
        }
        Ok(())
    }

    /// The components of a type. Where there are folders, all components are in them.
    fn names(&self, kind: &Type, folder: &str) -> Vec<String> {
        let names: &[&str] = match kind.name {
            "CustomObject" => {
                let data = self.data();
                let names = data.tables.iter().map(|table| table.object.name.to_owned());
                return names.collect();
            }
            "ApexClass" => &CLASSES,
            "ApexTrigger" => &["InvoiceTrigger"],
            _ if !FOLDERS.contains(&folder) => &[],
            "Report" => return vec![format!("{folder}/Unpaid_Invoices")],
            "Dashboard" => return vec![format!("{folder}/Cash_Flow")],
            "EmailTemplate" => return vec![format!("{folder}/Reminder")],
            _ => &[],
        };
        names.iter().map(ToString::to_string).collect()
    }

    fn read(&self, operation: &Element, xml: &mut Xml) -> Result<(), SoapFault> {
        let kind = operation.text_of("type");
        if kind != "CustomObject" {
            return Err(unknown_type(kind));
        }
        let data = self.data();
        xml.within("result", |xml| {
            for name in operation.children("fullNames") {
                match data.table(name.text.trim()) {
                    Some(table) => custom_object(xml, table.object),
                    None => xml.nil("records"),
                }
            }
        });
        Ok(())
    }
}

fn describe(xml: &mut Xml) {
    xml.within("result", |xml| {
        for kind in &KINDS {
            xml.within("metadataObjects", |xml| {
                if kind.name == "CustomObject" {
                    xml.text("childXmlNames", "CustomField");
                }
                xml.text("directoryName", kind.directory);
                xml.bool("inFolder", kind.in_folder);
                xml.bool("metaFile", kind.has_meta_file);
                // Documents are files of any kind.
                if !kind.suffix.is_empty() {
                    xml.text("suffix", kind.suffix);
                }
                xml.text("xmlName", kind.name);
            });
        }
        xml.text("organizationNamespace", "");
        xml.bool("partialSaveAllowed", true);
        xml.bool("testRequired", false);
    });
}

fn custom_object(xml: &mut Xml, object: &Object) {
    xml.within(r#"records xsi:type="CustomObject""#, |xml| {
        xml.text("fullName", object.name);
        if object.name.ends_with("__c") {
            xml.text("deploymentStatus", "Deployed");
        }
        let custom = object.fields.iter();
        for field in custom.filter(|field| field.name.ends_with("__c")) {
            xml.within("fields", |xml| {
                xml.text("fullName", field.name);
                xml.text("label", field.name.trim_end_matches("__c"));
                if let Kind::Reference { to, .. } = field.kind {
                    xml.text("referenceTo", to);
                }
                xml.text(
                    "type",
                    match field.kind {
                        Kind::Number => "Number",
                        Kind::Bool => "Checkbox",
                        Kind::Date => "Date",
                        Kind::DateTime => "DateTime",
                        Kind::Reference { .. } => "Lookup",
                        Kind::Id | Kind::Text => "Text",
                    },
                );
            });
        }
        xml.text("label", object.name.trim_end_matches("__c"));
        xml.text("pluralLabel", object.plural);
        xml.text("sharingModel", "ReadWrite");
    });
}

/// `FileProperties`; the id has this `number` and `prefix`.
fn file(xml: &mut Xml, kind: &str, name: &str, path: &str, prefix: &str, number: u64) {
    xml.text("createdById", USER_ID);
    xml.text("createdByName", "Integration User");
    xml.text("createdDate", DAY);
    xml.text("fileName", path);
    xml.text("fullName", name);
    let id = match prefix {
        "" => String::new(),
        prefix => record_id(prefix, number),
    };
    xml.text("id", &id);
    xml.text("lastModifiedById", USER_ID);
    xml.text("lastModifiedByName", "Integration User");
    xml.text("lastModifiedDate", DAY);
    xml.text("manageableState", "unmanaged");
    xml.text("type", kind);
}

/// `AsyncResult`
fn started(xml: &mut Xml, id: &str) {
    xml.within("result", |xml| {
        xml.bool("done", false);
        xml.text("id", id);
        xml.text("state", "Queued");
    });
}

fn finished(xml: &mut Xml, id: &str) {
    xml.within("result", |xml| {
        xml.bool("done", true);
        xml.text("id", id);
        xml.text("state", "Completed");
    });
}

/// `DeployResult`
fn deployed(xml: &mut Xml, id: &str) {
    xml.within("result", |xml| {
        xml.bool("checkOnly", false);
        xml.text("completedDate", DAY);
        xml.text("createdBy", &USER_ID[..15]);
        xml.text("createdByName", "Integration User");
        xml.text("createdDate", DAY);
        xml.within("details", |xml| {
            xml.within("runTestResult", |xml| {
                xml.text("numFailures", "0");
                xml.text("numTestsRun", "0");
                xml.text("totalTime", "0.0");
            });
        });
        xml.bool("done", true);
        xml.text("id", id);
        xml.bool("ignoreWarnings", false);
        xml.text("lastModifiedDate", DAY);
        xml.text("numberComponentErrors", "0");
        xml.text("numberComponentsDeployed", "1");
        xml.text("numberComponentsTotal", "1");
        xml.text("numberTestErrors", "0");
        xml.text("numberTestsCompleted", "0");
        xml.text("numberTestsTotal", "0");
        xml.bool("rollbackOnError", true);
        xml.bool("runTestsEnabled", false);
        xml.text("startDate", DAY);
        xml.text("status", "Succeeded");
        xml.bool("success", true);
    });
}

/// `RetrieveResult`
fn retrieved(xml: &mut Xml, id: &str) {
    let path = "unpackaged/package.xml";
    xml.within("result", |xml| {
        xml.bool("done", true);
        xml.within("fileProperties", |xml| {
            file(xml, "Package", path, path, "", 0);
        });
        xml.text("id", id);
        xml.text("status", "Succeeded");
        xml.bool("success", true);
        xml.text("zipFile", ZIP);
    });
}

/// The type whose folders have the type `name`, such as `ReportFolder`. Email templates are the
/// exception.
fn folder(name: &str) -> Option<&'static Type> {
    let content = match name.strip_suffix("Folder")? {
        "Email" => "EmailTemplate",
        content => content,
    };
    let mut kinds = KINDS.iter();
    kinds.find(|kind| kind.in_folder && kind.name == content)
}

fn unknown_type(kind: &str) -> SoapFault {
    SoapFault::new(
        "INVALID_TYPE",
        format!("This type of metadata is not available for this organization: {kind}"),
    )
}

/// A type of metadata.
struct Type {
    name: &'static str,
    directory: &'static str,
    /// The suffix of its files.
    suffix: &'static str,
    /// The prefix of the ids of its components.
    prefix: &'static str,
    in_folder: bool,
    has_meta_file: bool,
}

const fn plain(
    name: &'static str,
    directory: &'static str,
    suffix: &'static str,
    prefix: &'static str,
    has_meta_file: bool,
) -> Type {
    Type {
        name,
        directory,
        suffix,
        prefix,
        in_folder: false,
        has_meta_file,
    }
}

const fn in_folders(
    name: &'static str,
    directory: &'static str,
    suffix: &'static str,
    prefix: &'static str,
    has_meta_file: bool,
) -> Type {
    Type {
        in_folder: true,
        ..plain(name, directory, suffix, prefix, has_meta_file)
    }
}

static KINDS: [Type; 7] = [
    plain("ApexClass", "classes", "cls", "01p", true),
    plain("ApexTrigger", "triggers", "trigger", "01q", true),
    plain("CustomObject", "objects", "object", "01I", false),
    in_folders("Dashboard", "dashboards", "dashboard", "01Z", false),
    in_folders("Document", "documents", "", "015", true),
    in_folders("EmailTemplate", "email", "email", "00X", true),
    in_folders("Report", "reports", "report", "00O", false),
];

/// The folders of each type that has some.
const FOLDERS: [&str; 1] = ["Billing"];

const DAY: &str = "2026-01-15T09:30:00.000Z";

/// An archive with a `package.xml` in it, in base64.
const ZIP: &str = "UEsDBBQAAAAAAMBLL1w2T2ld6QAAAOkAAAAWAAAAdW5wYWNrYWdlZC9wYWNrYWdlLnhtbDw/eG1sIHZlcnNpb249IjEuMCIgZW5jb2Rpbmc9IlVURi04Ij8+CjxQYWNrYWdlIHhtbG5zPSJodHRwOi8vc29hcC5zZm9yY2UuY29tLzIwMDYvMDQvbWV0YWRhdGEiPgogICAgPHR5cGVzPgogICAgICAgIDxtZW1iZXJzPkludm9pY2VfX2M8L21lbWJlcnM+CiAgICAgICAgPG5hbWU+Q3VzdG9tT2JqZWN0PC9uYW1lPgogICAgPC90eXBlcz4KICAgIDx2ZXJzaW9uPjY0LjA8L3ZlcnNpb24+CjwvUGFja2FnZT4KUEsBAhQDFAAAAAAAwEsvXDZPaV3pAAAA6QAAABYAAAAAAAAAAAAAAIABAAAAAHVucGFja2FnZWQvcGFja2FnZS54bWxQSwUGAAAAAAEAAQBEAAAAHQEAAAAA";
