//! The SOAP APIs: partner, enterprise and tooling over the same records as REST, metadata, Apex.
//!
//! The session is in the body, in a header of the WSDL's namespace; `Authorization` is ignored.
//! Responses have no prefix but that of records (`sf`), like real ones.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};

use self::{endpoint::Api, envelope::Envelope, fault::SoapFault, xml::Xml};
pub(super) use self::{endpoint::Endpoint, envelope::session_of};
use super::{
    Inner,
    answer::{Answer, Content},
    coding::decoded,
    rig::fault::CROWDED,
    service::Call,
    session::Access,
};

mod apex;
mod describe;
mod element;
mod endpoint;
mod envelope;
mod fault;
mod metadata;
mod query;
mod records;
mod user;
mod xml;

impl Inner {
    /// `/services/Soap/…`. `number` is that of the request in the log.
    pub(super) fn soap(
        &self,
        call: &Call,
        endpoint: &Endpoint,
        body: &Bytes,
        number: usize,
    ) -> Answer {
        if call.head.method != Method::POST {
            return Answer::empty(StatusCode::METHOD_NOT_ALLOWED)
                .header(header::ALLOW, HeaderValue::from_static("POST"));
        }
        let oldest = self.knobs().oldest_version;
        let called = endpoint.check_version(oldest).and_then(|()| {
            let body = decoded(&call.head.headers, body)
                .map_err(|error| SoapFault::client(error.to_string()))?;
            let body = std::str::from_utf8(&body)
                .map_err(|_| SoapFault::client("Invalid byte in a UTF-8 sequence."))?;
            let envelope = Envelope::read(body).map_err(SoapFault::client)?;
            self.call(endpoint, &envelope, number)
        });
        match called {
            Ok(xml) => Answer::new(StatusCode::OK, Content::Soap(xml)),
            Err(fault) => fault.into_answer(endpoint),
        }
    }

    fn call(
        &self,
        endpoint: &Endpoint,
        envelope: &Envelope,
        number: usize,
    ) -> Result<String, SoapFault> {
        let operation = &envelope.operation;
        let name = operation.name.as_str();
        let unknown = || {
            let namespace = &operation.namespace;
            SoapFault::client(format!(
                "No operation available for request {{{namespace}}}{name}, please check the WSDL \
                 for the service."
            ))
        };
        if operation.namespace != endpoint.namespace {
            return Err(unknown());
        }
        if name == "login" && matches!(endpoint.api, Api::Partner | Api::Enterprise) {
            return Err(no_login(endpoint.version));
        }

        let session = envelope.session(&endpoint.namespace).unwrap_or_default();
        // Access tokens that are JWTs are for REST, as documented: see salesforce::facts::sessions.
        let access = if session.starts_with("eyJ") {
            Access::Dead
        } else {
            self.sessions.worth(session, self.knobs().session_timeout)
        };
        if access != Access::Live {
            return Err(SoapFault::invalid_session());
        }
        let user = self.sessions.user(session);
        self.log.update(number, |seen| {
            seen.authorized = true;
            seen.user = user.as_deref().map(str::to_owned);
        });
        let user = self.user(user.as_deref());

        let mut xml = Xml::default();
        match endpoint.api {
            Api::Metadata => {
                if !self.metadata(operation, &mut xml)? {
                    return Err(unknown());
                }
            }
            Api::Apex => match name {
                "executeAnonymous" => apex::execute_anonymous(&mut xml),
                _ => return Err(unknown()),
            },
            Api::Class => apex::echo(operation, &mut xml),
            Api::Partner | Api::Enterprise | Api::Tooling => match name {
                "getUserInfo" => self.user_info(&user, endpoint.version, &mut xml),
                "getServerTimestamp" => user::server_timestamp(&mut xml),
                "query" | "queryAll" => self.soap_query(endpoint, envelope, &mut xml)?,
                "queryMore" => self.soap_query_more(endpoint, envelope, &mut xml)?,
                "create" | "update" | "upsert" => self.soap_save(endpoint, envelope, &mut xml)?,
                "delete" => self.soap_delete(endpoint, envelope, &mut xml)?,
                "retrieve" => self.soap_retrieve(endpoint, operation, &mut xml)?,
                "describeGlobal" => self.soap_describe_global(endpoint, &mut xml),
                "describeSObject" | "describeSObjects" => {
                    self.soap_describe(endpoint, operation, &mut xml)?;
                }
                "search" => self.soap_search(endpoint, operation, &mut xml)?,
                "executeAnonymous" if endpoint.api == Api::Tooling => {
                    apex::execute_anonymous(&mut xml);
                }
                "logout" => self.sessions.end(session),
                _ => return Err(unknown()),
            },
        }
        let mut header = Xml::default();
        let debugging = envelope.header(&endpoint.namespace, "DebuggingHeader");
        if debugging.is_some() && endpoint.runs_apex() {
            apex::debugging_info(endpoint, operation, &user.name, &mut header);
        }
        Ok(endpoint.response(name, self.use_request(), &header, &xml))
    }
}

/// The partner API's response to a dead session.
pub(super) fn partner_session_expired() -> String {
    let partner = Endpoint::new(&["services", "Soap", "u", "64.0"]);
    partner.map_or_else(String::new, |endpoint| {
        SoapFault::invalid_session().into_xml(&endpoint)
    })
}

/// The partner API's response while too many long calls are open.
pub(super) fn partner_crowded() -> String {
    let partner = Endpoint::new(&["services", "Soap", "u", "64.0"]);
    partner.map_or_else(String::new, |endpoint| {
        SoapFault::new("REQUEST_LIMIT_EXCEEDED", CROWDED).into_xml(&endpoint)
    })
}

/// The fault of `login()`, which is off in this org ([`crate::salesforce::facts::soap_login`]).
fn no_login(version: usize) -> SoapFault {
    let message = match version {
        65.. => format!(
            "The SOAP Login operation is not available in the API version specified ({version}.0). \
             Refer to the documentation for supported versions."
        ),
        _ => "SOAP API login() is disabled by default in this org. Contact the org administrator \
              to enable SOAP API login()."
            .to_owned(),
    };
    SoapFault::new("INVALID_OPERATION", message)
}

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

const XSD: &str = "http://www.w3.org/2001/XMLSchema";
