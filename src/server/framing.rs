//! Where messages begin and end on an HTTP/1.1 connection, read strictly.
//!
//! hyper reads more leniently than is safe in front of somebody else's server: a length beside
//! chunks is dropped without a word, a bare line feed ends a line, `#…` vanishes from a target. So
//! the bytes are read here first. What hyper would let pass is noted for the guard to refuse, with
//! the reason. In a body it is blotted out with all that follows, and the connection is read no
//! further.

use bytes::Bytes;
use memchr::memchr;

use super::frames::Frames;
use crate::proxy::{
    connection_state::{FramingFault, LARGEST_BODY},
    percent,
};

/// Follows the messages that a client sends, as their bytes come in.
#[derive(Default)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a line that has not ended yet.
    carry: Vec<u8>,
    /// The header lines of a head that has not ended yet, but for those that came last.
    lines: Vec<u8>,
    last: Last,
    /// Heads that were seen whole.
    heads: u64,
    /// Targets that hyper is not shown, by the number of their request.
    targets: Vec<(u64, String)>,
    /// The beginning of the last request line, and how long that was.
    first: (Vec<u8>, usize),
    /// Lines of the last head.
    header_lines: usize,
    /// True if an empty line before the next request ends without a carriage return.
    bare: bool,
}

/// The part of a message that is expected next.
#[derive(Default)]
enum State {
    #[default]
    RequestLine,
    Headers(Fields),
    /// So many bytes of a body whose length was told.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk, its end of line included.
    Chunk(u64),
    Trailers,
    /// The bytes that open an HTTP/2 connection, after so many of them.
    Preface(usize),
    Http2(Box<Frames>),
    /// Began as HTTP/2, and is not.
    NoPreface,
    /// A body has a fault. Nothing after that can be told apart.
    Broken,
}

/// The header lines of the last head, and what they say. Most clients send the same ones with each
/// request, and to compare them costs a tenth of reading them.
#[derive(Default)]
struct Last {
    /// With the end of the head. None if they were many, or have a fault.
    lines: Bytes,
    count: usize,
    length: Option<u64>,
    chunked: bool,
}

/// The facts about the body in the header lines so far.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    fault: Option<FramingFault>,
    /// The target, if hyper is not shown it.
    target: Option<String>,
}

impl Framing {
    /// For a connection that both ends know to be HTTP/2.
    pub(super) fn http2() -> Self {
        Self {
            state: State::Preface(0),
            ..Self::default()
        }
    }

