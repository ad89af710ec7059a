//! gRPC over HTTP/2, as far as a server with few methods needs it: the messages of a body, and the
//! end of a call.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::BodyExt;
use prost::Message;

use crate::demo::{
    answer::{Body, full},
    rig::seen::Watched,
};

/// The failure of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    code: u16,
    message: &'static str,
    /// Salesforce's own code.
    error_code: Option<&'static str>,
}

impl Status {
    pub(super) const UNAUTHENTICATED: Self = Self {
        code: 16,
        message: "The access token, instance URL or tenant id is missing, wrong or no longer valid",
        error_code: Some("sfdc.platform.eventbus.grpc.service.auth.error"),
    };

    pub(super) const fn invalid(message: &'static str) -> Self {
        Self::new(3, message)
    }

    pub(super) const fn not_found(message: &'static str) -> Self {
        Self::new(5, message)
    }

    pub(super) const fn unimplemented() -> Self {
        Self::new(12, "The demo org does not know this method")
    }

    const fn new(code: u16, message: &'static str) -> Self {
        Self {
            code,
            message,
            error_code: None,
        }
    }

    fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, self.code.into());
        let message = HeaderValue::from_static(self.message);
        headers.insert(GRPC_MESSAGE, message);
        if let Some(code) = self.error_code {
            headers.insert(ERROR_CODE, HeaderValue::from_static(code));
        }
    }
}

/// The trailers that end a call.
pub(super) fn trailers(result: Result<(), Status>) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    match result {
        Ok(()) => {
            trailers.insert(GRPC_STATUS, 0.into());
        }
        Err(status) => status.add_to(&mut trailers),
    }
    trailers
}

/// A response of trailers only, which gRPC then writes as headers.
pub(super) fn failed(status: Status) -> Response<Body> {
    let mut response = answer(full(Bytes::new()));
    status.add_to(response.headers_mut());
    response
}

pub(super) fn answer(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

/// A message after its five bytes of framing: not compressed, and its length.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let mut bytes = BytesMut::with_capacity(5 + message.len());
    bytes.put_u8(0);
    bytes.put_u32(message.len() as u32);
    bytes.put_slice(&message);
    bytes.freeze()
}

/// The messages of a request.
pub(super) struct Messages {
    body: Watched,
    /// Received bytes that are not a whole message yet.
    rest: BytesMut,
}

impl Messages {
    pub(super) fn new(body: Watched) -> Self {
        Self {
            body,
            rest: BytesMut::new(),
        }
    }

    /// The next message; nothing if there are no more. Safe to cancel and call again.
    pub(super) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        const BROKEN: Status = Status::invalid("The message cannot be read");

        loop {
            if let Some(message) = self.whole()? {
                return M::decode(message).map(Some).map_err(|_| BROKEN);
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(_)) => return Err(BROKEN),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    fn whole(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(&[compressed, a, b, c, d]) = self.rest.first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if compressed != 0 || length > LONGEST {
            return Err(Status::invalid("The message is compressed, or too long"));
        }
        if self.rest.len() < 5 + length {
            return Ok(None);
        }
        self.rest.advance(5);
        Ok(Some(self.rest.split_to(length).freeze()))
    }
}

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

const ERROR_CODE: HeaderName = HeaderName::from_static("error-code");

/// Bytes of a message: gRPC's default limit.
const LONGEST: usize = 4 * 1024 * 1024;
