//! The SOAP API that a path leads to, and the differences between them.

use super::{fault::SoapFault, xml::Xml};
use crate::demo::rest::NEWEST;

/// A SOAP API in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::demo) struct Endpoint {
    pub(super) api: Api,
    /// Any number, or 0 if the path has none.
    pub(super) version: usize,
    /// The namespace of its elements.
    pub(in crate::demo) namespace: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    Partner,
    Enterprise,
    Metadata,
    Tooling,
    Apex,
    /// The web services of an Apex class.
    Class,
}

impl Endpoint {
    /// Reads the segments of a path: `services/Soap/u/64.0/00D…`.
    pub(in crate::demo) fn new(segments: &[&str]) -> Option<Self> {
        let ["services", soap, letter, rest @ ..] = segments else {
            return None;
        };
        if !soap.eq_ignore_ascii_case("soap") {
            return None;
        }
        if letter.eq_ignore_ascii_case("class") {
            let class = rest.join("/");
            return (!class.is_empty()).then(|| Self {
                api: Api::Class,
                version: NEWEST,
                namespace: format!("http://soap.sforce.com/schemas/class/{class}"),
            });
        }
        let (api, namespace) = match letter.to_ascii_lowercase().as_str() {
            "u" => (Api::Partner, "urn:partner.soap.sforce.com"),
            "c" => (Api::Enterprise, "urn:enterprise.soap.sforce.com"),
            "m" => (Api::Metadata, "http://soap.sforce.com/2006/04/metadata"),
            "t" => (Api::Tooling, "urn:tooling.soap.sforce.com"),
            "s" => (Api::Apex, "http://soap.sforce.com/2006/08/apex"),
            _ => return None,
        };
        let version = rest.first().copied().unwrap_or_default();
        let number = version.strip_prefix(['v', 'V']).unwrap_or(version);
        let number = number.strip_suffix(".0").unwrap_or(number);
        Some(Self {
            api,
            version: number.parse().unwrap_or(0),
            namespace: namespace.to_owned(),
        })
    }

    /// Refuses a retired version, of which `oldest` is none, or a future one.
    pub(super) fn check_version(&self, oldest: usize) -> Result<(), SoapFault> {
        match self.version {
            version if (oldest..=NEWEST).contains(&version) => Ok(()),
            _ => Err(SoapFault::new(
                "UNSUPPORTED_API_VERSION",
                "Invalid Api version specified on URL",
            )),
        }
    }

    /// The namespace that `sf` is bound to in a fault.
    pub(super) fn fault_namespace(&self) -> &str {
        match self.api {
            Api::Partner => "urn:fault.partner.soap.sforce.com",
            Api::Enterprise => "urn:fault.enterprise.soap.sforce.com",
            Api::Tooling => "urn:fault.tooling.soap.sforce.com",
            Api::Metadata | Api::Apex | Api::Class => &self.namespace,
        }
    }

    /// Returns whether its faults have a `<detail>`.
    pub(super) fn explains_faults(&self) -> bool {
        self.has_records()
    }

    /// Returns whether it has records, and so queries and the like.
    pub(super) fn has_records(&self) -> bool {
        matches!(self.api, Api::Partner | Api::Enterprise | Api::Tooling)
    }

    /// The namespace that `sf` is bound to in a response.
    fn record_namespace(&self) -> Option<&'static str> {
        match self.api {
            Api::Partner => Some("urn:sobject.partner.soap.sforce.com"),
            Api::Enterprise => Some("urn:sobject.enterprise.soap.sforce.com"),
            Api::Tooling => Some("urn:sobject.tooling.soap.sforce.com"),
            Api::Metadata | Api::Apex | Api::Class => None,
        }
    }

    /// Returns whether it runs Apex, which can be debugged.
    pub(super) fn runs_apex(&self) -> bool {
        matches!(self.api, Api::Apex | Api::Class | Api::Metadata)
    }

    /// The answer to `operation`, with the content `within` its response, and with `header` in its
    /// header, beside the limits.
    pub(super) fn response(
        &self,
        operation: &str,
        used: usize,
        header: &Xml,
        within: &Xml,
    ) -> String {
        let namespace = &self.namespace;
        let mut xml = Xml::document();
        let mut envelope = format!(
            r#"soapenv:Envelope xmlns:soapenv="{}" xmlns="{namespace}""#,
            super::ENVELOPE
        );
        if let Some(records) = self.record_namespace() {
            envelope += &format!(r#" xmlns:sf="{records}" xmlns:xsd="{}""#, super::XSD);
        }
        envelope += &format!(r#" xmlns:xsi="{}""#, super::XSI);
        xml.within(&envelope, |xml| {
            if self.has_records() || !header.is_empty() {
                xml.within("soapenv:Header", |xml| {
                    if self.has_records() {
                        limit_info(xml, used);
                    }
                    xml.add(header);
                });
            }
            xml.within("soapenv:Body", |xml| {
                xml.within(&format!("{operation}Response"), |xml| xml.add(within));
            });
        });
        xml.into_string()
    }
}

fn limit_info(xml: &mut Xml, used: usize) {
    xml.within("LimitInfoHeader", |xml| {
        xml.within("limitInfo", |xml| {
            xml.text("current", &used.to_string());
            xml.text("limit", &crate::demo::rest::ALLOCATION.to_string());
            xml.text("type", "API REQUESTS");
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_api() {
        let endpoint = |path: &str| {
            let segments: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
            Endpoint::new(&segments).map(|endpoint| (endpoint.api, endpoint.version))
        };
        assert_eq!(
            endpoint("//services/Soap/u/64.0/"),
            Some((Api::Partner, 64))
        );
        assert_eq!(
            endpoint("/services/soap/C/31.0/00D"),
            Some((Api::Enterprise, 31))
        );
        assert_eq!(endpoint("/services/Soap/T/67.0"), Some((Api::Tooling, 67)));
        assert_eq!(endpoint("/services/Soap/u/v62.0"), Some((Api::Partner, 62)));
        assert_eq!(
            endpoint("/services/Soap/m/v58.0/00D"),
            Some((Api::Metadata, 58))
        );
        assert_eq!(endpoint("/services/Soap/m/x"), Some((Api::Metadata, 0)));
        assert_eq!(
            endpoint("/services/Soap/m/vv62.0"),
            Some((Api::Metadata, 0))
        );
        assert_eq!(
            endpoint("/services/Soap/class/ns/A"),
            Some((Api::Class, NEWEST))
        );
        assert_eq!(endpoint("/services/Soap/x/64.0"), None);
        assert_eq!(endpoint("/services/Soap/class"), None);
    }
}
