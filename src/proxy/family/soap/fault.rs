//! Envelopes as the org writes them.

use http::StatusCode;
use quick_xml::escape::partial_escape;

use super::{SOAP, Wsdl};

/// A fault as the org writes it, byte for byte: some clients read it with regular expressions.
///
/// `kind` is the type of its detail in the WSDL, and `exception_code` one of the WSDL's
/// `ExceptionCode`, which strict clients look up. The Metadata and Apex APIs and web services of
/// Apex classes have no detail.
pub(crate) fn fault(
    wsdl: Wsdl,
    kind: &str,
    exception_code: &str,
    fault_string: &str,
    message: &str,
) -> String {
    // No more than must be (XML section 2.4): not every client that shows them reads entities.
    let (fault_string, message) = (partial_escape(fault_string), partial_escape(message));
    let namespace = wsdl.fault_namespace();
    let detail = if namespace.starts_with("urn:") {
        format!(
            "<detail><sf:{kind} xsi:type=\"sf:{kind}\"><sf:exceptionCode>{exception_code}\
             </sf:exceptionCode><sf:exceptionMessage>{message}</sf:exceptionMessage></sf:{kind}>\
             </detail>"
        )
    } else {
        String::new()
    };
    envelope(
        &format!("xmlns:sf=\"{namespace}\""),
        &format!(
            "<soapenv:Fault><faultcode>sf:{exception_code}</faultcode><faultstring>{fault_string}\
             </faultstring>{detail}</soapenv:Fault>"
        ),
    )
}

/// An envelope as the org writes it, with `declared` among its namespaces.
pub(crate) fn envelope(declared: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{SOAP}\" \
         {declared} xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
         {content}</soapenv:Body></soapenv:Envelope>"
    )
}

/// The value of the WSDL's `ExceptionCode` that comes nearest to an error of this proxy.
pub(in crate::proxy::family) fn exception_code(status: StatusCode, code: &str) -> &'static str {
    match (status, code) {
        (_, "UNSUPPORTED_API_VERSION") => "UNSUPPORTED_API_VERSION",
        // Nothing that gets better if the client tries again.
        (_, "LOGIN_REFUSED") => "UNKNOWN_EXCEPTION",
        (StatusCode::TOO_MANY_REQUESTS, _) => "REQUEST_LIMIT_EXCEEDED",
        (StatusCode::FORBIDDEN, _) => "INSUFFICIENT_ACCESS",
        (StatusCode::PAYLOAD_TOO_LARGE, _) => "EXCEEDED_MAX_SIZE_REQUEST",
        (StatusCode::GATEWAY_TIMEOUT, _) => "REQUEST_RUNNING_TOO_LONG",
        (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE, _) => "SERVER_UNAVAILABLE",
        _ if status.is_client_error() => "INVALID_OPERATION",
        _ => "UNKNOWN_EXCEPTION",
    }
}
