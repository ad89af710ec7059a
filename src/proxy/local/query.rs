//! Requests that the proxy itself sends to the org.

use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::LARGEST;
use crate::{
    auth::Session,
    proxy::{
        Proxy,
        coding::{self, Coding},
        delivery,
        error::{Error, Unanswerable},
        exchange::Exchange,
        family::Family,
        replay::Replay,
        request::Head,
    },
};

/// The org's response to a request of the proxy itself.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// The session with which it was asked.
    pub(super) session: Arc<Session>,
}

/// Asks the org, as a client would: a dead session is replaced.
///
/// # Errors
/// The same as [`Delivery::deliver`](crate::proxy::delivery::Delivery::deliver), or a response of
/// more than [`LARGEST`] bytes.
pub(super) async fn query(
    proxy: &Proxy,
    request: Request<Bytes>,
    exchange: &Exchange,
) -> Result<Reply, Error> {
    let (parts, body) = request.into_parts();
    let family = Family::of(&parts);
    let mut body = if body.is_empty() {
        Replay::Empty
    } else {
        Replay::of(body)
    };
    let envelope = family.open_envelope(&parts, &mut body).await?;
    let head = Head::new(parts, Bytes::new(), family, envelope);
    let (response, session) = {
        let sessions = proxy.delivery.sessions_for(exchange)?;
        let request = delivery::Request::new(&head, &body, exchange, sessions);
        proxy.delivery.admit(request).await?;
        proxy.delivery.deliver(request).await?
    };

    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_long().into()),
        Err(error) => return Err(Error::BrokeOff(io::Error::other(error))),
    };
    Ok(Reply {
        status: parts.status,
        body: decoded(&parts.headers, &body)?,
        session,
    })
}

/// The proxy does not ask for compression. Something on the way may all the same.
fn decoded(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, Error> {
    // What is encoded otherwise turns out not to be a document.
    let coding = Coding::of(headers).unwrap_or_default();
    let mut text = Vec::new();
    let decoded = coding::decoder(coding, body);
    decoded.take(LARGEST as u64 + 1).read_to_end(&mut text)?;
    if text.len() > LARGEST {
        return Err(too_long().into());
    }
    Ok(text)
}

fn too_long() -> Unanswerable {
    Unanswerable::Unidentified(format!("its response is longer than {LARGEST} bytes"))
}
