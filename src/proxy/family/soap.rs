//! The envelope of a SOAP request: where the session goes in it, and what it asks for.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use quick_xml::escape::escape;

pub(super) use self::fault::exception_code;
use self::{
    call_options::Naming,
    scan::{Scan, Stop, check_encoding},
};
pub(crate) use self::{
    fault::{envelope, fault},
    scan::{check_declaration, check_version},
};
use crate::{
    auth::Session,
    proxy::{
        coding::Coding,
        headers::starts_with,
        replay::{ClientFault, Replay, Splice},
    },
};

mod call_options;
mod fault;
mod scan;

/// The description of an API that a request follows, by its path:
/// [`crate::salesforce::facts::families`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wsdl {
    Partner,
    Enterprise,
    Metadata,
    Tooling,
    Apex,
    /// A web service of an Apex class, each with a namespace of its own. The guard lets nothing else that
    /// is not known here pass.
    Other,
}

impl Wsdl {
    /// The description for what follows `/services/Soap/` in the path.
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

    /// The namespace of `SessionHeader` and the operations.
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

    /// The namespace of the types of its faults.
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

/// The findings in the beginning of a request's envelope.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) operation: Option<Operation>,
    /// The session that the client sent.
    pub(crate) said: String,
    slot: Slot,
    naming: Naming,
}

/// The operation of a request: the first element in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// The bytes cut out of the envelope, and those put there around the session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Slot {
    at: Range<u64>,
    before: Vec<u8>,
    after: Vec<u8>,
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
        check_content_type(headers)?;
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

    /// The change to the body so that it carries `session`.
    pub(crate) fn splice(&self, session: &Session) -> Splice {
        let Slot { at, before, after } = &self.slot;
        let token = String::from_utf8_lossy(session.token.as_bytes());
        Splice {
            at: at.clone(),
            text: [before, escape(token).as_bytes(), after].concat().into(),
        }
    }

    /// Reads `text`, which may be cut anywhere.
    fn read(text: &[u8], wsdl: Wsdl) -> Result<Self, Stop> {
        if is_utf16(text) {
            return Err(Stop::Refused(EnvelopeError::Utf16));
        }
        // Not even allowed in XML 1.0, and nobody here can know what they do to the bytes after
        // them.
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
            .map(|byte| {
                if byte.is_ascii() {
                    *byte as char
                } else {
                    STAND_IN
                }
            })
            .collect();
        Scan::new(&text, mark, wsdl).envelope()
    }
}

/// Returns whether `text` is in UTF-16, with its mark or without: of an XML document the first
/// character is `<` or space.
fn is_utf16(text: &[u8]) -> bool {
    matches!(
        text,
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, _, ..] | [_, 0, ..]
    )
}

/// The content type of an envelope. What is in parts has several, of which another reader might take
/// another one.
fn check_content_type(headers: &HeaderMap) -> Result<(), EnvelopeError> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.unwrap_or_default().trim_ascii();
    if starts_with(kind, PARTS) {
        return Err(EnvelopeError::Parts);
    }
    check_charset(headers)
}

/// The encoding that the content type names, which goes before that of the document (RFC 7303
/// section 3): other encodings make something else of the same bytes.
///
/// # Errors
/// If it is another one, or may be one for somebody else who reads it.
pub(crate) fn check_charset(headers: &HeaderMap) -> Result<(), EnvelopeError> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(line) = lines.next() else {
        return Ok(());
    };
    if lines.next().is_some() {
        return Err(EnvelopeError::ContentTypes);
    }
    let said = line.to_str().map_err(|_| EnvelopeError::ContentType)?;
    // Also within quotes, which not everybody heeds.
    for parameter in said.split(';').skip(1) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.to_ascii_lowercase().contains("charset") {
            if !name.trim().eq_ignore_ascii_case("charset") {
                return Err(EnvelopeError::ContentType);
            }
            check_encoding(value.trim())?;
        }
    }
    Ok(())
}

const PARTS: &[u8] = b"multipart/";

/// `getUserInfo` on a path of the partner API; it is the same in every WSDL that has it. The
/// session goes in on the way.
///
/// # Errors
/// When `path` is not a valid one.
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

/// The reason why the session cannot be put into a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("the body of this request is not well-formed XML: {0}")]
    Malformed(String),
    #[error(
        "the body of this request is not a SOAP 1.1 envelope, which this path requires ({SOAP})"
    )]
    NotSoap,
    #[error("UTF-16 is not supported; send it in UTF-8")]
    Utf16,
    #[error("the encoding {0:?} is not supported; send it in UTF-8")]
    Encoding(String),
    #[error("XML {0:?} is not supported; send it in XML 1.0")]
    Version(String),
    #[error("this request has more than one Content-Type")]
    ContentTypes,
    #[error("the Content-Type of this request cannot be read")]
    ContentType,
    #[error(
        "a SOAP request in several parts is not supported; send the envelope alone, as text/xml"
    )]
    Parts,
    #[error("a document type (DOCTYPE) is not allowed in SOAP (SOAP 1.1 section 3); remove it")]
    DocumentType,
    #[error(
        "the envelope has more than one session; one SessionHeader with one sessionId is enough"
    )]
    TwoSessions,
    #[error("SessionHeader is in the namespace {found:?}; that of this path is {expected:?}")]
    Namespace {
        found: String,
        expected: &'static str,
    },
    #[error(
        "sessionId is in the namespace {found:?}; that of the SessionHeader around it is {expected:?}, and sessionId must be in the same or in none"
    )]
    SessionIdNamespace { found: String, expected: String },
    #[error("<{0}> is not allowed in the envelope before its Body; only one Header is")]
    Misplaced(String),
    #[error("the envelope has no Body")]
    NoBody,
    #[error(
        "a namespace of the envelope has one of & > \" ', or is beyond ASCII; write it as the WSDL has it"
    )]
    OddNamespace,
    #[error("the name of an element of the envelope is beyond ASCII, which no WSDL has")]
    OddName,
    #[error("the header of the envelope is longer than {LONGEST_HEAD} bytes")]
    TooLong,
    #[error("the Content-Encoding of a SOAP request must be gzip or deflate, not {0}")]
    Coding(String),
    #[error(transparent)]
    Body(#[from] ClientFault),
}

/// The namespace of SOAP 1.1.
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// The version of the APIs that every org will know for years to come:
/// [`crate::salesforce::facts::soap_login`].
pub(crate) const KNOWN_VERSION: &str = "64.0";

/// What is read in place of a byte beyond ASCII: no document has it (XML 1.0 section 2.2).
const STAND_IN: char = '\u{1A}';

/// Bytes. Headers of Salesforce's APIs have some hundred.
const LONGEST_HEAD: usize = 64 * 1024;

#[cfg(test)]
#[path = "../../../tests/fuzz/envelope.rs"]
mod fuzz;

#[cfg(test)]
mod tests;
