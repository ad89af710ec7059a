//! The spelling of the names of headers, and their order.
//!
//! HTTP ignores case (RFC 9110 section 5.1), but some programs do not: Apex code that looks a
//! header up as Salesforce documents it, clients that keep headers in a plain dictionary. So names
//! pass as their sender spelled them. `http::HeaderMap` knows neither spelling nor order, so the
//! received lines are kept beside it as a hint: the map decides what is written, and a received
//! line only the spelling of a name.

use bytes::{BufMut, BytesMut};
use http::{HeaderName, HeaderValue};
use memchr::memchr;
use smallvec::SmallVec;

pub(crate) use self::{heads::Heads, names::put_name, stream::Spelled};

mod heads;
mod names;
mod stream;

/// The header lines of a response that are passed on, as they were received.
#[derive(Default)]
pub(crate) struct Received {
    /// Without the end of the head.
    pub(crate) lines: Vec<u8>,
    /// The number of lines.
    pub(crate) count: usize,
    /// The value of their Content-Length, if there is one.
    pub(crate) length: Option<u64>,
    /// Bytes of the longest line.
    pub(crate) longest: usize,
    /// If true, some line cannot go out as it is: it is not `Name: value`, or concerns somebody on
    /// the way.
    pub(crate) is_special: bool,
    /// If true, nobody has changed a header since.
    pub(crate) is_unchanged: bool,
}

impl Received {
    /// Removes all lines, and keeps their memory.
    pub(crate) fn clear(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        *self = Self {
            lines,
            ..Self::default()
        };
    }
}

type Line<'a> = (&'a HeaderName, &'a HeaderValue);

/// Writes header lines in the order and the spelling of `sent`, which are lines as they were
/// received. Others follow in the usual spelling.
pub(crate) fn write<'a>(lines: impl Iterator<Item = Line<'a>>, sent: &[u8], out: &mut BytesMut) {
    let mut sent = Sent {
        lines: sent,
        same: 0,
    };
    let mut others = SmallVec::new();
    for (name, value) in lines {
        // Usually all are there, in that order.
        if !others.is_empty() || !sent.pass(name, value, out) {
            others.push(Some((name, value)));
        }
    }
    if others.is_empty() {
        sent.write_same(out);
    } else {
        write_sorted(others, sent, out);
    }
}

/// The same if the order differs: in a map, the last header takes the place of one that is removed,
/// and lines of the same name are together.
fn write_sorted(
    mut lines: SmallVec<[Option<Line<'_>>; USUAL_LINES]>,
    mut sent: Sent<'_>,
    out: &mut BytesMut,
) {
    // All lines before it have been written.
    let mut first = 0;
    while first < lines.len() && !sent.is_over() {
        let passed = lines[first..]
            .iter_mut()
            .find(|line| line.is_some_and(|(name, value)| sent.pass(name, value, out)));
        match passed {
            Some(passed) => *passed = None,
            None => sent.skip(out),
        }
        while let Some(None) = lines.get(first) {
            first += 1;
        }
    }
    sent.write_same(out);
    for (name, value) in lines.into_iter().skip(first).flatten() {
        put_name(name.as_str(), out);
        put_line("", value.as_bytes(), out);
    }
}

/// Lines as they were received.
struct Sent<'a> {
    lines: &'a [u8],
    /// The number of bytes at the beginning that go out as they are.
    same: usize,
}

impl<'a> Sent<'a> {
    fn next(&self) -> &'a [u8] {
        &self.lines[self.same..]
    }

    fn is_over(&self) -> bool {
        self.lines.len() == self.same
    }

    /// Writes the next line with this `value`, if it has this `name`. Consecutive unchanged lines
    /// are written together.
    fn pass(&mut self, name: &HeaderName, value: &HeaderValue, out: &mut BytesMut) -> bool {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        let next = self.next();
        if !is_named(next, name) {
            return false;
        }
        if is_unchanged(next, name.len(), value) {
            self.same += name.len() + value.len() + 4;
            return true;
        }
        self.write_same(out);
        out.put_slice(&self.lines[..name.len()]);
        put_line("", value, out);
        self.lines = after_line(self.lines);
        true
    }

    fn write_same(&mut self, out: &mut BytesMut) {
        let (same, rest) = self.lines.split_at(self.same);
        out.put_slice(same);
        (self.lines, self.same) = (rest, 0);
    }

    fn skip(&mut self, out: &mut BytesMut) {
        self.write_same(out);
        self.lines = after_line(self.lines);
    }
}

/// Writes a line. `name` is empty if it has been written already.
pub(crate) fn put_line(name: &str, value: &[u8], out: &mut BytesMut) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Returns whether the next line has this `name`, which is in lower case.
fn is_named(sent: &[u8], name: &[u8]) -> bool {
    match sent.split_at_checked(name.len()) {
        Some((spelled, [b':', ..])) => is_same(spelled, name),
        _ => false,
    }
}

