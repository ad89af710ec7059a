//! Reads an envelope as far as the first element of its body.

use std::ops::Range;

use quick_xml::{
    escape::{escape, resolve_xml_entity},
    events::{BytesDecl, BytesRef, BytesStart, Event, attributes::AttrError},
    name::{QName, ResolveResult},
    reader::NsReader,
};

use super::{Envelope, EnvelopeError, Operation, SOAP, STAND_IN, Slot, Wsdl, call_options::Naming};

/// The reason why reading came to an end too early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bytes that follow may make sense of it; if none does, the reason why it makes none.
    Unfinished(String),
    Refused(EnvelopeError),
}

impl From<EnvelopeError> for Stop {
    fn from(error: EnvelopeError) -> Self {
        Self::Refused(error)
    }
}

/// One reading of an envelope.
pub(super) struct Scan<'a> {
    text: &'a str,
    reader: NsReader<&'a [u8]>,
    /// Bytes before `text`.
    mark: u64,
    wsdl: Wsdl,
    said: String,
    /// Where the client is to be named, if there are `CallOptions`.
    naming: Option<Naming>,
    /// If true, an element has begun.
    is_begun: bool,
}

/// A tag, and where it is.
struct Tag<'a> {
    tag: BytesStart<'a>,
    namespace: String,
    is_empty: bool,
    at: Range<u64>,
}