    /// Reads on. Returns the number of a request, counted from 1, that has a fault, and the fault.
    /// `hear` is called with the header lines of each request.
    pub(super) fn read(
        &mut self,
        all: &mut [u8],
        mut hear: impl FnMut(Bytes),
    ) -> Option<(u64, FramingFault)> {
        let mut found = None;
        let mut at = 0;
        // Where the header lines begin, or what is new of them.
        let mut lines = 0;
        while at < all.len() {
            let bytes = &mut all[at..];
            let taken = match &mut self.state {
                State::NoPreface => return found,
                State::Broken => {
                    bytes.fill(BLOT);
                    return found;
                }
                State::Http2(frames) => {
                    frames.read(bytes);
                    return found;
                }
                State::Preface(seen) => {
                    let rest = &PREFACE[*seen..];
                    let taken = bytes.len().min(rest.len());
                    if bytes[..taken] != rest[..taken] {
                        self.state = State::NoPreface;
                    } else if taken == rest.len() {
                        self.state = State::Http2(Box::default());
                    } else {
                        *seen += taken;
                    }
                    taken
                }
                State::Body(left) | State::Chunk(left) => {
                    let taken = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = match self.state {
                            State::Chunk(_) => State::ChunkSize,
                            _ => State::RequestLine,
                        };
                    }
                    taken
                }
                State::RequestLine | State::Headers(_) | State::ChunkSize | State::Trailers => {
                    let Some(end) = memchr(b'\n', bytes) else {
                        if self.carry.len() < LONGEST_LINE {
                            self.carry.extend_from_slice(bytes);
                        }
                        if matches!(self.state, State::RequestLine) {
                            mask(bytes);
                        }
                        break;
                    };
                    let (heads, in_head) = (self.heads, matches!(self.state, State::Headers(_)));
                    let mut fault = self.line(&mut bytes[..=end]);
                    let mut taken = end + 1;
                    if in_head && self.heads > heads {
                        hear(self.ended(&all[lines..at + taken]));
                    } else if !in_head {
                        lines = at + taken;
                        if let Some(known) = self.known(&all[lines..]) {
                            taken += known.len();
                            hear(known);
                            fault = self.end_head();
                        }
                    }
                    found = found.or_else(|| fault.map(|fault| (self.heads, fault)));
                    taken
                }
            };
            at += taken;
        }
        if matches!(self.state, State::Headers(_)) && self.lines.len() < MOST_LINES {
            self.lines.extend_from_slice(&all[lines..]);
        }
        found
    }

    /// Targets with characters that hyper would refuse or take for something else, percent-encoded,
    /// by the number of their request. It gets to see a stand-in.
    pub(super) fn take_targets(&mut self) -> impl Iterator<Item = (u64, String)> {
        self.targets.drain(..)
    }

    /// The header lines of a head that has ended, the last of which are `rest`.
    fn ended(&mut self, rest: &[u8]) -> Bytes {
        let lines = if self.lines.is_empty() {
            Bytes::copy_from_slice(rest)
        } else {
            let mut lines = std::mem::take(&mut self.lines);
            lines.extend_from_slice(rest);
            lines.into()
        };
        let is_kept = self.last.count > 0 && lines.len() <= LONGEST_KEPT;
        self.last.lines = if is_kept { lines.clone() } else { Bytes::new() };
        lines
    }

    /// The header lines of the last head, if `rest` of what came begins with the same ones. Then
    /// what they say is noted.
    fn known(&mut self, rest: &[u8]) -> Option<Bytes> {
        let last = &self.last;
        match &mut self.state {
            State::Headers(fields) if !last.lines.is_empty() && rest.starts_with(&last.lines) => {
                self.header_lines = last.count;
                (fields.length, fields.chunked) = (last.length, last.chunked);
                Some(last.lines.clone())
            }
            _ => None,
        }
    }

    /// Returns whether the next byte begins a request.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(
            self.state,
            State::RequestLine | State::Headers(_) | State::Preface(_)
        )
    }

    /// Returns whether a body had a fault. Then nothing more is to be read.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state, State::Broken)
    }

    /// Returns whether what comes is read as HTTP/1.1.
    pub(super) fn is_http1(&self) -> bool {
        !matches!(
            self.state,
            State::Preface(_) | State::Http2(_) | State::NoPreface
        )
    }

    /// Returns whether the last head declared a body that is longer than any is.
    pub(super) fn is_length_too_large(&self) -> bool {
        self.last.length.is_some_and(|length| length > LARGEST_BODY)
    }

    /// The beginning of the last request line, which may not have ended, and how long that is.
    pub(super) fn first_line(&self) -> (&[u8], usize) {
        match &self.state {
            State::RequestLine if !self.carry.is_empty() => {
                let kept = self.carry.len().min(KEPT_OF_TARGET);
                (&self.carry[..kept], self.carry.len())
            }
            _ => (&self.first.0, self.first.1),
        }
    }

    /// The last request line in HTTP/1.1, without the query, as far as it is kept.
    pub(super) fn asked(&self) -> String {
        let (line, _) = self.first_line();
        let mut words = line.split(|byte| matches!(byte, b' ' | b'?'));
        let mut next = || words.next().unwrap_or_default().escape_ascii();
        format!("{} {}", next(), next())
    }

    /// The number of header lines of the last head, as far as it has come.
    pub(super) fn header_lines(&self) -> usize {
        self.header_lines
    }

    /// The frames of an HTTP/2 connection, if it is one.
    pub(super) fn frames(&self) -> Option<&Frames> {
        match &self.state {
            State::Http2(frames) => Some(frames),
            _ => None,
        }
    }

    /// Returns whether it has begun as HTTP/2, well or not.
    pub(super) fn began_as_http2(&self) -> bool {
        matches!(
            self.state,
            State::Preface(1..) | State::Http2(_) | State::NoPreface
        )
    }

    /// Returns whether it began as HTTP/2 and did not go on so.
    pub(super) fn is_no_preface(&self) -> bool {
        matches!(self.state, State::NoPreface)
    }

    /// Returns whether a head has begun and not come to its end.
    pub(super) fn is_within_head(&self) -> bool {
        match &self.state {
            State::RequestLine => !self.carry.is_empty(),
            State::Headers(_) => true,
            State::Http2(frames) => frames.within_headers,
            _ => false,
        }
    }

    /// Bytes of it that are kept here.
    pub(super) fn kept(&self) -> usize {
        self.carry.len() + self.lines.len()
    }

    /// Returns whether nothing has come behind the last of `heads` requests.
    pub(super) fn is_quiet(&self, heads: u64) -> bool {
        matches!(self.state, State::RequestLine) && self.carry.is_empty() && self.heads == heads
    }

    /// A line has ended; `end` is what of it is new. Returns the fault of a head that ends here.
    fn line(&mut self, end: &mut [u8]) -> Option<FramingFault> {
        let carry = std::mem::take(&mut self.carry);
        let whole;
        let line = if carry.is_empty() {
            &*end
        } else {
            whole = [&carry, &*end].concat();
            &whole
        };
        let strict = line.strip_suffix(b"\r\n");
        let text = strict.unwrap_or(&line[..line.len() - 1]);
        match &mut self.state {
            // Empty lines before a request are to be overlooked (RFC 9112 section 2.2).
            State::RequestLine if text.is_empty() => self.bare |= strict.is_none(),
            State::RequestLine if text == b"PRI * HTTP/2.0" => {
                self.state = match strict {
                    Some(_) => State::Preface(line.len()),
                    None => State::NoPreface,
                };
            }
            State::RequestLine => {
                self.first.0.clear();
                self.first
                    .0
                    .extend_from_slice(&text[..text.len().min(KEPT_OF_TARGET)]);
                self.first.1 = text.len();
                self.header_lines = 0;
                let mut fields = Fields::default();
                if std::mem::take(&mut self.bare) || strict.is_none() {
                    fields.fault = Some(FramingFault::BareLineFeed);
                }
                // To its end, whatever it finds: that takes less time than to stop early.
                if !text
                    .iter()
                    .fold(true, |plain, byte| plain & percent::is_plain(*byte))
                {
                    fields.target = percent::of_line(text);
                    if fields.target.is_none() {
                        fields.fault = Some(FramingFault::Target);
                    }
                    mask(end);
                }
                self.state = State::Headers(fields);
            }
            State::Headers(fields) => {
                if strict.is_none() {
                    fields.fault = Some(FramingFault::BareLineFeed);
                }
                if !text.is_empty() {
                    self.header_lines += 1;
                    fields.read(text);
                    return None;
                }
                self.last = Last {
                    lines: Bytes::new(),
                    // Those with a fault are not to be had again.
                    count: match fields.fault {
                        None => self.header_lines,
                        Some(_) => 0,
                    },
                    length: fields.length,
                    chunked: fields.chunked,
                };
                return self.end_head();
            }
            State::ChunkSize => match strict.and_then(chunk_size) {
                Some(0) => self.state = State::Trailers,
                Some(size) if size <= LARGEST_BODY => self.state = State::Chunk(size + 2),
                _ => self.spoil(end),
            },
            State::Trailers if strict.is_none() => self.spoil(end),
            State::Trailers if text.is_empty() => self.state = State::RequestLine,
            State::Trailers => {}
            State::Body(_)
            | State::Chunk(_)
            | State::Preface(_)
            | State::Http2(_)
            | State::NoPreface
            | State::Broken => {}
        }
        None
    }

    /// The header lines have ended. Returns the fault of the head.
    fn end_head(&mut self) -> Option<FramingFault> {
        let State::Headers(fields) = &mut self.state else {
            return None;
        };
        self.heads += 1;
        let fault = fields.fault;
        let target = fields.target.take();
        self.targets
            .extend(target.map(|target| (self.heads, target)));
        self.state = match (fields.chunked, fields.length) {
            (true, _) => State::ChunkSize,
            (false, Some(length)) if length > 0 => State::Body(length),
            (false, _) => State::RequestLine,
        };
        fault
    }

    /// A body has a fault in a line; `end` is what of it is new. hyper may have read the rest, and
    /// in a chunk's extension it reads on over anything but an end of line.
    fn spoil(&mut self, end: &mut [u8]) {
        end.fill(BLOT);
        self.state = State::Broken;
    }
}

