//! The envelope of a SOAP request: where the session goes in it, and what it asks for.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use quick_xml::{
    escape::{escape, partial_escape},
    events::{BytesStart, Event},
    name::{QName, ResolveResult},
    reader::NsReader,
};

use crate::{
    auth::Session,
    proxy::replay::{ClientFault, Coding, Replay, Splice},
};

/// The description of an API that a request follows, by its path (S§4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wsdl {
    Partner,
    Enterprise,
    Metadata,
    Tooling,
    Apex,
    /// A web service of an Apex class, each with a namespace of its own; or one that we do not know.
    Other,
}

impl Wsdl {
    /// By what follows `/services/Soap/`.
    pub(super) fn of(segment: &[u8]) -> Self {
        match segment.to_ascii_lowercase().as_slice() {
            b"u" => Self::Partner,
            b"c" => Self::Enterprise,
            b"m" => Self::Metadata,
            b"t" => Self::Tooling,
            b"s" => Self::Apex,
            _ => Self::Other,
        }
    }

    /// Where `SessionHeader` and the operations are from.
    pub(crate) fn namespace(self) -> Option<&'static str> {
        match self {
            Self::Partner => Some("urn:partner.soap.sforce.com"),
            Self::Enterprise => Some("urn:enterprise.soap.sforce.com"),
            Self::Metadata => Some("http://soap.sforce.com/2006/04/metadata"),
            Self::Tooling => Some("urn:tooling.soap.sforce.com"),
            Self::Apex => Some("http://soap.sforce.com/2006/08/apex"),
            Self::Other => None,
        }
    }

    /// Where the types of its faults are from.
    fn fault_namespace(self) -> &'static str {
        match self {
            Self::Partner => "urn:fault.partner.soap.sforce.com",
            Self::Enterprise => "urn:fault.enterprise.soap.sforce.com",
            Self::Tooling => "urn:fault.tooling.soap.sforce.com",
            Self::Metadata => "http://soap.sforce.com/2006/04/metadata",
            Self::Apex | Self::Other => "http://soap.sforce.com/2006/08/apex",
        }
    }
}

/// What the beginning of a request's envelope tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) operation: Option<Operation>,
    /// What the client sent as its session.
    pub(crate) said: String,
    slot: Slot,
}

/// What a request asks for: the first element in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What is cut out of the envelope, and what goes there around the session. Bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    at: Range<u64>,
    before: String,
    after: String,
}

impl Envelope {
    /// Reads the beginning of `body`, as far as the first element in the envelope's body. What was
    /// compressed goes on uncompressed, with its exact length if `body` can be kept whole.
    ///
    /// # Errors
    /// Nothing of such a request may be sent.
    pub(crate) async fn open(
        wsdl: Wsdl,
        headers: &HeaderMap,
        body: &mut Replay,
    ) -> Result<Self, EnvelopeError> {
        let coding = Coding::of(headers).map_err(EnvelopeError::Coding)?;
        if let Some(coding) = coding {
            body.decode(coding);
        }
        if let Some(charset) = charset(headers) {
            check_encoding(&charset)?;
        }
        let mut wanted = 1;
        let envelope = loop {
            let (text, ended) = body.peek(wanted).await?;
            let text = &text[..text.len().min(LONGEST_HEAD)];
            match Self::read(text, wsdl) {
                Ok(envelope) => break envelope,
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Unfinished(_)) if text.len() == LONGEST_HEAD => {
                    return Err(EnvelopeError::TooLong);
                }
                Err(Stop::Unfinished(why)) if ended => return Err(EnvelopeError::Malformed(why)),
                // Twice as much, so that what comes byte by byte is not read as often.
                Err(Stop::Unfinished(_)) => wanted = 2 * text.len(),
            }
        };
        if coding.is_some() {
            body.measure().await?;
        }
        Ok(envelope)
    }

    /// What to do to the body so that it carries `session`.
    pub(crate) fn splice(&self, session: &Session) -> Splice {
        let Slot { at, before, after } = &self.slot;
        let token = String::from_utf8_lossy(session.token.as_bytes());
        Splice {
            at: at.clone(),
            text: Bytes::from([before, &*escape(token), after].concat()),
        }
    }

    /// Reads `text`, which may be cut anywhere.
    fn read(text: &[u8], wsdl: Wsdl) -> Result<Self, Stop> {
        if is_utf16(text) {
            return Err(Stop::Refused(EnvelopeError::Utf16));
        }
        // Not even allowed in XML 1.0, and what they do to the bytes after them is not ours to know.
        if text.iter().any(|byte| matches!(byte, 0x0E | 0x0F | 0x1B)) {
            let why = "it has control characters".to_owned();
            return Err(Stop::Refused(EnvelopeError::Malformed(why)));
        }
        let (mark, text) = match text.strip_prefix(b"\xEF\xBB\xBF") {
            Some(text) => (3, text),
            None => (0, text),
        };
        // Everything that matters is ASCII, in whatever encoding the rest is, and keeps its place.
        let text: String = text
            .iter()
            .map(|byte| if byte.is_ascii() { *byte as char } else { 'x' })
            .collect();
        Scan::new(&text, mark, wsdl).envelope()
    }
}

