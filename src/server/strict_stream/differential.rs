//! What a client may send, read as here and by a small reader straight from RFC 9112, which knows nothing
//! of hyper: where the two differ, the reason is in a table.

use std::sync::{Arc, Mutex};

use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::StrictStream;
use crate::{
    config::Limits,
    proxy::connection_state::{ConnectionState, LARGEST_BODY},
    system::damage::damage,
};

/// A request as a reader understands it: its method and its body.
type Read = (String, Vec<u8>);

/// A reason why the two differ where `applies` to what was sent.
struct Difference {
    reason: &'static str,
    applies: fn(wire: &str) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "characters of a target that must be percent-encoded are, because many clients send them",
        applies: |wire| {
            first_lines(wire).any(|line| {
                !line
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' ')
            })
        },
    },
    Difference {
        reason: "a target that no URL can have is refused",
        applies: |wire| first_lines(wire).any(|line| !line.contains(" /")),
    },
    Difference {
        reason: "a # is refused wherever it stands in a first line",
        applies: |wire| first_lines(wire).any(|line| line.contains('#')),
    },
    Difference {
        reason: "a connection goes on behind Connection options that are not ASCII",
        applies: |wire| {
            let mut lines = wire.lines();
            lines.any(|line| {
                line.to_ascii_lowercase().starts_with("connection:") && !line.is_ascii()
            })
        },
    },
];

/// What may be the first lines of requests.
fn first_lines(wire: &str) -> impl Iterator<Item = &str> {
    wire.split("\r\n").filter(|line| line.contains(" HTTP/1."))
}

#[tokio::test(start_paused = true)]
async fn a_strict_reader_finds_the_same_requests_wherever_they_are_cut() {
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let (mut unexplained, mut used) = (Vec::new(), vec![0; DIFFERENCES.len()]);
    let mut wires: Vec<Vec<u8>> = SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    for round in 0..ROUNDS {
        let mut wire = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        for _ in 0..=random.usize(..2) {
            damage(&mut wire, &mut random);
        }
        wires.push(wire);
    }
    for (number, wire) in wires.iter().enumerate() {
        let expected = strictly(wire);
        let cuts = if number < SEEDS.len() {
            (0..=wire.len()).collect()
        } else {
            vec![wire.len(), random.usize(..=wire.len())]
        };
        for cut in cuts {
            let ours = ours(wire, cut).await;
            if ours == expected {
                continue;
            }
            let text: String = wire.iter().map(|byte| char::from(*byte)).collect();
            let mut reasons = DIFFERENCES.iter();
            match reasons.position(|difference| (difference.applies)(&text)) {
                Some(reason) => used[reason] += 1,
                None => unexplained.push(format!("{text:?}: {ours:?}, and strictly {expected:?}")),
            }
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    for (difference, used) in DIFFERENCES.iter().zip(used) {
        assert!(used > 0, "does not happen: {}", difference.reason);
    }
}

/// The requests that come out whole here, if `wire` comes in two pieces.
async fn ours(wire: &[u8], cut: usize) -> Vec<Read> {
    let (near, mut far) = duplex(64 * 1024);
    let state = Arc::new(ConnectionState::default());
    let stream = StrictStream::new(near, state.clone(), &Limits::default(), None);
    let read = Mutex::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let has_fault = state.begin().is_some();
        let (head, body) = request.into_parts();
        let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
        // The guard refuses others.
        let is_plain = codings.next().is_none_or(|only| {
            only.as_bytes()
                .trim_ascii()
                .eq_ignore_ascii_case(b"chunked")
                && codings.next().is_none()
        });
        let response = Response::builder();
        let response = if has_fault || !is_plain {
            response.status(400).header(header::CONNECTION, "close")
        } else {
            if let Ok(body) = body.collect().await {
                let body = body.to_bytes().to_vec();
                read.lock().unwrap().push((head.method.to_string(), body));
            }
            response
        };
        state.end();
        response.body(String::new())
    });
    let served = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let client = async {
        let (first, second) = wire.split_at(cut);
        for piece in [first, second] {
            _ = far.write_all(piece).await;
            // Paused time goes on once the server has read all that there is.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        _ = far.shutdown().await;
        _ = far.read_to_end(&mut Vec::new()).await;
    };
    _ = tokio::join!(served, client);
    read.into_inner().unwrap()
}

/// The whole requests in `wire`, up to the first that is not written as RFC 9112 has it.
fn strictly(mut wire: &[u8]) -> Vec<Read> {
    let mut all = Vec::new();
    while let Some((request, closes, rest)) = request(wire) {
        all.push(request);
        wire = rest;
        if closes {
            break;
        }
    }
    all
}

/// The first request, whether it is the last of its connection, and what is behind it.
fn request(mut wire: &[u8]) -> Option<(Read, bool, &[u8])> {
    while let Some(rest) = wire.strip_prefix(b"\r\n") {
        wire = rest;
    }
    let (first, mut wire) = line(wire)?;
    let words: Vec<_> = first.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        return None;
    };
    let is_old = version == b"HTTP/1.0";
    if !is_token(method)
        || target.is_empty()
        || !target
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        || !is_old && version != b"HTTP/1.1"
    {
        return None;
    }
    let (mut length, mut is_chunked, mut options) = (None, false, Vec::new());
    loop {
        let (text, rest) = line(wire)?;
        wire = rest;
        if text.is_empty() {
            break;
        }
        let (name, value) = field(text)?;
        if name == "content-length" {
            let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
            if !is_number || length.is_some() || number > LARGEST_BODY {
                return None;
            }
            length = Some(number);
        } else if name == "transfer-encoding" {
            if is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            is_chunked = true;
        } else if name == "connection" {
            let members = value.split(|byte| *byte == b',');
            options.extend(members.map(|member| member.trim_ascii().to_ascii_lowercase()));
        }
    }
    if is_chunked && (length.is_some() || is_old) {
        return None;
    }
    let (body, wire) = if is_chunked {
        chunks(wire)?
    } else {
        let length = usize::try_from(length.unwrap_or(0)).ok()?;
        let (body, rest) = wire.split_at_checked(length)?;
        (body.to_vec(), rest)
    };
    let says = |option: &[u8]| options.iter().any(|it| it == option);
    let closes = says(b"close") || is_old && !says(b"keep-alive");
    let method = String::from_utf8_lossy(method).into_owned();
    Some(((method, body), closes, wire))
}

