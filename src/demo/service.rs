//! A request's way through the org.

use std::{convert::Infallible, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::future;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
    request::Parts,
};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use super::{
    Inner,
    answer::{Answer, Body, full, interrupt, with_length},
    rig::{
        fault::{Fault, TOKEN},
        hold::Place,
        long::OpenCalls,
        seen::{Seen, Watched},
        wire::Control,
    },
    session::Access,
    soap::Endpoint,
};

/// A request's head, and the access that it has.
pub(super) struct Call {
    pub(super) head: Parts,
    pub(super) access: Access,
}

impl Call {
    /// The segments of the path, whatever the number of slashes between them.
    pub(super) fn segments(&self) -> Vec<&str> {
        segments(self.head.uri.path())
    }
}

/// The segments of a path, whatever the number of slashes between them.
pub(super) fn segments(path: &str) -> Vec<&str> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .collect()
}

pub(super) async fn serve(
    org: Arc<Inner>,
    connection: usize,
    control: Control,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let (version, to_head) = (head.version, head.method == Method::HEAD);
    let path = head.uri.path().to_owned();
    let path = path.as_str();
    let number = note(&org, connection, &control, &head, &body);
    let body = Watched::new(body, org.log.clone(), number);

    let open = is_counted(path).then(|| OpenCalls::begin(&org.open_calls, org.knobs().long_calls));
    let is_refused = matches!(open, Some(None));
    if let Some(gate) = org
        .holds
        .find(path, |place| !is_refused && place == Place::Request)
    {
        gate.pass(|| org.log.notify()).await;
    }

    let access = org.access(&head);
    let user = org.sessions.user_in(&head.headers);
    org.log.update(number, |seen| {
        seen.authorized = access == Access::Live;
        seen.user = user
            .filter(|_| seen.authorized)
            .map(|user| user.to_string());
    });
    let call = Call { head, access };

    let fault = if is_refused {
        Some(Fault::crowded_at(path))
    } else {
        org.faults.take(path)
    };
    let (fault, body) = match fault {
        Some(Fault::Early(fault)) => (Some(*fault), body),
        Some(fault @ (Fault::Answer(_) | Fault::Raw(..) | Fault::Hang)) => {
            (Some(fault), drained(body).await)
        }
        fault => (fault, body),
    };
    let mut response = match fault {
        None => org.answer(call, body).await,
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            org.answer(call, body).await
        }
        Some(Fault::Hang | Fault::Early(_)) => future::pending().await,
        Some(Fault::Answer(canned)) => Answer::from(canned).into_response(&call.head.headers),
        Some(Fault::Raw(bytes, then)) => {
            control.say(bytes, then);
            return Ok(Response::new(full(Bytes::new())));
        }
        Some(Fault::CutBody(after)) => {
            let cut = future::ready(Err(io::Error::other("cut on demand")));
            interrupt(org.answer(call, body).await, after, cut)
        }
        Some(Fault::PauseBody(after, pause)) => {
            let pause = async move {
                tokio::time::sleep(pause).await;
                Ok(())
            };
            interrupt(org.answer(call, body).await, after, pause)
        }
        Some(Fault::EndAfter(then)) => {
            let response = with_length(org.answer(call, body).await);
            let end = EndOnDrop(control.clone(), then);
            response.map(|body| body.map_frame(move |frame| (&end, frame).1).boxed_unsync())
        }
    };

    if let Some(gate) = org.holds.find(path, |place| place != Place::Request)
        && let Place::Body(after) = gate.place
    {
        let log = org.log.clone();
        response = interrupt(response, after, async move {
            gate.pass(|| log.notify()).await;
            Ok(())
        });
    }
    if version != Version::HTTP_2 {
        control.heads.take(&mut response, |_| None, to_head);
    }
    Ok(response)
}

impl Inner {
    /// The access by the session in the request's head. SOAP has it in the body.
    fn access(&self, head: &Parts) -> Access {
        let timeout = self.knobs().session_timeout;
        match segments(head.uri.path())[..] {
            ["soap", ..] | ["services", "wsdl", ..] => {
                self.sessions.page_access(&head.headers, timeout)
            }
            [id] if id.starts_with("00O") => self.sessions.page_access(&head.headers, timeout),
            ref other if Endpoint::new(other).is_some() => Access::Missing,
            _ => self
                .sessions
                .access(head.uri.path(), &head.headers, timeout),
        }
    }

