//! WSDLs for download, for people with a session of the user interface.

use http::StatusCode;

use super::{Inner, answer::Answer, service::Call, session::Access};

impl Inner {
    /// `/soap/wsdl.jsp`
    pub(super) fn partner_wsdl(&self, call: &Call) -> Answer {
        let address = format!("{}/services/Soap/u/67.0", self.origin);
        self.wsdl(
            call,
            "urn:partner.soap.sforce.com",
            "SforceService",
            &address,
        )
    }

    /// `/services/wsdl/class/{name}`
    pub(super) fn class_wsdl(&self, call: &Call, name: &str) -> Answer {
        let address = format!("{}/services/Soap/class/{name}", self.origin);
        let namespace = format!("http://soap.sforce.com/schemas/class/{name}");
        self.wsdl(call, &namespace, name, &address)
    }

    fn wsdl(&self, call: &Call, namespace: &str, service: &str, address: &str) -> Answer {
        if call.access != Access::Live {
            return login_page();
        }
        let wsdl = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions targetNamespace="{namespace}" xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:tns="{namespace}">
    <portType name="{service}PortType"/>
    <binding name="{service}Binding" type="tns:{service}PortType">
        <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    </binding>
    <service name="{service}Service">
        <port binding="tns:{service}Binding" name="{service}">
            <soap:address location="{address}"/>
        </port>
    </service>
</definitions>
"#
        );
        Answer::text(StatusCode::OK, "text/xml; charset=UTF-8", wsdl)
    }
}

/// A page of the user interface without a session: never a 401.
fn login_page() -> Answer {
    Answer::text(
        StatusCode::OK,
        "text/html; charset=UTF-8",
        "<html><head><title>Login | Salesforce</title></head><body>\
         <form name=\"login\" method=\"post\"><input name=\"username\"/>\
         <input name=\"pw\" type=\"password\"/></form></body></html>"
            .to_owned(),
    )
}
