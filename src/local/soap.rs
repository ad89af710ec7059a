//! The operations of SOAP that make and end sessions.

use http::{Response, StatusCode, request::Parts};
use quick_xml::escape::escape;

use super::{
    Unanswerable, XML, read, reply, soap_login,
    xml::{self, Element},
};
use crate::{
    base::Base,
    error::Error,
    family::{Envelope, Family, Operation, SOAP, Wsdl},
    proxy::Proxy,
    replay::Replay,
    response::Body,
};

/// One of them, as a client calls it.
pub(super) struct Call {
    operation: Operation,
    pub(super) wsdl: Wsdl,
}

impl Call {
    /// The one that `envelope` asks for, if it does.
    ///
    /// By its name alone, so that no password and no logout reaches the org in whatever namespace;
    /// but not in web services of Apex classes, which may call their own as they like.
    pub(super) fn of(family: Family, envelope: &Envelope) -> Option<Self> {
        let Family::Soap(wsdl) = family else {
            return None;
        };
        let operation = envelope.operation.as_ref()?;
        (wsdl.namespace().is_some() && NAMES.contains(&&*operation.name)).then(|| Self {
            operation: operation.clone(),
            wsdl,
        })
    }

    pub(super) fn is_login(&self) -> bool {
        self.operation.name == "login"
    }

    /// Answers it.
    ///
    /// # Errors
    /// What is wrong with the request, and for a login as [`Proxy::deliver`].
    pub(super) async fn answer(
        &self,
        proxy: &Proxy,
        head: &Parts,
        body: &Replay,
        base: &Base,
    ) -> Result<Response<Body>, Error> {
        let Operation { name, namespace } = self.operation.clone();
        let knows_it = matches!(self.wsdl, Wsdl::Partner | Wsdl::Enterprise | Wsdl::Tooling);
        if !knows_it || self.wsdl.namespace() != Some(&*namespace) {
            return Err(Unanswerable::Operation { name, namespace }.into());
        }
        let body = read(body).await?;
        let text = xml::text(&body);
        Ok(match &*name {
            "login" => soap_login::answer(self, proxy, head.uri.path(), &text, base).await?,
            // As if: the session is not the client's to end (S§1.6).
            "logout" => self.respond("<logoutResponse/>"),
            _ => self.respond(&invalidate(&text)?),
        })
    }

    /// What went well.
    pub(super) fn respond(&self, content: &str) -> Response<Body> {
        let namespace = self.wsdl.namespace().unwrap_or_default();
        let declared = format!("xmlns=\"{namespace}\"");
        reply(StatusCode::OK, XML, envelope(&declared, content))
    }

    /// A fault as the org tells it, of this `kind` (S§5.4).
    pub(super) fn fault(&self, kind: &str, code: &str, message: &str) -> Response<Body> {
        let name = match self.wsdl {
            Wsdl::Enterprise => "enterprise",
            Wsdl::Tooling => "tooling",
            _ => "partner",
        };
        let declared = format!("xmlns:sf=\"urn:fault.{name}.soap.sforce.com\"");
        let message = escape(message);
        let content = format!(
            "<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}\
             </faultstring><detail><sf:{kind} xsi:type=\"sf:{kind}\"><sf:exceptionCode>{code}\
             </sf:exceptionCode><sf:exceptionMessage>{message}</sf:exceptionMessage></sf:{kind}>\
             </detail></soapenv:Fault>"
        );
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        reply(status, XML, envelope(&declared, &content))
    }
}

/// As the org writes it, byte for byte: some clients read it with regular expressions (S§5.4).
fn envelope(declared: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{SOAP}\" \
         {declared} xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
         {content}</soapenv:Body></soapenv:Envelope>"
    )
}

/// One success for each session that is to be ended.
fn invalidate(text: &str) -> Result<String, Unanswerable> {
    let call = Element::find(text, &["Envelope", "Body", "invalidateSessions"])?;
    let count = call.map_or(0, |call| call.count("sessionIds"));
    let results = "<result><success>true</success></result>".repeat(count);
    Ok(format!(
        "<invalidateSessionsResponse>{results}</invalidateSessionsResponse>"
    ))
}

const NAMES: [&str; 3] = ["login", "logout", "invalidateSessions"];
