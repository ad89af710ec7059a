//! XML namespaces of the SOAP APIs.

/// The namespace of SOAP's own elements.
pub(crate) const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(crate) const PARTNER: &str = "urn:partner.soap.sforce.com";
pub(crate) const ENTERPRISE: &str = "urn:enterprise.soap.sforce.com";
pub(crate) const TOOLING: &str = "urn:tooling.soap.sforce.com";