/// A body in chunks, with what is behind its trailers.
fn chunks(mut wire: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (text, rest) = line(wire)?;
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (digits, extensions) = text.split_at(digits.count());
        let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if !matches!(extensions, [] | [b';', ..]) || size > LARGEST_BODY {
            return None;
        }
        wire = rest;
        if size == 0 {
            break;
        }
        let (chunk, rest) = wire.split_at_checked(usize::try_from(size).ok()?)?;
        body.extend_from_slice(chunk);
        wire = rest.strip_prefix(b"\r\n")?;
    }
    loop {
        let (text, rest) = line(wire)?;
        wire = rest;
        if text.is_empty() {
            return Some((body, wire));
        }
        field(text)?;
    }
}

/// The first line without its end, and what follows. No line has a bare CR or LF.
fn line(wire: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = wire.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let rest = wire[end..].strip_prefix(b"\r\n")?;
    Some((&wire[..end], rest))
}

/// The name in lower case, and the value.
fn field(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_text = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
    if !is_token(name) || !value.iter().all(is_text) {
        return None;
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Some((name, value.trim_ascii()))
}

fn is_token(text: &[u8]) -> bool {
    let is_of_it = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_of_it)
}

const SEEDS: &[&str] = &[
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 23\r\n\r\nGET /c HTTP/1.1\r\nA: b\r\nPUT /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A;a=\"b\";c\r\n0123456789\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: Chunked \r\n\r\n5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n0\r\n\r\nGE\r\n0\r\n\r\nPUT /b HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "POST /a HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "POST /a HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\n\r\n",
    "POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "POST /a HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhelloGET /b HTTP/1.0\r\n\r\nGET /c HTTP/1.0\r\n\r\n",
    "GET /a HTTP/1.1\r\nConnection: x, close\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET ://a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "\nGET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GE# /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a HTTP/1.1\r\nConnection: \u{ff}, close\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a HTTP/1.1\r\nX: y\r\n z\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
];

const ROUNDS: usize = 3000;