/// The next thing in an element.
enum Next<'a> {
    Child(Tag<'a>),
    Text(String),
    End,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, mark: u64, wsdl: Wsdl) -> Self {
        Self {
            text,
            reader: NsReader::from_str(text),
            mark,
            wsdl,
            said: String::new(),
            naming: None,
            is_begun: false,
        }
    }

    pub(super) fn envelope(mut self) -> Result<Envelope, Stop> {
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
                let naming = self.naming.take().unwrap_or_else(|| slot.naming());
                return Ok(Envelope {
                    slot: self.slot(slot, operation.as_ref()),
                    naming: naming.moved(self.mark),
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

    /// The place for the session in this `Header`, which is read to its end.
    fn header(&mut self, header: &Tag) -> Result<Place, Stop> {
        if header.is_empty {
            // What else is in the tag stays as it is.
            let slash = header.at.end.saturating_sub("/>".len() as u64);
            return Ok(Place::Around {
                namespace: None,
                at: slash..header.at.end,
                before: ">".to_owned(),
                after: format!("</{}>", header.tag.name().into_inner()),
            });
        }
        let mut place = None;
        while let Some(child) = self.child()? {
            if child.name() == "CallOptions" {
                self.call_options(&child)?;
                continue;
            }
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

    /// Looks for who calls in these `CallOptions`, which are read to their end.
    fn call_options(&mut self, options: &Tag) -> Result<(), Stop> {
        let mut is_said = false;
        while !options.is_empty
            && let Some(child) = self.child()?
        {
            is_said |= child.name() == "client";
            self.skip(&child)?;
        }
        if is_said {
            self.naming = Some(Naming::Said);
        } else if self.naming.is_none() && Some(&*options.namespace) == self.wsdl.namespace() {
            self.naming = Some(if options.is_empty {
                Naming::InPlaceOf(options.at.clone())
            } else {
                Naming::Within(options.at.end)
            });
        }
        Ok(())
    }

    /// The place for the session in this `SessionHeader`, which is read to its end.
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
        if header.is_empty {
            return Ok(Place::Around {
                namespace: Some(header.namespace),
                at: header.at,
                before: String::new(),
                after: String::new(),
            });
        }
        Ok(Place::SessionId {
            header: header.at.start,
            // What else there is in it stays.
            at: at.unwrap_or(header.at.end..header.at.end),
            namespace: header.namespace,
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

    /// The bytes around the session. Each element that the proxy writes declares its namespace
    /// itself, so that it does not matter what is declared around it.
    fn slot(&self, place: Place, operation: Option<&Operation>) -> Slot {
        match place {
            Place::SessionId { at, namespace, .. } => Slot {
                at: self.moved(at),
                before: format!("<sessionId xmlns=\"{}\">", escape(namespace)).into(),
                after: "</sessionId>".into(),
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
                    before: format!("{before}<SessionHeader xmlns=\"{namespace}\"><sessionId>")
                        .into(),
                    after: format!("</sessionId></SessionHeader>{after}").into(),
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
                check_tag(tag)?;
            }
            if let Event::Decl(decl) = &event {
                check_declaration(decl)?;
            }
            self.check_beginning(&event, &at)?;
            return Ok(match event {
                Event::Start(tag) | Event::Empty(tag) => Next::Child(Tag {
                    tag,
                    namespace,
                    is_empty,
                    at,
                }),
                Event::End(_) => Next::End,
                Event::Text(_) | Event::CData(_) => Next::Text(plain(&self.text[span(&at)])),
                Event::GeneralRef(reference) => Next::Text(meant(&reference)?),
                Event::DocType(_) => return Err(Stop::Refused(EnvelopeError::DocumentType)),
                Event::Eof => return Err(unfinished("it ends too early")),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => continue,
            });
        }
    }

    /// What comes before the first element: whoever takes text for part of something else might find
    /// another envelope after it.
    fn check_beginning(&mut self, event: &Event, at: &Range<u64>) -> Result<(), Stop> {
        if self.is_begun {
            return Ok(());
        }
        let at = span(at);
        let is_text = match event {
            // What is cut off may be a mark, or space.
            Event::Text(_) => at.end < self.text.len(),
            Event::CData(_) | Event::GeneralRef(_) => true,
            _ => false,
        };
        self.is_begun = matches!(event, Event::Start(_) | Event::Empty(_));
        if is_text && !self.text[at].trim_ascii().is_empty() {
            let why = "it has text before its first element".to_owned();
            return Err(Stop::Refused(EnvelopeError::Malformed(why)));
        }
        Ok(())
    }

    fn position(&self) -> u64 {
        self.reader.buffer_position()
    }
}

/// The place for the session.
enum Place {
    /// In place of this element, or in this empty place.
    SessionId {
        at: Range<u64>,
        namespace: String,
        /// The start of the `SessionHeader` around it.
        header: u64,
    },
    /// Within a `SessionHeader` in place of this range, and between these.
    Around {
        /// That of the API if none is given.
        namespace: Option<String>,
        at: Range<u64>,
        before: String,
        after: String,
    },
}

impl Place {
    /// Where the client is named if there are no `CallOptions`: just before the session.
    fn naming(&self) -> Naming {
        match self {
            Self::SessionId { header, .. } => Naming::Before(*header),
            Self::Around { before, .. } => Naming::InSlot(before.len()),
        }
    }
}

fn unfinished(why: &str) -> Stop {
    Stop::Unfinished(why.to_owned())
}

impl Tag<'_> {
    fn name(&self) -> &str {
        self.tag.local_name().into_inner()
    }
}

/// Where others may read a tag in another way: `<` in it may begin the next one (XML 1.0 section 3.1
/// forbids it), a namespace with a reference (`&#47;`) would be another one here than there, and of a name
/// or a namespace beyond ASCII not all is known here.
fn check_tag(tag: &BytesStart) -> Result<(), EnvelopeError> {
    if tag.attributes_raw().contains('<') {
        let why = "it has < in an attribute".to_owned();
        return Err(EnvelopeError::Malformed(why));
    }
    if tag.name().into_inner().contains(STAND_IN) {
        return Err(EnvelopeError::OddName);
    }
    let is_odd = |value: &str| value.contains(['&', '>', '"', '\'', STAND_IN]);
    let hidden = tag.attributes_raw().contains("xmlns")
        && tag.attributes().any(|attribute| {
            attribute.is_ok_and(|it| it.key.0.starts_with("xmlns") && is_odd(&it.value))
        });
    if hidden {
        return Err(EnvelopeError::OddNamespace);
    }
    Ok(())
}

/// What a document says of itself: XML 1.0, in an encoding like ASCII.
pub(crate) fn check_declaration(decl: &BytesDecl<'_>) -> Result<(), EnvelopeError> {
    check_version(decl)?;
    let Some(encoding) = decl.encoding() else {
        return Ok(());
    };
    let malformed = |error: AttrError| EnvelopeError::Malformed(error.to_string());
    check_encoding(&encoding.map_err(malformed)?)
}

/// In XML 1.1 there are characters that end a name or not, depending on who reads it.
pub(crate) fn check_version(decl: &BytesDecl<'_>) -> Result<(), EnvelopeError> {
    let version = decl.version();
    let version = version.map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
    match &*version {
        "1.0" => Ok(()),
        other => Err(EnvelopeError::Version(other.to_owned())),
    }
}

/// In other encodings the bytes of a tag may be something else.
pub(crate) fn check_encoding(name: &str) -> Result<(), EnvelopeError> {
    let name = name.trim_matches(['"', '\'']).to_ascii_lowercase();
    let is_like_ascii = ["utf-8", "utf8", "us-ascii", "ascii", "latin1"].contains(&&*name)
        || name.starts_with("iso-8859-")
        || name.starts_with("windows-125");
    if !is_like_ascii {
        return Err(EnvelopeError::Encoding(name));
    }
    Ok(())
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

/// What `reference` stands for. Without a document type there are none but those of XML.
fn meant(reference: &BytesRef) -> Result<String, EnvelopeError> {
    let character = reference.resolve_char_ref();
    match character.map_err(|error| EnvelopeError::Malformed(error.to_string()))? {
        Some(character) => Ok(character.to_string()),
        None => resolve_xml_entity(reference)
            .map(str::to_owned)
            .ok_or_else(|| EnvelopeError::Malformed("it has an unknown entity".to_owned())),
    }
}

/// Both ends come from a reader of a text in memory.
pub(super) fn span(at: &Range<u64>) -> Range<usize> {
    let index = |position| usize::try_from(position).unwrap_or(usize::MAX);
    index(at.start)..index(at.end)
}
