//! The objects and their fields. Elements have the order of the WSDL, and none that it requires is
//! missing: strict clients stop at anything else.

use super::{endpoint::Endpoint, fault::SoapFault, query::no_object, xml::Xml};
use crate::demo::{
    Inner,
    data::{Field, Kind, Object},
    soap::element::Element,
};

impl Inner {
    pub(super) fn soap_describe_global(&self, endpoint: &Endpoint, xml: &mut Xml) {
        xml.within("result", |xml| {
            xml.text("encoding", "UTF-8");
            xml.text("maxBatchSize", "200");
            for table in &self.data().tables {
                xml.within("sobjects", |xml| object(endpoint, xml, table.object, false));
            }
        });
    }

    /// `describeSObject` and `describeSObjects`
    pub(super) fn soap_describe(
        &self,
        endpoint: &Endpoint,
        operation: &Element,
        xml: &mut Xml,
    ) -> Result<(), SoapFault> {
        let data = self.data();
        for name in operation.children("sObjectType") {
            let name = name.text.trim();
            let table = data.table(name).ok_or_else(|| no_object(name))?;
            xml.within("result", |xml| object(endpoint, xml, table.object, true));
        }
        Ok(())
    }
}

fn object(endpoint: &Endpoint, xml: &mut Xml, object: &Object, whole: bool) {
    let later = endpoint.version >= LATER;
    let name = object.name;
    xml.bool("activateable", false);
    if whole {
        xml.bool("compactLayoutable", true);
    }
    xml.bool("createable", true);
    xml.bool("custom", name.ends_with("__c"));
    xml.bool("customSetting", false);
    if later {
        xml.bool("deepCloneable", false);
        if whole {
            xml.nil("defaultImplementation");
        }
    }
    xml.bool("deletable", true);
    xml.bool("deprecatedAndHidden", false);
    if later && whole {
        xml.nil("extendedInterfaces");
    }
    xml.bool("feedEnabled", false);
    if whole {
        for one in object.fields {
            xml.within("fields", |xml| field(later, xml, one));
        }
    }
    xml.bool("hasSubtypes", false);
    xml.bool("idEnabled", true);
    if later {
        if whole {
            xml.nil("implementedBy");
            xml.nil("implementsInterfaces");
        }
        xml.bool("isInterface", false);
        xml.bool("isSubtype", false);
    }
    xml.text("keyPrefix", object.prefix);
    xml.text("label", name.trim_end_matches("__c"));
    xml.text("labelPlural", object.plural);
    xml.bool("layoutable", true);
    xml.bool("mergeable", false);
    xml.bool("mruEnabled", true);
    xml.text("name", name);
    if whole {
        xml.nil("networkScopeFieldName");
    }
    xml.bool("queryable", true);
    xml.bool("replicateable", true);
    xml.bool("retrieveable", true);
    if whole {
        xml.bool("searchLayoutable", true);
    }
    xml.bool("searchable", true);
    xml.bool("triggerable", true);
    xml.bool("undeletable", false);
    xml.bool("updateable", true);
    if whole {
        xml.nil("urlDetail");
        xml.nil("urlEdit");
        xml.nil("urlNew");
    }
}

fn field(later: bool, xml: &mut Xml, field: &Field) {
    let kind = field.kind.describe();
    let is_number = field.kind == Kind::Number;
    let writable = field.is_writable();
    xml.bool("aggregatable", true);
    if later {
        xml.bool("aiPredictionField", false);
    }
    xml.bool("autoNumber", false);
    xml.text("byteLength", &kind.bytes.to_string());
    xml.bool("calculated", false);
    xml.bool("caseSensitive", false);
    xml.bool("createable", writable);
    xml.bool("custom", field.name.ends_with("__c"));
    xml.bool("defaultedOnCreate", !writable || field.kind == Kind::Bool);
    xml.bool("deprecatedAndHidden", false);
    xml.text("digits", "0");
    xml.bool("filterable", true);
    xml.bool("groupable", !is_number);
    xml.bool("idLookup", field.kind == Kind::Id);
    xml.text("label", field.name.trim_end_matches("__c"));
    xml.text("length", &kind.length.to_string());
    xml.text("name", field.name);
    xml.bool("nameField", field.name == "Name");
    xml.bool(
        "nillable",
        writable && !field.required && field.kind != Kind::Bool,
    );
    xml.bool("permissionable", writable && !field.required);
    if later {
        xml.bool("polymorphicForeignKey", false);
    }
    xml.text("precision", if is_number { "18" } else { "0" });
    xml.bool("queryByDistance", false);
    if let Kind::Reference { to, relationship } = field.kind {
        xml.text("referenceTo", to);
        xml.text("relationshipName", relationship);
    }
    xml.bool("restrictedPicklist", false);
    xml.text("scale", if is_number { "2" } else { "0" });
    if later {
        xml.bool("searchPrefilterable", false);
    }
    xml.text("soapType", kind.soap_type);
    xml.bool("sortable", true);
    xml.text("type", kind.name);
    xml.bool("unique", field.kind == Kind::Id);
    xml.bool("updateable", writable);
}

/// The first version with elements that the WSDL of version 38 does not have. It is not known which
/// version added each.
const LATER: usize = 46;