    /// The org's response on a good day.
    async fn answer(self: &Arc<Self>, call: Call, body: Watched) -> Response<Body> {
        if let ["eventbus.v1.PubSub", method] = call.segments()[..] {
            return self.pubsub(&call, method, body).await;
        }
        let asked = call.head.headers.clone();
        let answer = match call.segments()[..] {
            ["services", "oauth2", "token"] => match collected(body).await {
                Ok(form) => self.login(&call.head.method, &asked, &form),
                Err(answer) => answer,
            },
            ["services", "oauth2", "revoke"] => match collected(body).await {
                Ok(form) => self.revoke(&form),
                Err(answer) => answer,
            },
            ["services", "oauth2", "userinfo"] => self.userinfo(&call),
            ["id", org, user] => self.identity(&call, org, user),
            ["services", "apexrest", ref path @ ..] => self.apex(&call, path, body).await,
            ["services", "data", ..] => match collected(body).await {
                Ok(body) => self.rest(&call, body),
                Err(answer) => answer,
            },
            ["services", "async", version, ref path @ ..] => match collected(body).await {
                Ok(body) => self.bulk(&call, version, path, body),
                Err(answer) => answer,
            },
            ["cometd", ..] => match collected(body).await {
                Ok(body) => self.cometd(&call, body).await,
                Err(answer) => answer,
            },
            [id] if id.starts_with("00O") => {
                drained(body).await;
                self.report(&call)
            }
            ["soap", "wsdl.jsp"] => self.partner_wsdl(&call),
            ["services", "wsdl", "class", ref name @ ..] => self.class_wsdl(&call, &name.join("/")),
            ref other => match Endpoint::new(other) {
                Some(endpoint) => {
                    let number = body.number();
                    match collected(body).await {
                        Ok(body) => self.soap(&call, &endpoint, &body, number),
                        Err(answer) => answer,
                    }
                }
                None => {
                    drained(body).await;
                    Answer::not_found()
                }
            },
        };
        // Somebody may be waiting for it.
        self.changed.notify_waiters();
        let mut response = answer.into_response(&asked);
        decorate(response.headers_mut());
        response
    }
}

/// Returns whether requests to `path` are calls to the API, of which few may take long.
fn is_counted(path: &str) -> bool {
    let apis = ["data", "Soap", "async", "apexrest"];
    matches!(segments(path)[..], ["services", api, _, ..] if apis.contains(&api))
}

/// Records the request, and returns its number; 0 if it is only counted.
fn note(org: &Inner, connection: usize, control: &Control, head: &Parts, body: &Incoming) -> usize {
    if head.uri.path() == TOKEN {
        org.log.count(|counts| counts.token_requests += 1);
        return 0;
    }
    let target = match head.uri.path_and_query() {
        Some(target) if head.version == Version::HTTP_2 => target.to_string(),
        _ => head.uri.to_string(),
    };
    let request_line = format!("{} {target} HTTP/1.", head.method);
    org.log.add(Seen {
        number: 0,
        connection,
        method: head.method.clone(),
        version: head.version,
        headers: head.headers.clone(),
        head: match head.version {
            Version::HTTP_2 => Bytes::new(),
            _ => control.head(&request_line),
        },
        target,
        authorized: false,
        user: None,
        length: 0,
        body: Vec::new(),
        sha256: String::new(),
        complete: body.is_end_stream(),
        trailers: None,
    })
}

/// Adds the headers of every response that the org itself makes.
fn decorate(headers: &mut HeaderMap) {
    for (name, value) in COMMON {
        headers.append(name, HeaderValue::from_static(value));
    }
}

/// The whole body, or the answer to one that is too long or breaks off.
pub(super) async fn collected(mut body: Watched) -> Result<Bytes, Answer> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame.map(|frame| frame.into_data()) {
            Ok(Ok(data)) if bytes.len() + data.len() > LONGEST => {
                return Err(Answer::error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "REQUEST_ENTITY_TOO_LARGE",
                    "Maximum Request Size Exceeded",
                ));
            }
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(_) => return Err(Answer::empty(StatusCode::BAD_REQUEST)),
        }
    }
    Ok(bytes.freeze())
}

/// Reads the body to its end, good or bad.
pub(super) async fn drained(mut body: Watched) -> Watched {
    while let Some(Ok(_)) = body.frame().await {}
    body
}

/// Ends the connection when the body that holds this is dropped.
struct EndOnDrop(Control, super::rig::fault::Then);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}

const COMMON: [(HeaderName, &str); 7] = [
    (header::SERVER, "sfdcedge"),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=63072000; includeSubDomains",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::SET_COOKIE,
        "CookieConsentPolicy=0:0; path=/; Max-Age=31536000; SameSite=None; Secure",
    ),
    (
        header::SET_COOKIE,
        "LSKey-c$CookieConsentPolicy=0:0; path=/; Max-Age=31536000; SameSite=None; Secure",
    ),
    (
        header::SET_COOKIE,
        "BrowserId=q0RkZVZhEe2V1WkYc0Dm0Q; domain=.salesforce.com; path=/; Max-Age=31536000; SameSite=None; Secure",
    ),
    (header::VARY, "Accept-Encoding"),
];

/// Bytes of a body that is not streamed: the limit of the REST API.
const LONGEST: usize = 50 * 1024 * 1024;
