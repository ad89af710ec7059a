//! The trace that a request belongs to, as its client says in `traceparent`, or as it begins here
//! (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).

use std::time::Duration;

use aws_lc_rs::rand;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Sampling;

/// A request's place in a trace.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) id: [u8; 16],
    /// The span that the request is here.
    pub(crate) span: SpanId,
    /// The client's span, if it has begun the trace.
    pub(crate) parent: Option<SpanId>,
    /// If false, nobody gets its spans.
    pub(crate) is_sampled: bool,
    /// If true, the client came by TLS.
    pub(crate) is_secure: bool,
    /// Its waits, in their order.
    pub(crate) laps: Vec<Lap>,
}

pub(crate) type SpanId = [u8; 8];

/// One of the waits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lap {
    pub(crate) wait: Wait,
    /// When it began, since the request did.
    pub(crate) from: Duration,
    pub(crate) took: Duration,
}

/// Something that a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Login,
    /// Its turn, while too many long calls are open.
    Turn,
    Connection,
    /// What the org says of the session, when it is asked about nothing else.
    Question,
    /// The first byte of the org's response.
    FirstByte,
}

impl Trace {
    /// The place of a request with `headers`. None if there are no random numbers to be had.
    pub(crate) fn begin(headers: &HeaderMap, sampling: Sampling) -> Option<Self> {
        let span = random()?;
        let mut trace = match parent(headers) {
            Some(parent) => Self {
                span,
                is_sampled: parent.is_sampled,
                ..parent
            },
            None => Self {
                id: random()?,
                span,
                parent: None,
                is_sampled: false,
                is_secure: false,
                laps: Vec::new(),
            },
        };
        if trace.parent.is_none() || !sampling.follows_parent {
            trace.is_sampled = trace.is_within(sampling.ratio);
        }
        Some(trace)
    }

    /// The number of spans that somebody gets: the request, and each of its waits.
    pub(crate) fn spans(&self) -> u64 {
        if self.is_sampled {
            1 + self.laps.len() as u64
        } else {
            0
        }
    }

    /// Returns whether it is one of this share of all traces. Others that sample the same share choose
    /// the same traces.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share need not be known to more than 53 bits"
    )]
    fn is_within(&self, ratio: f64) -> bool {
        let [.., a, b, c, d, e, f, g, h] = self.id;
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        // Rounded, the greatest numbers are as large as the whole.
        ratio >= 1.0 || (number as f64) < ratio * (1_u64 << 63) as f64
    }

    /// Puts it into the headers for the org, whose parent is the request here. What the client says
    /// besides of a trace goes on only if it has begun this one.
    pub(crate) fn lead(&self, headers: &mut HeaderMap) {
        if self.parent.is_none() {
            headers.remove(TRACESTATE);
        }
        let mut text = [0; LENGTH];
        let flags = [u8::from(self.is_sampled)];
        let fields: [(usize, &[u8]); 4] =
            [(0, &[0]), (3, &self.id), (36, &self.span), (53, &flags)];
        for (at, bytes) in fields {
            write_hex(bytes, &mut text[at..]);
        }
        for at in HYPHENS {
            text[at] = b'-';
        }
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// What the client says: its span, as if it were that of the request.
fn parent(headers: &HeaderMap) -> Option<Trace> {
    let mut lines = headers.get_all(TRACEPARENT).iter();
    let (line, None) = (lines.next()?.as_bytes(), lines.next()) else {
        return None;
    };
    let text = line.first_chunk::<LENGTH>()?;
    let [version] = read_hex(&text[..2])?;
    // Later versions may go on.
    let is_over = match line.get(LENGTH) {
        None => true,
        Some(next) => version != 0 && *next == b'-',
    };
    if version == 0xff || !is_over || HYPHENS.iter().any(|at| text[*at] != b'-') {
        return None;
    }
    let (id, span) = (read_hex(&text[3..35])?, read_hex(&text[36..52])?);
    let [flags] = read_hex(&text[53..])?;
    (id != [0; 16] && span != [0; 8]).then_some(Trace {
        id,
        span,
        parent: Some(span),
        is_sampled: flags & 1 == 1,
        is_secure: false,
        laps: Vec::new(),
    })
}

/// An id that nobody else has.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut id = [0; N];
    rand::fill(&mut id).ok()?;
    // All zeros are for none.
    (id != [0; N]).then_some(id)
}

