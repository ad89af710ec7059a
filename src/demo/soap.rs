//! The SOAP APIs: for now every call finds its session dead.

use http::StatusCode;

use super::{Inner, answer::Answer, seen::Watched};

impl Inner {
    /// `/services/Soap/…`. The session would be in the body.
    pub(super) fn soap(&self, _body: Watched) -> Answer {
        Answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/xml; charset=utf-8",
            FAULT.to_owned(),
        )
    }
}

const FAULT: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash: yNHBc2RmZ0FhYkNkRWZHaEk0C0A=
This error usually occurs after a session expires or a user logs out. </faultstring><detail><sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault"><sf:exceptionCode>INVALID_SESSION_ID</sf:exceptionCode><sf:exceptionMessage>Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash: yNHBc2RmZ0FhYkNkRWZHaEk0C0A=
This error usually occurs after a session expires or a user logs out. </sf:exceptionMessage></sf:UnexpectedErrorFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#;