/// Why reading came to an end too early.
#[derive(Debug)]
enum Stop {
    /// What follows may make sense of it; if nothing does, why it makes none.
    Unfinished(String),
    Refused(EnvelopeError),
}

impl From<EnvelopeError> for Stop {
    fn from(error: EnvelopeError) -> Self {
        Self::Refused(error)
    }
}

/// One reading of an envelope.
struct Scan<'a> {
    text: &'a str,
    reader: NsReader<&'a [u8]>,
    /// Bytes before `text`.
    mark: u64,
    wsdl: Wsdl,
    said: String,
}

/// A tag, and where it is.
struct Tag<'a> {
    tag: BytesStart<'a>,
    namespace: String,
    is_empty: bool,
    at: Range<u64>,
}

/// What comes next in an element.
enum Next<'a> {
    Child(Tag<'a>),
    Text(String),
    End,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str, mark: u64, wsdl: Wsdl) -> Self {
        Self {
            text,
            reader: NsReader::from_str(text),
            mark,
            wsdl,
            said: String::new(),
        }
    }

    fn envelope(mut self) -> Result<Envelope, Stop> {
        let Some(envelope) = self.child()? else {
            return Err(unfinished("it has no element"));
        };
        if envelope.name() != "Envelope" || envelope.namespace != SOAP {
            return Err(Stop::Refused(EnvelopeError::NotSoap));
        }
        let prefix = prefix(&envelope.tag);
        let mut slot = None;
        while let Some(part) = self.child()? {
            if part.namespace == SOAP && part.name() == "Header" && slot.is_none() {
                slot = Some(self.header(&part)?);
            } else if part.namespace == SOAP && part.name() == "Body" {
                let operation = self.operation(&part)?;
                let slot = slot.unwrap_or_else(|| Place::Around {
                    namespace: None,
                    at: part.at.start..part.at.start,
                    before: format!("<{prefix}Header>"),
                    after: format!("</{prefix}Header>"),
                });
                return Ok(Envelope {
                    slot: self.slot(slot, operation.as_ref()),
                    operation,
                    said: self.said,
                });
            } else {
                // What else there is, somebody might take for a second one.
                let name = part.name().to_owned();
                return Err(Stop::Refused(EnvelopeError::Misplaced(name)));
            }
        }
        Err(Stop::Refused(EnvelopeError::NoBody))
    }

    /// Where the session goes in this `Header`, which is read to its end.
    fn header(&mut self, header: &Tag) -> Result<Place, Stop> {
        if header.is_empty {
            let tag = &self.text[span(&header.at)];
            return Ok(Place::Around {
                namespace: None,
                at: header.at.clone(),
                before: format!("{}>", tag.trim_end_matches("/>")),
                after: format!("</{}>", header.tag.name().into_inner()),
            });
        }
        let mut place = None;
        while let Some(child) = self.child()? {
            if child.name() != "SessionHeader" {
                self.skip(&child)?;
                continue;
            }
            if let Some(expected) = self.wsdl.namespace()
                && child.namespace != expected
            {
                return Err(Stop::Refused(EnvelopeError::Namespace {
                    found: child.namespace,
                    expected,
                }));
            }
            if place.is_some() {
                return Err(Stop::Refused(EnvelopeError::TwoSessions));
            }
            place = Some(self.session(child)?);
        }
        Ok(place.unwrap_or_else(|| Place::Around {
            namespace: None,
            at: header.at.end..header.at.end,
            before: String::new(),
            after: String::new(),
        }))
    }

    /// Where the session goes in this `SessionHeader`, which is read to its end.
    fn session(&mut self, header: Tag) -> Result<Place, Stop> {
        let mut at = None;
        while !header.is_empty
            && let Some(child) = self.child()?
        {
            if child.name() != "sessionId" {
                self.skip(&child)?;
                continue;
            }
            // SOAP::Lite leaves the parts of a header in no namespace, which the org puts up with.
            if !child.namespace.is_empty() && child.namespace != header.namespace {
                return Err(Stop::Refused(EnvelopeError::SessionIdNamespace {
                    found: child.namespace,
                    expected: header.namespace,
                }));
            }
            let end = self.session_id(&child)?;
            if at.replace(child.at.start..end).is_some() {
                return Err(Stop::Refused(EnvelopeError::TwoSessions));
            }
        }
        Ok(match at {
            Some(at) => Place::SessionId {
                at,
                namespace: header.namespace,
            },
            None => Place::Around {
                namespace: Some(header.namespace),
                at: header.at.start..self.position(),
                before: String::new(),
                after: String::new(),
            },
        })
    }

    /// Reads what the client sent as its session. Returns where its element ends.
    fn session_id(&mut self, tag: &Tag) -> Result<u64, Stop> {
        if tag.is_empty {
            return Ok(self.position());
        }
        loop {
            match self.next()? {
                Next::Text(text) => self.said.push_str(text.trim()),
                Next::Child(child) => self.skip(&child)?,
                Next::End => return Ok(self.position()),
            }
        }
    }

    fn operation(&mut self, body: &Tag) -> Result<Option<Operation>, Stop> {
        if body.is_empty {
            return Ok(None);
        }
        let first = self.child()?;
        Ok(first.map(|first| Operation {
            name: first.name().to_owned(),
            namespace: first.namespace,
        }))
    }

    /// The bytes around the session. Each element that we write says its namespace itself, so that
    /// it does not matter what is declared around it.
    fn slot(&self, place: Place, operation: Option<&Operation>) -> Slot {
        match place {
            Place::SessionId { at, namespace } => Slot {
                at: self.moved(at),
                before: format!("<sessionId xmlns=\"{}\">", escape(namespace)),
                after: "</sessionId>".to_owned(),
            },
            Place::Around {
                namespace,
                at,
                before,
                after,
            } => {
                let namespace = namespace
                    .or_else(|| self.wsdl.namespace().map(str::to_owned))
                    .or_else(|| operation.map(|operation| operation.namespace.clone()))
                    .unwrap_or_default();
                let namespace = escape(namespace);
                Slot {
                    at: self.moved(at),
                    before: format!("{before}<SessionHeader xmlns=\"{namespace}\"><sessionId>"),
                    after: format!("</sessionId></SessionHeader>{after}"),
                }
            }
        }
    }

    fn moved(&self, at: Range<u64>) -> Range<u64> {
        at.start + self.mark..at.end + self.mark
    }

    /// The next element in the one that was begun last, or nothing at its end.
    fn child(&mut self) -> Result<Option<Tag<'a>>, Stop> {
        loop {
            match self.next()? {
                Next::Child(tag) => return Ok(Some(tag)),
                Next::Text(_) => {}
                Next::End => return Ok(None),
            }
        }
    }

    fn skip(&mut self, tag: &Tag) -> Result<(), Stop> {
        let mut depth = u32::from(!tag.is_empty);
        while depth > 0 {
            match self.next()? {
                Next::Child(child) => depth += u32::from(!child.is_empty),
                Next::Text(_) => {}
                Next::End => depth -= 1,
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Next<'a>, Stop> {
        loop {
            let start = self.position();
            let (namespace, event) = match self.reader.read_resolved_event() {
                Ok((namespace, event)) => (bound(namespace), event),
                Err(error) => return Err(Stop::Unfinished(error.to_string())),
            };
            let at = start..self.position();
            let is_empty = matches!(event, Event::Empty(_));
            if let Event::Start(tag) | Event::Empty(tag) = &event {
                check_namespaces(tag)?;
            }
            if let Event::Decl(decl) = &event
                && let Some(Ok(encoding)) = decl.encoding()
            {
                check_encoding(&encoding)?;
            }
            return Ok(match event {
                Event::Start(tag) | Event::Empty(tag) => Next::Child(Tag {
                    tag,
                    namespace,
                    is_empty,
                    at,
                }),
                Event::End(_) => Next::End,
                Event::Text(_) | Event::CData(_) => Next::Text(plain(&self.text[span(&at)])),
                Event::DocType(_) => return Err(Stop::Refused(EnvelopeError::DocumentType)),
                Event::Eof => return Err(unfinished("it ends too early")),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::GeneralRef(_) => {
                    continue;
                }
            });
        }
    }

    fn position(&self) -> u64 {
        self.reader.buffer_position()
    }
}

/// Where the session goes.
enum Place {
    /// In place of this element.
    SessionId { at: Range<u64>, namespace: String },
    /// Within a `SessionHeader` in place of this range, and between these.
    Around {
        /// That of the API if none is given.
        namespace: Option<String>,
        at: Range<u64>,
        before: String,
        after: String,
    },
}

fn unfinished(why: &str) -> Stop {
    Stop::Unfinished(why.to_owned())
}

impl Tag<'_> {
    fn name(&self) -> &str {
        self.tag.local_name().into_inner()
    }
}

