//! Faults, in the exact bytes of an org: [`crate::salesforce::facts::expiry`].

use http::StatusCode;

use super::{ENVELOPE, XSI, endpoint::Endpoint, xml::Xml};
use crate::demo::{
    answer::{Answer, Content},
    soql,
};

/// The failure of a call as a whole.
#[derive(Debug)]
pub(super) struct SoapFault {
    /// None for a request that the SOAP stack does not understand.
    code: Option<&'static str>,
    message: String,
    /// Its type in the WSDL.
    kind: &'static str,
    /// Row and column in a query, counted from 1.
    place: Option<(usize, usize)>,
}

impl SoapFault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            message: message.into(),
            kind: match code {
                "INVALID_TYPE" => "InvalidSObjectFault",
                "INVALID_FIELD" => "InvalidFieldFault",
                "MALFORMED_QUERY" => "MalformedQueryFault",
                "MALFORMED_SEARCH" => "MalformedSearchFault",
                "INVALID_QUERY_LOCATOR" => "InvalidQueryLocatorFault",
                "INVALID_LOGIN" => "LoginFault",
                _ => "UnexpectedErrorFault",
            },
            place: None,
        }
    }

    /// A fault of the SOAP stack, before Salesforce's own code gets the request.
    pub(super) fn client(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            kind: "",
            place: None,
        }
    }

    /// The session is missing or dead.
    pub(super) fn invalid_session() -> Self {
        Self::new("INVALID_SESSION_ID", INVALID_SESSION)
    }

    pub(super) fn into_answer(self, endpoint: &Endpoint) -> Answer {
        Answer::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Content::Soap(self.into_xml(endpoint)),
        )
    }

    pub(super) fn into_xml(self, endpoint: &Endpoint) -> String {
        let mut xml = Xml::document();
        let envelope = match self.code {
            Some(_) => format!(
                r#"soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns:sf="{}" xmlns:xsi="{XSI}""#,
                endpoint.fault_namespace()
            ),
            None => format!(r#"soapenv:Envelope xmlns:soapenv="{ENVELOPE}""#),
        };
        xml.within(&envelope, |xml| {
            xml.within("soapenv:Body", |xml| {
                xml.within("soapenv:Fault", |xml| self.write(endpoint, xml));
            });
        });
        xml.into_string()
    }

    fn write(&self, endpoint: &Endpoint, xml: &mut Xml) {
        let Some(code) = self.code else {
            xml.text("faultcode", "soapenv:Client");
            return xml.text("faultstring", &self.message);
        };
        xml.text("faultcode", &format!("sf:{code}"));
        xml.text("faultstring", &format!("{code}: {}", self.message));
        if !endpoint.explains_faults() {
            return;
        }
        let kind = self.kind;
        xml.within("detail", |xml| {
            xml.within(&format!(r#"sf:{kind} xsi:type="sf:{kind}""#), |xml| {
                xml.text("sf:exceptionCode", code);
                xml.text("sf:exceptionMessage", &self.message);
                if matches!(
                    kind,
                    "InvalidSObjectFault"
                        | "InvalidFieldFault"
                        | "MalformedQueryFault"
                        | "MalformedSearchFault"
                ) {
                    let (row, column) = match self.place {
                        Some((row, column)) => (row.to_string(), column.to_string()),
                        None => ("-1".to_owned(), "-1".to_owned()),
                    };
                    xml.text("sf:row", &row);
                    xml.text("sf:column", &column);
                }
            });
        });
    }
}

impl From<soql::Error> for SoapFault {
    fn from(error: soql::Error) -> Self {
        let place = error.place();
        let (code, message) = error.into_parts();
        Self {
            place,
            ..Self::new(code, message)
        }
    }
}

/// WSC logs in again only if it reads "Session not found" or the like.
const INVALID_SESSION: &str = "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash: yNHBc2RmZ0FhYkNkRWZHaEk0C0A=\nThis error usually occurs after a session expires or a user logs out. ";