impl Fields {
    fn read(&mut self, line: &[u8]) {
        // Most lines are about something else, as their first letter tells.
        if !matches!(line, [b'C' | b'c' | b'T' | b't', ..]) {
            return;
        }
        let Some(colon) = memchr(b':', line) else {
            return;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                self.fault = Some(FramingFault::TwoLengths);
            }
            // hyper refuses what is not a number.
            let digits = std::str::from_utf8(value).ok();
            self.length = Some(digits.and_then(|digits| digits.parse().ok()).unwrap_or(0));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Any other value is refused further on, and the connection is not used again.
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() {
            self.fault = Some(FramingFault::LengthAndChunks);
        }
    }
}

/// `1*HEXDIG [ ";" … ]` and nothing more lenient (RFC 9112 section 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?;
    let all_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    if !all_hex || line.contains(&b'\r') {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Has hyper read a request line, or a part of one, without what it would refuse.
fn mask(line: &mut [u8]) {
    let is_odd = |byte: &&mut u8| !percent::is_plain(**byte) && !matches!(**byte, b'\r' | b'\n');
    line.iter_mut().filter(is_odd).for_each(|byte| *byte = b'_');
}

/// No hexadecimal digit, no end of line, nothing that a trailer may have.
const BLOT: u8 = 0;

/// The beginning of an HTTP/2 connection (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes. Enough to see what API a request is for.
const KEPT_OF_TARGET: usize = 256;

/// Bytes of header lines that are kept for their spelling where they do not come at once.
const MOST_LINES: usize = 64 * 1024;

/// Bytes of header lines that are kept for the next request. More than most clients send.
const LONGEST_KEPT: usize = 4 * 1024;

/// Bytes of a line that are looked at. hyper must be told to refuse longer heads.
pub(super) const LONGEST_LINE: usize = 256 * 1024;

#[cfg(test)]
#[path = "../../tests/fuzz/framing.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    /// The faults found in `wire` when it arrives in pieces of `size` bytes, and what hyper sees.
    fn read(wire: &[u8], size: usize) -> (Vec<(u64, FramingFault)>, Vec<u8>, u64) {
        let mut framing = Framing::default();
        let mut bytes = wire.to_vec();
        let mut found = Vec::new();
        for piece in bytes.chunks_mut(size) {
            found.extend(framing.read(piece, |_| {}));
        }
        (found, bytes, framing.heads)
    }

    #[test]
    fn follows_what_is_well_formed_and_touches_none_of_it() {
        let wire = b"\r\nGET /a?q=1 HTTP/1.1\r\nHost: x\r\n\r\n\
            POST /b HTTP/1.1\r\ncontent-length: 5\r\n\r\na\nb\nc\
            POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;name=value\r\na\n\r\nb\r\n00\r\nTrailer: x\r\n\r\n\
            GET /d HTTP/1.1\r\n\r\n";
        for size in [1, 2, 3, 7, 1000] {
            let (found, bytes, heads) = read(wire, size);
            assert_eq!((found, heads), (vec![], 4), "in pieces of {size}");
            assert_eq!(bytes, wire);
        }
    }

    #[test]
    fn hears_the_header_lines_of_each_request() {
        let wire = b"\r\nGET /a HTTP/1.1\r\nHost: x\r\naccept: */*\r\n\r\n\
            POST /b HTTP/1.1\r\nContent-LENGTH: 5\r\n\r\na\nb\nc\
            GET /c HTTP/1.1\r\n\r\nGET /d HTTP/1.1\r\nA: b";
        for size in [1, 2, 3, 7, 1000] {
            let mut framing = Framing::default();
            let mut heard = Vec::new();
            for piece in wire.to_vec().chunks_mut(size) {
                framing.read(piece, |lines| heard.push(lines.to_vec()));
            }
            let expected: [&[u8]; 3] = [
                b"Host: x\r\naccept: */*\r\n\r\n",
                b"Content-LENGTH: 5\r\n\r\n",
                b"\r\n",
            ];
            assert_eq!(heard, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn the_same_header_lines_again_mean_the_same_again() {
        let with_length = "a: b\r\nContent-Length: 5\r\n\r\n";
        let with_chunks = "a: b\r\nTransfer-Encoding: chunked\r\n\r\n";
        let post = |lines, body| format!("POST /a HTTP/1.1\r\n{lines}{body}");
        let wire = [
            post(with_length, "a\nb\nc"),
            post(with_length, "\r\n\r\nX"),
            post(with_chunks, "5\r\nabcde\r\n0\r\n\r\n"),
            post(with_chunks, "1\r\na\r\n0\r\nT: u\r\n\r\n"),
            post(with_length, "GET /"),
            post("a: b\r\n\r\n", ""),
            post("a: b\r\n\r\n", ""),
            post("a: b\r\nc: d\r\n\r\n", ""),
        ]
        .concat();
        let faulty = wire.clone() + "GET /a#b HTTP/1.1\r\na: b\r\nc: d\r\n\r\n";
        for size in [1, 2, 3, 7, 100, 1000] {
            assert_eq!(
                read(wire.as_bytes(), size),
                (vec![], wire.clone().into(), 8)
            );
            let (found, ..) = read(faulty.as_bytes(), size);
            assert_eq!(found, [(9, FramingFault::Target)], "in pieces of {size}");
        }
        let two_lengths = "Content-Length: 5\r\nContent-Length: 5\r\n\r\n";
        let twice = post(two_lengths, "") + &post(two_lengths, "");
        let (found, ..) = read(twice.as_bytes(), 1000);
        assert_eq!(found[0], (1, FramingFault::TwoLengths));
    }

    /// All that `strict_stream` amounts to when it arrives in pieces that end at `cuts`.
    fn told(wire: &[u8], cuts: &[usize]) -> impl PartialEq + Debug {
        let mut framing = Framing::default();
        let mut bytes = wire.to_vec();
        let (mut found, mut heard, mut targets) = (None, Vec::new(), Vec::new());
        let mut at = 0;
        for &cut in cuts.iter().chain([&wire.len()]) {
            let fault = framing.read(&mut bytes[at..cut], |lines| heard.push(lines));
            found = found.or(fault);
            targets.extend(framing.take_targets());
            at = cut;
        }
        // It depends on how a line comes how much of it is blotted out.
        let shown = (!bytes.contains(&BLOT)).then_some(bytes);
        let (first, length) = framing.first_line();
        let line = (first.to_vec(), length, framing.is_within_head());
        let counts = (framing.heads, framing.header_lines(), framing.kept());
        (shown, found, heard, targets, line, counts)
    }

    /// Byte by byte nothing is known, since no head comes at once.
    #[test]
    fn what_is_known_is_what_would_be_read() {
        let long = format!("a: {}\r\n\r\n", "b".repeat(LONGEST_KEPT));
        let firsts = [
            "GET /a HTTP/1.1\r\n",
            "POST /b?c HTTP/1.1\r\n",
            "\r\nGET /a\"b HTTP/1.1\r\n",
            "GET /a#b HTTP/1.1\r\n",
            "GET /a HTTP/1.1\n",
            "PRI * HTTP/2.0\r\n",
        ];
        let heads = [
            "\r\n",
            "a: b\r\n\r\n",
            "a: b\r\nc: d\r\n\r\n",
            "Content-Length: 5\r\n\r\n",
            "a: b\r\nContent-Length: 5\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "a: b\n\r\n",
            "a: b\r\n\n",
            &long,
        ];
        let bodies = [
            "",
            "a\nb\nc",
            "3\r\nabc\r\n0\r\n\r\n",
            "0\r\nT: u\r\n\r\n",
            "\r\n",
        ];
        // Xorshift, so that every run is the same.
        let mut state = 0x5eed_u64;
        let mut random = |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state).unwrap() % bound
        };
        for _ in 0..1000 {
            // Few of them, so that they come again.
            let rests = [(); 2].map(|()| {
                let head = heads[random(heads.len())];
                head.to_owned() + bodies[random(bodies.len())]
            });
            let mut wire = String::new();
            for _ in 0..2 + random(5) {
                // Mostly one without a fault.
                let last = [3, 3, 3, firsts.len()][random(4)];
                wire += firsts[random(last)];
                wire += &rests[random(2)];
            }
            let wire = &wire.as_bytes()[..wire.len() - random(3)];
            let mut cuts = [(); 2].map(|()| random(wire.len()));
            cuts.sort_unstable();
            let every: Vec<_> = (1..wire.len()).collect();
            let shown = wire.escape_ascii();
            assert_eq!(told(wire, &cuts), told(wire, &every), "{shown}");
        }
    }

    #[test]
    fn knows_http2_by_how_it_begins() {
        let begins = |wire: &[u8], size| {
            let mut framing = Framing::default();
            let mut bytes = wire.to_vec();
            for piece in bytes.chunks_mut(size) {
                assert_eq!(framing.read(piece, |_| {}), None);
            }
            (framing.frames().is_some(), framing.is_no_preface())
        };
        for size in [1, 3, 100] {
            assert_eq!(begins(PREFACE, size), (true, false));
            for length in 16..PREFACE.len() {
                assert_eq!(begins(&PREFACE[..length], size), (false, false));
                let mut wrong = PREFACE.to_vec();
                wrong[length] = b'x';
                assert_eq!(begins(&wrong, size), (false, true), "{length}");
            }
            assert_eq!(
                begins(b"PRI * HTTP/2.0\n\r\nSM\r\n\r\n", size),
                (false, true)
            );
            assert_eq!(begins(b"PRI / HTTP/2.0\r\n\r\n", size), (false, false));
        }
    }

    #[test]
    fn notes_which_request_has_which_fault() {
        use FramingFault::{BareLineFeed, LengthAndChunks, Target, TwoLengths};
        for (head, fault) in [
            ("GET / HTTP/1.1\nHost: x\r\n\r\n", BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", BareLineFeed),
            ("GET / HTTP/1.1\r\nHost: x\r\n\n", BareLineFeed),
            ("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", Target),
            ("GET /a\t HTTP/1.1\r\nHost: x\r\n\r\n", Target),
            ("GET http://h\u{e9}/ HTTP/1.1\r\nHost: x\r\n\r\n", Target),
            (
                "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                LengthAndChunks,
            ),
            (
                "POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\ncontent-length: 3\r\n\r\n",
                LengthAndChunks,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
                TwoLengths,
            ),
        ] {
            let wire = format!("GET /first HTTP/1.1\r\n\r\n{head}");
            for size in [1, 5, 1000] {
                let (found, ..) = read(wire.as_bytes(), size);
                assert_eq!(found, [(2, fault)], "{head:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn hyper_is_shown_a_stand_in_for_what_it_would_refuse() {
        let wire = "GET /first HTTP/1.1\r\n\r\nGET /a\"\u{e9}?{b}> HTTP/1.1\r\nX: <\"\u{e9}>\r\n\r\n\
                    GET /<third> HTTP/1.1\r\n\r\n";
        let shown = "GET /first HTTP/1.1\r\n\r\nGET /a___?_b__ HTTP/1.1\r\nX: <\"\u{e9}>\r\n\r\n\
                     GET /_third_ HTTP/1.1\r\n\r\n";
        for size in [1, 2, 3, 7, 1000] {
            let mut framing = Framing::default();
            let mut bytes = wire.as_bytes().to_vec();
            let mut targets = Vec::new();
            for piece in bytes.chunks_mut(size) {
                assert_eq!(framing.read(piece, |_| {}), None, "in pieces of {size}");
                targets.extend(framing.take_targets());
            }
            assert_eq!(
                String::from_utf8(bytes).unwrap(),
                shown,
                "in pieces of {size}"
            );
            let expected = [(2, "/a%22%C3%A9?{b}%3E"), (3, "/%3Cthird%3E")];
            assert_eq!(
                targets,
                expected.map(|(number, target)| (number, target.to_owned()))
            );
        }
    }

    #[test]
    fn spoils_chunks_that_others_might_read_otherwise() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "5\n",
            "5 \r\n",
            " 5\r\n",
            "+5\r\n",
            "0x5\r\n",
            "\r\n",
            "5;a\n",
            "5;a\rb\r\n",
            "g\r\n",
            "11111111111111111\r\n",
            "ffffffffffffffff\r\n",
            "0\r\na: b\n",
        ] {
            let wire = format!("{head}{body}hello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n");
            for size in [1, 4, 1000] {
                let (_, bytes, _) = read(wire.as_bytes(), size);
                let shown = bytes.iter().position(|byte| *byte == BLOT).unwrap();
                assert!(shown < head.len() + body.len(), "{body:?} by {size}");
                let rest = &bytes[shown..];
                assert!(rest.iter().all(|byte| *byte == BLOT), "{body:?} by {size}");
            }
        }
    }
}