/// A namespace with a reference in it (`&#47;`) would be another one here than there.
fn check_namespaces(tag: &BytesStart) -> Result<(), EnvelopeError> {
    let has_reference = |value: &str| value.contains('&');
    let hidden = tag.attributes_raw().contains("xmlns")
        && tag.attributes().any(|attribute| {
            attribute.is_ok_and(|it| it.key.0.starts_with("xmlns") && has_reference(&it.value))
        });
    match hidden {
        true => Err(EnvelopeError::Reference),
        false => Ok(()),
    }
}

/// In other encodings the bytes of a tag may be something else.
fn check_encoding(name: &str) -> Result<(), EnvelopeError> {
    let name = name.trim_matches(['"', '\'']).to_ascii_lowercase();
    let is_like_ascii = ["utf-8", "utf8", "us-ascii", "ascii", "latin1"].contains(&&*name)
        || name.starts_with("iso-8859-")
        || name.starts_with("windows-125");
    match is_like_ascii {
        true => Ok(()),
        false => Err(EnvelopeError::Encoding(name)),
    }
}

/// `se:` of `<se:Envelope>`.
fn prefix(tag: &BytesStart) -> String {
    let QName(name) = tag.name();
    name.split_once(':')
        .map(|(prefix, _)| format!("{prefix}:"))
        .unwrap_or_default()
}