/// Returns whether `spelled`, which is as long as `name`, differs from it only in case. Compares
/// eight bytes at once, because this runs for every line of every head.
fn is_same(spelled: &[u8], name: &[u8]) -> bool {
    let (spelled, spelled_rest) = spelled.as_chunks::<8>();
    let (name, name_rest) = name.as_chunks::<8>();
    let all = std::iter::zip(spelled, name).all(|(spelled, name)| {
        let name = u64::from_ne_bytes(*name);
        let differs = u64::from_ne_bytes(*spelled) ^ name;
        differs == 0 || differs & !(CASE & (letters(name) >> 2)) == 0
    });
    all && std::iter::zip(spelled_rest, name_rest)
        .all(|(spelled, name)| spelled.to_ascii_lowercase() == *name)
}

/// The highest bit of each of eight bytes that is a lower-case letter. None is above 0x7f, as in
/// every name of a header.
fn letters(bytes: u64) -> u64 {
    let at_least_a = bytes + EACH * u64::from(0x80 - b'a');
    let above_z = bytes + EACH * u64::from(0x7f - b'z');
    at_least_a & !above_z & (EACH << 7)
}

/// Returns whether the value of the next line is still `value`.
fn is_unchanged(sent: &[u8], name: usize, value: &[u8]) -> bool {
    let Some(line) = sent.get(name..name + value.len() + 4) else {
        return false;
    };
    let rest = line.strip_prefix(b": ");
    rest.and_then(|rest| rest.strip_suffix(b"\r\n")) == Some(value)
}

fn after_line(sent: &[u8]) -> &[u8] {
    memchr(b'\n', sent).map_or(b"", |end| &sent[end + 1..])
}

const USUAL_LINES: usize = 32;

/// The lowest bit of each of eight bytes.
const EACH: u64 = 0x0101_0101_0101_0101;

/// The bit of each of eight bytes that distinguishes upper case from lower case.
const CASE: u64 = EACH << 5;

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    /// Returns what is written of `sent` after `change`.
    fn passed(sent: &str, change: impl FnOnce(&mut HeaderMap)) -> String {
        let mut headers = HeaderMap::new();
        for line in sent.split_terminator("\r\n") {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.trim().parse().unwrap());
        }
        change(&mut headers);
        let mut out = BytesMut::new();
        write(headers.iter(), sent.as_bytes(), &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn lines_go_on_as_they_came() {
        for sent in [
            "",
            "A: b\r\n",
            "Host: x\r\nuser-agent: y\r\nX-Hub-SIGNATURE: z\r\nSforce-Limit-Info: \r\n",
            "X-Custom-Header-Of-Some-Length: 1\r\nx-custom-header-of-some-lengtH: 2\r\n",
            "a: 1\r\nB: 2\r\nA: 3\r\nb: 4\r\nA: 5\r\n",
            "X_y: 1\r\nX-Y: 2\r\nx~y^|: 3\r\n",
        ] {
            assert_eq!(passed(sent, |_| {}), sent);
        }
    }

    #[test]
    fn order_and_spelling_outlive_what_is_removed_changed_and_added() {
        let sent = "A: 1\r\nDROPPED: 2\r\nb: 3\r\nAlso-dropped: 4\r\nE-Tag: 5\r\nf: 6\r\n";
        let out = passed(sent, |headers| {
            headers.remove("dropped");
            headers.remove("also-dropped");
            headers.insert("b", HeaderValue::from_static("changed"));
            headers.insert("x-sfdc-session", HeaderValue::from_static("7"));
        });
        assert_eq!(
            out,
            "A: 1\r\nb: changed\r\nE-Tag: 5\r\nf: 6\r\nX-SFDC-Session: 7\r\n"
        );
    }

    #[test]
    fn white_space_around_values_is_made_usual() {
        assert_eq!(
            passed("A:1\r\nB: \t2 \r\nC:\r\nD: 4\r\n", |_| {}),
            "A: 1\r\nB: 2\r\nC: \r\nD: 4\r\n"
        );
    }

    /// Received lines are only a hint: nothing is written that the headers do not have.
    #[test]
    fn a_wrong_hint_does_no_harm() {
        let mut headers = HeaderMap::new();
        headers.insert("x-one", HeaderValue::from_static("1"));
        headers.insert("etag", HeaderValue::from_static("2"));
        for sent in [
            "",
            "\r\n",
            ":",
            "X-One",
            "X-Two: 1\r\n",
            "X-OnE : 1\r\n",
            "X\rOne: 1\r\n",
            "M-One: 1\r\n",
            "etag\r\netag\r\n",
            "Evil: a\r\nX-One\0: 1",
        ] {
            let mut out = BytesMut::new();
            write(headers.iter(), sent.as_bytes(), &mut out);
            assert_eq!(&out[..], b"X-One: 1\r\nETag: 2\r\n", "{sent:?}");
        }
    }

    #[test]
    fn only_case_makes_no_difference() {
        for byte in 0..=u8::MAX {
            for place in [0, 3, 7, 8, 9] {
                let name = *b"abcd-f~z_~0";
                let mut spelled = name;
                spelled[place] = byte;
                let expected = spelled.eq_ignore_ascii_case(&name);
                assert_eq!(is_same(&spelled, &name), expected, "{byte} at {place}");
            }
        }
        for byte in (0..=0x7f).filter(|byte: &u8| !byte.is_ascii_uppercase()) {
            for other in 0..=u8::MAX {
                let same = is_same(&[other; 8], &[byte; 8]);
                assert_eq!(same, other.to_ascii_lowercase() == byte, "{other} {byte}");
            }
        }
    }
}