/// Reads lower-case digits, two a byte.
fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of a `traceparent` of version 00, and where its fields end.
const LENGTH: usize = 55;
const HYPHENS: [usize; 3] = [2, 35, 52];

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn headers(lines: &[&str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| HeaderValue::from_str(line).unwrap());
        lines.map(|line| (TRACEPARENT, line)).collect()
    }

    fn led(trace: &Trace) -> String {
        let mut headers = HeaderMap::new();
        trace.lead(&mut headers);
        headers[TRACEPARENT].to_str().unwrap().to_owned()
    }

    #[test_case("00-{id}-{span}-01", true; "sampled")]
    #[test_case("00-{id}-{span}-00", false; "not sampled")]
    #[test_case("00-{id}-{span}-fe", false; "flags that nobody knows")]
    #[test_case("cc-{id}-{span}-03", true; "another version")]
    #[test_case("cc-{id}-{span}-01-what-will-be", true; "another version that goes on")]
    fn a_trace_goes_on_as_its_client_has_begun_it(text: &str, is_sampled: bool) {
        let text = text.replace("{id}", ID).replace("{span}", SPAN);
        let trace = Trace::begin(&headers(&[&text]), Sampling::default()).unwrap();
        assert_eq!(trace.is_sampled, is_sampled);
        assert_eq!(trace.parent, read_hex(SPAN.as_bytes()));
        assert_ne!(Some(trace.span), trace.parent);
        let led = led(&trace);
        assert!(led.starts_with(&format!("00-{ID}-")), "{led}");
        assert!(
            led.ends_with(if is_sampled { "-01" } else { "-00" }),
            "{led}"
        );
        let again = parent(&headers(&[&led])).unwrap();
        assert_eq!((again.id, again.span), (trace.id, trace.span));
    }

    #[test_case(&[]; "none")]
    #[test_case(&["00-{id}-{span}-01", "00-{id}-{span}-01"]; "two")]
    #[test_case(&["00-{ID}-{span}-01"]; "capitals")]
    #[test_case(&["00-{zero}{zero}-{span}-01"]; "no trace")]
    #[test_case(&["00-{id}-{zero}-01"]; "no span")]
    #[test_case(&["ff-{id}-{span}-01"]; "the version that is none")]
    #[test_case(&["00-{id}-{span}-01-more"]; "version 00 that goes on")]
    #[test_case(&["cc-{id}-{span}-01.more"]; "another version that does not end")]
    #[test_case(&["00-{id}-{span}-1"]; "too short")]
    #[test_case(&["00-{id}-{span}-0g"]; "not hexadecimal")]
    #[test_case(&["00_{id}_{span}_01"]; "not hyphens")]
    #[test_case(&["{id}"]; "something else")]
    #[test_case(&[""]; "nothing")]
    fn what_is_not_valid_begins_a_trace(lines: &[&str]) {
        let fill = |line: &&str| {
            let line = line.replace("{id}", ID).replace("{span}", SPAN);
            let line = line.replace("{ID}", &ID.to_uppercase());
            line.replace("{zero}", "0000000000000000")
        };
        let lines: Vec<_> = lines.iter().map(fill).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let mut headers = headers(&lines);
        let trace = Trace::begin(&headers, Sampling::default()).unwrap();
        assert_eq!(trace.parent, None);
        assert!(trace.is_sampled);
        assert!(!led(&trace).contains(ID));
        headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
        trace.lead(&mut headers);
        assert!(!headers.contains_key(TRACESTATE));
        assert_eq!(headers.get_all(TRACEPARENT).iter().count(), 1);
    }

    #[test]
    fn a_share_is_kept_of_what_begins_and_a_clients_choice_is_followed_if_that_is_wanted() {
        let sampling = |ratio, follows_parent| Sampling {
            ratio,
            follows_parent,
        };
        let count = |lines: &[&str], sampling| {
            let headers = headers(lines);
            let traces = (0..1000).filter_map(|_| Trace::begin(&headers, sampling));
            traces.filter(|trace| trace.is_sampled).count()
        };
        assert_eq!(count(&[], sampling(0.0, true)), 0);
        assert_eq!(count(&[], sampling(1.0, true)), 1000);
        // With a share of half, no such number comes in the lifetime of the universe.
        let half = count(&[], sampling(0.5, true));
        assert!((300..700).contains(&half), "{half}");

        let (yes, no) = (format!("00-{ID}-{SPAN}-01"), format!("00-{ID}-{SPAN}-00"));
        assert_eq!(count(&[&yes], sampling(0.0, true)), 1000);
        assert_eq!(count(&[&no], sampling(1.0, true)), 0);
        assert_eq!(count(&[&yes], sampling(0.0, false)), 0);
        assert_eq!(count(&[&no], sampling(1.0, false)), 1000);
    }
}