fn bound(namespace: ResolveResult) -> String {
    match namespace {
        ResolveResult::Bound(namespace) => namespace.into_inner().to_owned(),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
    }
}

fn plain(text: &str) -> String {
    let text = text.strip_prefix("<![CDATA[").unwrap_or(text);
    text.strip_suffix("]]>").unwrap_or(text).to_owned()
}

/// Both ends come from a reader of a text in memory.
fn span(at: &Range<u64>) -> Range<usize> {
    let index = |position| usize::try_from(position).unwrap_or(usize::MAX);
    index(at.start)..index(at.end)
}

/// With its mark or without: of an XML document the first character is `<` or space.
fn is_utf16(text: &[u8]) -> bool {
    matches!(
        text,
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, _, ..] | [_, 0, ..]
    )
}

/// What the content type says of the encoding, which goes before what the document says (RFC 7303
/// section 3).
fn charset(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    said.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().to_owned())
    })
}

/// `getUserInfo` on a path of the partner API; it is the same in every WSDL that has it. The session
/// goes in on the way.
///
/// # Errors
/// When `path` can be none of a request.
pub(crate) fn get_user_info(path: &str) -> Result<Request<Bytes>, http::Error> {
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{SOAP}\">\
         <soapenv:Body><getUserInfo xmlns=\"urn:partner.soap.sforce.com\"/></soapenv:Body>\
         </soapenv:Envelope>"
    );
    Request::post(path)
        .header(header::CONTENT_TYPE, "text/xml; charset=UTF-8")
        .header("soapaction", "\"\"")
        .body(envelope.into())
}

