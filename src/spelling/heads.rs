//! The heads of a connection's responses, on their way around hyper.
//!
//! hyper writes names in lower case. So it gets only the headers that frame the body; the other
//! lines wait here, in their final form, until it writes that head.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Buf, BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Body;
use memchr::memchr;

use super::{Received, put_name, write};

/// The lines of HTTP/1.1 responses that hyper has not written yet, shared by the service above
/// hyper and the [`super::Spelled`] below it.
#[derive(Default)]
pub(crate) struct Heads(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// The lines of all heads, one after the other.
    lines: BytesMut,
    heads: VecDeque<Head>,
}

struct Head {
    /// Bytes of its lines.
    length: usize,
    /// If true, one of them is Content-Length.
    has_length: bool,
}

impl Heads {
    /// Takes the header lines of the next response, in the spelling of `received` for those that
    /// are there. The headers that hyper needs stay in `response`. `to_head` says that it answers
    /// HEAD.
    ///
    /// Must be called once for every response that hyper writes in HTTP/1.1, just before it does.
    pub(crate) fn take<B: Body>(
        &self,
        response: &mut Response<B>,
        received: impl Fn(&B) -> Option<&Received>,
        to_head: bool,
    ) {
        let framed = Framed::of(response, to_head);
        let received = received(response.body());
        let is_whole = |received: &&Received| {
            !received.is_special
                && received.is_unchanged
                && received.count == response.headers().len()
                && received.length.is_none_or(|length| framed.agrees(length))
        };
        let mut waiting = self.lock();
        let before = waiting.lines.len();
        let mut left: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let has_length = if let Some(received) = received.filter(is_whole) {
            waiting.lines.put_slice(&received.lines);
            received.length.is_some()
        } else {
            let mut has_length = false;
            let taken = response
                .headers()
                .iter()
                .filter(|(name, value)| match **name {
                    header::CONTENT_LENGTH => {
                        let (taken, needed) = framed.judge(value);
                        if needed {
                            left.push(((*name).clone(), (*value).clone()));
                        }
                        let is_first = taken && !has_length;
                        has_length |= taken;
                        is_first
                    }
                    header::CONNECTION
                    | header::TRAILER
                    | header::TRANSFER_ENCODING
                    | header::UPGRADE => {
                        left.push(((*name).clone(), (*value).clone()));
                        false
                    }
                    _ => true,
                });
            let sent = received.map_or(&[][..], |received| &received.lines);
            write(taken, sent, &mut waiting.lines);
            has_length
        };
        let length = waiting.lines.len() - before;
        waiting.heads.push_back(Head { length, has_length });
        drop(waiting);
        put_back(response.headers_mut(), left);
    }

    /// Appends `written`, which is from hyper, to `out`, with the lines of the heads in it. Returns
    /// false, and does nothing, if no head is due.
    pub(super) fn spell(&self, written: &[u8], out: &mut BytesMut) -> bool {
        let mut waiting = self.lock();
        if waiting.heads.is_empty() {
            return false;
        }
        // While heads are due, hyper's buffer holds nothing else.
        let mut rest = written;
        while !rest.is_empty() {
            let first = next_line(&mut rest);
            out.put_slice(first);
            // The rest of an interim response, whose beginning has gone out.
            if !first.starts_with(b"HTTP/1.") {
                continue;
            }
            let is_final = first.get(9) != Some(&b'1');
            let due = is_final.then(|| waiting.heads.pop_front()).flatten();
            if let Some(due) = &due {
                out.put_slice(&waiting.lines[..due.length]);
                waiting.lines.advance(due.length);
            }
            spell_rest(&mut rest, due.is_some_and(|due| due.has_length), out);
        }
        if waiting.heads.is_empty() {
            waiting.lines.clear();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines that hyper has written, and the end of the head.
fn spell_rest(rest: &mut &[u8], has_length: bool, out: &mut BytesMut) {
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            *rest = after;
            return out.put_slice(b"\r\n");
        }
        if has_length && let Some(length) = rest.strip_prefix(b"content-length: ") {
            let digits = length.iter().take_while(|byte| byte.is_ascii_digit());
            *rest = length.get(digits.count() + 2..).unwrap_or_default();
            continue;
        }
        let line = next_line(rest);
        let name = memchr(b':', line).unwrap_or_default();
        match str::from_utf8(&line[..name]) {
            Ok(text) => put_name(text, out),
            Err(_) => out.put_slice(&line[..name]),
        }
        out.put_slice(&line[name..]);
    }
}

fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    let (line, after) = rest.split_at(end);
    *rest = after;
    line
}

/// Leaves only `left` in `headers`, and keeps its memory, which hyper uses for the next request.
fn put_back(headers: &mut HeaderMap, left: Vec<(HeaderName, HeaderValue)>) {
    headers.clear();
    for (name, value) in left {
        headers.append(name, value);
    }
}

/// The way in which hyper marks the end of a response.
enum Framed {
    /// No body, and no length.
    Nowhere,
    /// No body, and the length is that of the response to GET.
    ToHead,
    /// By its length, which hyper knows.
    Length(u64),
    /// By the header, or in chunks.
    Unknown,
}

impl Framed {
    fn of<B: Body>(response: &Response<B>, to_head: bool) -> Self {
        let status = response.status();
        if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
            return Self::Nowhere;
        }
        if to_head && response.body().is_end_stream() {
            return Self::ToHead;
        }
        let length = response.body().size_hint().exact();
        length.map_or(Self::Unknown, Self::Length)
    }

    /// Returns whether a Content-Length goes out as it is, and hyper does not need it.
    fn agrees(&self, length: u64) -> bool {
        match self {
            Self::Nowhere | Self::Unknown => false,
            Self::ToHead => true,
            Self::Length(own) => *own == length,
        }
    }

    /// Returns whether a Content-Length goes out as it is, and whether hyper needs it.
    fn judge(&self, value: &HeaderValue) -> (bool, bool) {
        let announced = || {
            let digit = |number: u64, byte: &u8| {
                let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
                number.checked_mul(10)?.checked_add(digit)
            };
            let digits = value.as_bytes();
            digits
                .iter()
                .try_fold(0, digit)
                .filter(|_| !digits.is_empty())
        };
        match self {
            Self::Nowhere => (false, false),
            Self::ToHead => (true, false),
            // hyper writes the same, or the right one.
            Self::Length(length) => (announced() == Some(*length), false),
            Self::Unknown => (true, true),
        }
    }
}
