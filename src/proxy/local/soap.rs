//! The operations of SOAP that make and end sessions.

use http::{Response, StatusCode, request::Parts};

use super::{
    XML, read, reply, soap_login,
    xml::{self, Element},
};
use crate::proxy::error::Unanswerable;
use crate::proxy::{
    Proxy,
    base_url::BaseUrl,
    error::Error,
    exchange::Exchange,
    family::{self, Envelope, Family, Operation, Wsdl},
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
    /// It is known by its name alone, so that no password and no logout reaches the org in whatever
    /// namespace; but not in web services of Apex classes, which may call their own as they like.
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
    /// The fault of the request, and for a login the same as
    /// [`Delivery::deliver`](crate::proxy::delivery::Delivery::deliver).
    pub(super) async fn answer(
        &self,
        proxy: &Proxy,
        head: &Parts,
        body: &Replay,
        base: &BaseUrl,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Error> {
        let Operation { name, namespace } = self.operation.clone();
        let knows_it = matches!(self.wsdl, Wsdl::Partner | Wsdl::Enterprise | Wsdl::Tooling);
        if !knows_it || self.wsdl.namespace() != Some(&*namespace) {
            return Err(Unanswerable::Operation { name, namespace }.into());
        }
        let body = read(body).await?;
        let text = xml::text(&body);
        Ok(match &*name {
            "login" => {
                soap_login::answer(self, proxy, head.uri.path(), &text, base, exchange).await?
            }
            // As if: the session is not the client's to end.
            "logout" => self.respond("<logoutResponse/>"),
            _ => self.respond(&invalidate(&text)?),
        })
    }

    /// A response that reports success.
    pub(super) fn respond(&self, content: &str) -> Response<Body> {
        let namespace = self.wsdl.namespace().unwrap_or_default();
        let declared = format!("xmlns=\"{namespace}\"");
        reply(StatusCode::OK, XML, family::envelope(&declared, content))
    }

    /// A fault as the org has it, with a detail of this `kind`.
    pub(super) fn fault(&self, kind: &str, code: &str, message: &str) -> Response<Body> {
        let fault_string = format!("{code}: {message}");
        let fault = family::fault(self.wsdl, kind, code, &fault_string, message);
        reply(StatusCode::INTERNAL_SERVER_ERROR, XML, fault)
    }
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