/// A fault as the org writes it, byte for byte: some clients read it with regular expressions.
///
/// `kind` is the type of its detail in the WSDL, and `exception_code` one of the WSDL's `ExceptionCode`,
/// which strict clients look up. The Metadata and Apex APIs and web services of Apex classes have no
/// detail.
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
    let detail = match namespace.starts_with("urn:") {
        true => format!(
            "<detail><sf:{kind} xsi:type=\"sf:{kind}\"><sf:exceptionCode>{exception_code}\
             </sf:exceptionCode><sf:exceptionMessage>{message}</sf:exceptionMessage></sf:{kind}>\
             </detail>"
        ),
        false => String::new(),
    };
    envelope(
        &format!("xmlns:sf=\"{namespace}\""),
        &format!(
            "<soapenv:Fault><faultcode>sf:{exception_code}</faultcode><faultstring>{fault_string}\
             </faultstring>{detail}</soapenv:Fault>"
        ),
    )
}

/// As the org writes it, with `declared` among its namespaces.
pub(crate) fn envelope(declared: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{SOAP}\" \
         {declared} xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
         {content}</soapenv:Body></soapenv:Envelope>"
    )
}

/// What comes nearest in the WSDL's `ExceptionCode` to an error of this proxy.
pub(super) fn exception_code(status: StatusCode, code: &str) -> &'static str {
    match (status, code) {
        (_, "UNSUPPORTED_API_VERSION") => "UNSUPPORTED_API_VERSION",
        // Nothing that gets better if the client tries again.
        (_, "LOGIN_REFUSED") => "UNKNOWN_EXCEPTION",
        (StatusCode::FORBIDDEN, _) => "INSUFFICIENT_ACCESS",
        (StatusCode::PAYLOAD_TOO_LARGE, _) => "EXCEEDED_MAX_SIZE_REQUEST",
        (StatusCode::GATEWAY_TIMEOUT, _) => "REQUEST_RUNNING_TOO_LONG",
        (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE, _) => "SERVER_UNAVAILABLE",
        _ if status.is_client_error() => "INVALID_OPERATION",
        _ => "UNKNOWN_EXCEPTION",
    }
}

/// Why the session cannot be put into a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("the body of this request is not well-formed XML: {0}")]
    Malformed(String),
    #[error(
        "the body of this request is no envelope of SOAP 1.1, which is what this path takes ({SOAP})"
    )]
    NotSoap,
    #[error("UTF-16 is not read here; send the envelope in UTF-8")]
    Utf16,
    #[error("the encoding {0:?} is not read here; send the envelope in UTF-8")]
    Encoding(String),
    #[error("a document type (DOCTYPE) has no place in SOAP (SOAP 1.1 section 3); leave it out")]
    DocumentType,
    #[error(
        "the envelope has more than one session; one SessionHeader with one sessionId is enough"
    )]
    TwoSessions,
    #[error("SessionHeader is in the namespace {found:?}; the one of this path is {expected:?}")]
    Namespace {
        found: String,
        expected: &'static str,
    },
    #[error(
        "sessionId is in the namespace {found:?}; that of the SessionHeader around it is {expected:?}, and sessionId must be in the same or in none"
    )]
    SessionIdNamespace { found: String, expected: String },
    #[error("<{0}> has no place in the envelope before its Body, but for one Header")]
    Misplaced(String),
    #[error("the envelope has no Body")]
    NoBody,
    #[error(
        "a namespace of the envelope has a reference (&) in it; write the characters themselves"
    )]
    Reference,
    #[error("the header of the envelope is longer than {LONGEST_HEAD} bytes")]
    TooLong,
    #[error("the Content-Encoding of a SOAP request can be gzip or deflate, and not {0}")]
    Coding(String),
    #[error(transparent)]
    Body(#[from] ClientFault),
}

/// The namespace of SOAP 1.1.
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// The version of the APIs that every org will know for years to come (S§5.1).
pub(crate) const KNOWN_VERSION: &str = "64.0";

/// Bytes. Headers of Salesforce's APIs have some hundred.
const LONGEST_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests;
