//! Responses of the proxy itself.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use crate::{
    proxy::{
        Proxy,
        base_url::BaseUrl,
        error::{Error, Unanswerable},
        exchange::Exchange,
        family::{Envelope, Family},
        guard::{self, Admitted},
        replay::Replay,
        response::{self, Body},
        target::Endpoint,
    },
    system::telemetry::Throttle,
};

mod form;
mod introspect;
mod logout;
mod options;
mod query;
mod soap;
mod soap_login;
mod token_endpoint;
mod user;
mod xml;

/// A request that asks something of the proxy and not of the org.
pub(crate) struct Local {
    question: Question,
    /// The web origin that may see the response.
    origin: Option<HeaderValue>,
}

enum Question {
    /// The methods that are allowed.
    Options,
    /// The requests that the page of an origin may send.
    Preflight(HeaderValue),
    Endpoint(Endpoint),
    /// To log in or out by SOAP.
    Soap(soap::Call),
}

impl Local {
    /// The question in this request that the proxy answers itself, if it is one.
    ///
    /// A path that the guard let pass for the proxy alone is always answered here, so that it
    /// cannot reach the org.
    pub(crate) fn of(
        head: &Parts,
        family: Family,
        admitted: &Admitted,
        envelope: Option<&Envelope>,
    ) -> Option<Self> {
        let question = if head.method == Method::OPTIONS && head.uri.path() == "*" {
            Question::Options
        } else if let Some(origin) = &admitted.origin
            && guard::is_preflight(head)
        {
            Question::Preflight(origin.clone())
        } else if let Some(endpoint) = admitted.endpoint {
            Question::Endpoint(endpoint)
        } else {
            Question::Soap(soap::Call::of(family, envelope?)?)
        };
        Some(Self {
            question,
            origin: admitted.origin.clone(),
        })
    }

    /// Returns whether it is an attempt to log in, which the user name and password in it decide.
    pub(crate) fn is_login(&self) -> bool {
        match &self.question {
            Question::Endpoint(endpoint) => *endpoint == Endpoint::Token,
            Question::Soap(call) => call.is_login(),
            Question::Options | Question::Preflight(_) => false,
        }
    }

    /// Answers it, with what `proxy` has or asks the org.
    ///
    /// # Errors
    /// The same as [`Delivery::deliver`](crate::proxy::delivery::Delivery::deliver), and the fault
    /// of the request.
    pub(crate) async fn answer(
        self,
        proxy: &Proxy,
        head: &Parts,
        body: &Replay,
        base: &BaseUrl,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Error> {
        let mut response = match self.question {
            Question::Options => options::options(),
            Question::Preflight(origin) => return Ok(options::preflight(head, &origin)),
            Question::Endpoint(Endpoint::Token) => {
                token_endpoint::answer(proxy, head, body, base, exchange).await?
            }
            Question::Endpoint(Endpoint::Introspect) => {
                introspect::answer(proxy, head, body, base, exchange).await?
            }
            Question::Endpoint(Endpoint::Revoke) => logout::revoke(head, body).await,
            Question::Endpoint(Endpoint::Logout) => logout::page(body).await,
            Question::Soap(call) => call.answer(proxy, head, body, base, exchange).await?,
        };
        if let Some(origin) = self.origin {
            response::share_with(response.headers_mut(), origin);
        }
        Ok(response)
    }
}

/// All of a body that cannot be long.
async fn read(body: &Replay) -> Result<Bytes, Unanswerable> {
    let (bytes, ended) = body.peek(LARGEST + 1).await?;
    if !ended || bytes.len() > LARGEST {
        return Err(Unanswerable::TooLong(LARGEST));
    }
    Ok(bytes)
}

/// A response of the proxy itself, marked as such (RFC 9209), for nobody to keep.
fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = Some(body.into()).filter(|body| !body.is_empty());
    let is_empty = body.is_none();
    let mut response = Response::new(Body::Local(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !is_empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("proxy-status", HeaderValue::from_static("orgproxy"));
    response
}

/// Notes that a client was not let in. Not as whom: people type passwords there, too.
fn note_refusal(proxy: &Proxy, way: &str) {
    if let Some(left_out) = THROTTLE.admit() {
        tracing::warn!(
            org = proxy.org.name,
            left_out,
            "refused a client that logged in by {way}: its credentials are not in clients"
        );
    }
}

static THROTTLE: Throttle = Throttle::new();

/// Bytes of a request that the proxy answers, and of a response to one of its own; real ones have a
/// few thousand.
const LARGEST: usize = 64 * 1024;

const JSON: &str = "application/json;charset=UTF-8";
const TEXT: &str = "text/plain;charset=UTF-8";
const XML: &str = "text/xml; charset=utf-8";
