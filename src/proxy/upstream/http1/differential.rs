//! What an org may send, read here and by hyper's client, which is another reader of the same bytes:
//! where the two differ, the reason is in a table.

use bytes::BytesMut;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, duplex};

use super::{
    body::Rest,
    head::{Head, Lines},
};
use crate::{spelling::Received, system::damage::damage};

/// A response as a reader understands it: its status and body, and whether it is whole.
type Read = Option<(u16, Vec<u8>, bool)>;

/// A reason why the two differ where `applies` to what was sent and what the two made of it.
struct Difference {
    reason: &'static str,
    applies: fn(wire: &str, ours: &Read, hypers: &Read) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "nobody asked for a coding but chunked, so whoever takes one for it reads a body that \
                 has not been taken out of its coding (RFC 9112 section 6.1)",
        applies: |wire, ours, _| ours.is_none() && has_line(wire, "transfer-encoding:"),
    },
    Difference {
        reason: "from 2^63 on, who reads a length signed takes it for negative",
        applies: |wire, ours, _| ours.is_none() && wire.contains("9223372036854775808"),
    },
    Difference {
        reason: "a response begins with its status line; only servers are to overlook empty lines \
                 (RFC 9112 section 2.2)",
        applies: |wire, ours, _| ours.is_none() && wire.starts_with(['\r', '\n']),
    },
    Difference {
        reason: "an interim response is followed by its response, before which there is nothing",
        applies: |wire, ours, _| ours.is_none() && wire.contains("HTTP/1.1 10"),
    },
    Difference {
        reason: "a length that is none is refused even where no body can follow",
        applies: |wire, ours, _| ours.is_none() && (wire.contains(" 204") || wire.contains(" 304")),
    },
    Difference {
        reason: "a line of trailers may end in a line feed alone, as any line of fields (RFC 9112 \
                 section 2.2)",
        applies: |wire, _, hypers| {
            let is_broken = matches!(hypers, Some((.., false)));
            is_broken && has_line(wire, "transfer-encoding:")
        },
    },
];

/// Returns whether a line of `wire` begins so, in whatever case.
fn has_line(wire: &str, begin: &str) -> bool {
    let wire = wire.to_ascii_lowercase();
    wire.lines().any(|line| line.starts_with(begin))
}

#[tokio::test(start_paused = true)]
async fn hypers_client_reads_the_same_out_of_the_same_bytes_wherever_they_are_cut() {
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
        let whole = ours(wire, wire.len());
        for cut in 0..=wire.len() {
            assert_eq!(
                ours(wire, cut),
                whole,
                "{} cut at {cut}",
                wire.escape_ascii()
            );
        }
        // hyper takes a task and a pipe each time.
        let cuts = if number < SEEDS.len() {
            (0..=wire.len()).collect()
        } else {
            vec![wire.len(), random.usize(..=wire.len())]
        };
        for cut in cuts {
            let hypers = hypers(wire, cut).await;
            if agree(&hypers, &whole) {
                continue;
            }
            let text: String = wire.iter().map(|byte| char::from(*byte)).collect();
            let reason = DIFFERENCES
                .iter()
                .position(|difference| (difference.applies)(&text, &whole, &hypers));
            match reason {
                Some(reason) => used[reason] += 1,
                None => unexplained.push(format!("{text:?}: {whole:?}, and hyper {hypers:?}")),
            }
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    for (difference, used) in DIFFERENCES.iter().zip(used) {
        assert!(used > 0, "does not happen: {}", difference.reason);
    }
}

/// What we read, if `wire` comes in two pieces.
fn ours(wire: &[u8], cut: usize) -> Read {
    let (first, second) = wire.split_at(cut);
    let mut input = BytesMut::new();
    let (mut lines, mut sent) = (Lines::default(), Received::default());
    let (mut head, mut body): (Option<(u16, Rest)>, _) = (None, Vec::new());
    for piece in [first, second] {
        input.extend_from_slice(piece);
        if head.is_none() && !input.is_empty() {
            match Head::take(&mut input, &mut lines, &mut sent) {
                Ok(Some(taken)) => {
                    let rest = taken.rest(&Method::GET).ok()?;
                    head = Some((taken.response.status().as_u16(), rest));
                }
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        let Some((status, rest)) = &mut head else {
            continue;
        };
        loop {
            match rest.take(&mut input) {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) => return Some((*status, body, false)),
            }
        }
    }
    let (status, rest) = head?;
    let is_whole = rest.is_nothing() || rest == Rest::UntilClose;
    Some((status, body, is_whole))
}

/// Returns whether two readers agree. Of what breaks off, one may take more than the other.
fn agree(one: &Read, other: &Read) -> bool {
    match (one, other) {
        (Some((status, body, false)), Some((others, more, false))) => {
            status == others && (body.starts_with(more) || more.starts_with(body))
        }
        _ => one == other,
    }
}

/// What hyper reads.
async fn hypers(wire: &[u8], cut: usize) -> Read {
    let (near, mut far) = duplex(64 * 1024);
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    let driven = tokio::spawn(connection);
    let request = Request::get("/").body(Empty::<bytes::Bytes>::new());
    let asked = sender.send_request(request.unwrap());
    let (first, second) = wire.split_at(cut);
    let sent = async {
        // Paused time goes on once hyper has nothing more to do.
        for piece in [first, second] {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            _ = far.write_all(piece).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        far.shutdown().await.unwrap();
        far
    };
    let heard = async {
        let mut response = asked.await.ok()?;
        let (mut body, mut is_whole) = (Vec::new(), true);
        while let Some(frame) = response.frame().await {
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(data)) => body.extend_from_slice(&data),
                Ok(Err(_trailers)) => {}
                Err(_) => {
                    is_whole = false;
                    break;
                }
            }
        }
        Some((response.status().as_u16(), body, is_whole))
    };
    let (_far, heard) = tokio::join!(sent, heard);
    driven.abort();
    heard
}

const SEEDS: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;a=\"b\"\r\n0123456789\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhello",
    "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 299 As they say\r\nX:y\r\nZ: \r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200\nContent-Length: 5\n\nhello",
];

const ROUNDS: usize = 3000;
